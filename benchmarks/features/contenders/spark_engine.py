"""The platform's Spark engine on one machine (`local[*]`), which writes to the lake as the DuckDB engine does."""

from importlib import import_module

from benchmarks.features.contenders.duckdb_engine import DuckDBWrite
from segmentation.warehouse import Commit

MODULE = "segmentation.features.spark"


class SparkEngine(DuckDBWrite):
    """Snapshots by Spark; the session's start is measured too, as whoever runs it waits for it."""

    def compute(self) -> None:
        """Leave the answer in the lake."""
        import_module(MODULE).write_snapshots(self._lake, self._as_ofs, lambda as_of: Commit(f"features as of {as_of}"))
