"""Text and spreadsheet files as relations of text columns: one per file, or one per sheet of a workbook.

How bytes become fields is in `text_files`; which columns are used is decided in `files`. The relations made here live
only until the next part is asked for.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.readers.binding import Wanted, bind, refuse_repeated
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.paths import InputFile, as_pattern, format_of
from segmentation.sources.readers.text_blocks import read_blocks
from segmentation.sources.readers.text_files import CsvFile, is_json_array, json_lines
from segmentation.sources.readers.workbooks import check_workbook
from segmentation.warehouse.sql import identifier, literal

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_INCOMING = "incoming"
_JSON_LINES = "json_lines"
_JSON_FIELDS = "json_fields"

ADD_MALFORMED = f"INSERT INTO {{malformed}} SELECT $file_id, line FROM {_INCOMING}"

NO_JSON_LINES = f"CREATE OR REPLACE TEMP TABLE {_JSON_LINES} (line VARCHAR)"

ADD_JSON_LINES = f"INSERT INTO {_JSON_LINES} SELECT line FROM {_INCOMING}"

JSON_ARRAY = f"""
CREATE OR REPLACE TEMP TABLE {_JSON_LINES} AS
SELECT CAST(json AS VARCHAR) AS line FROM read_json_objects($path, format = 'array')
"""

IS_OBJECT = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"

JSON_MALFORMED = f"INSERT INTO {{malformed}} SELECT $file_id, line FROM {_JSON_LINES} WHERE NOT {IS_OBJECT}"

JSON_KEYS = f"SELECT DISTINCT unnest(json_keys(line)) AS key FROM {_JSON_LINES} WHERE {IS_OBJECT} ORDER BY key"

JSON_FIELDS = f"""
CREATE OR REPLACE TEMP VIEW {_JSON_FIELDS} AS
SELECT json_extract_string(line, CAST([{{pointers}}] AS VARCHAR[])) AS fields
FROM {_JSON_LINES} WHERE {IS_OBJECT}
"""


@dataclass(frozen=True)
class TextChunk:
    """Lines with one header inside one file.

    Attributes:
        relation: What to select from, as long as the next part isn't asked for.
        columns: Per header, the SQL of its column.
    """

    relation: str
    columns: dict[str, str]


def text_chunks(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str
) -> Generator[TextChunk]:
    """The parts of a file; its malformed lines are in the relation `malformed` once all have been taken.

    Raises:
        SourceError: The file can't be read.
    """
    kind = format_of(file.path)
    if kind == "csv":
        yield from _csv(con, file, wanted, malformed)
    elif kind == "json":
        yield from _json(con, file, wanted, malformed)
    else:
        yield from _excel(con, file, wanted)


def _csv(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str) -> Iterator[TextChunk]:
    csv = CsvFile(file.path, wanted.reader, wanted.limits)
    refuse_repeated(wanted, csv.header, file.path)
    columns = {name: f"c{position}" for position, name in enumerate(csv.header)}
    for table in csv.tables():
        with _incoming(con, table):
            yield TextChunk(_INCOMING, columns)
        if csv.malformed:
            import pyarrow as pa  # heavy, and only who reads files needs it

            with _incoming(con, pa.table({"line": csv.malformed})):
                con.execute(ADD_MALFORMED.format(malformed=malformed), {"file_id": file.file_id})


def _json(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str) -> Iterator[TextChunk]:
    if is_json_array(file.path, wanted.limits):
        _read_json_array(con, file, wanted.limits)
    else:
        con.execute(NO_JSON_LINES)
        for table in json_lines(file.path, wanted.reader, wanted.limits):
            with _incoming(con, table):
                con.execute(ADD_JSON_LINES)
    con.execute(JSON_MALFORMED.format(malformed=malformed), {"file_id": file.file_id})
    keys = [row[0] for row in con.execute(JSON_KEYS).fetchall()]
    pointers = ", ".join(literal("/" + key.replace("~", "~0").replace("/", "~1")) for key in keys)
    con.execute(JSON_FIELDS.format(pointers=pointers))
    yield TextChunk(_JSON_FIELDS, {key: f"nullif(fields[{number}], '')" for number, key in enumerate(keys, start=1)})
    con.execute(f"DROP VIEW {_JSON_FIELDS}")
    con.execute(f"DROP TABLE {_JSON_LINES}")


def _read_json_array(con: duckdb.DuckDBPyConnection, file: InputFile, limits: ReadingLimits) -> None:
    for _ in read_blocks(file.path, limits):  # DuckDB knows no limits
        pass
    try:
        con.execute(JSON_ARRAY, {"path": as_pattern(file.path)})
    except duckdb.Error as error:
        raise SourceError(
            f"{file.path} is not a complete JSON array: {str(error).splitlines()[0]} Fetch it again, or write one "
            "object per line."
        ) from error


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
