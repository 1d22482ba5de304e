"""The artefact: one JSON document that takes raw features to a segment, and its evaluation in NumPy.

It holds the whole way (missing values, caps, transforms, scaling, centroids, names), so that nothing of a model stays
in a notebook. Training lives elsewhere; what is here runs in the scorer, without scikit-learn.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from datetime import date
from typing import Literal, Self, get_args

import msgspec
import numpy as np

from segmentation.errors import ArtefactError
from segmentation.metadata.features import Transform
from segmentation.modeling.nearest import Assignment, joined, nearest
from segmentation.modeling.nearest import Floats as Floats
from segmentation.modeling.nearest import Ints as Ints
from segmentation.modeling.specification import Specification

FORMAT: Literal[1] = 1
BLOCK_ROWS = 2_048
"""Rows that are evaluated at a time: they stay in the processor's cache."""

Projection = tuple[tuple[float, ...], ...]


class FeatureRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one raw feature becomes one coordinate of model space.

    Attributes:
        name: Feature of the catalogue.
        missing_value: What stands in for NULL, before capping; None where the feature must be given.
        lower: Values below count as this.
        upper: Values above count as this.
        transform: Applied after capping.
        center: Subtracted after the transform.
        scale: Divides the rest; positive.
    """

    name: str
    missing_value: float | None
    lower: float
    upper: float
    transform: Transform
    center: float
    scale: float


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One segment: the same id, name and colour everywhere, and its centroid in model space.

    Attributes:
        id: Stable across versions, never reused.
        name: What people call it.
        description: What its typical customer does, in a sentence.
        centroid: Length p, in model space.
        cutoff: Customers with less confidence than this are marked: too near to another segment to rely on.
        colour: `#rrggbb`, for charts.
        later_spend: Mean net spend per customer in the days after an earlier date, of those who were in it then; None
            where nobody knows. Segments are ranked by it.
    """

    id: int
    name: str
    description: str
    centroid: tuple[float, ...]
    cutoff: float = 0.0
    colour: str = ""
    later_spend: float | None = None


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where an artefact came from, and all that is needed to make it again. Not part of its hash.

    Attributes:
        as_of: Snapshot date of the features it was fitted to.
        lake_snapshot: Version of the lake that holds the rows.
        training_set_id: Hash of the rows.
        seed: Of sampling, starts and resamples.
        code_version: Release of the platform.
        specification: What was fitted, as `Specification` encodes it.
        training_rows: Customers per date that it was fitted to, at most.
        settings_hash: Hash of the settings that decide what a model looks like.
        predecessor: The version whose segments its own were matched to, if there was one.
        first_new_id: The id that its first new segment got.
        reserved_names: Names given by people, which its new segments had to avoid.
        former_names: What the predecessor's segments were called then, in their order; none of an older release.
        search: Why this specification was chosen.
        axes: How many axes of model space say what will be spent, how it will be bought, and how it has been; empty
            where they are the scaled features.
        stand_in: Why there are named rules instead of a fitted model; empty if one was fitted.
        run_id: The Dagster run that trained it.
        git_commit: The platform's commit.
    """

    as_of: date
    lake_snapshot: int
    training_set_id: str
    seed: int
    code_version: str
    specification: Specification | None = None
    training_rows: int = 0
    settings_hash: str = ""
    predecessor: int | None = None
    first_new_id: int = 1
    reserved_names: tuple[str, ...] = ()
    former_names: tuple[str, ...] = ()
    search: str = ""
    axes: tuple[int, ...] = ()
    stand_in: str = ""
    run_id: str = ""
    git_commit: str = ""


class Artefact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A segmentation model, complete.

    Attributes:
        format: Version of this document's layout.
        rules: The features, in the order in which matrices hold them.
        segments: The segments; distances are taken to their centroids.
        provenance: Where it came from.
        projection: Shape (p, number of features): the axes of model space, as weights of the scaled features. None if
            the scaled features are the axes.
    """

    format: Literal[1]
    rules: tuple[FeatureRule, ...]
    segments: tuple[Segment, ...]
    provenance: Provenance
    projection: Projection | None = None

    def to_json(self) -> str:
        """The document as canonical JSON."""
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read and check a document.

        Raises:
            ArtefactError: It is no artefact, or contradicts itself.
        """
        try:
            artefact = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ArtefactError(f"Not a model artefact of format {FORMAT}: {error}") from error
        _check(artefact)
        return artefact

    @property
    def model_hash(self) -> str:
        """SHA-256 of the fitted content: rules, projection and segments."""
        fitted: tuple[object, ...] = (self.format, self.rules, self.segments)
        if self.projection is not None:
            fitted = (*fitted, self.projection)
        return hashlib.sha256(msgspec.json.encode(fitted, order="sorted")).hexdigest()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in matrix order."""
        return tuple(rule.name for rule in self.rules)


