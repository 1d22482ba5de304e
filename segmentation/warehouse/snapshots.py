"""Rows of one `as_of`: a snapshot of a table is replaced as a whole, inside the transaction that is open."""

from datetime import date

import duckdb

from segmentation.metadata.table import Table


def replace_snapshot(con: duckdb.DuckDBPyConnection, table: Table, as_of: date, *relations: str) -> None:
    """Replace the rows of one `as_of` by those of relations that have the table's other columns.

    Each relation gets data files of its own.
    """
    columns = ", ".join(name for name in table.column_names if name != "as_of")
    con.execute(f"DELETE FROM {table.name} WHERE as_of = $as_of", {"as_of": as_of})
    for relation in relations:
        con.execute(
            f"INSERT INTO {table.name} (as_of, {columns}) SELECT $as_of, {columns} FROM {relation}", {"as_of": as_of}
        )
