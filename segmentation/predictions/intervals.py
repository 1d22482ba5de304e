"""Intervals of counts and of money: of a chance of nothing at all, and of what there is otherwise.

What there is otherwise is the expectation times a ratio whose quantiles were observed, by size of the expectation. How
wide an interval is, is decided by one nominal level, chosen so that intervals held for 90 % of customers at past dates
(split conformal prediction, Vovk et al. 2005). As counts are whole, customers who will most likely not order at all get
[0, 0]; it is over all customers that 90 % hold.
"""

import msgspec
import numpy as np

from segmentation.modeling.artefact import Floats

QUANTILES = tuple(index / 50 for index in range(1, 50))
"""At which ratios are kept; evenly spaced."""


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far outcomes lie around expectations.

    Attributes:
        sizes: Length g, ascending; logarithms of the expectation, given that there is an order, of the groups.
        ratios: Shape (g, number of `QUANTILES`): outcome over expectation.
        level: Nominal level of the intervals.
    """

    sizes: tuple[float, ...]
    ratios: tuple[tuple[float, ...], ...]
    level: float


def interval(
    spread: Spread, none: Floats, mean: Floats, *, is_count: bool, level: float | None = None
) -> tuple[Floats, Floats]:
    """Lower and upper bounds.

    Args:
        spread: What was observed.
        none: Length n; probability of nothing.
        mean: Length n; expectation given that there is something.
        is_count: Whether the outcome is a whole number, at least 1 where there is something.
        level: Nominal level instead of the spread's.

    Returns:
        Two arrays of length n. Where nothing is likelier than half of what may be missed, the lower bound is 0.
    """
    missed = 1.0 - (spread.level if level is None else level)
    from_nothing = none > missed / 2
    lower = np.where(from_nothing, 0.0, missed / 2)
    upper = np.where(from_nothing, 1.0 - missed, 1.0 - missed / 2)
    low, high = (_quantile(spread, none, mean, share, is_count) for share in (lower, upper))
    return low, high


def _quantile(spread: Spread, none: Floats, mean: Floats, share: Floats, is_count: bool) -> Floats:
    """The outcome that is not exceeded with a probability of `share`."""
    given_some = np.clip((share - none) / np.maximum(1.0 - none, 1e-12), QUANTILES[0], QUANTILES[-1])
    found = mean * _ratios(spread, np.log(np.maximum(mean, 1e-12)), given_some)
    if is_count:
        found = np.maximum(np.floor(found + 0.5), 1.0)
    return np.where(share > none, found, 0.0)


def _ratios(spread: Spread, size: Floats, share: Floats) -> Floats:
    """Quantiles of the ratio, linear between groups and between quantiles."""
    table = np.asarray(spread.ratios)
    group = np.interp(size, spread.sizes, np.arange(len(table)))
    place = (share - QUANTILES[0]) / (QUANTILES[1] - QUANTILES[0])
    below, left = np.floor(group).astype(np.intp), np.floor(place).astype(np.intp)
    above, right = np.minimum(below + 1, len(table) - 1), np.minimum(left + 1, len(QUANTILES) - 1)
    up, along = group - below, place - left
    lower = table[below, left] * (1 - along) + table[below, right] * along
    higher = table[above, left] * (1 - along) + table[above, right] * along
    return np.asarray(lower * (1 - up) + higher * up)
