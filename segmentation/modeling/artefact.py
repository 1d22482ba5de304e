"""The artefact: one JSON document that takes raw features to a segment, and its evaluation in NumPy.

It holds the whole way (missing values, caps, transforms, scaling, centroids, names), so that nothing of a model stays
in a notebook. Training lives elsewhere; what is here runs in the scorer, without scikit-learn.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, Self, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ArtefactError
from segmentation.features.catalogue import Transform

FORMAT: Literal[1] = 1
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


class Segment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One segment: the same id and name everywhere, and its centroid in model space."""

    id: int
    name: str
    description: str
    centroid: tuple[float, ...]


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an artefact came from. Not part of its hash: the same fit is the same model."""

    as_of: date
    lake_snapshot: int
    training_set_id: str
    seed: int
    code_version: str


class Artefact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A segmentation model, complete.

    Attributes:
        format: Version of this document's layout.
        rules: The features, in the order in which matrices hold them.
        segments: The segments; distances are taken to their centroids.
        provenance: Where it came from.
    """

    format: Literal[1]
    rules: tuple[FeatureRule, ...]
    segments: tuple[Segment, ...]
    provenance: Provenance

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
        """SHA-256 of the fitted content: rules and segments."""
        content = msgspec.json.encode((self.format, self.rules, self.segments), order="sorted")
        return hashlib.sha256(content).hexdigest()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in matrix order."""
        return tuple(rule.name for rule in self.rules)


@dataclass(frozen=True)
class Assignment:
    """Segments of n customers; every array has length n.

    Attributes:
        segment: Index of the segment in the artefact.
        distance: Euclidean distance to its centroid, in model space.
        runner_up: Index of the next nearest segment.
        runner_up_distance: Distance to that one's centroid.
    """

    segment: Ints
    distance: Floats
    runner_up: Ints
    runner_up_distance: Floats

    @cached_property
    def confidence(self) -> Floats:
        """1 - distance / runner-up distance: 0 on the border between two segments, 1 on a centroid.

        Its mean is the simplified silhouette (Hruschka, de Castro & Campello 2004).
        """
        far = np.where(self.runner_up_distance > 0, self.runner_up_distance, 1.0)
        return 1.0 - self.distance / far


class Evaluator:
    """An artefact made ready for matrices of raw features. Thread-safe: it holds only constants."""

    def __init__(self, artefact: Artefact) -> None:
        self.artefact = artefact
        rules = artefact.rules
        self._missing = np.array([np.nan if r.missing_value is None else r.missing_value for r in rules])
        self._lower = np.array([r.lower for r in rules])
        self._upper = np.array([r.upper for r in rules])
        self._center = np.array([r.center for r in rules])
        self._scale = np.array([r.scale for r in rules])
        self._columns = {
            transform: np.array([i for i, rule in enumerate(rules) if rule.transform == transform], dtype=np.intp)
            for transform in get_args(Transform)
        }
        self.centroids: Floats = np.array([segment.centroid for segment in artefact.segments])

    def coordinates(self, features: Floats) -> Floats:
        """Raw features to model space.

        Args:
            features: Shape (n, number of features), in the order of `artefact.rules`; NaN where missing.

        Returns:
            Shape (n, number of features). NaN stays where the artefact has no rule for a missing value.
        """
        x = np.where(np.isnan(features), self._missing, features)
        x = np.clip(x, self._lower, self._upper)
        for transform, columns in self._columns.items():
            if columns.size and transform != "identity":
                x[:, columns] = apply_transform(transform, x[:, columns])
        return np.ascontiguousarray((x - self._center) / self._scale)

    def assign(self, features: Floats) -> Assignment:
        """The nearest and the next nearest segment of each customer; ties go to the earlier segment.

        Args:
            features: As for `coordinates`.
        """
        return nearest(self.coordinates(features), self.centroids)


def nearest(points: Floats, centroids: Floats) -> Assignment:
    """The two nearest centroids of each point.

    A row's result does not depend on the rows beside it, which a matrix product would not promise.

    Args:
        points: Shape (n, d), rows contiguous: the order of summation depends on the layout.
        centroids: Shape (k, d), k >= 2.
    """
    squared = np.empty((len(points), len(centroids)))
    for index, centroid in enumerate(centroids):
        difference = points - centroid
        np.einsum("ij,ij->i", difference, difference, out=squared[:, index])
    rows = np.arange(len(points))
    first = squared.argmin(axis=1)
    nearest_squared = squared[rows, first]
    squared[rows, first] = np.inf
    second = squared.argmin(axis=1)
    return Assignment(first, np.sqrt(nearest_squared), second, np.sqrt(squared[rows, second]))


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
            any(len(s.centroid) != len(names) for s in artefact.segments),
            "a centroid has another number of features",
        ),
        (
            any(r.scale <= 0 or r.lower > r.upper for r in artefact.rules),
            "a rule has no positive scale or empty caps",
        ),
    ]
    for is_wrong, what in problems:
        if is_wrong:
            raise ArtefactError(f"The model artefact contradicts itself: {what}.")


def _bare(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip().casefold()
