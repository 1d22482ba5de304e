"""Which code makes which snapshots: a hash per table, that the ledger records and that tells when it is another one."""

from collections.abc import Mapping

from segmentation.features.definitions import code_version
from segmentation.metadata.features import FEATURES
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
)
from segmentation.provenance import code_of

_EXPLANATIONS = ("segment_findings", "differences", "rules", "lifts", "sample", "wording", "findings")
_MONITORING = ("evaluation", "drift", "quality", "thresholds", "distances", "causes", "line_statistics")

_IDENTITY = "segmentation.modeling.segment_identity"
_NAMES = ("segmentation.metadata.vocabulary", f"{_IDENTITY}.truth", f"{_IDENTITY}.naming", f"{_IDENTITY}.bands")

_PREDICTIONS = tuple(
    f"segmentation.predictions.{name}"
    for name in (
        "snapshot",
        "artefact",
        "purchases",
        "inputs",
        "evaluation",
        "intervals",
        "mbg_nbd",
        "order_value",
        "fitting.fit",
        "fitting.past",
        "fitting.expectations",
        "fitting.levels",
        "fitting.mbg_nbd",
        "fitting.order_value",
        "fitting.regression",
        "fitting.spreads",
    )
)

MODULES: Mapping[Table, tuple[str, ...]] = {
    CUSTOMER_PREDICTIONS: _PREDICTIONS,
    PREDICTION_MODELS: _PREDICTIONS,
    CUSTOMER_SEGMENTS: (
        "segmentation.segments.assignment",
        "segmentation.segments.columns",
        "segmentation.segments.names",
        "segmentation.segments.own_segments",
        *_NAMES,
    ),
    SEGMENT_PROFILES: ("segmentation.segments.profiles", *_NAMES, f"{_IDENTITY}.sentences"),
    SEGMENT_TRANSITIONS: ("segmentation.segments.transitions",),
    SEGMENT_EVENTS: ("segmentation.segments.transitions",),
    SEGMENT_EXPLANATIONS: tuple(f"segmentation.explanations.{name}" for name in _EXPLANATIONS),
    FEATURE_DRIFT: tuple(f"segmentation.monitoring.{name}" for name in _MONITORING),
    MODEL_QUALITY: tuple(f"segmentation.monitoring.{name}" for name in _MONITORING),
}
"""Whose code a table's rows depend on, besides its inputs; they are named, since they are on floors above."""

SNAPSHOT_TABLES = (CUSTOMER_FEATURES, *MODULES)
"""All tables that have snapshots, in the order in which they are made."""


def code_version_of(table: Table) -> str:
    """The version of the code that makes a table's snapshots."""
    return code_version(FEATURES) if table is CUSTOMER_FEATURES else code_of(*MODULES[table])
