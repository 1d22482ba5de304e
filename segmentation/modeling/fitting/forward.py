"""Figures of foresight: how well segments tell apart what customers do next. What they did is an `Outcome`."""

from collections.abc import Mapping

import numpy as np

from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.fitting.outcomes import Booleans

LEAST_KNOWN = 30
"""Customers of whom an outcome must be known for its figure to say anything."""


def eta_squared(values: Floats, labels: Ints) -> float:
    """Share of the variance of `values` that lies between groups (Fisher 1925); 0 if they do not vary."""
    total = float(np.sum((values - values.mean()) ** 2))
    if total <= 0:
        return 0.0
    counts = np.bincount(labels)
    sums = np.bincount(labels, weights=values)
    filled = counts > 0
    between = float(np.sum(counts[filled] * (sums[filled] / counts[filled] - values.mean()) ** 2))
    return between / total


def varying_behaviour(behaviour: Mapping[str, Floats]) -> dict[str, Floats]:
    """What of later behaviour is known of enough customers, and differs between them."""
    return {
        name: values
        for name, values in behaviour.items()
        if (known := ~np.isnan(values)).sum() >= LEAST_KNOWN and np.ptp(values[known]) > 0
    }


def behaviour_eta_squared(behaviour: Mapping[str, Floats], labels: Ints) -> float | None:
    """Mean of `eta_squared` over how customers bought later, of those who did; None if nothing of that varies."""
    varying = varying_behaviour(behaviour)
    found = [eta_squared(values[known := ~np.isnan(values)], labels[known]) for values in varying.values()]
    return float(np.mean(found)) if found else None


def auc(scores: Floats, positives: Booleans) -> float:
    """Probability that a random positive scores above a random negative, ties counting half (Mann & Whitney 1947).

    0.5 where one of the two kinds is missing.
    """
    n_positive = int(positives.sum())
    n_negative = len(positives) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    from scipy.stats import rankdata  # SciPy is heavy, and only who fits needs it

    ranks = rankdata(scores)
    return float((ranks[positives].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
