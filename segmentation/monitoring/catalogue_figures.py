"""Tables, files and commits, read from DuckLake's catalogue alone: no table of the lake is touched."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from segmentation.warehouse.lake import METADATA

SNAPSHOTS = f"""
SELECT snapshot_id, epoch(CAST(snapshot_time AS TIMESTAMPTZ))
FROM {METADATA}.ducklake_snapshot
ORDER BY snapshot_id
"""

CHANGES = f"SELECT snapshot_id, changes_made FROM {METADATA}.ducklake_snapshot_changes ORDER BY snapshot_id"

TABLES = f"""
SELECT tables.table_id, schemas.schema_name || '.' || tables.table_name
FROM {METADATA}.ducklake_table AS tables
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
WHERE tables.end_snapshot IS NULL AND schemas.end_snapshot IS NULL
"""

# A merged file begins with its oldest rows, and says in partial_max when its newest ones came. A file's name has the
# time at which it was written, since DuckLake names files by UUIDs of version 7.
FILES = f"""
WITH files AS (
    SELECT table_id, file_size_bytes, path, COALESCE(partial_max, begin_snapshot) AS newest
    FROM {METADATA}.ducklake_data_file
    WHERE end_snapshot IS NULL
    UNION ALL
    SELECT table_id, file_size_bytes, path, COALESCE(partial_max, begin_snapshot)
    FROM {METADATA}.ducklake_delete_file
    WHERE end_snapshot IS NULL
),
named AS (
    SELECT
        * EXCLUDE (path),
        TRY_CAST(regexp_extract(path, '[0-9a-f]{{8}}-[0-9a-f]{{4}}-7[0-9a-f]{{3}}-[0-9a-f-]{{17}}') AS UUID) AS name
    FROM files
)
SELECT
    table_id,
    COUNT(*),
    SUM(file_size_bytes),
    MAX(newest),
    arg_max(epoch(uuid_extract_timestamp(name)), newest)
FROM named
GROUP BY table_id
"""

WRITES = frozenset({"inserted_into_table", "deleted_from_table", "inlined_insert", "inlined_delete"})
"""The changes that concern rows; merging files, or writing rows of the catalogue to files, changes none."""


@dataclass(frozen=True)
class TableState:
    """One table, as far as the catalogue tells.

    Attributes:
        files: Parquet files that hold its rows, or say which of them are deleted.
        size_bytes: Their size.
        changed_in: The last snapshot that changed rows; None if there was none.
        changed_at: When that was, in seconds since 1970; once that snapshot has expired, when the rows were written to
            a file, or the next snapshot was made.
    """

    files: int
    size_bytes: int
    changed_in: int | None
    changed_at: float | None


@dataclass(frozen=True)
class CatalogueState:
    """The lake, as far as its catalogue tells.

    Attributes:
        tables: By name.
        snapshots: How many versions of the lake can be read.
    """

    tables: Mapping[str, TableState]
    snapshots: int

    def marker(self, *tables: str) -> tuple[tuple[int | None, float | None], ...]:
        """What stays the same for as long as no row of these tables changes."""
        found = [self.tables.get(name) for name in tables]
        return tuple((table.changed_in, table.changed_at) if table else (None, None) for table in found)


def read_catalogue(con: duckdb.DuckDBPyConnection) -> CatalogueState:
    """Read the catalogue, with four queries however many tables there are."""
    snapshots = con.execute(SNAPSHOTS).fetchall()
    files = {row[0]: row[1:] for row in con.execute(FILES).fetchall()}
    written = last_writes(con.execute(CHANGES).fetchall())
    tables = {}
    for table, name in con.execute(TABLES).fetchall():
        count, size_bytes, newest, filed_at = files.get(table, (0, 0, None, None))
        seen = [snapshot for snapshot in (newest, written.get(table)) if snapshot is not None]
        changed_in = max(seen, default=None)
        changed_at = _time_of(changed_in, snapshots, filed_at if changed_in == newest else None)
        tables[name] = TableState(int(count), int(size_bytes), changed_in, changed_at)
    return CatalogueState(tables, len(snapshots))


def last_writes(changes: Sequence[tuple[int, str | None]]) -> dict[int, int]:
    """By table, the last snapshot that changed rows, of snapshots in ascending order with what they changed."""
    found = {}
    for snapshot, made in changes:
        for change in (made or "").split(","):
            kind, _, table = change.partition(":")
            if kind in WRITES:
                found[int(table)] = snapshot
    return found


def _time_of(snapshot: int | None, snapshots: Sequence[tuple[int, float]], filed_at: float | None) -> float | None:
    if snapshot is None:
        return None
    place = bisect_left(snapshots, snapshot, key=lambda each: each[0])
    later = snapshots[place : place + 1]
    if later and later[0][0] == snapshot:
        return later[0][1]
    return min([moment for _, moment in later] + ([] if filed_at is None else [filed_at]), default=None)
