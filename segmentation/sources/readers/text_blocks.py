"""The text of a file as whole lines, a few megabytes at a time, in UTF-8 and within limits.

All of it happens in the thread that asks: what runs in Arrow's own threads must not call Python, which it would wait
for for ever when the process ends. What the lines mean is not known here.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation.errors import SourceError
from segmentation.sources.readers.limits import ReadingBudget, ReadingLimits

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20
"""Bytes that are read at a time; no single line may be longer."""

LINE_END = re.compile(rb"[\r\n]")

LinesEnd = Callable[[bytes], int]
"""Where the last whole line of a text ends; 0 if there is none."""


def open_bytes(path: Path) -> "pa.NativeFile":
    """A file's bytes, decompressed as its suffix says."""
    import pyarrow as pa  # heavy, and only who reads files needs it

    codec = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    return pa.input_stream(str(path), compression=codec)


def read_blocks(path: Path, limits: ReadingLimits) -> Iterator[bytes]:
    """A file's bytes, decompressed.

    Raises:
        SourceError: It exceeds a limit.
    """
    budget = ReadingBudget(path, limits)
    with open_bytes(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            budget.spend(len(block))
            yield block


def whole_lines(path: Path, encoding: str, limits: ReadingLimits, lines_end: LinesEnd) -> Iterator[bytes]:
    """A text file's lines in UTF-8; the last of all may lack its end.

    Args:
        path: The file.
        encoding: How it is written.
        limits: What reading it may cost.
        lines_end: Where the last whole line of a text ends.

    Raises:
        SourceError: It exceeds a limit, or has a line of more than `BLOCK_BYTES`.
        UnicodeError: It is not in the encoding.
    """
    rest = b""
    for block in _in_utf8(read_blocks(path, limits), encoding):
        text = rest + block
        end = lines_end(text)
        rest = text[end:]
        if len(rest) > BLOCK_BYTES:
            raise too_long(path)
        if end:
            yield text[:end]
    if rest:
        yield rest


def too_long(path: Path) -> SourceError:
    """What is said about a line that doesn't end."""
    return SourceError(
        f"{path} has a line of more than {BLOCK_BYTES >> 20} MB, most likely since a quotation mark is never closed. "
        "Mend the line."
    )


def end_of_plain_lines(text: bytes) -> int:
    """Where the last whole line ends, if every line break is one."""
    return max(text.rfind(b"\n"), text.rfind(b"\r")) + 1


def end_of_csv_lines(delimiter: str) -> LinesEnd:
    """Where the last whole line of CSV ends, whose fields may be quoted and then hold line breaks."""
    mark = re.escape(delimiter.encode())
    # A closing quotation mark is no half of a doubled one, which leaves one way to read a line, and so nothing to try
    # again. (Possessive quantifiers would say that, too; Python 3.11.2 gets them wrong.)
    field = rb'(?:"[^"]*(?:""[^"]*)*"(?!")|(?!"))[^' + mark + rb"\r\n]*"
    line = re.compile(field + rb"(?:" + mark + field + rb")*[\r\n]+")

    def lines_end(text: bytes) -> int:
        first = text.find(b'"')
        if first < 0:
            return end_of_plain_lines(text)
        end = end_of_plain_lines(text[:first])
        while found := line.match(text, end):
            end = found.end()
        return end

    return lines_end


def _in_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    decoder = codecs.getincrementaldecoder("utf-8" if is_utf8 else encoding)()
    is_first = True
    for block in blocks:
        text = decoder.decode(block)
        # What is UTF-8 already has only been checked.
        written = block if is_utf8 else text.encode()
        yield written.removeprefix(codecs.BOM_UTF8) if is_first else written
        is_first = False
    if tail := decoder.decode(b"", final=True):
        yield tail.encode()
