"""Differences: the features in which a segment stands out from everybody, the strongest first, each said once."""

import numpy as np

from segmentation.explanations.findings import Characteristic
from segmentation.explanations.sample import Sample, known_mean, taken_back, transformed
from segmentation.explanations.wording import difference
from segmentation.metadata.features import FEATURES
from segmentation.modeling.artefact import Floats

DIFFERENCES = 6
"""How many are listed at most."""

SMALL = 0.2
"""A standardised difference below this is negligible (Cohen 1988)."""

ALIKE = 0.8
"""Of features whose correlation exceeds this, only the strongest is listed."""

FEATURES_COMPARED = tuple(
    feature.name
    for feature in FEATURES
    if feature.transform is not None or (feature.type == "BOOLEAN" and not feature.compares_customers)
)
"""Every feature of which a mean says something: not text, nor scores (the RFM mix has them), nor weekday and hour."""


def find_differences(sample: Sample) -> list[Characteristic]:
    """The strongest differences of each segment, without those that say nearly the same.

    A difference is (segment mean - mean of all) / standard deviation of all, on the feature's transform scale.

    Args:
        sample: Customers with the features to compare.

    Returns:
        Findings by segment id, strongest first; at least one per segment if any feature differs at all.
    """
    columns = [transformed(name, sample.values[:, i]) for i, name in enumerate(sample.features)]
    means = np.array([known_mean(column) for column in columns])
    deviations = np.array([_known_deviation(column) for column in columns])
    found = []
    for segment_id in np.unique(sample.segment_ids).tolist():
        members = sample.segment_ids == segment_id
        own = np.array([known_mean(column[members]) for column in columns])
        scores = np.divide(own - means, deviations, out=np.full(len(own), np.nan), where=deviations > 1e-9)
        found += [
            _finding(segment_id, sample.features[i], float(own[i]), float(means[i]), float(scores[i]))
            for i in _pick(scores, columns)
        ]
    return found


def correlation(one: Floats, other: Floats) -> float:
    """Pearson's r over the rows where both are known; 0 where one of them is constant."""
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < 2:
        return 0.0
    x, y = one[known] - one[known].mean(), other[known] - other[known].mean()
    scale = float(np.sqrt((x * x).mean() * (y * y).mean()))
    return float((x * y).mean()) / scale if scale > 1e-12 else 0.0


def _pick(scores: Floats, columns: list[Floats]) -> list[int]:
    strongest_first = sorted(np.flatnonzero(~np.isnan(scores)).tolist(), key=lambda i: (-abs(scores[i]), i))
    picked: list[int] = []
    for i in strongest_first:
        is_weak = abs(scores[i]) < SMALL and picked
        if len(picked) == DIFFERENCES or is_weak or scores[i] == 0:
            break
        if all(abs(correlation(columns[i], columns[j])) <= ALIKE for j in picked):
            picked.append(i)
    return picked


def _finding(segment_id: int, name: str, own: float, everybody: float, score: float) -> Characteristic:
    value, reference = taken_back(name, own), taken_back(name, everybody)
    return Characteristic(segment_id, "difference", name, value, reference, score, difference(name, value, reference))


def _known_deviation(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.std()) if known.size else float("nan")
