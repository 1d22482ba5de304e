"""Model space: from a specification and the customers of a snapshot to rules and axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import BY_NAME, Feature
from segmentation.modeling.artefact import FeatureRule, Floats, ModelSpace, Projection
from segmentation.modeling.fitting.futures import Block, Future
from segmentation.modeling.fitting.preprocessing import fit_rules
from segmentation.modeling.specification import Specification

BEHAVIOUR: dict[Block, float] = {"behaviour": 0.7, "share": 0.3}
"""How the variance of the axes of how it is bought is shared: order sizes, prices, returns, …; and categories."""

UNBOUNDED = 1e15
"""Larger than any amount or age; JSON has no infinity."""


@dataclass(frozen=True)
class Space:
    """A model space, ready for matrices of the features it was fitted to.

    Attributes:
        features: What the columns of matrices are.
        rules: How those that vary are made comparable.
        projection: The axes; None if the scaled features are the axes.
        axes: How many of them say what will be spent, how it will be bought, and how it has been; empty without a
            projection.
    """

    features: tuple[Feature, ...]
    rules: tuple[FeatureRule, ...]
    projection: Projection | None
    axes: tuple[int, ...] = ()

    def points(self, matrix: Floats) -> Floats:
        """Customers in model space; `matrix` has shape (n, number of features)."""
        return self._space.coordinates(matrix[:, self._kept])

    def scaled(self, matrix: Floats) -> Floats:
        """Customers by their scaled features; `matrix` has shape (n, number of features)."""
        return self._space.scaled(matrix[:, self._kept])

    def blocks(self) -> list[Floats]:
        """The axes by what they say, as `axes` counts them; each of shape (number of axes, number of rules)."""
        if self.projection is None:
            return []
        ends = np.cumsum(self.axes)
        return [np.asarray(block, dtype=np.float64) for block in np.split(np.array(self.projection), ends[:-1])]

    @cached_property
    def _kept(self) -> list[int]:
        names = [feature.name for feature in self.features]
        return [names.index(rule.name) for rule in self.rules]

    @cached_property
    def _space(self) -> ModelSpace:
        return ModelSpace(self.rules, self.projection)


def fixed_space(features: Sequence[Feature], matrix: Floats) -> Space:
    """The space in which segmentations are compared, whatever space theirs is: all features by the catalogue's rules.

    Where customers are alike in all of them, it has the first feature alone, as it is.
    """
    try:
        rules = fit_rules(features, matrix)
    except NotEnoughDataError:
        rules = (FeatureRule(features[0].name, 0.0, -UNBOUNDED, UNBOUNDED, "identity", 0.0, 1.0),)
    return Space(tuple(features), rules, None)


def scaled_space(specification: Specification, features: Sequence[Feature], matrix: Floats) -> Space:
    """The rules alone: every feature that varies, scaled, with no projection.

    Raises:
        NotEnoughDataError: No feature differs between any two customers.
    """
    rules = fit_rules(
        features,
        matrix,
        cap=specification.cap,
        transforms=specification.transforms,
        scaling=specification.scaling,
    )
    return Space(tuple(features), rules, None)


def fit_space(
    specification: Specification,
    features: Sequence[Feature],
    matrix: Floats,
    futures: Sequence[Future],
    former: Space | None = None,
) -> Space:
    """The model space of a specification.

    Args:
        specification: What is wanted.
        features: What the columns of the matrix are.
        matrix: Shape (n, number of features), NaN where missing.
        futures: What features announce; empty where there is no history, or nothing can be foretold.
        former: The predecessor's space, of which `continuity` keeps some; None without one whose axes are known.

    Raises:
        NotEnoughDataError: No feature differs between any two customers.
    """
    if former is not None and former.axes and specification.continuity >= 1.0:
        return Space(tuple(features), former.rules, former.projection, former.axes)
    space = scaled_space(specification, features, matrix)
    scaled = space.scaled(matrix)
    blocks = _blocks(specification, space.rules, scaled, futures)
    if former is not None and former.axes and specification.continuity > 0:
        blocks = _continued(blocks, former, space.rules, scaled, specification.continuity)
    shares = _shares(specification, blocks)
    axes = [_with_variance(block, scaled, share) for block, share in zip(blocks, shares, strict=True)]
    projection = np.concatenate(axes)
    if not len(projection) or np.array_equal(projection, np.eye(projection.shape[1]) * projection[0, 0]):
        return space  # all features alike: nothing to project
    rows = tuple(tuple(float(weight) for weight in axis) for axis in projection)
    return Space(space.features, space.rules, rows, tuple(len(block) for block in axes))


def _blocks(
    specification: Specification, rules: Sequence[FeatureRule], scaled: Floats, futures: Sequence[Future]
) -> list[Floats]:
    """The axes of what will be spent, of how it will be bought, and of how it has been bought."""
    names = [rule.name for rule in rules]
    nothing = np.empty((0, len(names)))
    if specification.forward_share <= 0:
        return [nothing, nothing, _descriptive_axes(specification, rules, scaled)]
    value = _coefficients([future for future in futures if future.block == "value"], names)
    parts = [
        _with_variance(_coefficients([future for future in futures if future.block == block], names), scaled, weight)
        for block, weight in BEHAVIOUR.items()
    ]
    behaviour = leading_axes(np.concatenate(parts), scaled, specification.behaviour_axes)
    descriptive = nothing if specification.forward_share >= 1 else _descriptive_axes(specification, rules, scaled)
    if not len(value) and not len(behaviour):
        descriptive = _descriptive_axes(specification, rules, scaled)
    return [value, behaviour, descriptive]


def _shares(specification: Specification, blocks: Sequence[Floats]) -> list[float]:
    """Which share of the variance lies on each block; what isn't there leaves its share to the others."""
    forward, value = specification.forward_share, specification.value_weight
    wanted = [forward * value, forward * (1.0 - value), 1.0 - forward]
    present = [share if len(block) else 0.0 for share, block in zip(wanted, blocks, strict=True)]
    if not sum(present):
        present = [float(len(block) > 0) for block in blocks]
    total = sum(present) or 1.0
    return [share / total for share in present]


