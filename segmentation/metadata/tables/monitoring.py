"""Monitoring: drift of features, and quality of models."""

from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import AS_OF

_MODEL_VERSION = Column("model_version", "INTEGER", "The model version that is judged.", nullable=False)

FEATURE_DRIFT = Table(
    "monitoring.feature_drift",
    "One measure of how far a feature as of a date is from what a model version was trained on.",
    (
        AS_OF,
        _MODEL_VERSION,
        Column(
            "feature",
            "VARCHAR",
            "The feature, as the catalogue names it; `segment` for the segment mix, `lines` for the order lines of the "
            "last month.",
            nullable=False,
        ),
        Column(
            "metric",
            "VARCHAR",
            "How the distance is measured: `psi`, `wasserstein`, `ks`, `missing_share`, `zero_share`; of lines what "
            "share of them is odd.",
            nullable=False,
        ),
        Column("value", "DOUBLE", "The distance, 0 for none; NULL where one side has no values."),
        Column("threshold", "DOUBLE", "From here on it counts as drift; NULL for a measure that is only reported."),
        Column("is_drifting", "BOOLEAN", "Whether the value reaches the threshold.", nullable=False),
        Column(
            "cause",
            "VARCHAR",
            "What it comes from where it drifts: `data_quality`, `mix` (other customers: new ones against returning "
            "ones) or `behaviour` (the same kind of customers does otherwise); NULL where it doesn't drift.",
        ),
    ),
    partitioned_by="as_of",
    sorted_by=("model_version", "feature", "metric"),
)

MODEL_QUALITY = Table(
    "monitoring.model_quality",
    "One measure of how well a model version divides the customers as of a date.",
    (
        AS_OF,
        _MODEL_VERSION,
        Column("metric", "VARCHAR", "What is measured, such as `simplified_silhouette`.", nullable=False),
        Column("value", "DOUBLE", "The measure; NULL where the customers of that date don't allow it."),
        Column("training_value", "DOUBLE", "The same on the customers that the model was trained on."),
        Column("threshold", "DOUBLE", "The worst value that will do; NULL for a measure that is only reported."),
        Column("is_degraded", "BOOLEAN", "Whether the value is worse than the threshold.", nullable=False),
    ),
    partitioned_by="as_of",
    sorted_by=("model_version", "metric"),
)
