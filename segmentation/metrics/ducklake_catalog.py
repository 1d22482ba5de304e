"""Tables, files and commits, read from DuckLake's catalog alone: no table of the lake is touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.maintenance import CONSOLIDATION

SNAPSHOTS = f"""
SELECT snapshot_id, epoch(CAST(snapshot_time AS TIMESTAMPTZ))
FROM {METADATA}.ducklake_snapshot
ORDER BY snapshot_id
"""

CHANGES = f"""
SELECT snapshot_id, changes_made
FROM {METADATA}.ducklake_snapshot_changes
WHERE NOT starts_with(COALESCE(commit_message, ''), '{CONSOLIDATION} ')
ORDER BY snapshot_id
"""

TABLES = f"""
SELECT tables.table_id, schemas.schema_name || '.' || tables.table_name
FROM {METADATA}.ducklake_table AS tables
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
WHERE tables.end_snapshot IS NULL AND schemas.end_snapshot IS NULL
"""

# A merged file begins with its oldest rows, and says in partial_max when its newest ones came; deletions are dated when
# they went to a file. A file's name has the time at which it was written: DuckLake's are UUIDs of version 7.
FILES = f"""
WITH files AS (
    SELECT table_id, file_size_bytes, path, COALESCE(partial_max, begin_snapshot) AS newest
    FROM {METADATA}.ducklake_data_file
    WHERE end_snapshot IS NULL
    UNION ALL
    SELECT table_id, file_size_bytes, path, NULL
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
"""The changes that concern rows."""
TIDYING = frozenset({"inline_flush", "merge_adjacent"})
"""Those that only put rows, or deletions, to other places; deletions count as changes then."""


@dataclass(frozen=True)
class TableState:
    """One table, as far as the catalog tells.

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
class CatalogState:
    """The lake, as far as its catalog tells.

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


def read_catalog(con: duckdb.DuckDBPyConnection) -> CatalogState:
    """Read the catalog, with four queries however many tables there are."""
    times = dict(con.execute(SNAPSHOTS).fetchall())
    files = {row[0]: row[1:] for row in con.execute(FILES).fetchall()}
    written = last_writes(con.execute(CHANGES).fetchall())
    tables = {
        name: _table_state(times, written.get(table), *files.get(table, (0, 0, None, None)))
        for table, name in con.execute(TABLES).fetchall()
    }
    return CatalogState(tables, len(times))


def last_writes(changes: Sequence[tuple[int, str | None]]) -> dict[int, int]:
    """By table, the last snapshot that changed rows, of snapshots in ascending order with what they changed."""
    found: dict[int, int] = {}
    for snapshot, made in changes:
        kinds = [(kind, table) for kind, _, table in (change.partition(":") for change in (made or "").split(","))]
        tidied = {table for kind, table in kinds if kind in TIDYING}
        found |= {int(table): snapshot for kind, table in kinds if kind in WRITES and table not in tidied}
    return found


def _table_state(
    times: Mapping[int, float],
    written_in: int | None,
    files: int,
    size_bytes: int,
    filed_in: int | None,
    filed_at: float | None,
) -> TableState:
    """What commits and files say together.

    Args:
        times: Of the snapshots that are there, ascending.
        written_in: The last of them that changed the table's rows, if any.
        files: Of the table.
        size_bytes: Their size.
        filed_in: The snapshot that the newest file's newest rows came in; it may have expired.
        filed_at: When that file was written.
    """
    # A file of a snapshot that is there, but has changed no rows, is maintenance's.
    is_expired = filed_in is not None and filed_in not in times and filed_in > (written_in or 0)
    changed_in = filed_in if is_expired or written_in is None else written_in
    changed_at = None if changed_in is None else times.get(changed_in)
    if changed_in is not None and changed_at is None:
        later = next((moment for snapshot, moment in times.items() if snapshot > changed_in), None)
        changed_at = min((moment for moment in (later, filed_at) if moment is not None), default=None)
    return TableState(int(files), int(size_bytes), changed_in, changed_at)
