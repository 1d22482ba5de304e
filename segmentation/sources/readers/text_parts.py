"""Text and spreadsheet files as relations of text columns: one per file, or one per sheet of a workbook.

How bytes become fields is in `text_files`; which columns are used is decided in `lines`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.readers.binding import Wanted, bind, refuse_repeated
from segmentation.sources.readers.paths import InputFile, format_of
from segmentation.sources.readers.text_files import CsvStream, is_json_array, json_lines
from segmentation.warehouse.sql import identifier

if TYPE_CHECKING:
    import polars as pl

MALFORMED = "malformed"
"""Temporary table of the lines that could not be split into fields: `file_id`, `line`."""

PREPARE = f"""
CREATE OR REPLACE TEMP TABLE {MALFORMED} (file_id INTEGER, line VARCHAR);
CREATE OR REPLACE TEMP MACRO is_object(line) AS
    CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END;
"""

INCOMING = "incoming"

ADD_MALFORMED = f"INSERT INTO {MALFORMED} SELECT $file_id, line FROM {INCOMING}"

JSON_LINES = f"CREATE OR REPLACE TEMP TABLE json_lines AS SELECT line FROM {INCOMING}"

JSON_ARRAY = """
CREATE OR REPLACE TEMP TABLE json_lines AS
SELECT CAST(json AS VARCHAR) AS line FROM read_json_objects($path, format = 'array')
"""

JSON_MALFORMED = f"INSERT INTO {MALFORMED} SELECT $file_id, line FROM json_lines WHERE NOT is_object(line)"

JSON_KEYS = "SELECT DISTINCT unnest(json_keys(line)) AS key FROM json_lines WHERE is_object(line) ORDER BY key"

JSON_FIELDS = """
CREATE OR REPLACE TEMP VIEW json_fields AS
SELECT json_extract_string(line, CAST(getvariable('json_pointers') AS VARCHAR[])) AS fields
FROM json_lines WHERE is_object(line)
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


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary objects that reading needs, once per connection."""
    con.execute(PREPARE)


def text_chunks(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Iterator[TextChunk]:
    """The parts of a file; its malformed lines are in `MALFORMED` once all have been taken.

    Raises:
        SourceError: The file can't be read.
    """
    kind = format_of(file.path)
    if kind == "csv":
        yield from _csv(con, file, wanted)
    elif kind == "json":
        yield from _json(con, file, wanted)
    else:
        yield from _excel(con, file, wanted)


def _csv(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Iterator[TextChunk]:
    stream = CsvStream(file.path, wanted.reader)
    refuse_repeated(wanted, stream.header, file.path)
    con.register(INCOMING, stream.batches())
    yield TextChunk(INCOMING, {name: f"c{position}" for position, name in enumerate(stream.header)})
    if stream.malformed:
        import pyarrow as pa  # heavy, and only who reads files needs it

        con.register(INCOMING, pa.table({"line": stream.malformed}))
        con.execute(ADD_MALFORMED, {"file_id": file.file_id})
    con.unregister(INCOMING)


def _json(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Iterator[TextChunk]:
    if is_json_array(file.path):
        _read_json_array(con, file)
    else:
        con.register(INCOMING, json_lines(file.path, wanted.reader))
        con.execute(JSON_LINES)
        con.unregister(INCOMING)
    con.execute(JSON_MALFORMED, {"file_id": file.file_id})
    keys = [row[0] for row in con.execute(JSON_KEYS).fetchall()]
    pointers = ["/" + key.replace("~", "~0").replace("/", "~1") for key in keys]
    con.execute("SET VARIABLE json_pointers = $pointers", {"pointers": pointers})
    con.execute(JSON_FIELDS)
    yield TextChunk("json_fields", {key: f"nullif(fields[{number}], '')" for number, key in enumerate(keys, start=1)})
    con.execute("DROP TABLE json_lines")


def _read_json_array(con: duckdb.DuckDBPyConnection, file: InputFile) -> None:
    try:
        con.execute(JSON_ARRAY, {"path": str(file.path)})
    except duckdb.Error as error:
        raise SourceError(
            f"{file.path} is not a complete JSON array: {str(error).splitlines()[0]} Fetch it again, or write one "
            "object per line."
        ) from error


def _excel(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Iterator[TextChunk]:
    sheets = _sheets(file, wanted)
    chosen = [frame for frame in sheets.values() if _has_columns(frame, file, wanted)]
    for frame in chosen or list(sheets.values())[:1]:
        con.register(INCOMING, frame.to_arrow())
        yield TextChunk(INCOMING, {name: identifier(name) for name in frame.columns})
        con.unregister(INCOMING)


def _sheets(file: InputFile, wanted: Wanted) -> "dict[str, pl.DataFrame]":
    import polars as pl  # heavy, and only who reads workbooks needs it

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
