"""Slices: the features of some customers at a time, by the kernel, for any number of dates at once.

A slice is all customers of a bucket, or a range of them, with all their lines, small enough that memory stays bounded
whatever the size of the lake. Slices run side by side, each read by a DuckDB of one thread and computed without the
GIL.

Order and product ids are replaced by DuckDB's 64-bit hash, since the kernel only compares them. Two of the n ids of one
customer share a hash with a probability of about n²/2^65.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from segmentation.features.feature_rows import compute_tables, shop_clock
from segmentation.features.kernel.records import Clock
from segmentation.features.kernels import Kernel, choose_kernel
from segmentation.features.line_columns import NAMES, KnownNames, read_columns, read_text_columns
from segmentation.features.windows import Window
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.progress import Progress
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import customer_buckets
from segmentation.warehouse.sql import literal

SLICE_LINES = 1_000_000
"""A bucket with more lines is cut into slices of about so many; a customer is never cut."""

SLICE_ROWS = 250_000
"""As well, if it makes more than about so many rows of features."""

PARALLEL_LINES = 500_000
"""Below this many lines one DuckDB is faster than opening several."""

LINES_PER_CUSTOMER = 30
"""About how many there are: for choosing a kernel, not for any result."""

# Buckets and times are written out, not bound: DuckLake skips files by what it can see when it plans.
SCOPE = f"""
FROM {TRANSACTIONS.name} AT (VERSION => {{version}})
WHERE customer_bucket = {{bucket}}
    AND ordered_at >= TIMESTAMP '{{start}}' AND ordered_at < TIMESTAMP '{{end}}'
    AND {{chosen}}
