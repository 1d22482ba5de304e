"""The records of a JSON file: an object per line, the elements of one array, or of a list inside of a document.

What is read from a record is in `json_files`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.readers.arrow_tables import holding
from segmentation.sources.readers.binding import Wanted
from segmentation.sources.readers.json_paths import path_to, pointer
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.paths import InputFile, as_pattern
from segmentation.sources.readers.text_blocks import read_blocks
from segmentation.sources.readers.text_files import is_json_array, json_lines

if TYPE_CHECKING:
    pass

MAX_DOCUMENT_BYTES = 1 << 30
"""What a JSON document may hold that is no array and has more than one line: it is read as a whole."""

RECORDS = "json_lines"
_INCOMING = "incoming_json"

NO_RECORDS = f"CREATE OR REPLACE TEMP TABLE {RECORDS} (line VARCHAR)"

ADD_RECORDS = f"INSERT INTO {RECORDS} SELECT line FROM {_INCOMING}"

ARRAY = f"""
CREATE OR REPLACE TEMP TABLE {RECORDS} AS
SELECT CAST(json AS VARCHAR) AS line FROM read_json_objects($path, format = 'array')
"""

IS_OBJECT = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"

KEYS = f"SELECT DISTINCT unnest(json_keys(line, $at)) AS key FROM {RECORDS} WHERE {IS_OBJECT} ORDER BY key"

# What has no list at the path is a record itself: a file of lines beside one document of the same export.
AT_PATH = f"""
CREATE OR REPLACE TEMP TABLE {RECORDS} AS
SELECT CASE WHEN is_list THEN CAST(unnest(records) AS VARCHAR) ELSE line END AS line
FROM (
    SELECT line, is_list,
        CASE WHEN is_list THEN CAST(json_extract(line, $at) AS JSON[]) ELSE [CAST(NULL AS JSON)] END AS records
    FROM (SELECT line, CASE WHEN {IS_OBJECT} THEN json_type(line, $at) = 'ARRAY' ELSE false END AS is_list
        FROM {RECORDS})
)
"""


def read_records(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> None:
    """Fill `RECORDS` with the texts of a file's records, whatever they are.

    Raises:
        SourceError: The file can't be read.
    """
    if is_json_array(file.path, wanted.limits):
        _read_array(con, file, wanted.limits)
    else:
        import pyarrow as pa  # heavy, and only who reads files needs it

        con.execute(NO_RECORDS)
        is_document = _is_document(file.path, wanted)
        texts = (
            [pa.table({"line": [_document(file.path, wanted)]})]
            if is_document
            else json_lines(file.path, wanted.reader, wanted.limits)
        )
        for table in texts:
            with holding(con, _INCOMING, table):
                con.execute(ADD_RECORDS)
    if wanted.reader.path:
        found = path_to(wanted.reader.path, lambda at: keys_at(con, KEYS, at=at))
        if found is not None:
            con.execute(AT_PATH, {"at": pointer(found)})


def _read_array(con: duckdb.DuckDBPyConnection, file: InputFile, limits: ReadingLimits) -> None:
    for _ in read_blocks(file.path, limits):  # DuckDB knows no limits
        pass
    try:
        con.execute(ARRAY, {"path": as_pattern(file.path)})
    except duckdb.Error as error:
        raise SourceError(
            f"{file.path} is not a complete JSON array: {str(error).splitlines()[0]} Fetch it again, or write one "
            "object per line."
        ) from error


def _is_document(path: Path, wanted: Wanted) -> bool:
    """Whether a file is one object over several lines rather than an object per line."""
    start = next(read_blocks(path, wanted.limits), b"").decode(wanted.reader.encoding, errors="replace")
    first = next(iter(start.lstrip("\ufeff \t\r\n").splitlines()), "").rstrip()
    return first == "{" or (wanted.reader.path is not None and not _is_json(first))


def _document(path: Path, wanted: Wanted) -> str:
    text = bytearray()
    for block in read_blocks(path, wanted.limits):
        text += block
        if len(text) > MAX_DOCUMENT_BYTES:
            raise SourceError(
                f"{path} is one JSON document of more than {MAX_DOCUMENT_BYTES >> 20:,} MB, which would be read as a "
                "whole. Write one object per line."
            )
    document = text.decode(wanted.reader.encoding).removeprefix("\ufeff")
    try:
        json.loads(document)
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{path} is neither a complete JSON document nor an object per line: {error}. Fetch it again."
        ) from error
    return document


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def keys_at(con: duckdb.DuckDBPyConnection, query: str, **values: str) -> list[str]:
    """The keys that a query such as `KEYS` gives."""
    return [row[0] for row in con.execute(query, values).fetchall()]
