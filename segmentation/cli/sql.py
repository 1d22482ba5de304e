"""The command `sql`: a query to the lake, read-only, and its result in a format of choice."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from segmentation.cli.output import table_of
from segmentation.errors import SegmentationError
from segmentation.quoting import visible
from segmentation.settings import load_settings
from segmentation.spreadsheets import write_safe_csv
from segmentation.terminal import make_console
from segmentation.warehouse.read_only_sql import ReadOnlySql


class Format(StrEnum):
    """How query results are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def sql(
    query: Annotated[str | None, typer.Argument(help="The query; read from standard input if left out.")] = None,
    output_format: Annotated[
        Format, typer.Option("--format", "-f", help="`parquet` needs --output or a redirected output.")
    ] = Format.TABLE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
    safe_for_spreadsheets: Annotated[
        bool,
        typer.Option("--safe-for-spreadsheets", help="In CSV, texts that a spreadsheet would run begin with a '."),
    ] = False,
    allow_files: Annotated[
        bool,
        typer.Option("--allow-files", help="Let the query read files beside the lake, such as FROM 'orders.csv'."),
    ] = False,
) -> None:
    """Ask the lake in SQL, read-only, also while pipelines run.

    Queries can do nothing but read; whatever else they try is refused, also with --allow-files. `--output` writes the
    result to a file.

    For example: segmentation sql "SELECT * FROM segments.segment_profiles"
    """
    if query is None and sys.stdin.isatty():
        raise SegmentationError('Give a query: segmentation sql "SELECT …", or pipe one in.')
    text = _decoded(sys.stdin.buffer.read() if query is None else os.fsencode(query))
    if output_format is Format.PARQUET and output is None and sys.stdout.isatty():
        raise SegmentationError("Parquet is binary: give --output FILE, or redirect the output.")
    with ReadOnlySql(load_settings(), allow_files=allow_files) as lake:
        frame = lake.frame(text)
    try:
        _write(frame, output_format, output, safe_for_spreadsheets)
    except BrokenPipeError:
        raise  # whoever reads has enough, which is no error
    except OSError as error:
        raise SegmentationError(f"Can't write the result: {error}") from error
    except pl.exceptions.PolarsError as error:
        raise SegmentationError(
            f"The result can't be written as {output_format}: {error}. Cast such columns to VARCHAR, or take another "
            "format."
        ) from error


def _decoded(query: bytes) -> str:
    """A query as text: UTF-8, whatever the locale says."""
    try:
        return query.decode()
    except UnicodeDecodeError as error:
        raise SegmentationError("The query isn't UTF-8 text; save it as UTF-8.") from error


def _write(frame: pl.DataFrame, output_format: Format, output: Path | None, is_safe: bool) -> None:
    match output_format:
        case Format.TABLE:
            text = _as_table(frame)
        case Format.CSV:
            text = write_safe_csv(frame) if is_safe else frame.write_csv()
        case Format.JSON:
            text = frame.write_json() + "\n"
        case Format.PARQUET:
            frame.write_parquet(output or sys.stdout.buffer)
            return
    if output:
        output.write_text(text, encoding="utf-8")
    elif output_format is Format.TABLE or sys.stdout.isatty():
        sys.stdout.write(visible(text) if output_format is not Format.TABLE else text)
    else:
        typer.echo(text.encode(), nl=False)  # what programs read is UTF-8, whatever the terminal is


def _as_table(frame: pl.DataFrame) -> str:
    if not frame.columns:
        return "done\n"
    table = table_of(frame)
    plain = make_console(width=None if sys.stdout.isatty() else 10_000, no_color=not sys.stdout.isatty())
    with plain.capture() as captured:
        plain.print(table)
        plain.print(f"{frame.height:,} row{'' if frame.height == 1 else 's'}", highlight=False)
    return captured.get()
