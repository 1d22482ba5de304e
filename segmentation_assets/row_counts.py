"""How many rows a partition has: told to Dagster per partition, as the lake counts them after the write.

A run over a range is one step with one result; what its result says is shown for each of its partitions. What differs
from partition to partition is therefore added partition by partition.
"""

from collections.abc import Mapping

import dagster as dg
import duckdb

from segmentation.metadata.table import Table

ROW_COUNT = "dagster/partition_row_count"


def report_row_counts(
    context: dg.AssetExecutionContext, con: duckdb.DuckDBPyConnection, table: Table, day: str = "as_of"
) -> None:
    """Tell Dagster the rows of each of the run's partitions.

    Args:
        context: Of the step that has written them.
        con: A cursor of the lake.
        table: The table; its asset has the same name.
        day: SQL expression for the day or date that is the partition's key.
    """
    keys = context.partition_keys
    found = con.execute(
        f"SELECT CAST({day} AS VARCHAR), COUNT(*) FROM {table.name} WHERE {day} BETWEEN $first AND $last GROUP BY ALL",
        {"first": min(keys), "last": max(keys)},
    ).fetchall()
    counts = dict.fromkeys(keys, 0) | {key: count for key, count in found if key in set(keys)}
    report_by_partition(context, table, {key: {ROW_COUNT: count} for key, count in counts.items()})


def row_count(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """All rows of a table, for an asset without partitions."""
    row = con.execute(f"SELECT COUNT(*) FROM {table.name}").fetchone()
    return int(row[0]) if row else 0


def report_by_partition(
    context: dg.AssetExecutionContext, table: Table, metadata: Mapping[str, Mapping[str, object]]
) -> None:
    """Tell Dagster what is known of single partitions, by their keys."""
    for key, values in metadata.items():
        context.add_asset_metadata(values, asset_key=table.name.split("."), partition_key=key)
