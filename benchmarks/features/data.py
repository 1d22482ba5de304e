"""The lines that the contenders work on: a synthetic shop of a given size in a lake, made once and kept."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from segmentation.settings import Settings, load_settings
from segmentation.synthetic import generate, write
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.customer_bucket import CUSTOMER_BUCKET_MACRO
from segmentation.warehouse.lake import next_version
from segmentation.warehouse.schema import migrate

END = date(2026, 1, 1)
LINES_PER_BUCKET = 800_000
MIN_BUCKETS = 4
SAMPLE_CUSTOMERS = 10_000
DONE = "size.json"
LINES_AT_ONCE = 20_000_000
"""Lines that are sorted in memory together while a lake is filled; it takes about 7 GB."""

BYTES_PER_LINE, BYTES_PER_LINE_MADE = 30, 100
"""Disk that a line takes in a lake, and while it is made; as measured, with something to spare."""

LOAD = """
INSERT INTO raw.transactions BY NAME
SELECT
    line_id, order_id, customer_id, product_id, category, quantity, unit_price, amount, discount, ordered_at, country,
    channel, 'benchmark' AS source, TIMESTAMP '2026-01-01' AS ingested_at,
    temp.customer_bucket(customer_id, {buckets}) AS customer_bucket
FROM read_parquet($files)
WHERE temp.customer_bucket(customer_id, {buckets}) BETWEEN {first} AND {last}
"""

DAYS = """
CREATE TEMP TABLE days AS
SELECT 'benchmark' AS source, CAST(ordered_at AS DATE) AS ordered_on, COUNT(*) AS line_count_change
FROM read_parquet($files)
GROUP BY ALL
"""


@dataclass(frozen=True)
class Shop:
    """A lake full of lines.

    Attributes:
        home: Its folder.
        lines: Lines in it.
        customers: Customers in it.
        days: Length of its history, which ends at `END`.
    """

    home: Path
    lines: int
    customers: int
    days: int


def make_shop(folder: Path, lines: int, days: int, announce: Callable[[str], None]) -> Shop:
    """The shop with about so many lines in so many days, from `folder` if it was made before.

    Fewer days leave a customer fewer lines, so that it takes more customers for as many lines.
    """
    home = _home(folder, lines, days)
    if not (home / DONE).exists():
        announce(f"Making about {lines:,} lines in {days} days under {home} (once)")
        shutil.rmtree(home, ignore_errors=True)
        _fill(home, lines, days)
    size = json.loads((home / DONE).read_text("utf-8"))
    return Shop(home, size["lines"], size["customers"], days)


def reason_not_to_make(folder: Path, lines: int, days: int) -> str | None:
    """Why there is no such shop and can't be one; None if there is or can be."""
    home = _home(folder, lines, days)
    needed = lines * (BYTES_PER_LINE if (home / DONE).exists() else BYTES_PER_LINE_MADE)
    free = shutil.disk_usage(folder).free
    if needed <= free:
        return None
    return f"needs about {needed / 2**30:.1f} GB of disk in {folder}, {free / 2**30:.1f} GB are free"


def copy_of(home: Path, to: Path) -> Path:
    """A lake like the one in `home` that may be written to; the data files are linked, since none is ever changed.

    Raises:
        RuntimeError: Somebody writes to the lake.
    """
    _refuse_unfinished(home)
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home / "data", to / "data", copy_function=_link)
    shutil.copy(home / "catalog.sqlite", to)
    return to


def _home(folder: Path, lines: int, days: int) -> Path:
    return folder / f"{lines}-lines-{days}-days"


def _fill(home: Path, lines: int, days: int) -> None:
    start = END - timedelta(days=days)
    sample = generate(customers=SAMPLE_CUSTOMERS, start=start, end=END).transactions.height
    customers = max(1, round(lines * SAMPLE_CUSTOMERS / sample))
    files = write(home / "files", customers=customers, start=start, end=END)
    buckets = max(MIN_BUCKETS, round(files.lines / LINES_PER_BUCKET))
    fill_lake(load_settings(home=home, catalog="", data_path="", customer_buckets=buckets), files.transactions)
    shutil.rmtree(home / "files")
    (home / DONE).write_text(json.dumps({"lines": files.lines, "customers": files.customers}), "utf-8")


def fill_lake(settings: Settings, files: tuple[Path, ...]) -> None:
    """A new lake with the lines of some Parquet files."""
    with Lake(settings, create=True) as lake:
        migrate(lake)
        with lake.cursor() as con:
            con.execute(CUSTOMER_BUCKET_MACRO)
            names = {"files": [str(path) for path in files]}
            con.execute(DAYS, names)
            buckets, at_once = settings.customer_buckets, max(1, LINES_AT_ONCE // LINES_PER_BUCKET)

            def load(c: duckdb.DuckDBPyConnection) -> None:
                for first in range(0, buckets, at_once):
                    c.execute(LOAD.format(buckets=buckets, first=first, last=first + at_once - 1), names)
                note_changes(c, "FROM temp.days", version=next_version(c))

            lake.transaction(con, Commit("load"), load)
    _refuse_unfinished(settings.home)


def _refuse_unfinished(home: Path) -> None:
    """What is in the write-ahead log alone would be missing from a copy of the catalog."""
    wal = home / "catalog.sqlite-wal"
    if wal.exists() and wal.stat().st_size:
        raise RuntimeError(f"{wal} is not empty: a process writes to the lake, or was killed. Remove {home}.")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy(source, target)
