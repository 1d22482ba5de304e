"""Every view of the lake, beside the tables. Pure data."""

from segmentation.metadata.table import View
from segmentation.metadata.tables.features import FEATURE_GROUPS

VIEWS: tuple[View, ...] = tuple(FEATURE_GROUPS.values())