class ModelSpace:
    """The way from raw features to model space. Thread-safe: it holds only constants."""

    def __init__(self, rules: Sequence[FeatureRule], projection: Projection | None) -> None:
        self._missing = np.array([np.nan if r.missing_value is None else r.missing_value for r in rules])
        self._lower = np.array([r.lower for r in rules])
        self._upper = np.array([r.upper for r in rules])
        self._center = np.array([r.center for r in rules])
        self._scale = np.array([r.scale for r in rules])
        self._columns = {
            transform: np.array([i for i, rule in enumerate(rules) if rule.transform == transform], dtype=np.intp)
            for transform in get_args(Transform)
            if transform != "identity" and any(rule.transform == transform for rule in rules)
        }
        self._axes = None if projection is None else np.array(projection)

    def scaled(self, features: Floats) -> Floats:
        """Raw features filled, capped, transformed and scaled; shapes as for `coordinates`, before the projection."""
        x = np.where(np.isnan(features), self._missing, features)
        np.maximum(x, self._lower, out=x)
        np.minimum(x, self._upper, out=x)
        for transform, columns in self._columns.items():
            x[:, columns] = apply_transform(transform, x.take(columns, axis=1))
        x -= self._center
        x /= self._scale
        return np.ascontiguousarray(x)

    def coordinates(self, features: Floats) -> Floats:
        """Raw features to model space.

        A row's result does not depend on the rows beside it, which a matrix product would not promise.

        Args:
            features: Shape (n, number of rules), in the order of the rules; NaN where missing.

        Returns:
            Shape (n, p), p being the number of axes. NaN stays where there is no rule for a missing value.
        """
        scaled = self.scaled(features)
        if self._axes is None:
            return scaled
        return np.asarray(np.einsum("ij,kj->ik", scaled, self._axes))


class OneRow:
    """The way of one row to model space, to the bits of `ModelSpace` and in a third of the time.

    Only the logarithm and the projection are NumPy's; everybody's minimum, maximum, root, difference and quotient have
    the same bits. Between the other work of a request, a call into NumPy costs what Python takes for ten features.
    """

    def __init__(self, rules: Sequence[FeatureRule], projection: Projection | None) -> None:
        self._caps = [_caps(rule) for rule in rules]
        transforms = [rule.transform for rule in rules]
        self._logs, self._signed_logs, self._roots = (
            [index for index, transform in enumerate(transforms) if transform == wanted]
            for wanted in ("log", "signed_log", "sqrt")
        )
        self._scaling = [(rule.center, rule.scale) for rule in rules]
        self._axes = None if projection is None else np.array(projection)

    def coordinates(self, features: Sequence[float | None]) -> list[float]:
        """Raw features (None where missing) to model space, in the order of the rules."""
        values = [
            filled if value is None else lower if value < lower else upper if value > upper else value
            for value, (filled, lower, upper) in zip(features, self._caps, strict=True)
        ]
        magnitudes = [1.0 + values[index] for index in self._logs]
        magnitudes += [1.0 + abs(values[index]) for index in self._signed_logs]
        logarithms = iter(np.log(np.array(magnitudes)).tolist())
        for index in self._logs:
            values[index] = next(logarithms)
        for index in self._signed_logs:
            values[index] = math.copysign(next(logarithms), values[index])
        for index in self._roots:
            values[index] = math.sqrt(values[index])
        scaled = [(value - center) / scale for value, (center, scale) in zip(values, self._scaling, strict=True)]
        if self._axes is None:
            return scaled
        projected: list[float] = np.einsum("j,kj->k", np.array(scaled), self._axes).tolist()
        return projected


