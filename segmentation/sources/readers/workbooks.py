"""Whether an Excel workbook can be read into memory at all: it is unpacked as a whole, and each sheet is a rectangle.

A workbook of a few kilobytes can hold gigabytes, or two cells at the ends of a sheet of 17 billion.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.readers.limits import ReadingBudget, ReadingLimits

CHUNK_BYTES = 1 << 20
OVERLAP_BYTES = 32
"""A reference to a cell is shorter."""

MAX_WORKBOOK_BYTES = 1 << 30
"""What a workbook may hold unpacked: it is read as a whole."""

MAX_CELLS = 25_000_000
"""Cells of the rectangle that a sheet spans, empty ones included: a million lines of 24 columns."""

CELL = re.compile(rb"""\br\s*=\s*["']([A-Z]{0,3})([0-9]{1,7})["']""")


def check_workbook(path: Path, limits: ReadingLimits) -> None:
    """Unpack a workbook without keeping anything.

    Raises:
        SourceError: It is no workbook, or too large.
    """
    bounded = ReadingLimits(limits.seconds, min(limits.content_bytes, MAX_WORKBOOK_BYTES), limits.ratio)
    budget = ReadingBudget(path, bounded)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                rows, columns = _extent(_unpacked(archive, member), budget)
                if rows * columns > MAX_CELLS:
                    raise SourceError(
                        f"{path} has a sheet of {rows:,} rows and {columns:,} columns, most of them empty. Delete "
                        "what lies outside of the table, or save the sheet as CSV."
                    )
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise SourceError(f"{path} can't be read as an Excel workbook: {error}") from error


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    member.file_size = MAX_WORKBOOK_BYTES + CHUNK_BYTES  # what it says of itself need not be true
    with archive.open(member) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def _extent(chunks: Iterator[bytes], budget: ReadingBudget) -> tuple[int, int]:
    """The last row and column that any cell names."""
    rows = columns = 0
    rest = b""
    for chunk in chunks:
        budget.spend(len(chunk))
        for letters, digits in CELL.findall(rest + chunk):
            rows, columns = max(rows, int(digits)), max(columns, _column(letters))
        rest = chunk[-OVERLAP_BYTES:]
    return rows, columns


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
