"""Tables and views as data: name, columns, comments, physical order; of a view, the table that it shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its name (with unit), DuckDB type, comment, whether it may be NULL, and the text it is by default.

    Rows of before the column was added have the default, too.
    """

    name: str
    type: str
    comment: str
    nullable: bool = True
    default: str | None = None


@dataclass(frozen=True)
class Relation:
    """What a query reads by name: a table or a view of the lake.

    Attributes:
        name: `schema.table`; the same text with a slash is the Dagster asset key.
        comment: What one row is, and where it comes from.
        columns: In order.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> str:
        """The lake schema that holds it."""
        return self.name.split(".")[0]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def column_list(self) -> str:
        """The column names as they stand in an `INSERT` or a `SELECT`."""
        return ", ".join(self.column_names)


@dataclass(frozen=True)
class Table(Relation):
    """One table of the lake.

    Attributes:
        partitioned_by: Column whose values get files of their own, if any.
        sorted_by: Columns that order the rows inside a file.
    """

    partitioned_by: str | None = None
    sorted_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class View(Relation):
    """Some columns of a table, under a name of their own; it holds no rows.

    Attributes:
        table: Whose columns they are.
    """

    table: Table
