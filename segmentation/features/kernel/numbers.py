"""Arithmetic that features share. What has no value is NaN."""

import math
from typing import Any

from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.tallies import found

MILLION = 1e6
"""Millionths in a whole: what money and quantities are counted in, so that they add up exactly."""

FIXED_POINT = 2.0**53
"""Parts in a whole: what terms of an entropy are counted in."""

NAN = math.nan


@jitable
def millionths(x: float) -> int:
    """To the nearest whole millionth; halves go to the even one."""
    return round(x * MILLION)


@jitable
def share(part: float, whole: float) -> float:
    """NaN where there is no whole."""
    return part / whole if whole > 0.0 else NAN


@jitable
def entropy(tally: Any) -> float:
    """Shannon's, of positive spend over the keys of a tally, in nats: -Σ p ln p; NaN without any.

    Its terms are rounded to whole 2^-53ths, so that their order doesn't matter.
    """
    spend = 0
    for group in found(tally):
        if group.spend > 0:
            spend += group.spend
    if spend == 0:
        return NAN
    terms, whole = 0, float(spend)
    for group in found(tally):
        if group.spend > 0:
            part = group.spend / whole
            terms -= int(part * math.log(part) * FIXED_POINT)
    return max(terms, 0) / FIXED_POINT


@jitable
def mean(values: Any) -> float:
    """Of integers; NaN of none."""
    return values.sum() / float(len(values)) if len(values) > 0 else NAN


@jitable
def sample_deviation(values: Any) -> float:
    """Of integers in the order of time, √(Σ (x - x̄)² / (n - 1)); NaN of fewer than two."""
    if len(values) < 2:
        return NAN
    middle, squares = mean(values), 0.0
    for value in values:
        distance = value - middle
        squares += distance * distance
    return math.sqrt(squares / float(len(values) - 1))


@jitable
def slope(x: Any, y: Any) -> float:
    """Of the least-squares line through points in the order of time; NaN of fewer than two.

    It is Σ (x - x̄)(y - ȳ) / Σ (x - x̄)².
    """
    if len(x) < 2:
        return NAN
    middle_x, middle_y, across, along = mean(x), mean(y), 0.0, 0.0
    for number in range(len(x)):
        distance = x[number] - middle_x
        across += distance * (y[number] - middle_y)
        along += distance * distance
    return across / along
