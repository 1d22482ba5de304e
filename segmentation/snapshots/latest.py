"""The latest snapshot: the newest date of a table that is not ahead of the data."""

from datetime import date

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.raw import CHANGED_DAYS
from segmentation.metadata.tables.registry import SNAPSHOTS

LATEST = f"""
SELECT MAX(as_of)
FROM {SNAPSHOTS.name}
WHERE table_name = '{{table}}' AND {{condition}} AND as_of <= (
    SELECT MAX(ordered_on) + {{days}}
    FROM (SELECT ordered_on FROM {CHANGED_DAYS.name} GROUP BY source, ordered_on HAVING SUM(line_count_change) > 0)
)
"""


def latest_date(
    con: duckdb.DuckDBPyConnection, table: Table, quiet_days: int, *, model_version: int | None = None
) -> date | None:
    """The date of a table's latest snapshot, if there is any.

    Args:
        con: A cursor of the lake.
        table: One that has snapshots.
        quiet_days: The setting: how long after its last line a source counts as complete.
        model_version: Only snapshots that this version decided.
    """
    condition = "true" if model_version is None else f"model_version = {int(model_version)}"
    row = con.execute(LATEST.format(table=table.name, days=1 + quiet_days, condition=condition)).fetchone()
    return row[0] if row else None
