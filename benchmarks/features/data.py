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

LOAD = """
INSERT INTO raw.transactions BY NAME
SELECT
    line_id, order_id, customer_id, product_id, category, quantity, unit_price, amount, discount, ordered_at, country,
    channel, 'benchmark' AS source, TIMESTAMP '2026-01-01' AS ingested_at,
    temp.customer_bucket(customer_id, {buckets}) AS customer_bucket
FROM read_parquet($files)
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
    home = folder / f"{lines}-lines-{days}-days"
    if not (home / DONE).exists():
        announce(f"Making about {lines:,} lines in {days} days under {home} (once)")
        shutil.rmtree(home, ignore_errors=True)
        _fill(home, lines, days)
    size = json.loads((home / DONE).read_text("utf-8"))
    return Shop(home, size["lines"], size["customers"], days)


def copy_of(shop: Shop, to: Path) -> Path:
    """A lake with the shop's lines that may be written to; the data files are linked, since none is ever changed."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(shop.home / "data", to / "data", copy_function=_link)
    shutil.copy(shop.home / "catalog.sqlite", to)
    return to


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
            query = LOAD.format(buckets=settings.customer_buckets)
            names = {"files": [str(path) for path in files]}
            con.execute(DAYS, names)

            def load(c: duckdb.DuckDBPyConnection) -> None:
                c.execute(query, names)
                note_changes(c, "FROM temp.days", version=next_version(c))

            lake.transaction(con, Commit("load"), load)
    # What is in the write-ahead log alone would be missing from a copy of the catalog.
    wal = settings.home / "catalog.sqlite-wal"
    if wal.exists():
        raise RuntimeError(f"{wal} is still there after the lake was closed; remove {settings.home} and start again.")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy(source, target)