def _coefficients(futures: Sequence[Future], names: Sequence[str]) -> Floats:
    rows = [[future.coefficients.get(name, 0.0) for name in names] for future in futures]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def leading_axes(axes: Floats, scaled: Floats, most: int) -> Floats:
    """At most so many axes that hold most of the customers' variance along the given ones, uncorrelated.

    Args:
        axes: Shape (m, d).
        scaled: Shape (n, d).
        most: Number of axes wanted; 0 for none.

    Returns:
        Shape (at most `most`, d), in order of falling variance.
    """
    if not len(axes) or most < 1:
        return axes[:0]
    with threadpool_limits(limits=1):  # threads add up in any order
        covariance = np.atleast_2d(np.cov(scaled @ axes.T, rowvar=False))
        variances, vectors = np.linalg.eigh(covariance)
        kept = [index for index in reversed(range(len(variances))) if variances[index] > 1e-9 * variances[-1]][:most]
        leading = vectors[:, kept].T
        signs = np.sign(leading[np.arange(len(leading)), np.abs(leading).argmax(axis=1)])
        return np.asarray((leading * signs[:, None]) @ axes, dtype=np.float64)


def _descriptive_axes(specification: Specification, rules: Sequence[FeatureRule], scaled: Floats) -> Floats:
    weights = np.array([specification.weights.get(BY_NAME[rule.name].group, 0.0) for rule in rules])
    axes = np.diag(weights)[weights > 0]
    if specification.components is None or specification.components >= len(axes):
        return axes
    return leading_axes(axes, scaled, specification.components)


def _continued(
    blocks: Sequence[Floats], former: Space, rules: Sequence[FeatureRule], scaled: Floats, kept: float
) -> list[Floats]:
    """Each block, as near to the predecessor's as `kept` says: the leading axes of both, weighed.

    That is the leading part of the metric kept · M_former + (1 - kept) · M_new, M being the sum of aaᵀ over the axes a.
    """
    result = []
    for new, old in zip(blocks, former.blocks(), strict=True):
        translated = _translated(old, former.rules, rules)
        both = [
            _with_variance(axes, scaled, weight)
            for axes, weight in ((translated, kept), (new, 1.0 - kept))
            if len(new) and len(translated)
        ]
        merged = leading_axes(np.concatenate(both), scaled, len(new)) if both else new
        result.append(_aligned(merged, new) if len(merged) == 1 else merged)
    return result


def _translated(axes: Floats, before: Sequence[FeatureRule], rules: Sequence[FeatureRule]) -> Floats:
    """Axes over features as they were scaled before, over the same features as they are scaled now."""
    position = {rule.name: index for index, rule in enumerate(before)}
    columns = np.zeros((len(axes), len(rules)))
    for index, rule in enumerate(rules):
        old = position.get(rule.name)
        if old is not None and before[old].transform == rule.transform:
            columns[:, index] = axes[:, old] * (rule.scale / before[old].scale)
    return columns


def _aligned(axis: Floats, like: Floats) -> Floats:
    """A single axis in the direction of another: what means more value goes on to mean more."""
    return axis if float(np.sum(axis * like)) >= 0 else -axis


def _with_variance(axes: Floats, scaled: Floats, variance: float) -> Floats:
    """The axes, stretched alike so that the customers' total variance along them is as given; none for 0."""
    present = float((scaled @ axes.T).var(axis=0).sum()) if len(axes) else 0.0
    return axes * np.sqrt(variance / present) if present > 0 and variance > 0 else axes[:0]
