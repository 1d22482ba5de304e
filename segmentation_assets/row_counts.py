"""What the lake says of a partition after the write: told to Dagster per partition, its rows first of all.

A run over a range is one step with one result; what its result says is shown for each of its partitions. What differs
from partition to partition is therefore added partition by partition.
"""

from collections.abc import Mapping
from datetime import UTC

import dagster as dg
import duckdb

from segmentation.metadata.table import Relation, Table
from segmentation.snapshots.report import read_sizes
from segmentation.warehouse.ledger import Entry, read_entries

ROW_COUNT = "dagster/partition_row_count"


def report_row_counts(
    context: dg.AssetExecutionContext, con: duckdb.DuckDBPyConnection, table: Relation, day: str = "as_of"
) -> None:
    """Tell Dagster the rows of each of the run's partitions.

    Args:
        context: Of the step that has written them.
        con: A cursor of the lake.
        table: The table or view; its asset has the same name.
        day: SQL expression for the day or date that is the partition's key.
    """
    keys = context.partition_keys
    found = con.execute(
        f"SELECT CAST({day} AS VARCHAR), COUNT(*) FROM {table.name} WHERE {day} BETWEEN $first AND $last GROUP BY ALL",
        {"first": min(keys), "last": max(keys)},
    ).fetchall()
    counts = dict.fromkeys(keys, 0) | {key: count for key, count in found if key in set(keys)}
    report_by_partition(context, table, {key: {ROW_COUNT: count} for key, count in counts.items()})


def report_snapshots(context: dg.AssetExecutionContext, con: duckdb.DuckDBPyConnection, *tables: Table) -> None:
    """Tell Dagster what the ledger says of each of the run's dates, and their rows.

    Not whether they are current: that is a matter of the moment at which one asks.

    Args:
        context: Of the step that has written them.
        con: A cursor of the lake.
        tables: Those that it has written.
    """
    sizes, keys = read_sizes(con), set(context.partition_keys)
    entries = [entry for entry in read_entries(con) if str(entry.as_of) in keys]
    for table in tables:
        report_row_counts(context, con, table)
        of_table = [entry for entry in entries if entry.table_name == table.name]
        facts = {str(each.as_of): _of_entry(each, sizes.get((table.name, each.as_of), 0)) for each in of_table}
        report_by_partition(context, table, facts)


def _of_entry(entry: Entry, byte_size: int) -> dict[str, object]:
    facts = {
        "lake_version": entry.lake_version,
        "code_version": entry.code_version,
        "model_version": entry.model_version,
        "previous_as_of": entry.previous_as_of and str(entry.previous_as_of),
        "asked_by": entry.asked_by,
        "made_at": dg.MetadataValue.timestamp(entry.made_at.replace(tzinfo=UTC)),
        "bytes": byte_size,
    }
    return {name: value for name, value in facts.items() if value is not None}


def row_count(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """All rows of a table, for an asset without partitions."""
    row = con.execute(f"SELECT COUNT(*) FROM {table.name}").fetchone()
    return int(row[0]) if row else 0


def report_by_partition(
    context: dg.AssetExecutionContext, table: Relation, metadata: Mapping[str, Mapping[str, object]]
) -> None:
    """Tell Dagster what is known of single partitions, by their keys."""
    for key, values in metadata.items():
        context.add_asset_metadata(values, asset_key=table.name.split("."), partition_key=key)
