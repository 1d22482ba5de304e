"""Every table of the lake, with its comments, one module per owner (a schema of the lake). Pure data."""

from segmentation.metadata.table import Table
from segmentation.metadata.tables.access import API_KEYS
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.metadata.tables.raw import (
    CHANGED_DAYS,
    DELIVERIES,
    LOADS,
    POSITIONS,
    PRODUCTS,
    REJECTED,
    SOURCE_FILES,
    SOURCE_SCHEMAS,
    TRANSACTIONS,
)
from segmentation.metadata.tables.registry import (
    MODELS,
    PROMOTIONS,
    SCHEMA_VERSIONS,
    SEGMENT_NAMES,
    SEGMENT_RENAMINGS,
    SEGMENTATION_SEGMENTS,
    SEGMENTATIONS,
    SEGMENTS,
    SNAPSHOT_REQUESTS,
    SNAPSHOTS,
    TRAINING_SETS,
)
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
)

TABLES: tuple[Table, ...] = (
    SCHEMA_VERSIONS,
    TRANSACTIONS,
    CHANGED_DAYS,
    REJECTED,
    PRODUCTS,
    SOURCE_FILES,
    LOADS,
    DELIVERIES,
    POSITIONS,
    SOURCE_SCHEMAS,
    CUSTOMER_FEATURES,
    SNAPSHOTS,
    SNAPSHOT_REQUESTS,
    TRAINING_SETS,
    MODELS,
    PROMOTIONS,
    SEGMENTS,
    SEGMENT_NAMES,
    SEGMENTATIONS,
    SEGMENTATION_SEGMENTS,
    SEGMENT_RENAMINGS,
    CUSTOMER_SEGMENTS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    CUSTOMER_PREDICTIONS,
    PREDICTION_MODELS,
    FEATURE_DRIFT,
    MODEL_QUALITY,
    API_KEYS,
)
