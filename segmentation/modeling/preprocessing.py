"""Fitting the rules that make raw features comparable: missing values, caps, transforms, scales."""

from collections.abc import Sequence

import numpy as np

from segmentation.errors import NotEnoughDataError
from segmentation.features.catalogue import Feature
from segmentation.modeling.artefact import FeatureRule, Floats, apply_transform

LOWER_QUANTILE = 0.005
UPPER_QUANTILE = 0.995
"""Beyond these quantiles values count as the quantile: outliers are served, but don't pull centroids."""


def fit_rules(features: Sequence[Feature], matrix: Floats) -> tuple[FeatureRule, ...]:
    """Rules for the features that tell customers apart; a feature that is the same for all is left out.

    Args:
        features: What the columns are; each has a transform.
        matrix: Shape (n, number of features), NaN where missing.

    Raises:
        NotEnoughDataError: No feature differs between any two customers.
    """
    rules = tuple(
        rule for column, feature in enumerate(features) if (rule := _fit_rule(feature, matrix[:, column])) is not None
    )
    if not rules:
        raise NotEnoughDataError(
            f"All {len(matrix)} customers are alike in every modelled feature, so there is nothing to tell them apart. "
            "Use more customers, a longer look-back window or an as_of with more history."
        )
    return rules


def _fit_rule(feature: Feature, values: Floats) -> FeatureRule | None:
    known = values[~np.isnan(values)]
    if not known.size or feature.transform is None:
        return None
    missing = _missing_value(feature, known)
    filled = values if missing is None else np.where(np.isnan(values), missing, values)
    lower, upper = (float(q) for q in np.quantile(filled, (LOWER_QUANTILE, UPPER_QUANTILE)))
    if lower == upper:
        lower, upper = float(filled.min()), float(filled.max())
    coordinates = apply_transform(feature.transform, np.clip(filled, lower, upper))
    scale = float(coordinates.std())
    if not scale > 1e-9:
        return None
    return FeatureRule(feature.name, missing, lower, upper, feature.transform, float(coordinates.mean()), scale)


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
