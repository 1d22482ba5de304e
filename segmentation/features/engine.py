"""Feature snapshots: what every customer looked like as of a date, computed from the lake and written to it.

Engines compute in slices and leave Parquet parts in a folder, so that memory does not grow with the number of
customers. Scores, which compare customers, and the short transaction that replaces a snapshot come last.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import mkdtemp

import duckdb

from segmentation.features import duckdb_engine, spark
from segmentation.features.duckdb_engine import Progress, Task
from segmentation.features.records import CommitFor, Snapshot, SnapshotRecord, record_of, refuse_empty, write_record
from segmentation.features.stages import code_version, stages
from segmentation.features.windows import Window, window_of
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES, FEATURE_GROUPS
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.registry import FEATURE_SNAPSHOTS
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.lake import CATALOG, METADATA
from segmentation.warehouse.snapshots import replace_snapshot
from segmentation.warehouse.sql import literal

FILE_CUSTOMERS = 250_000
"""Customers in one data file of a snapshot, so that writing it needs bounded memory, and a look-up reads one file."""

TOUCHED_SHARE = 0.25
"""Above this share of touched customers, everybody is computed anew: reading the rest back would not pay."""

SPOOL_PREFIX = "features-"
UNTOUCHED_PART = "untouched.parquet"
STALE_S = 2 * 24 * 3600

SCORES = tuple(feature.name for feature in FEATURES if feature.compares_customers)
FIRST_SCORES = stages("population")[0].name
FEATURES_OF = "FROM temp.measures " + " ".join(
    f"JOIN temp.{stage.name} USING (customer_id)" for stage in stages("population")
)

COUNTRIES = f"""
SELECT country, CAST(ordered_at AS DATE) AS day, COUNT(*) AS line_count
FROM {TRANSACTIONS.name} AT (VERSION => {{version}})
WHERE country IS NOT NULL AND ordered_at >= $start AND ordered_at < $as_of
GROUP BY ALL
"""

HOME_MARKET = """
SELECT country
FROM temp.countries
WHERE day >= $start AND day < $as_of
GROUP BY country
ORDER BY SUM(line_count) DESC, country
LIMIT 1
"""

BASE = f"""
SELECT lake_version
FROM {FEATURE_SNAPSHOTS.name}
WHERE as_of = $as_of
    AND window_start = $start
    AND code_version = $code_version
    AND home_market IS NOT DISTINCT FROM $home_market
    AND engine = 'duckdb'
    AND customer_count = (SELECT COUNT(*) FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of)
    AND lake_version IN (SELECT snapshot_id FROM {METADATA}.ducklake_snapshot)
