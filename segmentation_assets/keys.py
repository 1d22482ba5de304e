"""Asset keys: `raw/transactions` is the table `raw.transactions`; views and declared sources are assets, too."""

import re

import dagster as dg

from segmentation.metadata.table import Relation
from segmentation.metadata.tables.features import CUSTOMER_FEATURES, FEATURE_GROUPS
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.metadata.tables.raw import PRODUCTS, SOURCE_FILES, TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENT_EXPLANATIONS, SEGMENT_PROFILES


def table_key(table: Relation) -> dg.AssetKey:
    """The asset of a table or a view: its schema and name."""
    return dg.AssetKey(table.name.split("."))


def source_key(name: str) -> dg.AssetKey:
    """The asset of a declared source; Dagster's names have letters, digits and underscores only."""
    return dg.AssetKey(["sources", re.sub(r"\W", "_", name)])


SOURCE_FILES_KEY = table_key(SOURCE_FILES)
TRANSACTIONS_KEY = table_key(TRANSACTIONS)
PRODUCTS_KEY = table_key(PRODUCTS)
CUSTOMER_FEATURES_KEY = table_key(CUSTOMER_FEATURES)
FEATURE_KEYS = [CUSTOMER_FEATURES_KEY, *map(table_key, FEATURE_GROUPS.values())]
"""The table and its views, which one step materializes together."""
TRAINING_SET_KEY = dg.AssetKey(["training", "training_set"])
CANDIDATE_KEY = dg.AssetKey(["training", "candidate_model"])
CHAMPION_KEY = dg.AssetKey(["training", "champion_model"])
CUSTOMER_PREDICTIONS_KEY = table_key(CUSTOMER_PREDICTIONS)
PREDICTION_MODELS_KEY = table_key(PREDICTION_MODELS)
"""Made by the same step, and without a check: who only has to come after predictions waits for it."""
CUSTOMER_SEGMENTS_KEY = table_key(CUSTOMER_SEGMENTS)
SEGMENT_PROFILES_KEY = table_key(SEGMENT_PROFILES)
SEGMENT_EXPLANATIONS_KEY = table_key(SEGMENT_EXPLANATIONS)
