"""Lines that come back: who returns what, when, and for how much."""

import numpy as np
from numpy.typing import NDArray

from segmentation.synthetic.assortment import CATEGORIES
from segmentation.synthetic.customers import Customers
from segmentation.synthetic.product_range import ProductRange
from segmentation.synthetic.purchases import Lines, Orders
from segmentation.synthetic.seasons import SECONDS_A_DAY, Calendar, time_of_day
from segmentation.synthetic.streams import Streams

_WHOLE_LINE = 0.75
_DELAY_SHAPE, _DELAY_SCALE_DAYS = 2.0, 6.0


def draw_returns(
    streams: Streams,
    customers: Customers,
    orders: Orders,
    lines: Lines,
    product_range: ProductRange,
    calendar: Calendar,
) -> Lines:
    """Draw the returns of purchase lines that happen before the window ends.

    What comes back from one order comes back together, on a later day. A line is returned at most once, never
    more than was bought, and refunded at the price paid for a unit, rounded down to the cent.
    """
    customer = orders.customer[lines.order]
    factor = np.array([entry.return_factor for entry in CATEGORIES])[product_range.category[lines.product]]
    comes_back = streams.of("return").random(lines.order.size) < customers.return_share[customer] * factor
    part = streams.of("return part").random((lines.order.size, 2))
    second = _return_seconds(streams, customers, orders)[lines.order]
    chosen = np.flatnonzero(comes_back & (second < calendar.end_second))
    bought = lines.quantity[chosen]
    some = 1 + (part[chosen, 1] * bought).astype(np.int64)
    paid_cents = bought * lines.price_cents[chosen] - lines.discount_cents[chosen]
    return Lines(
        order=lines.order[chosen],
        number=lines.number[chosen],
        product=lines.product[chosen],
        quantity=-np.where(part[chosen, 0] < _WHOLE_LINE, bought, some),
        price_cents=paid_cents // bought,
        discount_cents=np.zeros_like(chosen),
        second=second[chosen],
    )


def _return_seconds(streams: Streams, customers: Customers, orders: Orders) -> NDArray[np.int64]:
    """Draw when the returns of each order happen, in seconds since 1970-01-01."""
    delay = 1 + streams.of("return delay").gamma(_DELAY_SHAPE, _DELAY_SCALE_DAYS, orders.second.size)
    day = orders.second // SECONDS_A_DAY + delay.astype(np.int64)
    hour = streams.of("return hour").random(orders.second.size)
    return day * SECONDS_A_DAY + time_of_day(customers.archetype[orders.customer], hour)
