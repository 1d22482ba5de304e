"""Text and spreadsheet files as relations of text columns: one per file, or one per sheet of a workbook.

How bytes become fields is in `text_files`; which columns are used is decided in `files`. The relations made here live
only until the next part is asked for.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.readers.archives import unpacked
from segmentation.sources.readers.arrow_tables import holding
from segmentation.sources.readers.binding import Wanted, refuse_repeated
from segmentation.sources.readers.contents import format_at
from segmentation.sources.readers.json_files import json_fields
from segmentation.sources.readers.line_accounts import LineAccount
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.readers.sheets import read_sheets
from segmentation.sources.readers.text_files import CsvFile
from segmentation.warehouse.sql import identifier

if TYPE_CHECKING:
    pass

_INCOMING = "incoming"

ADD_MALFORMED = f"INSERT INTO {{malformed}} (file_id, line) SELECT $file_id, line FROM {_INCOMING}"


@dataclass(frozen=True)
class TextChunk:
    """Lines with one header inside one file.

    Attributes:
        relation: What to select from, as long as the next part isn't asked for.
        columns: Per header, the SQL of its column.
        place: Where the lines are, for messages; None for the file itself.
    """

    relation: str
    columns: dict[str, str]
    place: Path | None = None


OnRead = Callable[[InputFile, LineAccount], object]
"""Is told what has become of the physical lines of a text file, or of a part of it."""


def text_chunks(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str, on_read: OnRead
) -> Generator[TextChunk]:
    """The parts of a file; its malformed lines are in the relation `malformed` once all have been taken.

    Raises:
        SourceError: The file can't be read.
    """
    kind = format_at(file.path, wanted.reader)
    if kind == "csv":
        yield from _csv(con, file, wanted, malformed, on_read)
    elif kind == "json":
        yield from _json(con, file, wanted, malformed)
    elif kind == "zip":
        yield from _zip(con, file, wanted, malformed, on_read)
    else:
        yield from _excel(con, file, wanted)


def _csv(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str, on_read: OnRead
) -> Iterator[TextChunk]:
    csv = CsvFile(file.path, wanted.reader, wanted.limits, wanted.lacking)
    refuse_repeated(wanted, csv.header, file.path)
    columns = {name: f"c{position}" for position, name in enumerate(csv.header)}
    for table in csv.tables():
        with holding(con, _INCOMING, table):
            yield TextChunk(_INCOMING, columns)
        if csv.malformed:
            import pyarrow as pa  # heavy, and only who reads files needs it

            with holding(con, _INCOMING, pa.table({"line": csv.malformed})):
                con.execute(ADD_MALFORMED.format(malformed=malformed), {"file_id": file.file_id})
    on_read(file, csv.account)


def _json(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str) -> Iterator[TextChunk]:
    with json_fields(con, file, wanted, malformed) as (relation, columns):
        yield TextChunk(relation, columns)


def _excel(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Iterator[TextChunk]:
    for sheet in read_sheets(file.path, wanted):
        refuse_repeated(wanted, sheet.header, file.path)
        names = zip(sheet.header, sheet.lines.columns, strict=False)
        with holding(con, _INCOMING, sheet.lines.to_arrow()):
            yield TextChunk(_INCOMING, {name: identifier(column) for name, column in names if name})


def _zip(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str, on_read: OnRead
) -> Iterator[TextChunk]:
    for name, path in unpacked(file.path, wanted.limits, any_suffix=wanted.reader.format is not None):
        place = file.path / name
        try:
            for chunk in text_chunks(con, InputFile(file.file_id, path), wanted, malformed, on_read):
                yield replace(chunk, place=place)
        except SourceError as error:
            raise SourceError(str(error).replace(str(path), str(place))) from error
