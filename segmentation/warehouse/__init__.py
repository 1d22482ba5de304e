"""The warehouse: a DuckLake that many processes read and write at once.

It holds the tables that `segmentation.metadata` declares. How their rows come about, nothing here knows.
"""

from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import Lake

__all__ = ["Commit", "Lake"]
