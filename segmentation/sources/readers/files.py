"""The lines of a source's files as relations that SQL can work on: one per set of equal headers.

Each relation has `file_id`, one column per input of the profile and, where it is asked for, `_row_at`, its place.
Parquet files are scanned where they are, with their own types; text and spreadsheet files are read once into a
temporary table of text columns. What the lines mean is not known here.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import REFUSED_AS
from segmentation.sources.readers.binding import Binding, Wanted, bind
from segmentation.sources.readers.contents import format_at
from segmentation.sources.readers.limits import ReadingBudget, ReadingLimits
from segmentation.sources.readers.paths import InputFile, as_pattern, oddity_of
from segmentation.sources.readers.text_files import reading_errors
from segmentation.sources.readers.text_parts import OnRead, TextChunk, text_chunks
from segmentation.warehouse.sql import identifier, literal

PARQUET_COLUMNS = "DESCRIBE FROM read_parquet($path, binary_as_string = true)"

PARQUET_SIZE = """
SELECT coalesce(sum(total_uncompressed_size), 0), coalesce(max(num_rows), 0)
FROM parquet_metadata($path) FULL JOIN parquet_file_metadata($path) ON true
"""

VALUE_BYTES = 8

PART_BITS = 32
"""A part of a file has fewer lines than fit into so many."""

PARQUET_LINES = """
CREATE TEMP VIEW {name} AS
SELECT [{file_ids}][CAST(file_index AS BIGINT) + 1] AS file_id, {columns}
FROM read_parquet([{paths}], binary_as_string = true{options})
"""

TEXT_LINES = "CREATE TEMP TABLE {name} (file_id INTEGER, {columns})"

INSERT_TEXT_LINES = """
INSERT INTO {name}
SELECT * FROM (SELECT CAST($file_id AS INTEGER) AS file_id, {columns} FROM {relation}) AS input
WHERE {keep}
"""

EXACT_TYPES = ((re.compile(r"UUID"), "VARCHAR"), (re.compile(r"DECIMAL\(\d+,0\)"), "HUGEINT"))
"""Parquet types of identifiers that the macros would not read, or not exactly, and what they are cast to."""


@dataclass(frozen=True)
class Lines:
    """Lines of files with one header.

    Attributes:
        relation: Name of the temporary view or table.
        headers: Per input, the header that it has in the files; None where they lack it.
        types: Per input, its DuckDB type.
    """

    relation: str
    headers: Binding
    types: dict[str, str]


OnColumns = Callable[[InputFile, Mapping[str, str]], object]
"""Is told the columns of a file, with their types; those of text are `text`."""


def read_lines(
    con: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[InputFile],
    wanted: Wanted,
    *,
    malformed: str,
    keep: str = "true",
    on_columns: OnColumns = lambda *_: None,
    on_read: OnRead = lambda *_: None,
) -> list[Lines]:
    """Make the lines of files readable in SQL.

    Args:
        con: Where the relations are made.
        name: What the relations' names begin with, unique within the connection.
        files: What to read.
        wanted: What to read from each file.
        malformed: Relation that gets `file_id` and `line` of the lines that can't be split into fields.
        keep: SQL condition over the inputs; text lines that don't meet it are dropped at once. Parquet is scanned
            later, so there it has no effect.
        on_columns: Is told the columns of each file, before it is known whether the profile fits them.
        on_read: Is told what has become of the physical lines of each text file.

    Returns:
        One relation per set of equal headers.

    Raises:
        SourceError: A file is missing, empty, damaged, not in the encoding, or lacks a column.
    """
    for file in files:
        _check_there(file)
    is_parquet = {file.path: format_at(file.path, wanted.reader) == "parquet" for file in files}
    parquet = [file for file in files if is_parquet[file.path]]
    text = [file for file in files if not is_parquet[file.path]]
    return [
        *_scan_parquet(con, f"{name}_parquet", parquet, wanted, on_columns),
        *_read_text(con, f"{name}_text", text, wanted, malformed, keep, on_columns, on_read),
    ]


def drop_lines(con: duckdb.DuckDBPyConnection, lines: Iterable[Lines]) -> None:
    """Give up relations, and the memory that they hold."""
    for group in lines:
        kind = "VIEW" if "_parquet_" in group.relation else "TABLE"
        con.execute(f"DROP {kind} {group.relation}")


def _check_there(file: InputFile) -> None:
    if (oddity := oddity_of(file.path)) and file.path.exists():
        raise SourceError(f"{file.path} {oddity}")
    if not file.path.is_file():
        raise SourceError(
            f"{file.path} is registered but not there any more. Put it back, or ingest it from its new place: "
            "`segmentation ingest PATH --profile …`."
        )
    if file.path.stat().st_size == 0:
        raise SourceError(f"{file.path} is empty (0 bytes). Remove it or fetch it again.")


def _scan_parquet(
    con: duckdb.DuckDBPyConnection, name: str, files: Sequence[InputFile], wanted: Wanted, on_columns: OnColumns
) -> list[Lines]:
    groups: dict[tuple[tuple[str, str], ...], list[InputFile]] = {}
    for file in files:
        columns = _parquet_columns(con, file)
        _check_parquet_size(con, file, wanted.limits)
        on_columns(file, columns)
        groups.setdefault(tuple(columns.items()), []).append(file)
    return [
        _parquet_view(
            con,
            f"{name}_{number}",
            group,
            bind(wanted, dict(columns), group[0].path),
            dict(columns),
            is_ordered=wanted.is_ordered,
        )
        for number, (columns, group) in enumerate(groups.items())
    ]


def _parquet_columns(con: duckdb.DuckDBPyConnection, file: InputFile) -> dict[str, str]:
    try:
        rows = con.execute(PARQUET_COLUMNS, {"path": as_pattern(file.path)}).fetchall()
    except duckdb.Error as error:
        raise SourceError(
            f"{file.path} is not a complete Parquet file: {str(error).splitlines()[0]} "
            "It may have been cut off while it was copied; fetch it again."
        ) from error
    return {row[0]: row[1] for row in rows}


def _check_parquet_size(con: duckdb.DuckDBPyConnection, file: InputFile, limits: ReadingLimits) -> None:
    row = con.execute(PARQUET_SIZE, {"path": as_pattern(file.path)}).fetchone() or (0, 0)
    # Repeated values take next to nothing in a file, but eight bytes each once they are read.
    ReadingBudget(file.path, limits).spend(max(row[0], row[1] * VALUE_BYTES))


def _parquet_view(
    con: duckdb.DuckDBPyConnection,
    name: str,
    files: list[InputFile],
    binding: Binding,
    columns: dict[str, str],
    *,
    is_ordered: bool,
) -> Lines:
    types = {key: "VARCHAR" if header is None else _exact(columns[header]) for key, header in binding.items()}
    selected = ", ".join(
        f"CAST({'NULL' if header is None else identifier(header)} AS {types[key]}) AS {identifier(key)}"
        for key, header in binding.items()
    )
    file_ids = ", ".join(str(file.file_id) for file in files)
    paths = ", ".join(literal(as_pattern(file.path)) for file in files)
    options = ", file_row_number = true" if is_ordered else ""
    selected += ", file_row_number AS _row_at" if is_ordered else ""
    con.execute(PARQUET_LINES.format(name=name, file_ids=file_ids, columns=selected, paths=paths, options=options))
    return Lines(name, binding, types)


def _exact(kind: str) -> str:
    return next((exact for found, exact in EXACT_TYPES if found.fullmatch(kind)), kind)


def _read_text(
    con: duckdb.DuckDBPyConnection,
    name: str,
    files: Sequence[InputFile],
    wanted: Wanted,
    malformed: str,
    keep: str,
    on_columns: OnColumns,
    on_read: OnRead,
) -> list[Lines]:
    groups: dict[tuple[tuple[str, str | None], ...], Lines] = {}
    numbers = count()
    for file in files:
        with (
            reading_errors(file.path, wanted.reader.encoding),
            closing(text_chunks(con, file, wanted, malformed, on_read)) as parts,
        ):
            for part in parts:
                on_columns(file, {name: "text" for name in part.columns if name != REFUSED_AS})
                binding = bind(wanted, part.columns, part.place or file.path)
                key = tuple(binding.items())
                if key not in groups:
                    groups[key] = Lines(f"{name}_{len(groups)}", binding, dict.fromkeys(binding, "VARCHAR"))
                    texts = ", ".join(f"{identifier(each)} VARCHAR" for each in binding)
                    texts += ", _row_at BIGINT" if wanted.is_ordered else ""
                    con.execute(TEXT_LINES.format(name=groups[key].relation, columns=texts))
                _insert(con, groups[key], file, part, keep, next(numbers) if wanted.is_ordered else None)
    return list(groups.values())


def _insert(
    con: duckdb.DuckDBPyConnection, lines: Lines, file: InputFile, part: TextChunk, keep: str, number: int | None
) -> None:
    """Add a part of a file; `number` is the part's where lines keep their place."""
    columns = ", ".join(
        f"{'CAST(NULL AS VARCHAR)' if header is None else part.columns[header]} AS {identifier(key)}"
        for key, header in lines.headers.items()
    )
    if number is not None:
        columns += f", {number << PART_BITS} + row_number() OVER () AS _row_at"
    insert = INSERT_TEXT_LINES.format(name=lines.relation, columns=columns, relation=part.relation, keep=keep)
    con.execute(insert, {"file_id": file.file_id})
