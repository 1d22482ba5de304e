"""Tables as data: name, columns, comments and physical order, and the DDL that makes them so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb


@dataclass(frozen=True)
class Column:
    """One column: its name (with unit), DuckDB type, comment, and whether it may be NULL."""

    name: str
    type: str
    comment: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    Attributes:
        name: `schema.table`; the same text with a slash is the Dagster asset key.
        comment: What one row is, and where it comes from.
        columns: In order.
        partitioned_by: Column whose values get files of their own, if any.
        sorted_by: Columns that order the rows inside a file.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    partitioned_by: str | None = None
    sorted_by: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        """The lake schema that holds the table."""
        return self.name.split(".")[0]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def column_list(self) -> str:
        """The column names as they stand in an `INSERT` or a `SELECT`."""
        return ", ".join(self.column_names)

    def create_statements(self) -> Iterator[str]:
        """DDL that creates the table as declared; its schema must exist."""
        columns = ", ".join(f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)
        yield f"CREATE TABLE {self.name} ({columns})"
        if self.partitioned_by:
            yield f"ALTER TABLE {self.name} SET PARTITIONED BY ({self.partitioned_by})"
        if self.sorted_by:
            yield f"ALTER TABLE {self.name} SET SORTED BY ({', '.join(self.sorted_by)})"

    def comment_statements(self) -> Iterator[str]:
        """DDL that sets the comments of the table and of its columns."""
        yield f"COMMENT ON TABLE {self.name} IS {literal(self.comment)}"
        for column in self.columns:
            yield f"COMMENT ON COLUMN {self.name}.{column.name} IS {literal(column.comment)}"


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


def literal(text: str) -> str:
    """Text as it stands in SQL, where no parameter can be bound."""
    return "'" + text.replace("'", "''") + "'"
