"""The warehouse: a DuckLake that many processes read and write at once. Nothing here knows what a feature is."""

from segmentation.warehouse.lake import Lake
from segmentation.warehouse.provenance import Commit
from segmentation.warehouse.tables import Column, Table, literal, replace_snapshot

__all__ = ["Column", "Commit", "Lake", "Table", "literal", "replace_snapshot"]
