"""What has changed in the lake since a snapshot, as far as its catalog says so without reading any table."""

import duckdb

from segmentation.warehouse.lake import METADATA

SNAPSHOTS = f"SELECT snapshot_id, changes_made FROM {METADATA}.ducklake_snapshot_changes WHERE snapshot_id > $since"
"""From the catalog's own table: DuckLake's function reads all snapshots, of which a stream makes many."""
TABLES = f"""
SELECT CAST(tables.table_id AS VARCHAR)
FROM {METADATA}.ducklake_table AS tables
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
WHERE schemas.schema_name = $schema
"""
"""From the catalog's own tables, as DuckLake's specification has them: no function tells a table's schema."""


def has_changed_outside(con: duckdb.DuckDBPyConnection, schema: str, since: int, until: int) -> bool:
    """Whether anything but rows of one schema's tables has changed between two snapshots.

    Args:
        con: A cursor of the lake.
        schema: The schema whose rows don't matter.
        since: A snapshot; its own changes don't count.
        until: A later one; its own changes do.

    Returns:
        True also if snapshots between them have expired, so that nobody can tell.
    """
    changes = dict(con.execute(SNAPSHOTS, {"since": since}).fetchall())
    if any(version not in changes for version in range(since + 1, until + 1)):
        return True
    within = {row[0] for row in con.execute(TABLES, {"schema": schema}).fetchall()}
    changed = {item.rpartition(":")[2] for each in changes.values() for item in (each or "").split(",") if item}
    return not changed <= within
