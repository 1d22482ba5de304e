"""A promotion: for some months the shop gives more discounts than before, which customers answer by taking them."""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from segmentation.synthetic.seasons import SECONDS_A_DAY


@dataclass(frozen=True)
class Promotion:
    """A stretch of days with more discounted lines. Nothing else changes: the same orders, the same products.

    Attributes:
        start: First day.
        end: Day after the last one.
        discount_factor: How many times as many lines are discounted as otherwise.
    """

    start: date
    end: date
    discount_factor: float = 2.0

    def lift(self, second: NDArray[np.int64]) -> NDArray[np.float64]:
        """The factor of the discounted share at each moment, in seconds since 1970-01-01."""
        first, last = (_day(day) * SECONDS_A_DAY for day in (self.start, self.end))
        return np.where((second >= first) & (second < last), self.discount_factor, 1.0)


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
