"""Orders and their purchase lines, as arrays, for the customers of one chunk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segmentation.synthetic.archetypes import CHANNELS
from segmentation.synthetic.customers import COUNTRIES, Customers, draw_index, trait
from segmentation.synthetic.product_range import SHELF_PLACES, ProductRange
from segmentation.synthetic.seasons import Calendar
from segmentation.synthetic.streams import Streams
from segmentation.synthetic.variation import Promotion

MOST_ORDERS = 99_999
MOST_LINES = 99
_FAITHFUL_TO_CHANNEL = 0.8
_SENT_ABROAD = 0.02
_FAVOURITES_SKEW = 1.6
_ORDINARY_PRICE_CENTS = 2500.0
_DEARNESS_THRIFT = 0.3


@dataclass(frozen=True)
class Orders:
    """One entry per order, by customer and then by time.

    Attributes:
        customer: Index into the chunk's customers.
        number: Running number within the customer, from 1.
        second: When it was placed, in seconds since 1970-01-01.
        country: Index into `COUNTRIES`.
        channel: Index into `CHANNELS`.
    """

    customer: NDArray[np.int64]
    number: NDArray[np.int64]
    second: NDArray[np.int64]
    country: NDArray[np.int64]
    channel: NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """One entry per line, by order; a return is a line with a negative quantity.

    Attributes:
        order: Index into `Orders`.
        number: Running number within the order, from 1.
        product: Index into the product range.
        quantity: Units.
        price_cents: Price of a unit.
        discount_cents: What is taken off the line.
        second: When it happened, in seconds since 1970-01-01.
    """

    order: NDArray[np.int64]
    number: NDArray[np.int64]
    product: NDArray[np.int64]
    quantity: NDArray[np.int64]
    price_cents: NDArray[np.int64]
    discount_cents: NDArray[np.int64]
    second: NDArray[np.int64]


def running_number(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the entries of every owner from 1; equal owners stand together."""
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.arange(owner.size) - np.repeat(first, np.diff(first, append=owner.size)) + 1


def draw_orders(streams: Streams, customers: Customers, calendar: Calendar) -> Orders:
    """Draw every customer's orders: a Poisson process over their active time, of one order at least."""
    joined, left = customers.activity.T
    expected = customers.orders_per_year * (left - joined)
    count = streams.of("orders").poisson(expected).clip(1, MOST_ORDERS)
    customer = np.repeat(np.arange(count.size), count)
    activity = joined[customer] + (left - joined)[customer] * streams.of("order time").random(customer.size)
    activity = activity[np.lexsort((activity, customer))]
    abroad = streams.of("sent abroad").random((customer.size, 2))
    return Orders(
        customer=customer,
        number=running_number(customer),
        second=calendar.moments(customers.archetype[customer], activity),
        country=np.where(
            abroad[:, 0] < _SENT_ABROAD,
            (abroad[:, 1] * len(COUNTRIES)).astype(np.int64),
            customers.country[customer],
        ),
        channel=_channels(streams, customers.channel[customer]),
    )


def _channels(streams: Streams, preferred: NDArray[np.int64]) -> NDArray[np.int64]:
    u = streams.of("order channel").random((preferred.size, 2))
    other = draw_index(CHANNELS.values(), u[:, 1])
    return np.where(u[:, 0] < _FAITHFUL_TO_CHANNEL, preferred, other)


def draw_lines(
    streams: Streams,
    customers: Customers,
    orders: Orders,
    product_range: ProductRange,
    promotion: Promotion | None = None,
) -> Lines:
    """Draw the lines of every order; an order names a product once."""
    more = streams.of("lines").poisson(customers.lines_per_order[orders.customer] - 1)
    order = np.repeat(np.arange(more.size), (1 + more).clip(max=MOST_LINES))
    product = _products(streams, customers, orders.customer[order], product_range)
    products = product_range.category.size
    order, product = np.divmod(np.unique(order * products + product), products)
    customer = orders.customer[order]
    archetype = customers.archetype[customer]
    list_price = product_range.price_cents[product]
    price = np.rint(list_price * trait(lambda kind: kind.price_factor)[archetype]).astype(np.int64)
    quantity = _quantities(streams, archetype, list_price)
    discount_share = customers.discount_share[customer]
    if promotion:
        discount_share = discount_share * promotion.lift(orders.second[order])
    return Lines(
        order=order,
        number=running_number(order),
        product=product,
        quantity=quantity,
        price_cents=price,
        discount_cents=_discounts(streams, archetype, discount_share, quantity * price),
        second=orders.second[order],
    )


def _products(
    streams: Streams, customers: Customers, customer: NDArray[np.int64], product_range: ProductRange
) -> NDArray[np.int64]:
    """Choose a product per line: the customer's usual one, or one of two popular ones by price."""

    def uniform(purpose: str) -> NDArray[np.float64]:
        return streams.of(purpose).random(customer.size)

    archetype = customers.archetype[customer]
    rank = (customers.breadth[customer] * uniform("category rank") ** _FAVOURITES_SKEW).astype(np.int64)
    category = customers.categories[customer, rank]
    usual_place = streams.of("usual product").random(customers.categories.shape)[customer, rank]
    one, other, usual = (
        product_range.shelves[category, (place * SHELF_PLACES).astype(np.int64)]
        for place in (uniform("product"), uniform("alternative"), usual_place)
    )
    taste = trait(lambda kind: kind.premium_taste)[archetype]
    is_dearer = product_range.price_cents[other] > product_range.price_cents[one]
    swaps = (is_dearer == (taste > 0)) & (uniform("taste") < np.abs(taste))
    repeats = uniform("habit") < trait(lambda kind: kind.repeat_share)[archetype]
    return np.where(repeats, usual, np.where(swaps, other, one))


def _quantities(streams: Streams, archetype: NDArray[np.int64], price_cents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw lognormal units, fewer of what is dear."""
    thrift = ((_ORDINARY_PRICE_CENTS / price_cents) ** _DEARNESS_THRIFT).clip(0.3, 2.0)
    noise = streams.of("quantity").standard_normal(archetype.size)
    spread = trait(lambda kind: kind.quantity_spread)[archetype]
    units: NDArray[np.float64] = trait(lambda kind: kind.quantity)[archetype] * thrift * np.exp(spread * noise)
    return units.round().clip(1).astype(np.int64)


def _discounts(
    streams: Streams, archetype: NDArray[np.int64], share: NDArray[np.float64], gross_cents: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Draw what is taken off, in steps of five percent, up to about twice the archetype's mean depth."""
    mean_depth = trait(lambda kind: kind.discount_depth)[archetype]
    depth = 2 * mean_depth * streams.of("discount depth").random(archetype.size)
    is_discounted = streams.of("discount").random(archetype.size) < share
    steps = np.where(is_discounted, np.ceil(depth * 20), 0).astype(np.int64)
    return (gross_cents * steps + 10) // 20
