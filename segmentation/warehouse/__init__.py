"""The warehouse: a DuckLake that many processes read and write at once. Nothing here knows what a feature is."""

from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import Lake

__all__ = ["Commit", "Lake"]
