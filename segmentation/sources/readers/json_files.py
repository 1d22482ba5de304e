"""JSON files: an object per line, one array of them, or a document that has them somewhere inside.

`reader.path` says where in a document the records are, `reader.each` which list inside of a record holds the lines;
headers may be paths into nested objects (`json_paths`). The relations made here live until the file has been read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import NO_LINES, REFUSED_AS
from segmentation.sources.readers.binding import Wanted, bind
from segmentation.sources.readers.json_paths import path_to, pointer
from segmentation.sources.readers.json_records import IS_OBJECT, KEYS, RECORDS, keys_at, read_records
from segmentation.sources.readers.paths import InputFile
from segmentation.warehouse.sql import literal

FIELDS = "json_fields"
MALFORMED = f"INSERT INTO {{malformed}} (file_id, line) SELECT $file_id, line FROM {RECORDS} WHERE NOT {IS_OBJECT}"

LISTS = f"""
SELECT DISTINCT key
FROM (SELECT line, unnest(json_keys(line)) AS key FROM {RECORDS} WHERE {IS_OBJECT})
WHERE json_type(line, '/' || replace(replace(key, '~', '~0'), '/', '~1')) = 'ARRAY'
ORDER BY key
"""

# One object where a list is expected is a list of one.
ITEMS = """
CASE
    WHEN json_array_length(line, {each}) > 0 THEN CAST(json_extract(line, {each}) AS JSON[])
    WHEN json_type(line, {each}) = 'OBJECT' THEN [json_extract(line, {each})]
    ELSE [CAST(NULL AS JSON)]
END
"""

ITEM_KEYS = f"""
SELECT DISTINCT unnest(json_keys(item, $at)) AS key
FROM (SELECT unnest({ITEMS.format(each="$each")}) AS item FROM {RECORDS} WHERE {IS_OBJECT})
WHERE json_type(item) = 'OBJECT'
ORDER BY key
"""

FIELDS_OF_RECORDS = f"""
CREATE OR REPLACE TEMP VIEW {FIELDS} AS
SELECT json_extract_string(line, CAST([{{pointers}}] AS VARCHAR[])) AS fields
FROM {RECORDS} WHERE {IS_OBJECT}
"""

FIELDS_OF_ITEMS = f"""
CREATE OR REPLACE TEMP VIEW {FIELDS} AS
SELECT fields, json_extract_string(item, CAST([{{item_pointers}}] AS VARCHAR[])) AS item_fields,
    item IS NULL AS is_bare, json_extract_string(item, '$') AS whole_item
