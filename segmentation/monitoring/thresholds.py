"""From which distance on a feature drifts: what stable times of the shop itself show, customers being resampled.

Thresholds hold for all features and metrics together (Westfall & Young 1993): each replicate compares two dates between
which nothing is known to have changed, with customers drawn anew, and only the most extreme of its standardized
distances counts. So the chance that anything at all is called drifting in a stable month is at most what was asked for,
however many features there are and however they hang together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from segmentation.modeling.artefact import Floats, Ints
from segmentation.monitoring.distances import METRICS, Binned, Bins, Metric

LEAST: dict[Metric, float] = {
    "psi": 0.02,
    "wasserstein": 0.04,
    "ks": 0.03,
    "missing_share": 0.01,
    "zero_share": 0.01,
}
"""Less than this matters to nobody, however sure it is."""

FOLK: dict[Metric, float] = {
    "psi": 0.25,
    "wasserstein": 0.25,
    "ks": 0.15,
    "missing_share": 0.1,
    "zero_share": 0.1,
}
"""What counts while there is no stable time to learn from: rules of thumb."""

MOST_TIMES_FOLK = 4.0
"""So much more than the rules of thumb counts whatever the past was like: it may hide what nobody noticed."""

NEAR_MONTHS = 1
ENOUGH_PAIRS = 6
DAYS_IN_A_MONTH = 30.4


@dataclass(frozen=True)
class Dated:
    """The customers of a date.

    Attributes:
        as_of: The date.
        customers: Length n: a number for each that is theirs on all dates.
        binned: The same by the bins of the reference.
    """

    as_of: date
    customers: Ints
    binned: Binned


@dataclass(frozen=True)
class Pair:
    """Two dates of a stable time.

    Attributes:
        earlier: The one that stands for the reference.
        later: The one that is compared with it.
    """

    earlier: Dated
    later: Dated

    @property
    def months(self) -> float:
        """Between them."""
        return (self.later.as_of - self.earlier.as_of).days / DAYS_IN_A_MONTH


def stable_pairs(dates: Sequence[Dated], breaks: Sequence[date], spoilt: Sequence[date]) -> list[Pair]:
    """All pairs of dates between which nothing is known to have changed.

    Args:
        dates: Of the past.
        breaks: Dates at which customers were found to behave otherwise than before.
        spoilt: Dates whose data was found bad.
    """
    good = sorted((each for each in dates if each.as_of not in set(spoilt)), key=lambda each: each.as_of)
    return [
        Pair(earlier, later)
        for index, earlier in enumerate(good)
        for later in good[index + 1 :]
        if not any(earlier.as_of < each <= later.as_of for each in breaks)
    ]


def learn(
    bins: Bins,
    reference: Dated,
    pairs: Sequence[Pair],
    *,
    months: float,
    draws: int,
    false_alarms: float,
    seed: int,
) -> Floats:
    """Thresholds of all metrics and features.

    Args:
        bins: Of the reference.
        reference: What a date will be compared with; used alone where there is no pair.
        pairs: Of stable dates.
        months: Between the reference and the date that is judged: pairs as far apart are preferred.
        draws: Replicates.
        false_alarms: The chance that anything is found in a stable month.
        seed: Of the draws.

    Returns:
        Shape (number of metrics, number of features + 1); NaN where a metric makes no sense.
    """
    least, folk = (np.array([[table[metric]] for metric in METRICS]) for table in (LEAST, FOLK))
    if not pairs:
        alone = _threshold(_replicates(bins, [Pair(reference, reference)], draws, seed), 1, false_alarms)
        return np.where(bins.is_measured, np.fmax(alone, folk), np.nan)
    near = [pair for pair in pairs if abs(pair.months - months) <= NEAR_MONTHS + 0.5]
    chosen = near if len(near) >= ENOUGH_PAIRS else list(pairs)
    found = _threshold(_replicates(bins, chosen, draws, seed), len(chosen), false_alarms)
    found = np.where(np.isnan(found), folk, found)  # what had no values in the past
    return np.where(bins.is_measured, np.clip(found, least, MOST_TIMES_FOLK * folk), np.nan)


def _replicates(bins: Bins, pairs: Sequence[Pair], draws: int, seed: int) -> Floats:
    """Distances of pairs whose customers were drawn anew (Poisson bootstrap), each pair about as often.

    A customer who is there on both dates is drawn alike on both; only a date with itself is drawn independently.

    Returns:
        Shape (draws, number of metrics, number of features + 1).
    """
    rng = np.random.default_rng(seed)
    people = 1 + max(int(each.customers.max()) for pair in pairs for each in (pair.earlier, pair.later))
    found = []
    for draw in range(draws):
        pair = pairs[draw % len(pairs)]
        weights = rng.poisson(1.0, people).astype(np.float64)
        others = rng.poisson(1.0, people).astype(np.float64) if pair.earlier is pair.later else weights
        earlier = bins.count(pair.earlier.binned, weights[pair.earlier.customers])
        later = bins.count(pair.later.binned, others[pair.later.customers])
        found.append(bins.distances(earlier, later))
    return np.stack(found)


def _threshold(replicates: Floats, pairs: int, false_alarms: float) -> Floats:
    """Mean plus so many standard deviations that few replicates exceed it anywhere.

    The spread of few pairs is itself uncertain, so the multiple is that of a prediction from so many (Student 1908).
    """
    scaled = replicates.copy()
    scaled[:, 0] = np.sqrt(scaled[:, 0])  # PSI goes with the square of a shift, the others with the shift
    least = np.array([[LEAST[metric]] for metric in METRICS]) / 8
    least[0] = np.sqrt(LEAST["psi"]) / 8
    is_known = ~np.isnan(scaled)
    count = is_known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(is_known, scaled, 0.0).sum(axis=0) / count
        variance = np.where(is_known, (scaled - mean) ** 2, 0.0).sum(axis=0) / count
    spread = np.fmax(np.sqrt(variance), least)
    extremes = np.nanmax((scaled - mean) / spread, axis=(1, 2))
    multiple = float(np.quantile(extremes, 1 - false_alarms)) * prediction_factor(pairs)
    threshold = mean + multiple * spread
    threshold[0] **= 2
    return np.asarray(threshold, dtype=np.float64)


def prediction_factor(count: int) -> float:
    """How much wider than a normal interval one is that predicts from `count` observations; 1 for very many."""
    from scipy.stats import t as student  # SciPy is heavy, and only who judges drift needs it

    wide = student.ppf(0.975, max(count, 2)) * np.sqrt(1 + 1 / count)
    return float(wide / 1.959964)
