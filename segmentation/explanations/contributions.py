"""Contributions: which features put a customer into their segment. Pure NumPy on the artefact's evaluation."""

from collections.abc import Sequence

import numpy as np

from segmentation.errors import SegmentationError
from segmentation.explanations.customer_explanation import Contribution
from segmentation.explanations.wording import figure, noun
from segmentation.modeling.artefact import Evaluator, Floats

NEGLIGIBLE = 0.01
"""Features with less than this share of all pulls hardly matter."""


def find_contributions(
    evaluator: Evaluator, features: Floats, typical: Floats, pair: tuple[int, int] | None = None
) -> list[Contribution]:
    """By how much each feature pulls a customer to their segment rather than the runner-up.

    The difference d2² - d1² of the squared distances is affine in model space, and model space adds up what features
    give, with or without a projection. So replacing one feature by another value changes it by an amount that does
    not depend on the other features (their Shapley values are the same). The value that replaces is a customer between
    the typical ones of both segments, just where the model is undecided; hence all contributions sum to d2² - d1².
    If no mixture of both is undecided, the rest is spread evenly.

    Args:
        evaluator: Of the model.
        features: Shape (d,), in the order of the artefact; NaN where missing.
        typical: Shape (number of segments, d): raw features of the typical customer of each segment, NaN where they
            have none.
        pair: Indexes of the customer's segment and of the other one; the nearest and the next nearest if None.

    Returns:
        One per feature, the strongest first.

    Raises:
        SegmentationError: A feature is missing that the model has no rule for.
    """
    found = evaluator.assign(features[np.newaxis])
    first, second = pair or (int(found.segment[0]), int(found.runner_up[0]))
    own, other = typical[first], typical[second]
    gap = _gaps(evaluator, np.array([features, own, other]), first, second)
    if np.isnan(gap[0]):
        raise SegmentationError("The customer lacks a feature that the model has no rule for.")
    replaced = np.array([_gaps(evaluator, _with_each(features, values), first, second) for values in (own, other)])
    weight = np.clip(gap[2] / (gap[2] - gap[1]), 0.0, 1.0) if gap[1] > gap[2] else 0.5
    pulls = gap[0] - weight * replaced[0] - (1 - weight) * replaced[1]
    pulls += (gap[0] - pulls.sum()) / len(pulls)
    names = [evaluator.artefact.segments[index].name for index in (first, second)]
    verdicts = np.where(np.abs(pulls) < NEGLIGIBLE * np.abs(pulls).sum(), "hardly matters", "")
    contributions = [
        _contribution(name, (features[i], own[i], other[i]), float(pulls[i]), names, str(verdicts[i]))
        for i, name in enumerate(evaluator.artefact.feature_names)
    ]
    return sorted(contributions, key=lambda c: (-abs(c.contribution), c.feature))


def _gaps(evaluator: Evaluator, features: Floats, first: int, second: int) -> Floats:
    """d2² - d1² of each row."""
    points = evaluator.coordinates(features)
    return np.asarray(_squared(points, evaluator.centroids[second]) - _squared(points, evaluator.centroids[first]))


def _squared(points: Floats, centroid: Floats) -> Floats:
    return np.asarray(((points - centroid) ** 2).sum(axis=1))


def _with_each(features: Floats, values: Floats) -> Floats:
    """The customer with one feature replaced at a time; shape (d, d)."""
    rows = np.tile(features, (len(features), 1))
    np.fill_diagonal(rows, values)
    return rows


def _contribution(
    name: str, values: tuple[float, float, float], pull: float, segments: Sequence[str], verdict: str
) -> Contribution:
    mine, theirs, others = (None if np.isnan(number) else float(number) for number in values)
    said = ["none" if number is None else figure(name, number) for number in (mine, theirs, others)]
    sentence = (
        f"{noun(name).capitalize()}: {said[0]}, where {segments[0]} typically have {said[1]} and {segments[1]} "
        f"{said[2]}; {verdict or f'speaks for {segments[0 if pull >= 0 else 1]}'}"
    )
    return Contribution(name, mine, theirs, others, pull, sentence)
