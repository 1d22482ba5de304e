"""The DuckDB engine: which customers are computed anew, the parts that slices leave, and how they become snapshots.

Slices leave Parquet parts in a folder, so that memory does not grow with the number of customers. Scores, which compare
customers, and the short transaction that replaces a snapshot come last.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import duckdb

from segmentation.features.engine import Computed, Record, ReplaceRows
from segmentation.features.macros import duckdb_shop_time
from segmentation.features.records import Snapshot
from segmentation.features.slices import Task, compute_slices
from segmentation.features.stages import code_version, stages
from segmentation.features.windows import Window
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.private_files import make_private_folder
from segmentation.progress import Progress
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.lake import CATALOG, METADATA
from segmentation.warehouse.snapshots import replace_rows
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
SELECT country, CAST(shop_time(ordered_at) AS DATE) AS day, COUNT(*) AS line_count
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
FROM {SNAPSHOTS.name}
WHERE table_name = '{CUSTOMER_FEATURES.name}'
    AND as_of = $as_of
    AND window_start = $start
    AND COALESCE(timezone, 'UTC') = $zone
    AND code_version = $code_version
    AND home_market IS NOT DISTINCT FROM $home_market
    AND engine = 'duckdb'
    AND row_count = (SELECT COUNT(*) FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of)
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


def compute_snapshots(
    lake: Lake,
    windows: Sequence[Window],
    write: Callable[[Computed, ReplaceRows], object],
    progress: Progress | None,
    *,
    from_scratch: bool,
) -> None:
    """Compute the features of every customer in some windows, in one pass over the lines of them all.

    If a snapshot is there that the same code made of an earlier version of the lake, only customers with a line
    changed since then are computed.

    Args:
        lake: A writable lake.
        windows: The snapshots; all are of one time zone.
        write: Told of each snapshot, in order; what it is given holds until it returns.
        progress: Told of each bucket that is done.
        from_scratch: Whether to compute every customer in any case.
    """
    version = lake.version()
    with _spool(lake) as spool, lake.cursor() as con:
        plans = [
            _plan(con, version, window, market, spool, from_scratch=from_scratch)
            for window, market in zip(windows, _home_markets(lake, con, version, windows), strict=True)
        ]
        _compute_parts(lake, version, plans, progress)
        for plan in plans:
            write(Computed(_gather(con, plan), plan.home_market, version), partial(_replace_rows, lake, con, plan))


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
    facts = {"as_of": window.as_of, "start": window.start, "zone": window.zone, "code_version": code_version(FEATURES)}
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
            values = {"start": window.starts_at, "as_of": window.ends_at, "base": base}
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


def _compute_parts(lake: Lake, version: int, plans: Sequence[_Plan], progress: Progress | None) -> None:
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
        compute_slices(lake, task, progress)


def _gather(con: duckdb.DuckDBPyConnection, plan: _Plan) -> Snapshot:
    """Leave the parts of a snapshot in the view `measures`, and what compares its customers in tables beside it."""
    if not any(plan.folder.iterdir()):
        return Snapshot(plan.window, 0, 0)
    parts = f"read_parquet({literal(f'{plan.folder}/*.parquet')}, filename => true, union_by_name => true)"
    con.execute(f"CREATE OR REPLACE TEMP VIEW measures AS SELECT * EXCLUDE (filename) FROM {parts}")
    for stage in stages("population"):
        con.execute(f"CREATE OR REPLACE TEMP TABLE {stage.name} AS {stage.sql}")
    counted = con.execute(
        f"SELECT COUNT(*), COUNT(*) FILTER (NOT contains(filename, '{UNTOUCHED_PART}')) FROM {parts}"
    ).fetchone()
    return Snapshot(plan.window, *(counted or (0, 0)))


def _replace_rows(lake: Lake, con: duckdb.DuckDBPyConnection, plan: _Plan, commit: Commit, record: Record) -> None:
    """Replace a snapshot by what `_gather` has left, unless no customer had to be computed."""
    relations = [f"({FEATURES_OF} WHERE {chosen})" for chosen in _customer_ranges(con)]

    def replace(c: duckdb.DuckDBPyConnection) -> None:
        if not plan.is_idle:
            replace_rows(c, CUSTOMER_FEATURES, plan.window.as_of, *relations)
        record(c, plan.is_idle)

    lake.transaction(con, commit, replace)


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


def _home_markets(
    lake: Lake, con: duckdb.DuckDBPyConnection, version: int, windows: Sequence[Window]
) -> list[str | None]:
    """Per window, the home market: the setting, else the country with the most lines."""
    if lake.settings.home_market:
        return [lake.settings.home_market] * len(windows)
    whole = {"start": min(w.starts_at for w in windows), "as_of": max(w.ends_at for w in windows)}
    con.execute(f"CREATE OR REPLACE TEMP MACRO {duckdb_shop_time(windows[0].zone, *whole.values())}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE countries AS {COUNTRIES.format(version=version)}", whole)
    found = [con.execute(HOME_MARKET, {"start": w.start, "as_of": w.as_of}).fetchone() for w in windows]
    return [row[0] if row else None for row in found]


@contextmanager
def _spool(lake: Lake) -> Iterator[Path]:
    """A folder for parts. What killed runs left behind goes first, once it is old enough to be nobody's."""
    parent = lake.settings.home / "tmp"
    make_private_folder(parent)
    for stale in parent.glob(f"{SPOOL_PREFIX}*"):
        if time.time() - stale.stat().st_mtime > STALE_S:
            shutil.rmtree(stale, ignore_errors=True)
    folder = Path(mkdtemp(prefix=SPOOL_PREFIX, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
