"""Segments as columns: what every engine writes of a customer. NumPy only, so that it runs on Spark's executors too."""

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ArtefactError
from segmentation.modeling.artefact import Evaluator, Floats


def segment_columns(evaluator: Evaluator, version: int, features: Floats) -> dict[str, NDArray[np.generic]]:
    """The columns of `segments.customer_segments` but date and customer, in order.

    Args:
        evaluator: Of the model that decides.
        version: Its version.
        features: Shape (n, number of features), in the order of the artefact; NaN where missing.

    Returns:
        Arrays of length n. Distances are NaN where a feature is missing that the model has no rule for.
    """
    segments = evaluator.artefact.segments
    ids = np.array([segment.id for segment in segments], dtype=np.int32)
    names = np.array([segment.name for segment in segments])
    result = evaluator.assign(features)
    return {
        "segment_id": ids[result.segment],
        "segment_name": names[result.segment],
        "runner_up_id": ids[result.runner_up],
        "distance": result.distance,
        "runner_up_distance": result.runner_up_distance,
        "confidence": result.confidence,
        "model_version": np.full(len(result.segment), version, dtype=np.int32),
    }


def lacks_a_feature(customer_id: str, version: int) -> ArtefactError:
    """The error for a customer whose distances are NaN."""
    return ArtefactError(
        f"Customer {customer_id!r} lacks a feature that model {version} has no rule for; "
        "materialize the features again, or train a new model."
    )
