"""What the lake tells Prometheus: tables, freshness, segments, the champion and how it does. Nothing here writes.

Every look reads the catalog; a table is only read if its rows have changed since the last look.
"""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from pathlib import Path

import duckdb

from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.raw import DELIVERIES, LOADS, REJECTED, SOURCE_FILES, TRANSACTIONS
from segmentation.metadata.tables.registry import SEGMENT_NAMES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.metrics.cache import MarkerCache, latest, newest
from segmentation.metrics.champion import champion_families
from segmentation.metrics.ducklake_catalog import CatalogState, read_catalog
from segmentation.metrics.families import Labels, MetricFamily, by_one, single, timestamp
from segmentation.metrics.snapshots import snapshot_families
from segmentation.modeling import registry
from segmentation.settings import Settings
from segmentation.warehouse.checksums import read_entries
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.object_stores import is_object_store

# By the ledgers rather than by `raw.transactions`, whose every row would have to be read.
FILED = f"""
SELECT files.source, MAX(files.registered_at)
FROM {SOURCE_FILES.name} AS files
SEMI JOIN (FROM {LOADS.name} WHERE lines_accepted > 0) AS loads
    ON files.source = loads.source AND files.path = loads.source_file
GROUP BY files.source
"""
DELIVERED = f"""
SELECT source, MAX(received_at)
FROM {DELIVERIES.name}
WHERE lines_new + lines_replaced > 0
GROUP BY source
"""

REJECTS = f"SELECT source, reason, COUNT(*) FROM {REJECTED.name} GROUP BY source, reason"

SEGMENT_SIZES = f"""
SELECT segment_id, MAX(segment_name), COUNT(*)
FROM {of_model(CUSTOMER_SEGMENTS)}
WHERE as_of = $as_of
GROUP BY segment_id
"""


def lake_families(
    con: duckdb.DuckDBPyConnection, memory: MarkerCache, settings: Settings, now: datetime
) -> list[MetricFamily]:
    """Everything that the lake tells.

    Args:
        con: A cursor of the lake, which may be empty or of an older release; outside of a transaction.
        memory: Of earlier looks at the same lake.
        settings: Of the lake.
        now: The present moment (UTC).
    """
    state = read_catalog(con)
    return [
        *_tables(con, state, memory),
        *_freshness(con, state, memory),
        *_segments(con, state, memory, settings),
        *snapshot_families(con, state, memory, settings, now),
        *champion_families(con, state, memory, settings.quiet_days),
        *_checksums(con),
    ]


def _checksums(con: duckdb.DuckDBPyConnection) -> Iterator[MetricFamily]:
    entries = read_entries(con, METADATA)
    damaged = float(sum(entry.damage is not None for entry in entries)) if entries else None
    yield single("segmentation_damaged_files", "Data files that aren't what their checksum or size says.", damaged)
    oldest = min((entry.checked_at for entry in entries if entry.checked_at), default=None)
    yield single(
        "segmentation_oldest_verified_timestamp_seconds",
        "When the data file was verified that has waited longest for it.",
        timestamp(oldest),
    )


def disk_families(settings: Settings) -> list[MetricFamily]:
    """Space on the disks of the lake and of the platform's home; none for a bucket, nor for a missing folder."""
    folders = {} if is_object_store(settings.data_uri) else {"data": Path(settings.data_uri)}
    found = {}
    for name, folder in {**folders, "home": settings.home}.items():
        try:
            found[name] = shutil.disk_usage(folder)
        except OSError:
            continue
    free = [(name, float(usage.free)) for name, usage in found.items()]
    size = [(name, float(usage.total)) for name, usage in found.items()]
    return [
        by_one("segmentation_disk_free_bytes", "Space that is left on the disk of a folder.", "path", free),
        by_one("segmentation_disk_size_bytes", "Space on the disk of a folder in all.", "path", size),
    ]


def _tables(con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache) -> Iterator[MetricFamily]:
    found = {table.name: state.tables[table.name] for table in TABLES if table.name in state.tables}
    rows = {name: memory.recall(f"rows of {name}", state.marker(name), partial(_count, con, name)) for name in found}
    figures: tuple[tuple[str, str, dict[str, float | None]], ...] = (
        ("rows", "Rows of a table.", {name: float(count) for name, count in rows.items()}),
        ("files", "Parquet files that hold a table's rows, or its deletions.", {n: t.files for n, t in found.items()}),
        ("bytes", "Size of a table's Parquet files.", {n: t.size_bytes for n, t in found.items()}),
        (
            "last_commit_timestamp_seconds",
            "When the last commit that changed rows of a table was made.",
            {name: table.changed_at for name, table in found.items()},
        ),
    )
    for what, meaning, values in figures:
        yield by_one(f"segmentation_table_{what}", meaning, "table", values.items())
    yield single("segmentation_lake_snapshots", "Versions of the lake that can be read.", state.snapshots)


def _freshness(con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache) -> Iterator[MetricFamily]:
    line = newest(con, state, memory, TRANSACTIONS, "ordered_at")
    yield single("segmentation_newest_line_timestamp_seconds", "When the latest order was placed.", timestamp(line))
    arrivals = memory.recall(
        "arrivals",
        state.marker(SOURCE_FILES.name, LOADS.name, DELIVERIES.name),
        lambda: _arrivals(con, state),
    )
    yield by_one(
        "segmentation_newest_arrival_timestamp_seconds",
        "When lines of a source came last, or the file that they came in.",
        "source",
        [(source, timestamp(moment)) for source, moment in arrivals.items()],
    )
    rejects: dict[Labels, float] = {}
    if REJECTED.name in state.tables:
        rejects = memory.recall(
            "rejects",
            state.marker(REJECTED.name),
            lambda: {(source, reason): float(lines) for source, reason, lines in con.execute(REJECTS).fetchall()},
        )
    yield MetricFamily("segmentation_rejected_lines", "Lines among the rejects.", ("source", "reason"), rejects)


def _arrivals(con: duckdb.DuckDBPyConnection, state: CatalogState) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for query, tables in ((FILED, (SOURCE_FILES, LOADS)), (DELIVERED, (DELIVERIES,))):
        if all(table.name in state.tables for table in tables):
            for source, moment in con.execute(query).fetchall():
                found[source] = max(moment, found.get(source, moment))
    return found


def _segments(
    con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache, settings: Settings
) -> Iterator[MetricFamily]:
    as_of = latest(con, state, memory, CUSTOMER_SEGMENTS, settings.quiet_days)
    yield single(
        "segmentation_newest_snapshot_timestamp_seconds",
        "The newest date with segments that is not ahead of the data.",
        timestamp(as_of),
    )
    sizes: dict[Labels, float] = {}
    if as_of is not None:
        sizes = memory.recall(
            "segment sizes",
            (as_of, state.marker(CUSTOMER_SEGMENTS.name, SEGMENT_NAMES.name)),
            lambda: _segment_sizes(con, as_of),
        )
    labels = ("segment_id", "segment_name")
    yield MetricFamily("segmentation_segment_customers", "Customers in a segment on the newest date.", labels, sizes)


def _segment_sizes(con: duckdb.DuckDBPyConnection, as_of: date) -> dict[Labels, float]:
    names = registry.segment_names(con)
    rows = con.execute(SEGMENT_SIZES, {"as_of": as_of}).fetchall()
    return {(str(identity), names.get(identity, name)): float(customers) for identity, name, customers in rows}


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"SELECT COUNT(*) FROM {table}").fetchall()[0][0])
