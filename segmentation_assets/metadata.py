"""Metadata that people see in the Dagster UI: column schemas, previews, counts."""

import datetime
from collections.abc import Sequence

import dagster as dg
import duckdb
from dagster import TimeWindow

from segmentation.metadata.table import Relation

PREVIEW_ROWS = 8


def column_metadata(table: Relation) -> dict[str, object]:
    """The table's name and column schema, as asset definition metadata."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type.lower(),
            description=column.comment,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in table.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.{table.name}",
    }


def preview(
    con: duckdb.DuckDBPyConnection, table: Relation, condition: str = "", window: TimeWindow | None = None
) -> dg.MetadataValue:
    """The first rows of a table as Markdown.

    Args:
        con: A cursor of the lake.
        table: The table.
        condition: A condition on its rows; may use `$start` and `$end` of the window.
        window: The window.
    """
    where = f"WHERE {condition}" if condition else ""
    parameters = {"start": window.start.date(), "end": window.end.date()} if window else {}
    rows = con.execute(f"SELECT * FROM {table.name} {where} LIMIT {PREVIEW_ROWS}", parameters)
    return dg.MetadataValue.md(markdown_table([c[0] for c in rows.description], rows.fetchall()))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows as a Markdown table; "no rows" if there are none."""
    if not rows:
        return "no rows"
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
        case datetime.datetime():
            return value.isoformat(" ", "seconds")
        case _:
            return str(value).replace("|", "\\|")
