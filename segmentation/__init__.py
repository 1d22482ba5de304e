"""The domain of customer segmentation: from sources of order lines to features, models, segments and what they mean.

Pure of its surroundings: neither Dagster (`segmentation_assets`) nor Litestar (`serving`) is imported here.
"""

__version__ = "0.1.0"
