"""Fitting the rules that make raw features comparable: missing values, caps, transforms, scales."""

from collections.abc import Sequence

import numpy as np

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import Feature, Transform
from segmentation.modeling.artefact import FeatureRule, Floats, apply_transform
from segmentation.modeling.specification import Scaling, Transforms

SMALLEST_SCALE = 1e-9
NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution in standard deviations."""

RARE = 0.1
"""A feature in which fewer customers differ from the rest counts less, the rarer they are."""


def fit_rules(
    features: Sequence[Feature],
    matrix: Floats,
    *,
    cap: float = 0.005,
    transforms: Transforms = "catalogue",
    scaling: Scaling = "standard",
) -> tuple[FeatureRule, ...]:
    """Rules for the features that tell customers apart; a feature that is the same for all is left out.

    Args:
        features: What the columns are; each has a transform.
        matrix: Shape (n, number of features), NaN where missing.
        cap: Share of customers at each end whose values count as the quantile there: outliers are served, but don't
            pull centroids.
        transforms: Those of the catalogue, or none.
        scaling: By mean and standard deviation, or by median and interquartile range.

    Raises:
        NotEnoughDataError: No feature differs between any two customers.
    """
    rules = []
    for column, feature in enumerate(features):
        transform: Transform | None = (
            "identity" if feature.transform and transforms == "identity" else feature.transform
        )
        rule = _fit_rule(feature, transform, matrix[:, column], cap, scaling)
        if rule is not None:
            rules.append(rule)
    if not rules:
        raise NotEnoughDataError(
            f"All {len(matrix)} customers are alike in every modelled feature, so there is nothing to tell them apart. "
            "Use more customers, a longer look-back window or an as_of with more history."
        )
    return tuple(rules)


def _fit_rule(
    feature: Feature, transform: Transform | None, values: Floats, cap: float, scaling: Scaling
) -> FeatureRule | None:
    known = values[~np.isnan(values)]
    if not known.size or transform is None:
        return None
    missing = _missing_value(feature, known)
    filled = values if missing is None else np.where(np.isnan(values), missing, values)
    lower, upper = (float(q) for q in np.quantile(filled, (cap, 1 - cap)))
    if lower == upper:
        lower, upper = float(filled.min()), float(filled.max())
    coordinates = apply_transform(transform, np.clip(filled, lower, upper))
    center, scale = _center_and_scale(coordinates, scaling)
    if not scale > SMALLEST_SCALE:
        return None
    return FeatureRule(feature.name, missing, lower, upper, transform, center, scale * _damping(coordinates))


def _damping(values: Floats) -> float:
    """How much more a feature is scaled down in which nearly all customers are alike; 1 where that isn't so.

    By its standard deviation alone, the few who differ would lie far from everybody, and be a cluster of their own.
    """
    _, counts = np.unique(values, return_counts=True)
    differing = 1.0 - float(counts.max()) / len(values)
    return max(1.0, float(np.sqrt(RARE / differing))) if differing > 0 else 1.0


def _center_and_scale(values: Floats, scaling: Scaling) -> tuple[float, float]:
    center, scale = float(values.mean()), float(values.std())
    if scaling == "robust":
        low, middle, high = (float(q) for q in np.quantile(values, (0.25, 0.5, 0.75)))
        if high - low > SMALLEST_SCALE:  # half of the customers alike says nothing about the others' spread
            return middle, (high - low) / NORMAL_IQR
    return center, scale


def _missing_value(feature: Feature, known: Floats) -> float | None:
    match feature.missing:
        case "zero":
            return 0.0
        case "median":
            return float(np.median(known))
        case "maximum":
            return float(known.max())
        case None:
            return None
