"""The platform's Spark engine on one machine (`local[*]`), which writes to the lake as the DuckDB engine does."""

from benchmarks.features.contenders.duckdb_engine import DuckDBWrite
from segmentation.settings import Settings


class SparkEngine(DuckDBWrite):
    """Snapshots by Spark; the session's start is measured too, as whoever runs it waits for it."""

    def settings(self, settings: Settings) -> Settings:
        """The settings of the lake, with the engine that computes."""
        return settings.model_copy(update={"feature_engine": "spark"})
