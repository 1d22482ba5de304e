"""Next steps: what a customer may plausibly do next, played on their own order lines."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from segmentation.explanations.wording import money
from segmentation.features.one_customer import OrderLine
from segmentation.shop_calendar import UNIVERSAL, local_time, moment_of

DAY = timedelta(days=1)

StepKind = Literal["buying", "waiting", "returning"]

BUYING_DAYS = (30, 90)
"""Within so many days of now a customer is thought to buy; the longer time, where nothing is within reach in less."""

RHYTHM_DAYS = 90
"""Orders of so many days say how often a customer buys."""

MOST_ORDERS_A_DAY = 1
"""More is nobody's rhythm: it is capped."""

WAITING = {days: f"No order for {days} days" for days in (30, 60, 90, 180)}

COUNTS = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight", 9: "Nine"}
TIMES = {2: "twice", 3: "three times"}


@dataclass(frozen=True)
class Step:
    """One thing that may happen.

    Attributes:
        kind: In which direction it goes.
        text: What happens, in words.
        as_of: When it is over, and the customer is looked at again.
        lines: All the customer's lines by then.
        asks: How much of it: orders and how many times the usual size, or days; to compare with steps of its kind.
    """

    kind: StepKind
    text: str
    as_of: date
    lines: tuple[OrderLine, ...]
    asks: tuple[int, ...] = ()

    def exceeds(self, other: "Step") -> bool:
        """Whether it is more of the same: as many orders of the same size at least, and not the very same step."""
        return (
            self.kind == other.kind
            and self.asks != other.asks
            and all(more >= less for more, less in zip(self.asks, other.asks, strict=True))
        )


def next_steps(
    lines: Sequence[OrderLine], as_of: date, zone: str = UNIVERSAL, days: int = BUYING_DAYS[0]
) -> list[Step]:
    """What may happen from a date on: buying as usual or more within some days, not buying, returning the last order.

    The usual order is the customer's own one of median value, with its products, on later days; the usual number is
    `rhythm`.

    Args:
        lines: The customer's lines before `as_of`, with `ordered_at` as naive datetimes (UTC); one purchase at least.
        as_of: From when on.
        zone: The shop's time zone.
        days: Within how many days they buy; there is a step of not buying for as long.

    Returns:
        Of each kind, the one that takes least comes first.
    """
    orders = sorted(_orders(lines), key=lambda order: (_value(order), _placed(order), order[0]["order_id"]))
    usual = orders[(len(orders) - 1) // 2]
    last = max(orders, key=lambda order: (_placed(order), order[0]["order_id"]))
    moments = [_placed(order) for order in orders]
    often = rhythm(moments, moment_of(datetime.combine(as_of, time()), zone), days)
    steps = [_buying(lines, usual, as_of, asks, days, zone) for asks in buying_asks(often)]
    steps += [Step("waiting", text, as_of + timedelta(days=n), tuple(lines), (n,)) for n, text in WAITING.items()]
    if _value(last) > 0:
        text = f"Returning the last order, worth {money(_value(last))}"
        back = _moved(last, as_of, "return", -1, zone)
        steps.append(Step("returning", text, as_of + timedelta(days=1), (*lines, *back)))
    return steps


def rhythm(moments: Sequence[datetime], now: datetime, days: int) -> int:
    """How many orders are usual for a customer in some days, by the last `RHYTHM_DAYS`; at least one.

    Args:
        moments: When they ordered (UTC).
        now: The moment from which to look back.
        days: How many days.
    """
    known = min(float(RHYTHM_DAYS), max((now - min(moments)) / DAY, float(BUYING_DAYS[0])))
    recent = sum((now - moment) / DAY <= RHYTHM_DAYS for moment in moments)
    return min(max(round(days * recent / known), 1), MOST_ORDERS_A_DAY * days)


def buying_asks(usual: int) -> tuple[tuple[int, int], ...]:
    """How many orders, and how many times the usual size; from what asks least of who places so many usually."""
    more, twice, thrice = (2, 3, 5) if usual == 1 else (math.ceil(1.5 * usual), 2 * usual, 3 * usual)
    return ((usual, 1), (usual, 2), (more, 1), (usual, 3), (twice, 1), (thrice, 1))


def _buying(
    lines: Sequence[OrderLine], usual: list[OrderLine], as_of: date, asks: tuple[int, int], days: int, zone: str
) -> Step:
    count, size = asks
    moments = [round(days * number / (count + 1)) for number in range(1, count + 1)]
    bought = [
        line
        for n, day in enumerate(moments)
        for line in _moved(usual, as_of + timedelta(days=day), f"next {n}", size, zone)
    ]
    worth = money(size * _value(usual))
    if count > 1:
        larger = f", {TIMES[size]} the usual size" if size > 1 else ""
        text = f"{COUNTS.get(count, count)} more orders of {worth} each within {days} days{larger}"
    elif size > 1:
        text = f"An order of {worth} within {days} days, {TIMES[size]} the usual"
    else:
        text = f"One more order of {worth} within {days} days"
    return Step("buying", text, as_of + timedelta(days=days), (*lines, *bought), asks)


def _moved(order: list[OrderLine], day: date, order_id: str, size: int, zone: str) -> Iterator[OrderLine]:
    """An order again on another day, at the same time of day, so many times as large."""
    hour = local_time(_placed(order), zone).time() if size > 0 else time()
    moment = moment_of(datetime.combine(day, hour), zone)
    for line in order:
        yield {
            **line,
            "order_id": f"{order[0]['order_id']} {order_id}",
            "ordered_at": moment,
            "quantity": size * line["quantity"],
            "amount": size * line["amount"],
            "discount": max(size, 0) * (line.get("discount") or 0.0),
        }


def _orders(lines: Sequence[OrderLine]) -> list[list[OrderLine]]:
    orders: dict[str, list[OrderLine]] = {}
    for line in lines:
        if line["quantity"] > 0:
            orders.setdefault(line["order_id"], []).append(line)
    return list(orders.values())


def _value(order: list[OrderLine]) -> float:
    return float(sum(line["amount"] for line in order))


def _placed(order: list[OrderLine]) -> datetime:
    placed: datetime = min(line["ordered_at"] for line in order)
    return placed