FROM (
    SELECT json_extract_string(line, CAST([{{pointers}}] AS VARCHAR[])) AS fields,
        unnest({ITEMS}) AS item
    FROM {RECORDS} WHERE {IS_OBJECT}
)
"""

Columns = dict[str, str]
"""Per header, the SQL of its column."""


@contextmanager
def json_fields(
    con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, malformed: str
) -> Iterator[tuple[str, Columns]]:
    """The lines of a file, for a while: the relation, and its columns.

    Args:
        con: Where the relations are made.
        file: What to read.
        wanted: Whose headers are looked for inside of records, too.
        malformed: Relation that gets `file_id` and `line` of what is no object.

    Raises:
        SourceError: The file can't be read, or has no list at `reader.path`.
    """
    read_records(con, file, wanted)
    con.execute(MALFORMED.format(malformed=malformed), {"file_id": file.file_id})
    yield FIELDS, _items(con, file, wanted) if wanted.reader.each else _records(con, file, wanted)
    con.execute(f"DROP VIEW {FIELDS}")
    con.execute(f"DROP TABLE {RECORDS}")


def _records(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Columns:
    paths = _paths(con, wanted)
    pointers = ", ".join(literal(pointer(path)) for path in paths.values())
    con.execute(FIELDS_OF_RECORDS.format(pointers=pointers))
    columns = _columns(paths, "fields")
    _hint_at_lists(con, file, wanted, columns)
    return columns


def _items(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted) -> Columns:
    each = wanted.reader.each or ""
    found = path_to(each, lambda at: keys_at(con, KEYS, at=at))
    if found is None:
        lists = ", ".join(row[0] for row in con.execute(LISTS).fetchall()) or "none"
        within = wanted.reader.path
        named = f"`path: {within}`, `each: {each}`" if within else f"`each: {each}`"
        raise SourceError(
            f"No record of {file.path} has the list {each!r}; the profile {wanted.profile} says {named}. Lists in it: "
            f"{lists}."
        )
    at = pointer(found)

    @cache
    def item_keys(below: str) -> Sequence[str]:
        return keys_at(con, ITEM_KEYS, at=below, each=at)

    of_record = _paths(con, wanted)
    wanted_keys = {header.casefold() for entry in wanted.inputs.values() for header in entry.headers}
    inside: dict[str, tuple[str, ...]] = {f"{each}.{key}": (key,) for key in item_keys("")}
    inside |= {key: (key,) for key in item_keys("") if key.casefold() in wanted_keys}
    for header in _dotted(wanted):
        prefix, rest = header[: len(each) + 1], header[len(each) + 1 :]
        name = rest if prefix.casefold() == f"{each}.".casefold() else header
        if (path := path_to(name, item_keys)) is not None:
            inside.setdefault(header, path)
    con.execute(
        FIELDS_OF_ITEMS.format(
            pointers=", ".join(literal(pointer(path)) for path in of_record.values()),
            item_pointers=", ".join(literal(pointer(path)) for path in inside.values()),
            each=literal(at),
        )
    )
    of_items = _columns(inside, "item_fields")
    prefixed = {name: sql for name, sql in of_items.items() if name.startswith(f"{each}.")}
    own = _columns(of_record, "fields") | {each: "nullif(whole_item, '')"}
    refused = {REFUSED_AS: f"CASE WHEN is_bare THEN {literal(NO_LINES)} END"}
    return refused | prefixed | {k: v for k, v in own.items() if k not in prefixed} | _unless_in(own, of_items)


def _unless_in(own: Columns, others: Columns) -> Columns:
    """Columns that a record lacks itself."""
    known = {name.casefold() for name in own}
    return {name: sql for name, sql in others.items() if name.casefold() not in known}


def _paths(con: duckdb.DuckDBPyConnection, wanted: Wanted) -> dict[str, tuple[str, ...]]:
    """Per header that records have, where it is: all their keys, and what the profile's headers name inside."""

    @cache
    def keys(at: str) -> Sequence[str]:
        return keys_at(con, KEYS, at=at)

    paths: dict[str, tuple[str, ...]] = {key: (key,) for key in keys("")}
    for header in _dotted(wanted):
        if (path := path_to(header, keys)) is not None:
            paths.setdefault(header, path)
    return paths


def _dotted(wanted: Wanted) -> list[str]:
    return [header for entry in wanted.inputs.values() for header in entry.headers if "." in header]


def _columns(paths: dict[str, tuple[str, ...]], fields: str) -> Columns:
    return {header: f"nullif({fields}[{number}], '')" for number, header in enumerate(paths, start=1)}


def _hint_at_lists(con: duckdb.DuckDBPyConnection, file: InputFile, wanted: Wanted, columns: Columns) -> None:
    """Say where the lines may be, if the records lack what is read."""
    try:
        bind(wanted, columns, file.path)
    except SourceError as error:
        lists = [row[0] for row in con.execute(LISTS).fetchall()]
        if not lists:
            raise
        raise SourceError(
            f"{error} It has lists in {', '.join(lists)}: `reader: {{path: {lists[0]}}}` reads the records of a "
            f"document, `reader: {{each: {lists[0]}}}` the lines inside of each record."
        ) from error
