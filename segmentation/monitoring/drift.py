"""Drift: how far the customers of a date are from those of the training, whether that counts, and where it comes from.

A feature that drifts has one of three causes. `data_quality`: the lines of the last month are odd in a way that this
feature depends on. `mix`: among customers who have been with the shop as long, nothing has changed; there are more or
fewer new ones. `behaviour`: the rest, which is what a model should be trained anew for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from segmentation.metadata.features import FEATURES, Feature
from segmentation.modeling.artefact import Floats, Ints
from segmentation.monitoring.causes import CAUSES, Cause
from segmentation.monitoring.distances import METRICS, Binned, Bins
from segmentation.monitoring.line_statistics import OddLines
from segmentation.monitoring.thresholds import DAYS_IN_A_MONTH, Dated, learn, stable_pairs

SEGMENT = "segment"
"""Stands for the segment mix among features."""

LINES = "lines"
"""Stands for the order lines of the last month among features."""

TENURE = "tenure_days"
TENURE_BINS = 12
HEAVIEST = 5.0
"""Nobody counts for more than so many when tenures are made alike."""


def monitored() -> tuple[Feature, ...]:
    """The features whose drift is told: all that are numbers on a scale."""
    return tuple(feature for feature in FEATURES if feature.transform is not None)


@dataclass(frozen=True)
class Population:
    """The customers of a date.

    Attributes:
        as_of: The date.
        customer_ids: Length n.
        values: Shape (n, number of features), NaN where missing.
        segments: Length n; index of the segment that the champion gives them.
    """

    as_of: date
    customer_ids: pl.Series
    values: Floats
    segments: Ints


@dataclass(frozen=True)
class Past:
    """What is known of the time before.

    Attributes:
        populations: Customers of earlier dates, in any order.
        breaks: Dates at which customers were found to behave otherwise than before.
        spoilt: Dates whose data was found bad.
    """

    populations: Sequence[Population] = ()
    breaks: Sequence[date] = ()
    spoilt: Sequence[date] = ()


@dataclass(frozen=True)
class Sensitivity:
    """How thresholds are learned.

    Attributes:
        false_alarms: The chance that anything is found in a stable month.
        draws: Bootstrap replicates.
        seed: Of the replicates.
    """

    false_alarms: float = 0.05
    draws: int = 300
    seed: int = 0


@dataclass(frozen=True)
class Drift:
    """One measure of one feature; a row of `monitoring.feature_drift`.

    Attributes:
        feature: The feature, `segment` or `lines`.
        metric: How the distance is measured.
        value: The distance; None where one side has no values.
        threshold: From here on it counts.
        is_drifting: Whether it does.
        cause: What it comes from; None where it doesn't drift.
    """

    feature: str
    metric: str
    value: float | None
    threshold: float
    is_drifting: bool
    cause: Cause | None


def measure_drift(
    features: Sequence[Feature],
    segments: int,
    reference: Population,
    current: Population,
    past: Past,
    lines: Sequence[OddLines],
    sensitivity: Sensitivity,
) -> list[Drift]:
    """Compare a date with what the champion was trained on.

    Args:
        features: What the columns of populations are.
        segments: How many segments there are.
        reference: The customers that the champion was trained on.
        current: The customers of the date.
        past: Earlier dates, the reference's among them or not.
        lines: What was found about the lines of the last month.
        sensitivity: How thresholds are learned.

    Returns:
        A row for each feature and metric that can be measured, then one for each figure of the lines.
    """
    bins = Bins(features, reference.values, segments)
    people = _numbers([reference, *past.populations])
    then = _dated(bins, reference, people)
    others = [_dated(bins, each, people) for each in past.populations if each.as_of != reference.as_of]
    months = (current.as_of - reference.as_of).days / DAYS_IN_A_MONTH
    thresholds = learn(
        bins,
        then,
        stable_pairs([then, *others], past.breaks, past.spoilt),
        months=abs(months),
        draws=sensitivity.draws,
        false_alarms=sensitivity.false_alarms,
        seed=sensitivity.seed,
    )
    now = bins.of(current.values, current.segments)
    values = _against(bins, then, now, np.ones(len(current.segments)))
    alike = _against(bins, then, now, _same_tenures(features, reference, current))
    names = [*(feature.name for feature in features), SEGMENT]
    doubted = {name for finding in lines if finding.is_odd for name in _concerned(finding, features)}
    found = []
    for column, name in enumerate(names):
        for row, metric in enumerate(METRICS):
            if not bins.is_measured[row, column]:
                continue
            value, threshold = float(values[row, column]), float(thresholds[row, column])
            drifts = bool(value >= threshold)  # not where it is NaN
            cause: Cause | None = None
            if drifts:
                explained = bool(alike[row, column] < threshold)
                cause = "data_quality" if name in doubted else "mix" if explained else "behaviour"
            found.append(Drift(name, metric, None if np.isnan(value) else value, threshold, drifts, cause))
    return found + [_of_lines(finding) for finding in lines]


def _against(bins: Bins, reference: Dated, customers: Binned, weights: Floats) -> Floats:
    everybody = np.ones(len(reference.customers))
    return bins.distances(bins.count(reference.binned, everybody), bins.count(customers, weights))


def _numbers(populations: Sequence[Population]) -> dict[str, int]:
    everybody = pl.concat([each.customer_ids.cast(pl.String) for each in populations]).unique().sort()
    return {name: number for number, name in enumerate(everybody)}


def _dated(bins: Bins, population: Population, people: dict[str, int]) -> Dated:
    numbers = np.array([people[name] for name in population.customer_ids.cast(pl.String)], dtype=np.int64)
    return Dated(population.as_of, numbers, bins.of(population.values, population.segments))


def _same_tenures(features: Sequence[Feature], reference: Population, current: Population) -> Floats:
    """Weights of the current customers with which they have been with the shop as long as those of the reference.

    Post-stratification (Holt & Smith 1979) by quantiles of the reference's tenure.
    """
    names = [feature.name for feature in features]
    if TENURE not in names:
        return np.ones(len(current.segments))
    column = names.index(TENURE)
    before, now = reference.values[:, column], current.values[:, column]
    edges = np.unique(np.nanquantile(before, np.arange(1, TENURE_BINS) / TENURE_BINS))
    strata = np.searchsorted(edges, now)
    wanted = np.bincount(np.searchsorted(edges, before), minlength=len(edges) + 1) / len(before)
    there = np.bincount(strata, minlength=len(edges) + 1) / len(now)
    ratio = np.divide(wanted, there, out=np.ones_like(wanted), where=there > 0)
    return np.minimum(ratio, HEAVIEST)[strata]


def _concerned(finding: OddLines, features: Sequence[Feature]) -> list[str]:
    """The features that depend on what is odd about the lines; the segment mix always may."""
    return [feature.name for feature in features if finding.concerns(feature)] + [SEGMENT]


def _of_lines(finding: OddLines) -> Drift:
    cause: Cause | None = "data_quality" if finding.is_odd else None
    return Drift(LINES, finding.figure, finding.value, finding.threshold, finding.is_odd, cause)


def cause_of(found: Sequence[Drift]) -> Cause | None:
    """What a date's drift comes from as a whole; None if nothing drifts.

    Bad data comes before all, since nothing that is computed from it can be trusted; behaviour before mix, since it
    calls for more.
    """
    causes = {each.cause for each in found}
    return next((cause for cause in CAUSES if cause in causes), None)
