"""The latest snapshot: the newest date of a table that is not ahead of the data."""

from datetime import date

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.raw import CHANGED_DAYS
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.warehouse.ledger import LEDGER

SHIFT = f"""(
    SELECT CAST(COALESCE(MAX(date_diff('day', ends_at, as_of)), 0) AS INTEGER) FROM {LEDGER} WHERE ends_at IS NOT NULL
)"""
"""East of Greenwich a date begins on the day before in UTC, by which lines are counted: 1 there, else 0."""

LATEST = f"""
SELECT MAX(as_of)
FROM {SNAPSHOTS.name}
WHERE table_name = '{{table}}' AND {{condition}} AND as_of <= (
    SELECT MAX(ordered_on) + {{days}} + {SHIFT}
    FROM (SELECT ordered_on FROM {CHANGED_DAYS.name} GROUP BY source, ordered_on HAVING SUM(line_count_change) > 0)
)
"""

LATEST_WITHOUT_LEDGER = "SELECT MAX(as_of) FROM {table} WHERE {condition}"
"""In a lake of an older release that is opened for reading only, nobody knows how far the data reaches."""

BEFORE = f"SELECT MAX(as_of) FROM {SNAPSHOTS.name} WHERE table_name = $table AND as_of < $as_of"


def latest_date(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    quiet_days: int,
    *,
    until: date | None = None,
    model_version: int | None = None,
) -> date | None:
    """The date of a table's latest snapshot, if there is any.

    Args:
        con: A cursor of the lake.
        table: One that has snapshots.
        quiet_days: The setting: how long after its last line a source counts as complete.
        until: The last date that counts.
        model_version: Only snapshots that this version decided.
    """
    conditions = ["true"]
    if until is not None:
        conditions.append(f"as_of <= DATE '{until}'")
    if model_version is not None:
        conditions.append(f"model_version = {int(model_version)}")
    asked = {"table": table.name, "days": 1 + quiet_days, "condition": " AND ".join(conditions)}
    try:
        row = con.execute(LATEST.format(**asked)).fetchone()
    except duckdb.CatalogException:  # no ledger yet; if it is the table that lacks, this says so
        row = con.execute(LATEST_WITHOUT_LEDGER.format(**asked)).fetchone()
    return row[0] if row else None


def date_before(con: duckdb.DuckDBPyConnection, table: Table, as_of: date) -> date | None:
    """The date of a table's last snapshot before another date, if there is any.

    Where the data reaches the other date, it reaches this one.
    """
    row = con.execute(BEFORE, {"table": table.name, "as_of": as_of}).fetchone()
    return row[0] if row else None
