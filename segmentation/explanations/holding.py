"""Holding: why hysteresis keeps a customer in a segment although another one is nearer, in words."""

from collections.abc import Sequence

import numpy as np

from segmentation.explanations.changes import Placement
from segmentation.explanations.wording import percent
from segmentation.modeling.artefact import Segment
from segmentation.segments.columns import past_border


def why_held(
    segments: Sequence[Segment], placement: Placement, own_distance: float, nearest_distance: float
) -> str | None:
    """Why a customer is not in the nearest segment; None if they are.

    Args:
        segments: Of the model.
        placement: Where the snapshot put them, and what it takes to leave.
        own_distance: Distance to their segment's centroid.
        nearest_distance: Distance to the nearest one's.
    """
    by_id = {segment.id: segment for segment in segments}
    own, nearer = by_id.get(placement.segment_id or 0), by_id.get(placement.nearest_id or 0)
    if own is None or nearer is None or own is nearer:
        return None
    hysteresis = placement.hysteresis
    distances = np.array([own_distance]), np.array([nearest_distance])
    [way] = past_border(*distances, np.array([own.centroid]), np.array([nearer.centroid]))
    dwell = f", or it has been the nearest for {hysteresis.dwell_days} days" if hysteresis.dwell_days else ""
    return (
        f"Held in {own.name}: {nearer.name} has been nearer since {placement.nearest_since}, but they are only "
        f"{percent(float(way))} of the way from the border to its centre. They change at {percent(hysteresis.margin)}"
        f"{dwell} (SEGMENTATION_HYSTERESIS_MARGIN, SEGMENTATION_HYSTERESIS_DWELL_DAYS)."
    )
