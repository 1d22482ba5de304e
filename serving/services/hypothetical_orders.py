"""Orders that a customer might place, as the lines that features are computed from."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec

from segmentation.features.one_customer import OrderLine
from segmentation.features.windows import Window
from serving.api.bodies import shortened
from serving.api.contract import Order, Transaction
from serving.api.problems import ProblemError
from serving.services.transaction_scoring import LineScorer, in_utc, shop_moment


def day_after(orders: Sequence[Order], scorer: LineScorer) -> date:
    """The first day before which all orders lie, tomorrow at the earliest.

    Args:
        orders: The orders.
        scorer: Knows the shop's calendar.

    Raises:
        ProblemError: One lies on the last day that there is, or at no time at all (400).
    """
    moments = (_moment(order, number, scorer) for number, order in enumerate(orders))
    last = max((scorer.day_of(moment) for moment in moments if moment), default=date.min)
    if last == date.max:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"Nobody can look back on {last}.")
    return max(scorer.tomorrow(), last + timedelta(days=1))


def lines_of(orders: Sequence[Order], window: Window, scorer: LineScorer) -> Sequence[OrderLine]:
    """The lines of orders.

    Args:
        orders: The orders; one that says no time is half a day before the window ends.
        window: What counts when the customer is looked at again.
        scorer: Checks them.

    Raises:
        ProblemError: An order lies at or after its end, so that it would not count, or at no time at all; or the lake
            would refuse an item (400).
    """
    lines: list[Transaction] = []
    places: list[str] = []
    moments: list[datetime] = []
    for number, order in enumerate(orders):
        moment = _moment_before(window, order, number, scorer)
        shared: dict[str, Any] = {"order_id": f"what-if {number}", "country": order.country, "channel": order.channel}
        for place, item in enumerate(order.items):
            given = Transaction(**msgspec.structs.asdict(item), **shared, customer_id="what-if", ordered_at=PLAUSIBLE)
            lines.append(given)
            places.append(f"orders[{number}].items[{place}]")
            moments.append(moment)
    checked = scorer.checked(lines, places)
    return [{**line, "ordered_at": moment} for line, moment in zip(checked, moments, strict=True)]


PLAUSIBLE = "2020-01-01"
"""Hypothetical orders may lie in the future, and have nothing else that is wrong with their time by now."""


def _moment_before(window: Window, order: Order, number: int, scorer: LineScorer) -> datetime:
    moment = _moment(order, number, scorer) or window.ends_at - timedelta(hours=12)
    if moment >= window.ends_at:
        day = window.as_of
        detail = f"orders[{number}] lies at or after {day}, so it would not count; leave out `as_of`, or move it."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
    return moment


def _moment(order: Order, number: int, scorer: LineScorer) -> datetime | None:
    if order.ordered_at is None:
        return None
    try:
        return in_utc(datetime.fromisoformat(shop_moment(order.ordered_at, scorer.zone())))
    except ValueError as error:
        detail = (
            f"orders[{number}] is refused by unparsable_date (ordered_at): {shortened(order.ordered_at)!r} is no time "
            "in ISO 8601."
        )
        raise ProblemError(HTTPStatus.BAD_REQUEST, "refused-transaction", detail) from error
