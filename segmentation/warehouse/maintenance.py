"""Maintenance of the lake: rows in the catalog and small files become large files, and the past ends somewhere.

Every step is a transaction of its own behind the writer lock, so that a run may be killed, repeated, or meet writers
and readers. What no snapshot needs any more is deleted a while later, for the sake of those who are reading it.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.warehouse.changed_days import sum_up_if_many
from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import CATALOG, METADATA, Lake
from segmentation.warehouse.orphans import Orphans, find_orphans, remove_orphans
from segmentation.warehouse.sql import literal
from segmentation.warehouse.verification import Verification, damaged_files, verify_due_files

READER_GRACE = timedelta(days=2)
"""How long a file stays that no snapshot needs any more: longer than any query takes, also Spark's."""

EXPIRED_AT_ONCE = 1_000
"""How many snapshots one transaction lets expire, so that writers wait for a moment only."""

SNAPSHOTS = (
    f"SELECT snapshot_id, CAST(snapshot_time AS TIMESTAMPTZ) AT TIME ZONE 'UTC' FROM {METADATA}.ducklake_snapshot"
)
"""From the catalog's own table: DuckLake's function also reads what each of them changed."""

TABLES = f"""
SELECT schema_name, table_name
FROM {METADATA}.ducklake_table
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
WHERE ducklake_table.end_snapshot IS NULL AND schemas.end_snapshot IS NULL
ORDER BY schema_name, table_name
"""
"""From the catalog: `duckdb_tables()` fails in a process that has attached a snapshot that expired since."""

NEEDED_BYTES = f"""
SELECT
    (SELECT COALESCE(SUM(file_size_bytes), 0) FROM {METADATA}.ducklake_data_file)
    + (SELECT COALESCE(SUM(file_size_bytes), 0) FROM {METADATA}.ducklake_delete_file)
"""

REMOVABLE_FILES = f"""
SELECT COUNT(*)
FROM {METADATA}.ducklake_files_scheduled_for_deletion
WHERE CAST(schedule_start AS TIMESTAMPTZ) < $before
"""

FULL_BUCKETS = f"""
SELECT CAST(part.partition_value AS INTEGER)
FROM {METADATA}.ducklake_data_file AS file
JOIN {METADATA}.ducklake_table AS tables USING (table_id)
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
JOIN {METADATA}.ducklake_file_partition_value AS part USING (data_file_id)
WHERE schemas.schema_name || '.' || tables.table_name = '{TRANSACTIONS.name}'
    AND tables.end_snapshot IS NULL AND file.end_snapshot IS NULL
GROUP BY part.partition_value
HAVING count(*) > $most
ORDER BY 1
"""

MOST_FILES = 3
"""Files of a bucket that merging may leave; each costs a look-up a millisecond or so."""

KEEP_BUCKET = (
    f"CREATE OR REPLACE TEMP TABLE kept AS SELECT * FROM {TRANSACTIONS.name} WHERE customer_bucket = {{bucket}}"
)
EMPTY_BUCKET = f"DELETE FROM {TRANSACTIONS.name} WHERE customer_bucket = {{bucket}}"
FILL_BUCKET = f"INSERT INTO {TRANSACTIONS.name} BY NAME FROM kept"

CONSOLIDATION = "Consolidate bucket"
"""What commits say that put the same rows into other files."""

INLINED_TABLES = f"SELECT DISTINCT table_name FROM {METADATA}.ducklake_inlined_data_tables ORDER BY table_name"


@dataclass(frozen=True)
class Maintenance:
    """What was done; in a dry run, what would be.

    Attributes:
        rows_flushed: Rows, deleted ones included, that went from the catalog to files.
        files_merged: Small files that were merged into larger ones; None in a dry run.
        snapshots_expired: Versions of the lake that can't be read any more, ascending.
        files_removed: Files that were deleted from storage; in a dry run, those that would be.
        orphans: Files of killed writers among them, or if they were many, that were kept for a person to decide.
        verification: Which files were read and compared with their checksums; None in a dry run.
        bytes_before: Size of all files that some snapshot needed.
        bytes_after: The same afterwards; None in a dry run.
    """

    rows_flushed: int
    files_merged: int | None
    snapshots_expired: tuple[int, ...]
    files_removed: int
    orphans: Orphans
    verification: Verification | None
    bytes_before: int
    bytes_after: int | None