"""
"""Without its snapshot the lake does not know any more what was deleted right after it, and does not say so."""

TOUCHED = f"""
SELECT DISTINCT customer_id
FROM ducklake_table_changes('{CATALOG}', 'raw', 'transactions', {{first}}, {{last}})
WHERE ordered_at >= $start AND ordered_at < $as_of AND snapshot_id > $base
"""
"""Asked from the base on, or from the snapshot after it, which may have been thinned out."""

NEXT = f"SELECT 1 FROM {METADATA}.ducklake_snapshot WHERE snapshot_id = $base + 1"

UNTOUCHED = f"""
SELECT * EXCLUDE (as_of, {{scores}})
FROM {CUSTOMER_FEATURES.name}
WHERE as_of = DATE '{{as_of}}' AND customer_id NOT IN (FROM read_parquet({{touched}}))
"""


@dataclass(frozen=True)
class _Plan:
    """How one snapshot is made.

    Attributes:
        window: Its lines.
        home_market: The shop's home market in this window.
        folder: Where its parts are gathered.
        touched: Parquet file of the only customers to compute; None for everybody.
        is_idle: Whether there is no customer to compute.
    """

    window: Window
    home_market: str | None
    folder: Path
    touched: Path | None = None
    is_idle: bool = False


def write_snapshots(
    lake: Lake,
    dates: Sequence[date],
    commit_for: CommitFor,
    progress: Progress | None = None,
    *,
    now: datetime,
    from_scratch: bool = False,
) -> list[Snapshot]:
    """Compute the features of every customer as of some dates and replace those snapshots in the lake.

    The setting `feature_engine` decides by what; the rest is about DuckDB.

    All dates see the same version of the lake, whatever is written meanwhile, and share one pass over its lines. If
    a snapshot is there that the same code made of an earlier version, only customers with a line changed since then
    are computed.

    Args:
        lake: A writable lake.
        dates: Per snapshot, its date: lines at or after this day (UTC) do not count.
        commit_for: What the lake's commit of a snapshot says about itself.
        progress: Told of each bucket that is done.
        now: When this happens (UTC), for the record.
        from_scratch: Whether to compute every customer in any case.

    Returns:
        What was written, in the order of the dates.

    Raises:
        NotEnoughDataError: No customer has a purchase in one of the windows; the other snapshots are written.
    """
    if lake.settings.feature_engine == "spark":
        return spark.write_snapshots(lake, dates, commit_for, progress, now=now)
    version = lake.version()
    windows = [window_of(as_of, lake.settings.lookback_days) for as_of in dates]
    with _spool(lake) as spool, lake.cursor() as con:
        plans = [
            _plan(con, version, window, market, spool, from_scratch=from_scratch)
            for window, market in zip(windows, _home_markets(lake, con, version, windows), strict=True)
        ]
        _compute(lake, version, plans, progress)
        written = [_write(lake, con, plan, version, commit_for(plan.window.as_of), now) for plan in plans]
        refuse_empty(con, written)
    return written


def _plan(
    con: duckdb.DuckDBPyConnection, version: int, window: Window, market: str | None, spool: Path, *, from_scratch: bool
) -> _Plan:
    folder = spool / str(window.as_of)
    folder.mkdir()
    touched = spool / f"{window.as_of}-touched.parquet"
    base = None if from_scratch else _base_version(con, window, market)
    count = None if base is None else _find_touched(con, base, version, window, touched)
    if count is None:
        return _Plan(window, market, folder)
    untouched = UNTOUCHED.format(as_of=window.as_of, touched=literal(str(touched)), scores=", ".join(SCORES))
    con.execute(f"COPY ({untouched}) TO {literal(str(folder / UNTOUCHED_PART))} (FORMAT parquet)")
    return _Plan(window, market, folder, touched, is_idle=count == 0)


def _base_version(con: duckdb.DuckDBPyConnection, window: Window, market: str | None) -> int | None:
    facts = {"as_of": window.as_of, "start": window.start, "code_version": code_version(FEATURES)}
    row = con.execute(BASE, {**facts, "home_market": market}).fetchone()
    return int(row[0]) if row else None


def _find_touched(con: duckdb.DuckDBPyConnection, base: int, version: int, window: Window, path: Path) -> int | None:
    """Write the customers with a line changed since `base` to a file.

    Returns:
        How many; None if they are too many to matter, or if `base` has expired.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE touched (customer_id VARCHAR)")
    if version > base:
        try:
            first = base + 1 if con.execute(NEXT, {"base": base}).fetchone() else base
            changes = TOUCHED.format(first=first, last=version)
            values = {"start": window.start, "as_of": window.as_of, "base": base}
            con.execute(f"INSERT INTO temp.touched {changes}", values)
        except duckdb.Error as error:
            if "snapshot" not in str(error).lower():
                raise
            return None
    con.execute(f"COPY temp.touched TO {literal(str(path))} (FORMAT parquet)")
    count = con.table("temp.touched").shape[0]
    everybody = con.execute(
        f"SELECT COUNT(*) FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of", {"as_of": window.as_of}
    ).fetchone()
    return count if everybody and count <= TOUCHED_SHARE * everybody[0] else None


