"""The DuckDB engine: feature snapshots, customer bucket by customer bucket, straight from the lake.

Memory is bounded by one bucket of lines. Results gather in temporary tables; the lake changes in one short
transaction at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from segmentation.errors import NotEnoughDataError
from segmentation.features.catalogue import GROUPS
from segmentation.features.macros import DUCKDB_MACROS
from segmentation.features.stages import Stage, stages
from segmentation.warehouse import Commit, Lake, replace_snapshot
from segmentation.warehouse.schema import CUSTOMER_FEATURES, FEATURE_GROUPS, customer_buckets

Progress = Callable[[int, int], None]
"""Called with (buckets done, buckets in all)."""

KEPT_STAGES = ("rfm_measures", "diversity", "temporal", "behaviour")
"""Results of the customer stages that outlive their bucket."""

LINES = """
SELECT
    customer_id,
    order_id,
    product_id,
    category,
    CAST(quantity AS DECIMAL(18, 6)) AS quantity,
    CAST(amount AS DECIMAL(18, 6)) AS amount,
    CAST(discount AS DECIMAL(18, 6)) AS discount,
    ordered_at,
    country,
    channel
FROM raw.transactions AT (VERSION => {version})
WHERE customer_bucket = $bucket AND ordered_at >= $window_start AND ordered_at < $as_of
"""


HOME_MARKET = """
SELECT country
FROM raw.transactions AT (VERSION => {version})
WHERE country IS NOT NULL AND ordered_at >= $window_start AND ordered_at < $as_of
GROUP BY country
ORDER BY COUNT(*) DESC, country
LIMIT 1
"""


@dataclass(frozen=True)
class Snapshot:
    """What a feature snapshot holds.

    Attributes:
        as_of: The snapshot date.
        window_start: First day that counts.
        customer_count: Customers with a purchase in the window, each with one row.
    """

    as_of: date
    window_start: date
    customer_count: int


def window_start(as_of: date, lookback_days: int | None) -> date:
    """First day of the look-back window; the earliest possible day without a limit."""
    return date(1900, 1, 1) if lookback_days is None else as_of - timedelta(days=lookback_days)


def write_snapshot(lake: Lake, as_of: date, commit: Commit, progress: Progress | None = None) -> Snapshot:
    """Compute the features of every customer as of a date and replace that snapshot in the lake.

    Args:
        lake: A writable lake.
        as_of: Lines at or after this day (UTC) do not count.
        commit: What the lake's snapshot says about itself.
        progress: Told of each bucket that is done.

    Returns:
        What was written.

    Raises:
        NotEnoughDataError: No customer has a purchase in the window.
    """
    start = window_start(as_of, lake.settings.lookback_days)
    with lake.cursor() as con:
        market = lake.settings.home_market
        compute_snapshot(con, lake.version(), as_of, start, home_market=market, progress=progress)
        snapshot = Snapshot(as_of, start, con.table("temp.rfm").shape[0])
        if not snapshot.customer_count:
            raise NotEnoughDataError(_no_purchases(con, start, as_of))
        lake.transaction(con, commit, lambda c: _replace(c, as_of))
    return snapshot


def compute_snapshot(
    con: duckdb.DuckDBPyConnection,
    version: int,
    as_of: date,
    start: date,
    *,
    home_market: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Leave a snapshot in the temporary tables `rfm`, `diversity`, `temporal` and `behaviour` of `con`.

    All buckets are read from the same version of the lake, whatever is written meanwhile.
    """
    buckets = customer_buckets(con)
    _prepare(con, as_of, home_market or _most_frequent_country(con, version, as_of, start))
    for bucket in range(buckets):
        window = {"bucket": bucket, "window_start": start, "as_of": as_of}
        con.execute(f"CREATE OR REPLACE TEMP TABLE lines AS {LINES.format(version=version)}", window)
        _run(con, stages("customer"))
        for name in KEPT_STAGES:
            _keep(con, name, is_first=bucket == 0)
        if progress:
            progress(bucket + 1, buckets)
    for name in KEPT_STAGES:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM kept_{name}")
        con.execute(f"DROP TABLE temp.kept_{name}")
    _run(con, stages("population"))


def _prepare(con: duckdb.DuckDBPyConnection, as_of: date, home_market: str | None) -> None:
    for macro in DUCKDB_MACROS:
        con.execute(f"CREATE OR REPLACE TEMP MACRO {macro}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE snapshot AS "
        "SELECT CAST($as_of AS TIMESTAMP) AS as_of, CAST($home_market AS VARCHAR) AS home_market",
        {"as_of": as_of, "home_market": home_market},
    )


def _most_frequent_country(con: duckdb.DuckDBPyConnection, version: int, as_of: date, start: date) -> str | None:
    row = con.execute(HOME_MARKET.format(version=version), {"window_start": start, "as_of": as_of}).fetchone()
    return row[0] if row else None


def _run(con: duckdb.DuckDBPyConnection, steps: tuple[Stage, ...]) -> None:
    for stage in steps:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {stage.name} AS {stage.sql}")


def _keep(con: duckdb.DuckDBPyConnection, name: str, *, is_first: bool) -> None:
    if is_first:
        con.execute(f"CREATE OR REPLACE TEMP TABLE kept_{name} AS FROM temp.{name}")
    else:
        con.execute(f"INSERT INTO temp.kept_{name} FROM temp.{name}")


def _replace(con: duckdb.DuckDBPyConnection, as_of: date) -> None:
    joined = " JOIN ".join(["temp.rfm", *(f"temp.{group} USING (customer_id)" for group in GROUPS if group != "rfm")])
    for table, relation in [*((FEATURE_GROUPS[g], f"temp.{g}") for g in GROUPS), (CUSTOMER_FEATURES, joined)]:
        replace_snapshot(con, table, relation, as_of)


def _no_purchases(con: duckdb.DuckDBPyConnection, start: date, as_of: date) -> str:
    row = con.execute("SELECT MIN(ordered_at)::DATE, MAX(ordered_at)::DATE FROM raw.transactions").fetchone()
    first, last = row or (None, None)
    there = f"the lake holds lines from {first} to {last}" if first else "the lake holds no lines yet"
    return (
        f"No customer has a purchase between {start} and {as_of}: {there}. Choose another as_of, widen "
        "SEGMENTATION_LOOKBACK_DAYS, or ingest more data."
    )
