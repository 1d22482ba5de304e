"""How far outcomes lay around what was expected at past dates, and the nominal level at which intervals held."""

import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.predictions.evaluation import bounds, given_some
from segmentation.predictions.intervals import QUANTILES, Spread

COVERAGE = 0.9
"""Share of customers for whom intervals are to hold."""

GROUPS = 4
LEAST_IN_GROUP = 100
PRIOR_OUTCOMES = 20
"""So many outcomes of an exponential distribution are added to those of a group."""

MOST_JUDGED = 20_000
LEVELS = np.linspace(0.3, 0.98, 69)

EXPONENTIAL = -np.log(1.0 - (np.arange(PRIOR_OUTCOMES) + 0.5) / PRIOR_OUTCOMES)

DEFAULT_SPREAD = Spread((0.0,), (tuple(np.quantile(EXPONENTIAL, QUANTILES).tolist()),), COVERAGE)
"""Where nothing was observed."""


def learn_spread(none: Floats, mean: Floats, outcome: Floats, has_some: Floats, *, is_count: bool) -> Spread:
    """The spread of past outcomes.

    Args:
        none: Length n; probability of nothing, as it was predicted.
        mean: Length n; the expectation, as it was predicted.
        outcome: Length n; what came.
        has_some: Length n; whether there was an order.
        is_count: Whether outcomes are whole numbers.
    """
    some = has_some > 0
    size = np.log(np.maximum(given_some(none, mean), 1e-12))
    ratio = outcome[some] / np.exp(size[some])
    groups = max(1, min(GROUPS, int(some.sum()) // LEAST_IN_GROUP))
    order = np.argsort(size[some], kind="stable")
    parts = [part for part in np.array_split(order, groups) if len(part)]
    if not parts:
        return DEFAULT_SPREAD
    centres = np.array([float(np.median(size[some][part])) for part in parts])
    tables = [np.quantile(np.concatenate([ratio[part], EXPONENTIAL]), QUANTILES).tolist() for part in parts]
    kept = np.concatenate([[True], np.diff(centres) > 0])
    spread = Spread(
        tuple(centres[kept].tolist()),
        tuple(tuple(row) for row, is_kept in zip(tables, kept, strict=True) if is_kept),
        COVERAGE,
    )
    return Spread(spread.sizes, spread.ratios, _level(spread, none, mean, outcome, is_count))


def _level(spread: Spread, none: Floats, mean: Floats, outcome: Floats, is_count: bool) -> float:
    """The nominal level at which the share of intervals that hold is nearest to `COVERAGE`."""
    every = max(1, len(none) // MOST_JUDGED)
    none, mean, outcome = none[::every], mean[::every], outcome[::every]

    def miss(level: float) -> float:
        return abs(coverage(*bounds(spread, none, mean, is_count=is_count, level=level), outcome) - COVERAGE)

    misses = [round(miss(float(level)), 9) for level in LEVELS]
    best = np.flatnonzero(np.asarray(misses) == min(misses))
    return float(LEVELS[best[len(best) // 2]])


def coverage(low: Floats, high: Floats, outcome: Floats) -> float:
    """Share of outcomes that lie within their intervals."""
    return float(np.mean((outcome >= low) & (outcome <= high)))
