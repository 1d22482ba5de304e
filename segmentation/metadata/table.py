"""Tables as data: name, columns, comments and physical order."""

from dataclasses import dataclass


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