def maintain(
    lake: Lake,
    *,
    now: datetime,
    keep_days: int,
    protected: Collection[int],
    thin_after_hours: int | None = None,
    unthinned: Collection[int] = (),
    verify_days: int = 30,
    force: bool = False,
    dry_run: bool = False,
) -> Maintenance:
    """Verify files that are due, expire old snapshots, tidy up each table, and delete the files that nothing needs.

    No row of the present changes, nor of any snapshot that stays, but that changes of days are summed up. Safe to kill,
    to repeat, and to run beside readers and writers: the writer lock is held for one step on one table at a time.

    Args:
        lake: A writable lake; for a dry run it may be read-only.
        now: When this happens (UTC). Files are deleted once they have been unneeded for `READER_GRACE`, orphans (left
            behind by killed writers) once they are seven days old.
        keep_days: For this long the lake stays readable as it was at any moment, or at the end of any hour.
        protected: Snapshots that stay however old they are.
        thin_after_hours: Of snapshots older than that, the last of each hour stays; all of them if left out.
        unthinned: Snapshots that stay for `keep_days`, whatever came after them in their hour.
        verify_days: How often each file is compared with its checksum.
        force: Whether orphans are deleted also if they are many.
        dry_run: Whether to change nothing.

    Raises:
        SegmentationError: Others kept the lake busy beyond the limit; what was done until then stays done.
    """
    with lake.cursor() as con:
        before = _number(con, NEEDED_BYTES)
        made = con.execute(SNAPSHOTS).fetchall()
        gone = set(expirable(made, now - timedelta(days=keep_days), protected))
        if thin_after_hours is not None:
            gone |= set(thinnable(made, now - timedelta(hours=thin_after_hours), {*protected, *unthinned}))
        old = sorted(gone)
        if dry_run:
            orphans = find_orphans(lake, con, now)
            removable = _number(con, REMOVABLE_FILES, {"before": now - READER_GRACE}) + _removed(orphans, force)
            return Maintenance(_inlined_rows(con), None, tuple(old), removable, orphans, None, before, None)
        verification = verify_due_files(lake, now=now, every_days=verify_days)
        _expire(lake, con, old)
        sum_up_if_many(lake, con)
        damaged = {tuple(entry.path.split("/")[:2]) for entry in damaged_files(con)}
        whole = [table for table in con.execute(TABLES).fetchall() if table not in damaged]
        done = [_tidy(lake, con, *table) for table in whole]
        if tuple(TRANSACTIONS.name.split(".")) in whole:
            _consolidate(lake, con)
        rows_flushed, files_merged = sum(rows for rows, _ in done), sum(files for _, files in done)
        cleaned = _remove(lake, con, now)
        orphans = find_orphans(lake, con, now)
        removed = cleaned + (remove_orphans(lake, con, orphans) if _removed(orphans, force) else 0)
        after = _number(con, NEEDED_BYTES)
    return Maintenance(rows_flushed, files_merged, tuple(old), removed, orphans, verification, before, after)


def flush(lake: Lake, tables: Iterable[Table]) -> int:
    """Write the rows of tables that the catalog holds to files; returns how many.

    Raises:
        SegmentationError: Others kept the lake busy beyond the limit.
    """
    with lake.cursor() as con:
        return sum(_flush(lake, con, *table.name.split(".")) for table in tables)


def expirable(snapshots: Iterable[tuple[int, datetime]], before: datetime, protected: Collection[int]) -> list[int]:
    """The snapshots (numbers, each with its time) that were superseded before a moment, ascending.

    So the lake stays readable as it was at any moment since then, and the newest snapshot stays in any case.
    """
    made = sorted(snapshots)
    return [n for (n, _), (_, superseded) in pairwise(made) if superseded < before and n not in protected]


