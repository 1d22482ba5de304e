"""A sample of a file: some of its bytes from all over it, or of its records. What the values mean is in `values`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.readers.paths import Format, as_pattern
from segmentation.sources.readers.text_blocks import open_bytes

HEAD_BYTES, CHUNK_BYTES, CHUNKS = 1 << 19, 1 << 15, 16
"""What is looked at of a text: its beginning, and places all over it: files are sorted by date, and days beyond the
twelfth tell dates apart that those of the first days don't."""

MAX_ROWS = 5_000

PARQUET_SAMPLE = "FROM read_parquet($path, binary_as_string = true) USING SAMPLE reservoir(2000 ROWS) REPEATABLE (1)"


@dataclass(frozen=True)
class Column:
    """One column of a sample.

    Attributes:
        header: As the file has it; of a nested value the way to it, with points.
        values: As text, in the file's order; empty where there is nothing.
    """

    header: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """Some lines of a file, and how they were read.

    Attributes:
        path: The file.
        format: Its kind.
        columns: What it has.
        reader: Keys for `reader:` of a profile.
        remarks: What was found out about the file and isn't certain, per key of `reader`.
        has_header: Whether the columns' names are the file's own.
    """

    path: Path
    format: Format
    columns: tuple[Column, ...]
    reader: dict[str, object] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    has_header: bool = True

    @property
    def headers(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.header for column in self.columns)


def sampled_bytes(path: Path) -> bytes:
    """The beginning of a text, and whole lines from places all over it, decompressed.

    Raises:
        SourceError: It is empty or can't be opened.
    """
    try:
        with open_bytes(path) as stream:
            head: bytes = stream.read(HEAD_BYTES)
            more = b"".join(_chunks(path, len(head))) if len(head) == HEAD_BYTES else b""
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} can't be read: {error}") from error
    if not head.strip():
        raise SourceError(f"{path} is empty. Name a file with some lines.")
    return (head[: head.rfind(b"\n") + 1] or head) + more if more else head


def together(samples: Sequence[Sample]) -> Sample:
    """Samples of files with equal headers as one: the values of all, read as the first that isn't plain UTF-8."""
    told = next((sample for sample in samples if "encoding" in sample.reader), samples[0])
    values = zip(*([column.values for column in sample.columns] for sample in samples), strict=True)
    columns = (Column(header, tuple(chain(*each))) for header, each in zip(told.headers, values, strict=True))
    return replace(told, columns=tuple(columns))


def columns_of(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    """Columns from rows; short ones are filled up with nothing."""
    width = len(headers)
    padded = [[*row[:width], *[""] * (width - len(row))] for row in rows[:MAX_ROWS]]
    return tuple(
        Column(header, tuple(row[position].strip() for row in padded)) for position, header in enumerate(headers)
    )


def sample_parquet(path: Path) -> Sample:
    """A sample of a Parquet file.

    Raises:
        SourceError: It can't be read.
    """
    try:
        with duckdb.connect() as con:
            found = con.execute(PARQUET_SAMPLE, {"path": as_pattern(path)})
            names, rows = [column[0] for column in found.description], found.fetchall()
    except duckdb.Error as error:
        raise SourceError(f"{path} is not a complete Parquet file: {str(error).splitlines()[0]}") from error
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    return Sample(path, "parquet", columns_of(names, texts))


def _chunks(path: Path, start: int) -> Iterator[bytes]:
    """Whole lines from places all over an uncompressed file, without a quotation that would be cut."""
    if path.suffix.lower() in (".gz", ".zst", ".zip"):
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        for number in range(1, CHUNKS + 1):
            file.seek(start + (size - start) * number // CHUNKS - CHUNK_BYTES)
            lines = file.read(CHUNK_BYTES).split(b"\n")[1:-1]
            yield b"".join(line + b"\n" for line in lines if line.count(b'"') % 2 == 0)
