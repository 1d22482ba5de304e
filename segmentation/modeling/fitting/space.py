"""Model space: from a specification and the customers of a snapshot to rules and a projection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segmentation.metadata.features import BY_NAME, Feature
from segmentation.modeling.artefact import FeatureRule, Floats, ModelSpace, Projection
from segmentation.modeling.fitting.forward import Outcome, forward_coefficients
from segmentation.modeling.fitting.preprocessing import fit_rules
from segmentation.modeling.specification import Specification


@dataclass(frozen=True)
class Space:
    """A model space, ready for matrices of the features it was fitted to.

    Attributes:
        features: What the columns of matrices are.
        rules: How those that vary are made comparable.
        projection: The axes; None if the scaled features are the axes.
    """

    features: tuple[Feature, ...]
    rules: tuple[FeatureRule, ...]
    projection: Projection | None

    def points(self, matrix: Floats) -> Floats:
        """Customers in model space; `matrix` has shape (n, number of features)."""
        return self._space.coordinates(matrix[:, self._kept])

    def scaled(self, matrix: Floats) -> Floats:
        """Customers by their scaled features; `matrix` has shape (n, number of features)."""
        return self._space.scaled(matrix[:, self._kept])

    @cached_property
    def _kept(self) -> list[int]:
        names = [rule.name for rule in self.rules]
        return [index for index, feature in enumerate(self.features) if feature.name in names]

    @cached_property
    def _space(self) -> ModelSpace:
        return ModelSpace(self.rules, self.projection)


def fixed_space(features: Sequence[Feature], matrix: Floats) -> Space:
    """The space in which segmentations are compared, whatever space theirs is: all features by the catalogue's rules.

    Raises:
        NotEnoughDataError: No feature differs between any two customers.
    """
    return Space(tuple(features), fit_rules(features, matrix), None)


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


def learn_forward(
    specification: Specification, features: Sequence[Feature], matrix: Floats, outcome: Outcome
) -> dict[str, float]:
    """What each scaled feature says about the spend to come, by the customers of an earlier snapshot."""
    space = scaled_space(specification, features, matrix)
    coefficients = forward_coefficients(space.scaled(matrix), outcome, specification.ridge)
    return {rule.name: float(c) for rule, c in zip(space.rules, coefficients, strict=True)}


def fit_space(
    specification: Specification, features: Sequence[Feature], matrix: Floats, forward: Mapping[str, float] | None
) -> Space:
    """The model space of a specification.

    Args:
        specification: What is wanted.
        features: What the columns of the matrix are.
        matrix: Shape (n, number of features), NaN where missing.
        forward: Coefficients of the forward axis per feature; None where there is no history.

    Raises:
        NotEnoughDataError: No feature differs between any two customers.
    """
    space = scaled_space(specification, features, matrix)
    scaled = space.scaled(matrix)
    share = specification.forward_share if forward else 0.0
    weights = np.array([specification.weights.get(BY_NAME[rule.name].group, 0.0) for rule in space.rules])
    if share >= 1.0 or not weights.any():
        descriptive = np.empty((0, len(weights)))
        share = 1.0 if forward else 0.0
    else:
        descriptive = _descriptive_axes(specification, weights, scaled)
    axes = _with_variance(descriptive, scaled, 1.0 - share)
    if forward and share > 0:
        coefficients = np.array([[forward.get(rule.name, 0.0) for rule in space.rules]])
        axes = np.concatenate([_with_variance(coefficients, scaled, share), axes])
    if not len(axes):
        axes = np.eye(len(weights))
    if np.array_equal(axes, np.eye(len(weights)) * axes[0, 0]):
        return space  # all features alike: nothing to project
    return Space(space.features, space.rules, tuple(tuple(float(w) for w in axis) for axis in axes))


def _descriptive_axes(specification: Specification, weights: Floats, scaled: Floats) -> Floats:
    axes = np.diag(weights)[weights > 0]
    if specification.components is None or specification.components >= len(axes):
        return axes
    weighted = scaled @ axes.T
    covariance = np.atleast_2d(np.cov(weighted, rowvar=False))
    _, vectors = np.linalg.eigh(covariance)
    leading = vectors[:, ::-1][:, : specification.components].T
    signs = np.sign(leading[np.arange(len(leading)), np.abs(leading).argmax(axis=1)])
    return np.asarray((leading * signs[:, None]) @ axes, dtype=np.float64)


def _with_variance(axes: Floats, scaled: Floats, variance: float) -> Floats:
    """The axes, stretched alike so that the customers' total variance along them is as given."""
    present = float((scaled @ axes.T).var(axis=0).sum()) if len(axes) else 0.0
    return axes * np.sqrt(variance / present) if present > 0 else axes[:0]
