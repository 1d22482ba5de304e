"""Text and spreadsheet files as relations of text columns: one per file, or one per sheet of a workbook.

How bytes become fields is in `text_files`; which columns are used is decided in `files`. The relations made here live
only until the next part is asked for.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.readers.binding import Wanted, bind, refuse_repeated
from segmentation.sources.readers.json_files import json_fields
from segmentation.sources.readers.line_accounts import LineAccount
from segmentation.sources.readers.paths import InputFile, format_of
from segmentation.sources.readers.text_files import CsvFile
from segmentation.sources.readers.workbooks import check_workbook
from segmentation.warehouse.sql import identifier

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_INCOMING = "incoming"

ADD_MALFORMED = f"INSERT INTO {{malformed}} (file_id, line) SELECT $file_id, line FROM {_INCOMING}"


@dataclass(frozen=True)
class TextChunk:
    """Lines with one header inside one file.

    Attributes:
        relation: What to select from, as long as the next part isn't asked for.
        columns: Per header, the SQL of its column.
    """

    relation: str
    columns: dict[str, str]


OnRead = Callable[[InputFile, LineAccount], object]
"""Is told what has become of the physical lines of a text file, or of a part of it."""


def text_chunks(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str, on_read: OnRead
) -> Generator[TextChunk]:
    """The parts of a file; its malformed lines are in the relation `malformed` once all have been taken.

    Raises:
        SourceError: The file can't be read.
    """
    kind = format_of(file.path)
    if kind == "csv":
        yield from _csv(con, file, wanted, malformed, on_read)
    elif kind == "json":
        yield from _json(con, file, wanted, malformed)
    else:
        yield from _excel(con, file, wanted)


def _csv(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str, on_read: OnRead
) -> Iterator[TextChunk]:
    csv = CsvFile(file.path, wanted.reader, wanted.limits, wanted.lacking)
    refuse_repeated(wanted, csv.header, file.path)
    columns = {name: f"c{position}" for position, name in enumerate(csv.header)}
    for table in csv.tables():
        with _incoming(con, table):
            yield TextChunk(_INCOMING, columns)
        if csv.malformed:
            import pyarrow as pa  # heavy, and only who reads files needs it

            with _incoming(con, pa.table({"line": csv.malformed})):
                con.execute(ADD_MALFORMED.format(malformed=malformed), {"file_id": file.file_id})
    on_read(file, csv.account)


def _json(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str) -> Iterator[TextChunk]:
    with json_fields(con, file, wanted, malformed) as (relation, columns):
        yield TextChunk(relation, columns)


def _excel(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Iterator[TextChunk]:
    sheets = _sheets(file, wanted)
    chosen = [frame for frame in sheets.values() if _has_columns(frame, file, wanted)]
    for frame in chosen or list(sheets.values())[:1]:
        with _incoming(con, frame.to_arrow()):
            yield TextChunk(_INCOMING, {name: identifier(name) for name in frame.columns})


@contextmanager
def _incoming(con: duckdb.DuckDBPyConnection, table: "pa.Table") -> Iterator[None]:
    con.register(_INCOMING, table)
    try:
        yield
    finally:
        con.unregister(_INCOMING)


def _sheets(file: InputFile, wanted: Wanted) -> "dict[str, pl.DataFrame]":
    import polars as pl  # heavy, and only who reads workbooks needs it

    check_workbook(file.path, wanted.limits)
    try:
        sheets = pl.read_excel(file.path, sheet_id=0, engine="calamine", infer_schema_length=0, raise_if_empty=False)
    except ModuleNotFoundError as error:
        raise SourceError(f"Reading {file.path} needs the package fastexcel: pip install fastexcel") from error
    except Exception as error:
        raise SourceError(f"{file.path} can't be read as an Excel workbook: {error}") from error
    wanted_sheet = wanted.reader.sheet
    if wanted_sheet is None:
        return sheets
    if wanted_sheet not in sheets:
        raise SourceError(
            f"{file.path} has no sheet {wanted_sheet!r}, which the profile {wanted.profile} names; it has "
            f"{', '.join(sheets)}."
        )
    return {wanted_sheet: sheets[wanted_sheet]}


def _has_columns(frame: "pl.DataFrame", file: InputFile, wanted: Wanted) -> bool:
    try:
        bind(wanted, frame.columns, file.path)
    except SourceError:
        return False
    return True
