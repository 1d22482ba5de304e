"""Reading one partition as the Parquet files that it is: planning a query of the lake takes longer than the look-up.

DuckLake asks its catalog for files, statistics and inlined rows at every query, which is about ten milliseconds;
reading a row of a known file takes one.
"""

import re
from datetime import date

import duckdb

from segmentation.metadata.table import Table
from segmentation.warehouse.lake import CATALOG
from segmentation.warehouse.sql import literal


def partition_files(con: duckdb.DuckDBPyConnection, table: Table, as_of: date) -> str | None:
    """What to select from instead of a table, to get its rows of one `as_of`, as of the transaction's snapshot.

    Args:
        con: A cursor of the lake, in a transaction.
        table: A table that is partitioned by `as_of`.
        as_of: The partition.

    Returns:
        None if its files are not just these rows with all of the table's columns: some rows are in the catalog,
        deleted, encrypted, or were written before a column was added.
    """
    schema, name = table.name.split(".")
    listed = con.execute(
        "SELECT data_file, delete_file, data_file_encryption_key "
        f"FROM ducklake_list_files('{CATALOG}', '{name}', schema => '{schema}')"
    ).fetchall()
    files = [row for row in listed if f"/as_of={as_of}/" in row[0]]
    if not files or any(deleted or key for _, deleted, key in files):
        return None
    paths = ", ".join(literal(re.sub(r"([\[*?])", r"[\1]", path)) for path, _, _ in files)
    relation = f"read_parquet([{paths}], hive_partitioning => true)"
    there = {row[0] for row in con.execute(f"DESCRIBE FROM {relation}").fetchall()}
    if not there.issuperset(table.column_names):
        return None
    counts = f"SELECT (SELECT COUNT(*) FROM {relation}), (SELECT COUNT(*) FROM {table.name} WHERE as_of = '{as_of}')"
    in_files, in_lake = con.execute(counts).fetchall()[0]
    return relation if in_files == in_lake else None
