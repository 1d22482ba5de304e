"""Whether an Excel workbook can be read into memory at all: it is unpacked as a whole, and each sheet is a rectangle.

A workbook of a few kilobytes can hold gigabytes, or two cells at the ends of a sheet of 17 billion.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import ParseError, iterparse

from segmentation.errors import SourceError
from segmentation.sources.readers.limits import ReadingBudget, ReadingLimits

CHUNK_BYTES = 1 << 20
OVERLAP_BYTES = 32
"""A reference to a cell is shorter."""

MAX_WORKBOOK_BYTES = 1 << 30
"""What a workbook may hold unpacked: it is read as a whole."""

MAX_OLD_BYTES = 64 << 20
"""Size of a workbook of Excel before 2007, which isn't compressed; a full sheet of numbers takes half of it."""

MAX_CELLS = 25_000_000
"""Cells of the rectangle that a sheet spans, empty ones included: a million lines of 24 columns."""

OPEN_DOCUMENT = "content.xml"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"

CELL = re.compile(rb"""\br\s*=\s*["']([A-Z]{0,3})([0-9]{1,7})["']""")


def check_workbook(path: Path, limits: ReadingLimits) -> None:
    """Unpack a workbook without keeping anything.

    Raises:
        SourceError: It is no workbook, or too large.
    """
    with path.open("rb") as file:
        is_old = file.read(4) == b"\xd0\xcf\x11\xe0"
    if is_old:
        if path.stat().st_size > MAX_OLD_BYTES:
            raise SourceError(f"{path} has more than {MAX_OLD_BYTES >> 20} MB. Save it as .xlsx or CSV.")
        return
    bounded = ReadingLimits(limits.seconds, min(limits.content_bytes, MAX_WORKBOOK_BYTES), limits.ratio)
    budget = ReadingBudget(path, bounded)
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                rows, columns = _extent(_unpacked(archive, member), budget)
                if member.filename == OPEN_DOCUMENT:
                    with archive.open(member) as stream:
                        rows, columns = _repeated_cells(stream), 1
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


def _repeated_cells(content: IO[bytes]) -> int:
    """Cells that have something in them, as often as they and their rows are repeated."""
    cells = 0
    try:
        for _, element in iterparse(content):  # noqa: S314 - expat bounds what entities may become
            if element.tag == f"{TABLE}table-row":
                filled = [int(cell.get(f"{TABLE}number-columns-repeated", "1")) for cell in element if len(cell)]
                cells += sum(filled) * int(element.get(f"{TABLE}number-rows-repeated", "1"))
                element.clear()
    except (ParseError, ValueError) as error:
        raise zipfile.BadZipFile(f"{OPEN_DOCUMENT} is no table: {error}") from error
    return cells


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
