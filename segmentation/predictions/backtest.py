"""How predictions turned out: coverage, totals, and whether chances came true, in numbers that people are shown."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from segmentation.modeling.artefact import Floats

BINS = 10


@dataclass(frozen=True)
class Outturn:
    """Predictions for 90 days of n customers, and what came.

    Attributes:
        as_of: Their date.
        none: Length n; probability of no order.
        expected_orders: Length n.
        expected_revenue: Length n.
        orders: Length n; what came.
        revenue: Length n; what came.
        orders_held: Length n; whether orders were within their interval.
        revenue_held: Length n; whether revenue was.
    """

    as_of: date
    none: Floats
    expected_orders: Floats
    expected_revenue: Floats
    orders: Floats
    revenue: Floats
    orders_held: Floats
    revenue_held: Floats

    def measures(self) -> dict[str, float]:
        """By name: shares of intervals that held, and totals expected over totals that came."""
        return {
            "customers": float(len(self.none)),
            "orders": float(self.orders.sum()),
            "orders_coverage": float(self.orders_held.mean()),
            "revenue_coverage": float(self.revenue_held.mean()),
            "orders_ratio": _ratio(self.expected_orders, self.orders),
            "revenue_ratio": _ratio(self.expected_revenue, self.revenue),
            "returning_ratio": _ratio(1.0 - self.none, (self.orders > 0).astype(np.float64)),
        }


@dataclass(frozen=True)
class Bin:
    """Customers with a like expectation.

    Attributes:
        expected: The mean of what was expected.
        came: The mean of what came.
        customers: How many.
    """

    expected: float
    came: float
    customers: int


def bins_of(expected: Floats, came: Floats, count: int = BINS) -> list[Bin]:
    """Customers in bins of equal size by what was expected, the least first."""
    order = np.argsort(expected, kind="stable")
    parts = [part for part in np.array_split(order, count) if len(part)]
    return [Bin(float(expected[part].mean()), float(came[part].mean()), len(part)) for part in parts]


def _ratio(expected: Floats, came: Floats) -> float:
    """Expected over came, as a total; 1 where there was none of either."""
    total, there = float(expected.sum()), float(came.sum())
    if there <= 0:
        return 1.0 if total < 1.0 else float("inf")
    return total / there
