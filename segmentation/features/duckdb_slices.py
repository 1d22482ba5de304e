"""Slices: the features of some customers at a time, by DuckDB, for any number of dates at once.

A slice is some customers of one bucket with all their lines, small enough that memory stays bounded whatever the size
of the lake. Its stages run as one statement, so that nothing between them is written anywhere; with several dates the
stages of `history/` are kept in temporary tables and serve all of them. Slices run side by side on DuckDBs of one
thread each, which takes about two thirds of the CPU time of one DuckDB with many.

Within a slice customers are numbered and order and product ids are replaced by DuckDB's 64-bit hash: the stages only
compare them, and integers compare faster than text. Two of the n ids of one customer share a hash with a probability
of about n²/2^65.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from segmentation.features.macros import DUCKDB_MACROS, duckdb_shop_time
from segmentation.features.stages import stages
from segmentation.features.windows import Window
from segmentation.metadata.features import GROUPS
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.progress import Progress
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import customer_buckets
from segmentation.warehouse.sql import literal

SLICE_LINES = 400_000
"""A slice is cut once it has this many lines; the last customer of it comes whole."""

PARALLEL_LINES = 2_000_000
"""Below this many lines one DuckDB is faster than opening several."""

# Buckets and times are written out, not bound: DuckLake skips files by what it can see when it plans.
BUCKET_CUSTOMERS = f"""
SELECT
    customer_id,
    CAST(ROW_NUMBER() OVER (ORDER BY customer_id) AS INTEGER) AS code,
    CAST((SUM(line_count) OVER (ORDER BY customer_id) - line_count) // {SLICE_LINES} AS INTEGER) AS slice
FROM (
    SELECT customer_id, COUNT(*) AS line_count
    FROM {TRANSACTIONS.name} AT (VERSION => {{version}})
    WHERE customer_bucket = {{bucket}}
        AND ordered_at >= TIMESTAMP '{{start}}' AND ordered_at < TIMESTAMP '{{end}}'
        AND {{chosen}}
    GROUP BY customer_id
)
"""

LINES = f"""
SELECT
    customers.code AS customer_id,
    hash(order_id) AS order_id,
    hash(product_id) AS product_id,
    category,
    millionths(quantity) AS quantity,
    millionths(amount) AS amount,
    millionths(discount) AS discount,
    ordered_at,
    country,
    channel
FROM (FROM {TRANSACTIONS.name} AT (VERSION => {{version}})) AS line
JOIN temp.customers AS customers ON customers.customer_id = line.customer_id
WHERE line.customer_bucket = {{bucket}}
    AND line.customer_id BETWEEN {{first}} AND {{last}}
    AND ordered_at >= TIMESTAMP '{{start}}' AND ordered_at < TIMESTAMP '{{end}}'
"""

MEASURES = f"""
SELECT customers.customer_id, {", ".join(f"{group}.* EXCLUDE (customer_id)" for group in GROUPS)}
FROM {GROUPS[0]}
{" ".join(f"JOIN {group} ON {group}.customer_id = {GROUPS[0]}.customer_id" for group in GROUPS[1:])}
JOIN temp.customers AS customers ON customers.code = {GROUPS[0]}.customer_id
"""

IN_WINDOW = "ordered_at >= TIMESTAMP '{start}' AND ordered_at < TIMESTAMP '{as_of}'"

SPLIT_CUSTOMERS = """
SELECT DISTINCT customer_id
FROM (SELECT * FROM temp.orders UNION ALL BY NAME SELECT * FROM temp.return_orders)
WHERE (ordered_at < TIMESTAMP '{as_of}' AND last_line_at >= TIMESTAMP '{as_of}')
    OR (ordered_at < TIMESTAMP '{start}' AND last_line_at >= TIMESTAMP '{start}')
"""


@dataclass(frozen=True)
class Task:
    """What to compute.

    Attributes:
        version: The version of the lake that is read, whatever is written meanwhile.
        windows: The snapshots; all are of one time zone.
        home_markets: The home market of each window, where one is known.
        folders: Where the parts of each window go, as Parquet: `customer_id` and every feature but the scores.
        customers: Parquet file with the `customer_id`s to restrict it to; None for everybody.
    """

    version: int
    windows: tuple[Window, ...]
    home_markets: tuple[str | None, ...]
    folders: tuple[Path, ...]
    customers: Path | None = None

    @property
    def start(self) -> datetime:
        """First moment of the earliest window."""
        return min(window.starts_at for window in self.windows)

    @property
    def end(self) -> datetime:
        """First moment after the latest window."""
        return max(window.ends_at for window in self.windows)


def compute_slices(lake: Lake, task: Task, progress: Progress | None = None) -> None:
    """Write the parts of all windows of a task.

    Args:
        lake: The lake to read.
        task: What to compute.
        progress: Told of each bucket that is done.
    """
    with lake.cursor() as con:
        buckets = customer_buckets(con)
        lines = con.execute(f"SELECT COUNT(*) FROM {TRANSACTIONS.name} AT (VERSION => {task.version})").fetchone()
    workers = _workers(lake, buckets) if lines and lines[0] >= PARALLEL_LINES else 1
    shop_time = duckdb_shop_time(task.windows[0].zone, task.start, task.end)
    with _connections(lake, workers, shop_time) as connection, ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(_compute_bucket, connection, task, bucket) for bucket in range(buckets)]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                if progress:
                    progress(done, buckets)
        finally:
            for job in jobs:
                job.cancel()


def prepare(con: duckdb.DuckDBPyConnection, shop_time: str) -> None:
    """Define what stages need on a connection.

    Args:
        con: The connection.
        shop_time: The macro of the shop's time zone, `duckdb_shop_time`.
    """
    for macro in (*DUCKDB_MACROS, shop_time):
        con.execute(f"CREATE OR REPLACE TEMP MACRO {macro}")
    con.execute("CREATE OR REPLACE TEMP TABLE snapshot (as_of TIMESTAMP, window_start TIMESTAMP, home_market VARCHAR)")


def set_snapshot(con: duckdb.DuckDBPyConnection, window: Window, home_market: str | None) -> None:
    """Say which snapshot the stages of `customer/` are for."""
    con.execute("DELETE FROM temp.snapshot")
    con.execute("INSERT INTO temp.snapshot VALUES (?, ?, ?)", [window.ends_at, window.starts_at, home_market])


def statement(inputs: Mapping[str, str], select: str) -> str:
    """One statement of all stages up to those of `customer/`.

    Args:
        inputs: What to read instead of what the stages say, by name: `lines`, or each stage of `history/`.
        select: What to select from the stages.
    """
    steps = {stage.name: stage.sql for stage in (*stages("history"), *stages("customer"))}
    relations = ",\n".join(f"{name} AS ({sql})" for name, sql in {**inputs, **steps, **inputs}.items())
    return f"WITH {relations}\n{select}"


def _compute_bucket(connection: Callable[[], duckdb.DuckDBPyConnection], task: Task, bucket: int) -> None:
    con = connection()
    chosen = f"customer_id IN (FROM read_parquet({literal(str(task.customers))}))" if task.customers else "true"
    part = {"version": task.version, "bucket": bucket, "start": task.start, "end": task.end}
    con.execute(f"CREATE OR REPLACE TEMP TABLE bucket_customers AS {BUCKET_CUSTOMERS.format(**part, chosen=chosen)}")
    bounds = "SELECT slice, MIN(customer_id), MAX(customer_id) FROM temp.bucket_customers GROUP BY slice ORDER BY slice"
    for number, first, last in con.execute(bounds).fetchall():
        con.execute(f"CREATE OR REPLACE TEMP TABLE customers AS FROM temp.bucket_customers WHERE slice = {number}")
        lines = LINES.format(**part, first=literal(first), last=literal(last))
        _compute_slice(con, task, lines, f"{bucket:05d}-{number:05d}")


def _compute_slice(con: duckdb.DuckDBPyConnection, task: Task, lines: str, name: str) -> None:
    inputs = {"lines": lines} if len(task.windows) == 1 else _keep_history(con, lines)
    for window, market, folder in zip(task.windows, task.home_markets, task.folders, strict=True):
        set_snapshot(con, window, market)
        split = len(task.windows) > 1 and _find_split(con, window)
        kept = {n: f"{sql} WHERE customer_id NOT IN (FROM temp.split)" for n, sql in inputs.items()}
        _write(con, kept if split else inputs, folder / f"{name}.parquet")
        if split:
            own = f"FROM temp.lines WHERE customer_id IN (FROM temp.split) AND {_in(window)}"
            _write(con, {"lines": own}, folder / f"{name}-split.parquet")


def _keep_history(con: duckdb.DuckDBPyConnection, lines: str) -> dict[str, str]:
    con.execute(f"CREATE OR REPLACE TEMP TABLE lines AS {lines}")
    for stage in stages("history"):
        con.execute(f"CREATE OR REPLACE TEMP TABLE {stage.name} AS {stage.sql}")
    return {stage.name: f"FROM temp.{stage.name}" for stage in stages("history")}


def _find_split(con: duckdb.DuckDBPyConnection, window: Window) -> bool:
    """Leave those customers in `split` who have an order on both sides of an edge of the window."""
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE split AS {SPLIT_CUSTOMERS.format(as_of=window.ends_at, start=window.starts_at)}"
    )
    return bool(con.table("temp.split").shape[0])


def _write(con: duckdb.DuckDBPyConnection, inputs: Mapping[str, str], path: Path) -> None:
    con.execute(f"COPY ({statement(inputs, MEASURES)}) TO {literal(str(path))} (FORMAT parquet)")


def _in(window: Window) -> str:
    return IN_WINDOW.format(start=window.starts_at, as_of=window.ends_at)


def _workers(lake: Lake, buckets: int) -> int:
    if lake.settings.memory_limit:  # it holds for a whole DuckDB
        return 1
    return min(lake.settings.threads or os.cpu_count() or 1, buckets)


@contextmanager
def _connections(lake: Lake, workers: int, shop_time: str) -> Iterator[Callable[[], duckdb.DuckDBPyConnection]]:
    """Gives each thread a connection of its own; with several workers, each to a DuckDB of its own."""
    opened: list[Lake] = []
    mine = threading.local()
    cursors: list[duckdb.DuckDBPyConnection] = []

    def connection() -> duckdb.DuckDBPyConnection:
        if not hasattr(mine, "con"):
            own = lake
            if workers > 1:
                own = Lake(lake.settings.model_copy(update={"threads": 1}), read_only=True)
                opened.append(own)
            mine.con = own.cursor()
            cursors.append(mine.con)
            prepare(mine.con, shop_time)
        con: duckdb.DuckDBPyConnection = mine.con
        return con

    try:
        yield connection
    finally:
        for con in cursors:
            con.close()
        for own in opened:
            own.close()