"""

LINES = f"""
SELECT
    customer_id,
    hash(order_id) AS order_id,
    hash(product_id) AS product_id,
    {{names}},
    ordered_at,
    quantity,
    amount,
    discount
{SCOPE}
"""

HASHED = ", ".join(f"hash({name}) AS {name}" for name in NAMES)

TEXTS = f"SELECT DISTINCT {{column}}, hash({{column}}) {SCOPE} AND hash({{column}}) IN (SELECT unnest($keys))"

BOUNDS = f"""
SELECT quantile_disc(customer_id, [{{shares}}])
FROM (SELECT customer_id {SCOPE})
USING SAMPLE 20000 ROWS (reservoir, 1)
"""

LINE_COUNT = f"SELECT COUNT(*) FROM {TRANSACTIONS.name} AT (VERSION => {{version}})"


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


@dataclass(frozen=True)
class _Run:
    """What all slices of a task share."""

    task: Task
    clock: Clock
    known: KnownNames
    slices_per_bucket: int
    worker: Callable[[], "_Worker"]


@dataclass(frozen=True)
class _Worker:
    """What a thread has of its own."""

    con: duckdb.DuckDBPyConnection
    kernel: Kernel


def compute_slices(lake: Lake, task: Task, progress: Progress | None = None) -> None:
    """Write the parts of all windows of a task.

    Args:
        lake: The lake to read.
        task: What to compute.
        progress: Told of each bucket that is done.

    Raises:
        SegmentationError: A customer's numbers are too large to be added exactly.
    """
    with lake.cursor() as con:
        buckets = customer_buckets(con)
        ((lines,),) = con.execute(LINE_COUNT.format(version=task.version)).fetchall()
    rows = len(task.windows) * lines // LINES_PER_CUSTOMER
    kernel = choose_kernel(lines, rows)  # once: whether code is cached may change meanwhile
    workers = _workers(lake, buckets) if lines >= PARALLEL_LINES else 1
    cuts = max(1, round(lines / (buckets * SLICE_LINES)), round(rows / (buckets * SLICE_ROWS)))
    with _workers_of(lake, workers, kernel) as worker, ThreadPoolExecutor(workers) as pool:
        run = _Run(task, shop_clock(kernel, task.windows), KnownNames(), cuts, worker)
        jobs = [pool.submit(_compute_bucket, run, bucket) for bucket in range(buckets)]
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                if progress:
                    progress(done, buckets)
        finally:
            for job in jobs:
                job.cancel()
    pa.default_memory_pool().release_unused()  # scores and the transaction need memory next


def _compute_bucket(run: _Run, bucket: int) -> None:
    task = run.task
    chosen = f"customer_id IN (FROM read_parquet({literal(str(task.customers))}))" if task.customers else "true"
    scope = {"version": task.version, "bucket": bucket, "start": task.start, "end": task.end}
    for number, customers in enumerate(_ranges(run, {**scope, "chosen": chosen})):
        _compute_slice(run, {**scope, "chosen": f"{chosen} AND {customers}"}, f"{bucket:05d}-{number:05d}.parquet")


def _ranges(run: _Run, scope: Mapping[str, object]) -> list[str]:
    """Conditions that cut the customers of a bucket into ranges of about as many lines each."""
    if run.slices_per_bucket < 2:
        return ["true"]
    shares = ", ".join(str(number / run.slices_per_bucket) for number in range(1, run.slices_per_bucket))
    ((bounds,),) = run.worker().con.execute(BOUNDS.format(**scope, shares=shares)).fetchall()
    firsts = [literal(bound) for bound in sorted(set(bounds or ()))]
    after = ["true", *(f"customer_id >= {first}" for first in firsts)]
    before = [*(f"customer_id < {first}" for first in firsts), "true"]
    return [f"{one} AND {other}" for one, other in zip(after, before, strict=True)]


def _compute_slice(run: _Run, scope: Mapping[str, object], name: str) -> None:
    con, kernel = run.worker().con, run.worker().kernel
    is_text = run.task.customers is not None  # of few lines texts cost less than to look those of hashes up
    query = LINES.format(**scope, names=", ".join(NAMES) if is_text else HASHED)
    lines = con.execute(query).to_arrow_table(SLICE_LINES)
    if not lines.num_rows:
        return

    def resolve(column: str, keys: Sequence[int]) -> dict[int, str | None]:
        unsigned = {"keys": [key % 2**64 for key in keys]}
        found = con.execute(TEXTS.format(**scope, column=column), unsigned).fetchall()
        return {_signed(key): text for text, key in found}

    columns = read_text_columns(kernel, lines) if is_text else read_columns(kernel, lines, run.known, resolve)
    tables = compute_tables(kernel, columns, run.task.windows, run.task.home_markets, run.clock)
    for table, folder in zip(tables, run.task.folders, strict=True):
        _write(table, folder / name)


def _write(table: pa.Table, path: Path) -> None:
    if table.num_rows:
        pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)


def _signed(key: int) -> int:
    return key - 2**64 if key >= 2**63 else key


def _workers(lake: Lake, buckets: int) -> int:
    if lake.settings.memory_limit:  # it holds for a whole DuckDB
        return 1
    return min(lake.settings.threads or os.cpu_count() or 1, buckets)


@contextmanager
def _workers_of(lake: Lake, count: int, kernel: Kernel) -> Iterator[Callable[[], _Worker]]:
    """Gives each thread a worker of its own; of several, each has a DuckDB of its own."""
    opened: list[Lake] = []
    mine = threading.local()
    cursors: list[duckdb.DuckDBPyConnection] = []

    def worker() -> _Worker:
        if not hasattr(mine, "worker"):
            own = lake
            if count > 1:
                own = Lake(lake.settings.model_copy(update={"threads": 1}), read_only=True)
                opened.append(own)
            cursors.append(own.cursor())
            mine.worker = _Worker(cursors[-1], kernel.for_another_thread())
        found: _Worker = mine.worker
        return found

    try:
        yield worker
    finally:
        for con in cursors:
            con.close()
        for own in opened:
            own.close()