def _compute(lake: Lake, version: int, plans: Sequence[_Plan], progress: Progress | None) -> None:
    together = [plan for plan in plans if plan.touched is None]
    alone = [[plan] for plan in plans if plan.touched is not None and not plan.is_idle]
    for group in [together, *alone] if together else alone:
        task = Task(
            version,
            tuple(plan.window for plan in group),
            tuple(plan.home_market for plan in group),
            tuple(plan.folder for plan in group),
            group[0].touched,
        )
        duckdb_engine.compute(lake, task, progress)


def _write(
    lake: Lake, con: duckdb.DuckDBPyConnection, plan: _Plan, version: int, commit: Commit, now: datetime
) -> Snapshot:
    if not any(plan.folder.iterdir()):
        return Snapshot(plan.window, 0, 0)
    parts = f"read_parquet({literal(f'{plan.folder}/*.parquet')}, filename => true, union_by_name => true)"
    con.execute(f"CREATE OR REPLACE TEMP VIEW measures AS SELECT * EXCLUDE (filename) FROM {parts}")
    for stage in stages("population"):
        con.execute(f"CREATE OR REPLACE TEMP TABLE {stage.name} AS {stage.sql}")
    counted = con.execute(
        f"SELECT COUNT(*), COUNT(*) FILTER (NOT contains(filename, '{UNTOUCHED_PART}')) FROM {parts}"
    ).fetchone()
    snapshot = Snapshot(plan.window, *(counted or (0, 0)))
    if snapshot.customer_count:
        relations = [f"({FEATURES_OF} WHERE {chosen})" for chosen in _customer_ranges(con)]
        record = record_of(lake.settings, snapshot, plan.home_market, version, commit, now)
        lake.transaction(con, commit, lambda c: _replace(c, relations, record))
    return snapshot


def _customer_ranges(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Conditions that cut the customers of a snapshot into ranges of at most `FILE_CUSTOMERS`."""
    firsts = [
        literal(row[0])
        for row in con.execute(
            f"SELECT customer_id FROM temp.{FIRST_SCORES} "
            f"QUALIFY (ROW_NUMBER() OVER (ORDER BY customer_id) - 1) % {FILE_CUSTOMERS} = 0 ORDER BY customer_id"
        ).fetchall()
    ]
    ends = [*firsts[1:], None]
    return [f"customer_id >= {a}" + (f" AND customer_id < {b}" if b else "") for a, b in zip(firsts, ends, strict=True)]


def _replace(con: duckdb.DuckDBPyConnection, relations: Sequence[str], record: SnapshotRecord) -> None:
    for table in (*FEATURE_GROUPS.values(), CUSTOMER_FEATURES):
        replace_snapshot(con, table, record.as_of, *relations)
    write_record(con, record)


def _home_markets(
    lake: Lake, con: duckdb.DuckDBPyConnection, version: int, windows: Sequence[Window]
) -> list[str | None]:
    """Per window, the home market: the setting, else the country with the most lines."""
    if lake.settings.home_market:
        return [lake.settings.home_market] * len(windows)
    whole = {"start": min(w.start for w in windows), "as_of": max(w.as_of for w in windows)}
    con.execute(f"CREATE OR REPLACE TEMP TABLE countries AS {COUNTRIES.format(version=version)}", whole)
    found = [con.execute(HOME_MARKET, {"start": w.start, "as_of": w.as_of}).fetchone() for w in windows]
    return [row[0] if row else None for row in found]


@contextmanager
def _spool(lake: Lake) -> Iterator[Path]:
    """A folder for parts. What killed runs left behind goes first, once it is old enough to be nobody's."""
    parent = lake.settings.home / "tmp"
    parent.mkdir(parents=True, exist_ok=True)
    for stale in parent.glob(f"{SPOOL_PREFIX}*"):
        if time.time() - stale.stat().st_mtime > STALE_S:
            shutil.rmtree(stale, ignore_errors=True)
    folder = Path(mkdtemp(prefix=SPOOL_PREFIX, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
