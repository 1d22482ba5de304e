"""Which days' lines changed, and when: `raw.changed_days`, which stays readable however many snapshots expire.

Whoever writes to `raw.transactions` notes the days in the same transaction, so that always, by source and day, the sum
of the changes is the number of lines, and the highest version is the one that last changed any of them. Which days
those are, the writers know (`sources`). Putting the same lines into other files is no change.
"""

import duckdb

from segmentation.metadata.tables.raw import CHANGED_DAYS, TRANSACTIONS
from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import Lake

CONTENT = ", ".join(name for name in TRANSACTIONS.column_names if name not in ("source", "ingested_at"))
CONTENT_HASH = f"bit_xor(hash(hash({CONTENT})))"
"""Of all that the lines of a source and a day say, in whatever order and whenever they came. Hashed twice, since DuckDB
mixes the last value in by XOR alone: two lines that swapped theirs would look the same."""

NOTE = f"""
INSERT INTO {CHANGED_DAYS.name} (source, ordered_on, line_count_change, lake_version)
SELECT source, ordered_on, line_count_change, {{version}} FROM ({{changes}})
"""

FILL = f"""
INSERT INTO {CHANGED_DAYS.name} (source, ordered_on, line_count_change, lake_version)
SELECT source, CAST(ordered_at AS DATE), COUNT(*), MAX(snapshot_id) FROM {TRANSACTIONS.name} GROUP BY ALL
"""
"""From the lines alone: `snapshot_id` is DuckLake's own column, the version that inserted a row."""

ROWS = f"SELECT COUNT(*), COUNT(DISTINCT (source, ordered_on)) FROM {CHANGED_DAYS.name}"

SUM_UP = f"""
CREATE OR REPLACE TEMP TABLE summed_up AS
SELECT source, ordered_on, CAST(SUM(line_count_change) AS BIGINT) AS line_count_change,
    MAX(lake_version) AS lake_version
FROM {CHANGED_DAYS.name}
GROUP BY ALL
"""
EMPTY = f"DELETE FROM {CHANGED_DAYS.name}"
REFILL = f"INSERT INTO {CHANGED_DAYS.name} BY NAME FROM temp.summed_up"

MOST_ROWS_PER_DAY = 4
"""Rows per source and day, on average, after which they are summed up."""
FEW_SPARE_ROWS = 1_000
"""Rows beyond one per source and day that never matter."""
MOST_SPARE_ROWS = 10_000
"""And as many as always do."""


def note_changes(
    con: duckdb.DuckDBPyConnection, changes: str, *, version: int, values: dict[str, object] | None = None
) -> None:
    """Note days whose lines the open transaction changes.

    Args:
        con: Where the transaction is open.
        changes: SQL that gives `source`, `ordered_on` and `line_count_change` of each of them, once.
        version: The version that the transaction makes, `next_version`.
        values: What the SQL binds.
    """
    con.execute(NOTE.format(changes=changes, version=version), values)


def fill(con: duckdb.DuckDBPyConnection) -> None:
    """Note all days that the lake has lines of, in a table that is empty."""
    con.execute(FILL)


def sum_up_if_many(lake: Lake, con: duckdb.DuckDBPyConnection) -> bool:
    """Leave one row per source and day, as one commit, if there are many more; returns whether there were.

    A day that has lost all its lines keeps its row, since it tells when that was.

    Args:
        lake: A writable lake.
        con: A cursor of it.

    Raises:
        SegmentationError: Others kept the lake busy beyond the limit.
    """
    if not _are_many(con):
        return False
    lake.transaction(con, Commit("Sum up changed days", asset="warehouse/maintenance"), _sum_up)
    con.execute("DROP TABLE temp.summed_up")
    return True


def _are_many(con: duckdb.DuckDBPyConnection) -> bool:
    rows, days = (int(number) for number in con.execute(ROWS).fetchall()[0])
    spare = rows - days
    return spare > MOST_SPARE_ROWS or (spare > FEW_SPARE_ROWS and rows > MOST_ROWS_PER_DAY * days)


def _sum_up(con: duckdb.DuckDBPyConnection) -> None:
    for statement in (SUM_UP, EMPTY, REFILL):
        con.execute(statement)
