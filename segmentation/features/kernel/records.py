"""What the kernel works on: records with named fields, lines by column, and memory that customers use in turn.

A record is a row of a structured NumPy array where the kernel is compiled, and an object with the same attributes where
it is interpreted; a column is an array or a list.
"""

from typing import Any, NamedTuple

import numpy as np

from segmentation.metadata.features import FEATURES

MISSING = -1
"""The code of a name that is not known. Codes count names from 0 in alphabetical order (of their bytes)."""

UNSET = -(2**40)
"""What a field of a row holds that nobody has written."""

FIELD_TYPES = {"DOUBLE": "f8", "BIGINT": "i8", "VARCHAR": "i8", "BOOLEAN": "i8"}

COMPUTED = tuple(feature for feature in FEATURES if not feature.compares_customers)
"""The features that a customer's own lines tell."""


NAME_COLUMNS = {"top_category": "category", "home_country": "country"}
"""Which column's names a feature of names shows."""


def record(**fields: str) -> np.dtype[np.void]:
    """A record type of fields with NumPy types."""
    return np.dtype(list(fields.items()), align=True)


ORDER = record(
    ordered_at="i8",
    last_line_at="i8",
    revenue="i8",
    discount="i8",
    units="i8",
    country="i4",
    channel="i4",
    month="i4",  # year * 12 + month - 1, by the shop's clocks, as the next two
    weekday="i4",  # ISO
    hour="i4",
    line_count="i4",
    first_basket="i4",  # the products in it are `baskets[first_basket:last_basket]`
    last_basket="i4",
)
"""One order: its purchase lines. It happens at the earliest of them."""

RETURN = record(ordered_at="i8", last_line_at="i8", returned_revenue="i8", has_goods="i4")
"""One return: the return lines of a document, and its refunds of money alone."""

BASKET = record(product="i4", category="i4", revenue="i8")
"""One product in one order."""

GROUP = record(key="i8", spend="i8", count="i8")
"""What a tally knows of one key."""

WINDOW = record(start="i8", as_of="i8", home_market="i8")
"""The lines of a snapshot: those from `start` on, before `as_of`; and the code of the shop's home market."""

ROW = record(is_customer="i8", **{feature.name: FIELD_TYPES[feature.type] for feature in COMPUTED})
"""The features of a customer: NaN for a missing number, `MISSING` for a missing name or answer."""


class Lines(NamedTuple):
    """Order lines by column, customer by customer, those of one in order of time.

    Attributes:
        order: Numbers a customer's `order_id`s from 0; which has which number doesn't matter, nor for products.
        product: Numbers a customer's `product_id`s from 0.
        category: Code, or `MISSING`; `country` and `channel` as well.
        country: Code.
        channel: Code.
        ordered_at: Microseconds since 1970 (UTC).
        quantity: Millionths; negative for a return, 0 for a refund of money alone.
        amount: Millionths.
        discount: Millionths.
    """

    order: Any
    product: Any
    category: Any
    country: Any
    channel: Any
    ordered_at: Any
    quantity: Any
    amount: Any
    discount: Any


class Clock(NamedTuple):
    """By how many microseconds the shop's clocks are ahead of UTC, from each change on.

    Attributes:
        changes: The moments (microseconds since 1970, UTC) in order; the first offset holds before it, too.
        offsets: The microseconds.
    """

    changes: Any
    offsets: Any


class Tally(NamedTuple):
    """Spend and number by key; groups stand in the order in which their keys came.

    Attributes:
        place: By key, the place of its group, or `MISSING`.
        groups: Of `GROUP`.
        size: One element: how many groups there are.
    """

    place: Any
    groups: Any
    size: Any


class Work(NamedTuple):
    """Memory that one customer after the other uses, for as many lines as any of them has.

    Attributes:
        orders: Of `ORDER`, by time.
        returns: Of `RETURN`, by time.
        baskets: Of `BASKET`, order by order.
        order_of: By a line's `order`, the place in `orders`, or `MISSING`.
        return_of: The same for `returns`.
        arranged: Positions of purchase lines, order by order.
        latest_basket: By product, the place of its latest basket.
    """

    orders: Any
    returns: Any
    baskets: Any
    order_of: Any
    return_of: Any
    arranged: Any
    latest_basket: Any
    products: Tally
    categories: Tally
    countries: Tally
    channels: Tally
    months: Tally
    seasons: Tally
    weekdays: Tally
    hours: Tally