def thinnable(snapshots: Iterable[tuple[int, datetime]], before: datetime, protected: Collection[int]) -> list[int]:
    """The snapshots (numbers, each with its time) followed by another one in the same hour, before a moment.

    So the last of each hour (UTC) stays, and so does the newest snapshot in any case.
    """
    made = sorted(snapshots)
    return [
        n
        for (n, at), (_, superseded) in pairwise(made)
        if superseded < before and _hour(at) == _hour(superseded) and n not in protected
    ]


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _expire(lake: Lake, con: duckdb.DuckDBPyConnection, versions: list[int]) -> None:
    for first in range(0, len(versions), EXPIRED_AT_ONCE):
        chunk = versions[first : first + EXPIRED_AT_ONCE]
        call = f"CALL ducklake_expire_snapshots('{CATALOG}', versions => {chunk})"
        _call(lake, con, f"Expire {len(chunk)} snapshots", call)


def _tidy(lake: Lake, con: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[int, int]:
    """Flush and merge a table; returns how many rows and how many files that were.

    What is missing here is `ducklake_rewrite_data_files`: see docs/decisions/0013-maintenance-rewrites-no-files.md.
    """
    merge = f"CALL ducklake_merge_adjacent_files('{CATALOG}', {literal(table)}, schema => {literal(schema)})"
    flushed, merged = _flush(lake, con, schema, table), _call(lake, con, f"Merge {schema}.{table}", merge)
    return flushed, sum(files for _, _, files, _ in merged)


def _consolidate(lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
    """Write the lines of buckets anew that still have many files: corrections leave files that can't be merged.

    Every line is deleted and inserted again, in one transaction, so that the old files end as a whole.
    """
    for (bucket,) in con.execute(FULL_BUCKETS, {"most": MOST_FILES}).fetchall():

        def write_anew(c: duckdb.DuckDBPyConnection, bucket: int = bucket) -> None:
            for statement in (KEEP_BUCKET, EMPTY_BUCKET, FILL_BUCKET):
                c.execute(statement.format(bucket=bucket))

        lake.transaction(con, Commit(f"{CONSOLIDATION} {bucket}", asset="warehouse/maintenance"), write_anew)
    con.execute("DROP TABLE IF EXISTS temp.kept")


def _flush(lake: Lake, con: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    names = f"schema_name => {literal(schema)}, table_name => {literal(table)}"
    call = f"CALL ducklake_flush_inlined_data('{CATALOG}', {names})"
    return sum(rows for _, _, rows in _call(lake, con, f"Flush {schema}.{table}", call))


def _remove(lake: Lake, con: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Delete the files that no snapshot needs any more, if they are old enough; returns how many."""
    before = f"TIMESTAMPTZ '{now - READER_GRACE:%Y-%m-%d %H:%M:%S}+00'"
    call = f"CALL ducklake_cleanup_old_files('{CATALOG}', older_than => {before})"
    return len(_call(lake, con, "Remove files that nothing needs", call))


def _removed(orphans: Orphans, force: bool) -> int:
    """How many orphans go."""
    return 0 if orphans.are_many and not force else len(orphans.paths)


def _call(lake: Lake, con: duckdb.DuckDBPyConnection, message: str, call: str) -> list[tuple[Any, ...]]:
    """Run one of DuckLake's functions as a transaction; returns its rows."""
    commit = Commit(message, asset="warehouse/maintenance")
    return lake.transaction(con, commit, lambda c: c.execute(call).fetchall())


def _inlined_rows(con: duckdb.DuckDBPyConnection) -> int:
    tables = con.execute(INLINED_TABLES).fetchall()
    return sum(_number(con, f"SELECT COUNT(*) FROM {METADATA}.{name}") for (name,) in tables)


def _number(con: duckdb.DuckDBPyConnection, query: str, values: dict[str, datetime] | None = None) -> int:
    row = con.execute(query, values).fetchone()
    return int(row[0]) if row else 0