def _caps(rule: FeatureRule) -> tuple[float, float, float]:
    """What stands in for a missing value, and the caps; where negative values count as 0, too."""
    least = 0.0 if rule.transform in ("log", "sqrt") else -math.inf
    lower, upper = max(rule.lower, least), max(rule.upper, least)
    filled = math.nan if rule.missing_value is None else min(max(rule.missing_value, lower), upper)
    return filled, lower, upper


class Evaluator:
    """An artefact made ready for matrices of raw features. Thread-safe: it holds only constants."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        self._space = ModelSpace(artefact.rules, artefact.projection)
        self.centroids: Floats = np.array([segment.centroid for segment in artefact.segments])
        self._centroids = self.centroids.tolist()
        self._one_row = OneRow(artefact.rules, artefact.projection)

    def coordinates(self, features: Floats) -> Floats:
        """Raw features to model space.

        Args:
            features: Shape (n, number of features), in the order of `artefact.rules`; NaN where missing.

        Returns:
            Shape (n, p), p being the number of axes. NaN stays where the artefact has no rule for a missing value.
        """
        return self._space.coordinates(features)

    def assign(self, features: Floats) -> Assignment:
        """The nearest and the next nearest segment of each customer; ties go to the earlier segment.

        Args:
            features: As for `coordinates`.
        """
        if len(features) <= BLOCK_ROWS:
            return nearest(self.coordinates(features), self.centroids)
        blocks = [self.assign(features[at : at + BLOCK_ROWS]) for at in range(0, len(features), BLOCK_ROWS)]
        return joined(blocks)

    def assign_one(self, features: Sequence[float | None]) -> tuple[int, float, int, float]:
        """`assign` for one customer, to the same bits and in half of the time.

        Args:
            features: Length d, in the order of `artefact.rules`; None where missing.

        Returns:
            As in `Assignment`: segment, distance, runner-up, and confidence.
        """
        squared = self._squared_distances(self._one_row.coordinates(features))
        first = squared.index(min(squared))
        nearest_squared, squared[first] = squared[first], math.inf
        second = squared.index(min(squared))
        distance, runner_up_distance = math.sqrt(nearest_squared), math.sqrt(squared[second])
        return first, distance, second, 1.0 - distance / (runner_up_distance or 1.0)

    def _squared_distances(self, point: Sequence[float]) -> list[float]:
        """To all centroids; summed in the order of the axes, as `nearest` does."""
        squared: list[float] = []
        for centroid in self._centroids:
            total = 0.0
            for value, other in zip(point, centroid):  # noqa: B905 (`strict` takes a tenth of the time)
                difference = value - other
                total += difference * difference
            squared.append(total)
        return squared


def apply_transform(transform: Transform, values: Floats) -> Floats:
    """Make a skewed scale comparable; `log(1 + x)` rather than `log1p`, which is 2.8 times slower on columns."""
    match transform:
        case "log":
            result = np.log(1.0 + np.maximum(values, 0.0))
        case "signed_log":
            result = np.copysign(np.log(1.0 + np.abs(values)), values)
        case "sqrt":
            result = np.sqrt(np.maximum(values, 0.0))
        case "identity":
            result = values
    return np.asarray(result, dtype=np.float64)


def _check(artefact: Artefact) -> None:
    names = artefact.feature_names
    ids = [segment.id for segment in artefact.segments]
    problems = [
        (not names, "it has no features"),
        (len(set(names)) != len(names), "a feature occurs twice"),
        (len(ids) < 2, "it has fewer than two segments"),
        (len(set(ids)) != len(ids), "a segment id occurs twice"),
        (len({_bare(s.name) for s in artefact.segments}) != len(ids), "two segments share a name"),
        (
            any(len(axis) != len(names) for axis in artefact.projection or ()),
            "an axis has another number of features",
        ),
        (
            any(len(s.centroid) != _dimensions(artefact) for s in artefact.segments),
            "a centroid has another number of dimensions than model space",
        ),
        (
            any(r.scale <= 0 or r.lower > r.upper for r in artefact.rules),
            "a rule has no positive scale or empty caps",
        ),
    ]
    for is_wrong, what in problems:
        if is_wrong:
            raise ArtefactError(f"The model artefact contradicts itself: {what}.")


def _dimensions(artefact: Artefact) -> int:
    return len(artefact.rules) if artefact.projection is None else len(artefact.projection)


def _bare(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip().casefold()
