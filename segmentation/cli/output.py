"""How commands print: the console, the option `--json`, tables. What a command says belongs to its own module."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.quoting import bounded
from segmentation.terminal import make_console

if TYPE_CHECKING:
    import polars as pl

console = make_console(width=None if sys.stdout.isatty() else 160)
"""Wide enough for tables where there is no terminal to ask."""

MAX_CELL = 2000
"""Characters of one cell of a table; the other formats have all of them."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: object) -> None:
    """Print plain data for programs."""
    typer.echo(json.dumps(value, indent=2))


def table_of(frame: "pl.DataFrame") -> Table:
    """A frame as a table, numbers in six digits."""
    table = Table(*map(_cell, frame.columns))
    for row in frame.iter_rows():
        table.add_row(*("" if value is None else _cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else escape(bounded(str(value), MAX_CELL))
