"""How a shop may differ from the one that the archetypes describe: for demonstrations, where a story is told."""

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


@dataclass(frozen=True)
class Variation:
    """A shop's differences; without arguments there are none.

    Attributes:
        promotion: Months with more discounts; none if None.
        seasonality: How strong the seasons of the year are: 1 as the archetypes say, 0 for none.
        arrivals_from: Customers of every archetype begin to arrive at this fraction of the window, or earlier; the
            archetype `new` would else come all at once at the end.
        dirty_share: Lines that nobody would accept, as a share of those of the shop, which come besides.

    Raises:
        ValueError: If the share of dirty lines isn't one.
    """

    promotion: Promotion | None = None
    seasonality: float = 1.0
    arrivals_from: float = 1.0
    dirty_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dirty_share <= 1:
            raise ValueError(f"dirty_share is {self.dirty_share}; choose 0 to 1.")


AS_DESCRIBED = Variation()


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days
