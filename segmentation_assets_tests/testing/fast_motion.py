"""A shop's days in fast motion: each day is loaded, and then automation makes the snapshots that are due.

The clock is simulated; sensors, jobs and the lake are the platform's own. Runs read their settings from the
environment, which whoever calls this has to set alike.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl

from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENT_TRANSITIONS
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.cli import steps
from segmentation_assets_tests.testing.sensor_runs import follow_due_snapshots

SOURCE = "shop"
MOST_EVENTS = 10_000

# Who was in a segment before, and who is in one now, by the rows of movement and by those of segments.
UNEQUAL = f"""
WITH dates AS (
    SELECT as_of, LAG(as_of) OVER (ORDER BY as_of) AS previous_as_of
    FROM (SELECT DISTINCT as_of FROM {CUSTOMER_SEGMENTS.name})
),
counted AS (SELECT as_of, segment_id, COUNT(*) AS customers FROM {CUSTOMER_SEGMENTS.name} GROUP BY ALL),
expected AS (
    SELECT as_of, 'to' AS side, segment_id, customers FROM counted
    UNION ALL
    SELECT dates.as_of, 'from', segment_id, customers
    FROM dates JOIN counted ON counted.as_of = dates.previous_as_of
),
moved AS (
    SELECT as_of, 'to' AS side, to_segment_id AS segment_id, SUM(customer_count) AS customers
    FROM {SEGMENT_TRANSITIONS.name} WHERE to_segment_id IS NOT NULL GROUP BY ALL
    UNION ALL
    SELECT as_of, 'from', from_segment_id, SUM(customer_count)
    FROM {SEGMENT_TRANSITIONS.name} WHERE from_segment_id IS NOT NULL GROUP BY ALL
)
SELECT as_of, side, segment_id, expected.customers, moved.customers
FROM expected FULL JOIN moved USING (as_of, side, segment_id)
WHERE expected.customers IS DISTINCT FROM moved.customers
ORDER BY ALL
"""


@dataclass(frozen=True)
class Day:
    """What a day brought.

    Attributes:
        day: Whose lines were loaded; the first of them if there are several.
        line_count: How many.
        made: First and last date of each run that automation asked for.
        load_s: Seconds to load.
        snapshot_s: Seconds to look, and to run what was asked for.
        byte_count: By how much the lake grew.
    """

    day: date
    line_count: int
    made: tuple[tuple[str, str], ...]
    load_s: float
    snapshot_s: float
    byte_count: int


@dataclass(frozen=True)
class Shop:
    """A lake, and the days of its shop that are still to come.

    Attributes:
        settings: Of the installation.
        lines: All lines, by time.
        first_day: The first day that is not loaded yet.
    """

    settings: Settings
    lines: pl.DataFrame
    first_day: date


def open_shop(settings: Settings, *, customers: int, start: date, first_day: date, end: date) -> Shop:
    """Make up a shop, load its days before `first_day`, and train the model that serves."""
    folder = settings.home.parent
    made = write(folder / "made", customers=customers, start=start, end=end, seed=3)
    shop = Shop(settings, pl.read_parquet(list(made.transactions)).sort("ordered_at", "line_id"), first_day)
    with Lake(settings, create=True) as lake:
        migrate(lake)
    _load(shop, start, first_day)
    steps.materialize(None, None, None, lambda *_: None, settings=settings)
    return shop


def live(
    shop: Shop, settings: Settings, instance: dg.DagsterInstance, days: Sequence[date], end: date
) -> Iterator[Day]:
    """Load days one after the other, and let automation make what is due on the night after each.

    Between days that are further apart nothing runs: then the days from one to before the next come at once.

    Args:
        shop: Whose days.
        settings: As they are now; the cadence may be another one than before.
        instance: Where runs are kept.
        days: In order.
        end: The day after those of the last one.
    """
    for day, following in pairwise([*days, end]):
        before, began = _bytes(settings.home), time.perf_counter()
        lines = _load(shop, day, following)
        loaded = time.perf_counter()
        night = datetime.combine(following, datetime.min.time()) + timedelta(hours=3)
        made, _ = follow_due_snapshots(settings, instance, partial(_return, night))
        done = time.perf_counter()
        yield Day(day, lines, tuple(made), loaded - began, done - loaded, _bytes(settings.home) - before)


def materialization_counts(instance: dg.DagsterInstance, asset: str) -> dict[str, int]:
    """In how many runs each partition of an asset was materialized."""
    found = instance.fetch_materializations(dg.AssetKey(asset.split("/")), limit=MOST_EVENTS).records
    runs = {(record.partition_key, record.run_id) for record in found}
    return Counter(partition for partition, _ in runs if partition)


def unequal_movement(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Where movement doesn't add up: date, side, segment, its customers, and those that moved from or to it."""
    return con.execute(UNEQUAL).fetchall()


def _load(shop: Shop, start: date, end: date) -> int:
    """Register a file with the lines from `start` to before `end`, and load them."""
    folder = shop.settings.home.parent / "inbox"
    folder.mkdir(exist_ok=True)
    path = folder / f"{start}.parquet"
    of_days = shop.lines.filter(pl.col("ordered_at").dt.date().is_between(start, end, closed="left"))
    of_days.write_parquet(path)
    now = datetime.combine(end, datetime.min.time()) + timedelta(hours=1)
    with Lake(shop.settings) as lake:
        register(lake, str(path), load_profile("canonical"), source=SOURCE, now=now)
        load_days(lake, start, end, Commit(f"raw/transactions {start}"), now=now)
    return len(of_days)


def _return(moment: datetime) -> datetime:
    return moment


def _bytes(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and "dagster" not in path.parts)
