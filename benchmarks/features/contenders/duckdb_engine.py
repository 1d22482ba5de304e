"""The platform's own engine, with and without writing to the lake, and the plain `GROUP BY` that bounds it."""

import os
import resource
import time
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.features.contenders.source import Source
from segmentation.features.catalogue import FEATURES, GROUPS
from segmentation.features.engine import compute_snapshot, window_start, write_snapshot
from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import CUSTOMER_FEATURES

NAMES = ", ".join(["customer_id", *(feature.name for feature in FEATURES)])
GROUP_BY = "SELECT customer_id, COUNT(*) AS lines, SUM(amount) AS amount FROM raw.transactions GROUP BY customer_id"
REPETITIONS = 5


def compute_only(con: duckdb.DuckDBPyConnection, lake: Lake, as_ofs: tuple[date, ...]) -> str:
    """Leave the features in a temporary relation; its name. The one place that knows the engine's inner function."""
    for as_of in as_ofs:
        compute_snapshot(con, lake.version(), as_of, window_start(as_of, lake.settings.lookback_days))
    joined = " JOIN ".join(["temp.rfm", *(f"temp.{group} USING (customer_id)" for group in GROUPS if group != "rfm")])
    con.execute(f"CREATE OR REPLACE TEMP VIEW answer AS SELECT {NAMES} FROM {joined}")
    return "temp.answer"


def compute_and_write(lake: Lake, as_ofs: tuple[date, ...]) -> None:
    """Write the snapshots. The one place that knows the engine's public function."""
    for as_of in as_ofs:
        write_snapshot(lake, as_of, Commit(f"features as of {as_of}"))


class DuckDBEngine:
    """The engine's computation, straight from the lake into temporary tables."""

    def __init__(self, source: Source) -> None:
        self._as_ofs = source.as_ofs
        self._lake = Lake(lake_settings(source), read_only=True)
        self._con = self._lake.cursor()

    def compute(self) -> None:
        """Leave the answer in a temporary relation."""
        self._relation = compute_only(self._con, self._lake, self._as_ofs)

    def save(self, path: Path) -> None:
        """Write the answer, sorted by customer."""
        _copy(self._con, f"SELECT {NAMES} FROM {self._relation}", path)


class DuckDBWrite:
    """The same, written to the lake's tables in committed transactions."""

    def __init__(self, source: Source) -> None:
        self._as_ofs = source.as_ofs
        self._lake = Lake(lake_settings(source))

    def compute(self) -> None:
        """Leave the answer in the lake."""
        compute_and_write(self._lake, self._as_ofs)

    def save(self, path: Path) -> None:
        """Write the answer of the last snapshot, sorted by customer."""
        with self._lake.cursor() as con:
            table, last = CUSTOMER_FEATURES.name, self._as_ofs[-1]
            _copy(con, f"SELECT {NAMES} FROM {table} WHERE as_of = DATE '{last.isoformat()}'", path)


class GroupBy:
    """The least work that touches every line by customer; the best of several repetitions counts.

    Attributes:
        best: Seconds of the fastest repetition, and CPU seconds of the cheapest.
    """

    def __init__(self, source: Source) -> None:
        self._lake = Lake(lake_settings(source), read_only=True)
        self._con = self._lake.cursor()

    def compute(self) -> None:
        """Group several times."""
        wall, cpu = [], []
        for _ in range(REPETITIONS):
            started, used = time.perf_counter(), _cpu_s()
            self._con.execute(f"CREATE OR REPLACE TEMP TABLE grouped AS {GROUP_BY}")
            wall.append(time.perf_counter() - started)
            cpu.append(_cpu_s() - used)
        self.best = min(wall), min(cpu)

    def save(self, path: Path) -> None:
        """Write the groups, which are no features and not compared."""
        _copy(self._con, "SELECT * FROM temp.grouped", path)


def lake_settings(source: Source) -> Settings:
    """Settings of the source's lake, whatever the environment says about others."""
    files = source.files_by_bucket
    return load_settings(
        home=source.home, catalog="", data_path="", customer_buckets=len(files), lookback_days=source.lookback_days
    )


def _copy(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    con.execute(f"COPY ({query} ORDER BY customer_id) TO '{os.fspath(path)}' (FORMAT parquet)")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
