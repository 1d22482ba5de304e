"""What has changed in the lake since a snapshot, as far as its catalogue says so without reading any table."""

import duckdb

from segmentation.warehouse.lake import CATALOG

SNAPSHOTS = f"SELECT snapshot_id, changes FROM ducklake_snapshots('{CATALOG}') WHERE snapshot_id > $since"
TABLES = (
    f"SELECT CAST(table_oid AS VARCHAR) FROM duckdb_tables() WHERE database_name = '{CATALOG}' AND schema_name = $s"
)


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
    within = {row[0] for row in con.execute(TABLES, {"s": schema}).fetchall()}
    changed = {item for each in changes.values() for items in (each or {}).values() for item in items}
    return not changed <= within
