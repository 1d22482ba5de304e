"""Rows of one `as_of`: a snapshot of a table is replaced as a whole, together with its record in the ledger."""

from collections.abc import Callable, Mapping
from datetime import date

import duckdb

from segmentation.metadata.table import Table
from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import Lake
from segmentation.warehouse.ledger import MadeOf, record


def write_snapshot(
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    relations: Mapping[Table, str],
    as_of: date,
    made_of: MadeOf,
    commit: Commit,
    also: Callable[[duckdb.DuckDBPyConnection], object] | None = None,
) -> None:
    """Replace snapshots of tables and put them on record, in one commit. Rows that are as they were are left alone.

    Args:
        lake: A writable lake.
        con: A cursor of it that has the relations.
        relations: Per table, a temporary relation with its columns but for the date.
        as_of: The date.
        made_of: What the snapshots were made of.
        commit: What the lake's commit says about itself.
        also: What else the commit changes.
    """

    def write(c: duckdb.DuckDBPyConnection) -> None:
        unchanged = [table for table, relation in relations.items() if _holds(c, table, as_of, relation)]
        for table, relation in relations.items():
            if table not in unchanged:
                replace_rows(c, table, as_of, relation)
        record(c, list(relations), as_of, made_of, commit, lake.clock(), unchanged=unchanged)
        if also is not None:
            also(c)

    lake.transaction(con, commit, write)


def replace_rows(con: duckdb.DuckDBPyConnection, table: Table, as_of: date, *relations: str) -> None:
    """Replace the rows of one `as_of` by those of relations that have the table's other columns, in a transaction.

    Each relation gets data files of its own.
    """
    con.execute(f"DELETE FROM {table.name} WHERE as_of = $as_of", {"as_of": as_of})
    for relation in relations:
        insert_rows(con, table, as_of, relation)


def insert_rows(con: duckdb.DuckDBPyConnection, table: Table, as_of: date, relation: str) -> None:
    """Add rows as of a date from a relation that has the table's other columns, in a transaction."""
    columns = _columns_but_date(table)
    con.execute(
        f"INSERT INTO {table.name} (as_of, {columns}) SELECT $as_of, {columns} FROM {relation}", {"as_of": as_of}
    )


def _holds(con: duckdb.DuckDBPyConnection, table: Table, as_of: date, relation: str) -> bool:
    """Whether the table has just these rows as of the date."""
    columns = _columns_but_date(table)
    there = f"(SELECT {columns} FROM {table.name} WHERE as_of = DATE '{as_of}')"
    counts = con.execute(f"SELECT (SELECT COUNT(*) FROM {there}), (SELECT COUNT(*) FROM {relation})").fetchall()[0]
    if counts[0] != counts[1]:
        return False
    differing = f"SELECT 1 FROM (FROM {there} EXCEPT ALL SELECT {columns} FROM {relation}) LIMIT 1"
    return con.execute(differing).fetchone() is None


def _columns_but_date(table: Table) -> str:
    return ", ".join(name for name in table.column_names if name != "as_of")
