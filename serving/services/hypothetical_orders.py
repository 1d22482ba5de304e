"""Orders that a customer might place, as the lines that features are computed from."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from http import HTTPStatus

import msgspec

from segmentation.features.one_customer import OrderLine
from serving.api.contract import Order
from serving.api.problems import ProblemError
from serving.services.transaction_scoring import in_utc


def day_after(orders: Sequence[Order], tomorrow: date) -> date:
    """The first day before which all orders lie, tomorrow at the earliest.

    Raises:
        ProblemError: One lies on the last day that there is (400).
    """
    last = max((in_utc(order.ordered_at).date() for order in orders if order.ordered_at), default=date.min)
    if last == date.max:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"Nobody can look back on {last}.")
    return max(tomorrow, last + timedelta(days=1))


def lines_of(order: Order, number: int, as_of: date) -> Sequence[OrderLine]:
    """The lines of an order.

    Args:
        order: The order; at noon of the day before `as_of` if it says no time.
        number: Its place in the request.
        as_of: When the customer is looked at again.

    Raises:
        ProblemError: The order lies at or after that day, so that it would not count (400).
    """
    if order.ordered_at is None:
        ordered_at = datetime.combine(as_of, time()) - timedelta(hours=12)
    else:
        ordered_at = in_utc(order.ordered_at)
    if ordered_at >= datetime.combine(as_of, time()):
        detail = f"orders[{number}] lies at or after {as_of}, so it would not count; leave out `as_of`, or move it."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
    shared = {
        "order_id": f"what-if {number}",
        "ordered_at": ordered_at,
        "country": order.country,
        "channel": order.channel,
    }
    return [{**msgspec.structs.asdict(item), **shared} for item in order.items]
