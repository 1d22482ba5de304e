"""The platform's own engine, with and without writing to the lake, and the plain `GROUP BY` that bounds it."""

import os
import resource
import time
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.features.compiling import warm_up
from benchmarks.features.contenders.source import Source
from segmentation.features.definitions import RFM_SCORES, rfm_scores
from segmentation.features.refresh.scores import FEATURES_OF
from segmentation.features.slices import Task, compute_slices
from segmentation.features.snapshots import write_snapshots
from segmentation.features.windows import window_of
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

NAMES = ", ".join(["customer_id", *(feature.name for feature in FEATURES)])
GROUP_BY = "SELECT customer_id, COUNT(*) AS lines, SUM(amount) AS amount FROM raw.transactions GROUP BY customer_id"
REPETITIONS = 5
NOW = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)


HOME_MARKET = """
SELECT country
FROM raw.transactions
WHERE country IS NOT NULL AND ordered_at >= $start AND ordered_at < $as_of
GROUP BY country
ORDER BY COUNT(*) DESC, country
LIMIT 1
"""


def compute_only(con: duckdb.DuckDBPyConnection, lake: Lake, as_of: date, folder: Path) -> None:
    """Leave the features in the temporary view `answer`. The one place that knows the engine's inner functions.

    Args:
        con: A cursor of the lake.
        lake: The lake, which may be read-only.
        as_of: The snapshot date.
        folder: An empty folder for the engine's parts, which the view reads.
    """
    window = window_of(as_of, lake.settings.lookback_days)
    ((market,),) = con.execute(HOME_MARKET, {"start": window.start, "as_of": as_of}).fetchall() or [(None,)]
    compute_slices(lake, Task(lake.version(), (window,), (market,), (folder,)))
    con.execute(f"CREATE OR REPLACE TEMP VIEW measures AS FROM read_parquet('{os.fspath(folder)}/*.parquet')")
    con.execute(f"CREATE OR REPLACE TEMP TABLE {RFM_SCORES} AS {rfm_scores()}")
    con.execute(f"CREATE OR REPLACE TEMP VIEW answer AS SELECT {NAMES} {FEATURES_OF}")


def compute_and_write(lake: Lake, as_ofs: tuple[date, ...], *, from_scratch: bool = True) -> None:
    """Write the snapshots. The one place that knows the engine's public function."""
    write_snapshots(lake, as_ofs, lambda as_of: Commit(f"features as of {as_of}"), now=NOW, from_scratch=from_scratch)


class DuckDBEngine:
    """The engine's computation, straight from the lake into its parts, and the scores."""

    def __init__(self, source: Source) -> None:
        self._as_of = source.as_of.date()
        self._parts = TemporaryDirectory()
        self._lake = Lake(lake_settings(source), read_only=True)
        self._con = self._lake.cursor()

    def compute(self) -> None:
        """Leave the answer in parts and a table of scores."""
        compute_only(self._con, self._lake, self._as_of, Path(self._parts.name))

    def save(self, path: Path) -> None:
        """Write the answer, sorted by customer; the parts go."""
        _copy(self._con, "FROM temp.answer", path)
        self._parts.cleanup()


class DuckDBWrite:
    """The same, written to the lake's tables in committed transactions.

    Attributes:
        from_scratch: Whether to compute every customer, whatever the lake has already.
    """

    from_scratch = True

    def __init__(self, source: Source) -> None:
        self._as_ofs = source.as_ofs
        self._lake = Lake(self.settings(lake_settings(source)), create=True)
        migrate(self._lake)  # the lines may have been made by an earlier release

    def settings(self, settings: Settings) -> Settings:
        """The settings of the lake, with the engine that computes."""
        return settings.model_copy(update={"feature_engine": "duckdb"})

    def compute(self) -> None:
        """Leave the answer in the lake."""
        compute_and_write(self._lake, self._as_ofs, from_scratch=self.from_scratch)

    def save(self, path: Path) -> None:
        """Write the answer of the last snapshot, sorted by customer."""
        with self._lake.cursor() as con:
            table, last = CUSTOMER_FEATURES.name, self._as_ofs[-1]
            _copy(con, f"SELECT {NAMES} FROM {table} WHERE as_of = DATE '{last.isoformat()}'", path)


class DuckDBRefresh(DuckDBWrite):
    """The same, as a day's run does it: from what the lake has already."""

    from_scratch = False


class ColdCompile:
    """What the first run after an installation or an update waits for, if no cache comes with it."""

    def __init__(self, _source: Source) -> None:
        self._cache = TemporaryDirectory()
        os.environ["NUMBA_CACHE_DIR"] = self._cache.name

    def compute(self) -> None:
        """Compile everything."""
        warm_up()

    def save(self, _path: Path) -> None:
        """There is no answer; the cache goes."""
        self._cache.cleanup()


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
