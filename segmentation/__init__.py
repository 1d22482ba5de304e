"""The domain of customer segmentation: warehouse, sources, features, models, segments.

Pure of its surroundings: neither Dagster (`segmentation_assets`) nor Litestar (`serving`) is imported here.
"""

__version__ = "0.1.0"
