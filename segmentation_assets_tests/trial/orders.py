"""A made-up shop's order lines, as plain data: what sources deliver, and what the lake must make of it."""

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

COLUMNS = ("line_id", "order_id", "customer_id", "product_id", "category", "quantity", "unit_price", "ordered_at")
FIRST_DAY = datetime(2025, 3, 1)
HISTORY_DAYS = 40
CUSTOMERS = 40


@dataclass(frozen=True)
class Line:
    """An order line, as a source has it. Prices are multiples of a half, so that sums are exact."""

    line_id: str
    order_id: str
    customer_id: str
    product_id: str
    category: str
    quantity: int
    unit_price: float
    ordered_at: datetime

    @property
    def reason(self) -> str | None:
        """Why the platform must refuse it; None if it must take it."""
        if not self.customer_id:
            return "missing_customer"
        return "zero_quantity" if self.quantity == 0 else None

    def as_row(self) -> dict[str, Any]:
        """As a message or a push has it."""
        return {name: getattr(self, name) for name in COLUMNS[:-1]} | {"ordered_at": self.ordered_at.isoformat() + "Z"}

    def content(self) -> tuple[object, ...]:
        """What the lake must hold of it, in the order of `lake_state.CONTENT`."""
        return (
            *(self.line_id, self.order_id, self.customer_id, self.product_id, self.category),
            *(float(self.quantity), float(self.unit_price), float(self.quantity * self.unit_price), self.ordered_at),
        )


class Customers:
    """Makes orders up, the same for the same generator."""

    def __init__(self, rng: random.Random, prefix: str) -> None:
        self._rng, self._prefix, self._count, self._order = rng, prefix, 0, 0

    def order(self, first: datetime, days: int, bad_share: float = 0.0) -> list[Line]:
        """The lines of one order within some days."""
        rng = self._rng
        self._order += 1
        customer = f"C{min(int(rng.expovariate(0.08)), CUSTOMERS - 1):02}"
        at = first + timedelta(minutes=rng.randrange(days * 1440))
        return [self._line(customer, at, rng.random() < bad_share) for _ in range(rng.randint(1, 3))]

    def orders(self, count: int, first: datetime, days: int, bad_share: float = 0.0) -> list[Line]:
        """The lines of several orders."""
        return [line for _ in range(count) for line in self.order(first, days, bad_share)]

    def corrected(self, line: Line) -> Line:
        """The same line with another quantity."""
        return replace(line, quantity=line.quantity + self._rng.randint(1, 9))

    def _line(self, customer: str, at: datetime, is_bad: bool) -> Line:
        rng = self._rng
        self._count += 1
        quantity = -1 if rng.random() < 0.05 else rng.randint(1, 4)
        line = Line(
            f"{self._prefix}-{self._count}",
            f"{self._prefix}-o{self._order}",
            customer,
            f"p{rng.randint(1, 12)}",
            f"k{rng.randint(1, 4)}",
            quantity,
            rng.randint(2, 80) / 2,
            at,
        )
        if not is_bad:
            return line
        return replace(line, quantity=0) if rng.random() < 0.5 else replace(line, customer_id="")


def history() -> list[Line]:
    """What the shop sold before the trial; the same for all seeds."""
    rng = random.Random("history")
    made = Customers(rng, "history")
    return [line for day in range(HISTORY_DAYS) for line in made.orders(8, FIRST_DAY + timedelta(days=day), 1)]


def as_csv(lines: Sequence[Line]) -> bytes:
    """A file of lines."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([*(getattr(line, name) for name in COLUMNS[:-1]), f"{line.ordered_at:%Y-%m-%d %H:%M:%S}"])
    return text.getvalue().encode()
