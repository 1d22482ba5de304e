"""Segments as columns: what every engine writes of a customer. NumPy only, so that it runs on Spark's executors too."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ArtefactError
from segmentation.modeling.artefact import Evaluator, Floats, Ints
from segmentation.modeling.nearest import Assignment

if TYPE_CHECKING:
    from segmentation.settings import Settings

Dates = NDArray[np.datetime64]
NOBODY = -1
"""Stands for no segment among ids."""


@dataclass(frozen=True)
class Hysteresis:
    """What it takes to change segment.

    Attributes:
        margin: Someone leaves their segment if they are so far from the border to the nearest one (0) towards its
            centroid (1), as `past_border` measures it; 0 to leave as soon as another one is nearer.
        dwell_days: Or if another one has been the nearest for so many days, over snapshots; 0 for never.
    """

    margin: float = 0.0
    dwell_days: int = 0

    @classmethod
    def of(cls, settings: "Settings") -> "Hysteresis":
        """As the settings say."""
        return cls(settings.hysteresis_margin, settings.hysteresis_dwell_days)


@dataclass(frozen=True)
class Before:
    """What the snapshot before said of n customers; every array has length n.

    Attributes:
        segment_id: Their segment; `NOBODY` for those who were not there.
        nearest_id: The segment that was nearest; `NOBODY` if unknown.
        nearest_since: Since which date it had been; NaT if unknown.
    """

    segment_id: NDArray[np.int64]
    nearest_id: NDArray[np.int64]
    nearest_since: Dates

    def rows(self, which: slice | NDArray[np.bool_]) -> "Before":
        """Some of the customers."""
        return Before(self.segment_id[which], self.nearest_id[which], self.nearest_since[which])


def segment_columns(
    evaluator: Evaluator,
    version: int,
    features: Floats,
    *,
    as_of: date,
    before: Before,
    hysteresis: Hysteresis,
) -> dict[str, NDArray[np.generic]]:
    """The columns of `segments.customer_segments` that are the model's, in order.

    Args:
        evaluator: Of the model that decides.
        version: Its version.
        features: Shape (n, number of features), in the order of the artefact; NaN where missing.
        as_of: Date of the snapshot.
        before: The same customers in the snapshot before.
        hysteresis: What it takes to change segment.

    Returns:
        Arrays of length n. Distances are NaN where a feature is missing that the model has no rule for.
    """
    segments = evaluator.artefact.segments
    ids = np.array([segment.id for segment in segments], dtype=np.int64)
    names = np.array([segment.name for segment in segments], dtype=object)  # NumPy's own text is slow to leave it
    cutoffs = np.array([segment.cutoff for segment in segments])
    result = evaluator.assign(features)
    first, second = result.segment.copy(), result.runner_up.copy()
    distance, runner_up_distance = result.distance.copy(), result.runner_up_distance.copy()
    confidence = result.confidence.copy()
    nearest = ids[first]
    stays = before.nearest_id == nearest
    today = np.datetime64(as_of, "D")
    since = np.where(stays & ~np.isnat(before.nearest_since), before.nearest_since.astype("datetime64[D]"), today)
    if hysteresis.margin > 0:
        held, own, own_distance = _held(evaluator, features, result, since, today, before, hysteresis)
        second[held], runner_up_distance[held] = first[held], distance[held]
        first[held], distance[held], confidence[held] = own, own_distance, 0.0
    return {
        "segment_id": ids[first].astype(np.int32),
        "segment_name": names[first],
        "runner_up_id": ids[second].astype(np.int32),
        "distance": distance,
        "runner_up_distance": runner_up_distance,
        "confidence": confidence,
        "is_low_confidence": confidence < cutoffs[first],
        "nearest_id": nearest.astype(np.int32),
        "nearest_since": since,
        "model_version": np.full(len(first), version, dtype=np.int32),
    }


def _held(
    evaluator: Evaluator,
    features: Floats,
    result: Assignment,
    since: Dates,
    today: np.datetime64,
    before: Before,
    hysteresis: Hysteresis,
) -> tuple[Ints, Ints, Floats]:
    """The rows of those who stay where they were although another segment is nearer; that segment, and its distance."""
    ids = np.array([segment.id for segment in evaluator.artefact.segments], dtype=np.int64)
    order = np.argsort(ids)
    place = order[np.searchsorted(ids, before.segment_id, sorter=order).clip(max=len(ids) - 1)]
    may_stay = (ids[place] == before.segment_id) & (place != result.segment)
    if hysteresis.dwell_days > 0:
        may_stay &= today - since < np.timedelta64(hysteresis.dwell_days, "D")
    rows = np.flatnonzero(may_stay)
    own, other = place[rows], result.segment[rows]
    centroids = evaluator.centroids
    apart = evaluator.coordinates(features[rows]) - centroids[own]
    own_distance = np.sqrt(np.einsum("ij,ij->i", apart, apart))
    stays = past_border(own_distance, result.distance[rows], centroids[own], centroids[other]) < hysteresis.margin
    return rows[stays], own[stays], own_distance[stays]


def past_border(own_distance: Floats, other_distance: Floats, own: Floats, other: Floats) -> Floats:
    """How far customers are past the border between two segments, as a share of the way to the other one's centroid.

    Measured along the line through both centroids, so that customers who are far from both aren't held for that.

    Args:
        own_distance: Length n; distances to the centroids of their own segments.
        other_distance: Length n; to those of the others.
        own: Shape (n, p); the centroids of their own.
        other: Shape (n, p); of the others.

    Returns:
        Length n: 0 on the border, 1 level with the other centroid, negative on their own side.
    """
    squared = np.einsum("ij,ij->i", own - other, own - other)
    return np.asarray((own_distance**2 - other_distance**2) / np.where(squared > 0, squared, 1.0), dtype=np.float64)


def lacks_a_feature(customer_id: str, version: int) -> ArtefactError:
    """The error for a customer whose distances are NaN."""
    return ArtefactError(
        f"Customer {customer_id!r} lacks a feature that model {version} has no rule for; "
        "materialize the features again, or train a new model."
    )
