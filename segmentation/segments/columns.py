"""Segments as columns: what every engine writes of a customer. NumPy only, so that it runs on Spark's executors too."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ArtefactError
from segmentation.modeling.artefact import Evaluator, Floats

if TYPE_CHECKING:
    from segmentation.settings import Settings

Dates = NDArray[np.datetime64]
NOBODY = -1
"""Stands for no segment among ids."""


@dataclass(frozen=True)
class Hysteresis:
    """What it takes to change segment.

    Attributes:
        margin: Someone leaves their segment if 1 - distance to the nearest / distance to their own is at least this; 0
            to leave as soon as another one is nearer.
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
        held, own, own_distance = _held(evaluator, features, ids, nearest, distance, since, today, before, hysteresis)
        second[held], runner_up_distance[held] = first[held], distance[held]
        first[held], distance[held], confidence[held] = own[held], own_distance[held], 0.0
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
    ids: NDArray[np.int64],
    nearest: NDArray[np.int64],
    distance: Floats,
    since: Dates,
    today: np.datetime64,
    before: Before,
    hysteresis: Hysteresis,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], Floats]:
    """Who stays where they were although another segment is nearer; index of that segment, and distance to it."""
    position = {int(identity): index for index, identity in enumerate(ids)}
    own = np.array([position.get(int(identity), 0) for identity in before.segment_id], dtype=np.int64)
    points = evaluator.coordinates(features)
    own_distance = np.sqrt(np.einsum("ij,ij->i", points - evaluator.centroids[own], points - evaluator.centroids[own]))
    gain = 1.0 - distance / np.where(own_distance > 0, own_distance, 1.0)
    has_dwelt = np.zeros(len(ids[own]), dtype=bool)
    if hysteresis.dwell_days > 0:
        has_dwelt = today - since >= np.timedelta64(hysteresis.dwell_days, "D")
    was_here = np.isin(before.segment_id, ids) & (before.segment_id != nearest)
    return was_here & (gain < hysteresis.margin) & ~has_dwelt, own, own_distance


def lacks_a_feature(customer_id: str, version: int) -> ArtefactError:
    """The error for a customer whose distances are NaN."""
    return ArtefactError(
        f"Customer {customer_id!r} lacks a feature that model {version} has no rule for; "
        "materialize the features again, or train a new model."
    )
