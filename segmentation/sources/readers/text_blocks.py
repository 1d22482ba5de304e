"""The text of a file as whole lines, a few megabytes at a time, in UTF-8 and within limits.

All of it happens in the thread that asks: what runs in Arrow's own threads must not call Python, which it would wait
for for ever when the process ends. What the lines mean is not known here.
"""

import codecs
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation.errors import SourceError
from segmentation.sources.readers.encodings import encoding_of
from segmentation.sources.readers.limits import ReadingBudget, ReadingLimits

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 4 << 20
"""Bytes that are read at a time; no single line may be longer."""

GZIP, ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

LinesEnd = Callable[[bytes], int]
"""Where the last whole line of a text ends; 0 if there is none."""


def open_bytes(path: Path) -> "pa.NativeFile":
    """A file's bytes, decompressed as its suffix says, or else its first bytes."""
    import pyarrow as pa  # heavy, and only who reads files needs it

    codec = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    if codec is None:
        with path.open("rb") as file:
            start = file.read(4)
        codec = "gzip" if start.startswith(GZIP) else "zstd" if start == ZSTANDARD else None
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


def whole_lines(
    path: Path,
    encoding: str,
    limits: ReadingLimits,
    lines_end: LinesEnd,
    *,
    skip: int = 0,
    on_text: Callable[[bytes], object] = lambda _: None,
) -> Iterator[bytes]:
    """A text file's lines in UTF-8; the last of all may lack its end.

    Args:
        path: The file.
        encoding: How it is written, unless its first bytes say otherwise.
        limits: What reading it may cost.
        lines_end: Where the last whole line of a text ends.
        skip: Bytes of UTF-8 that are left out at the beginning.
        on_text: Told all of the text, what is left out included, before it is cut into lines.

    Raises:
        SourceError: It exceeds a limit, or has a line of more than `BLOCK_BYTES`.
        UnicodeError: It is not in the encoding.
    """
    rest, ended = b"", False
    for block in _in_utf8(read_blocks(path, limits), encoding):
        on_text(block)
        text = rest + block[skip:]
        skip = max(0, skip - len(block))
        # The other half of a line end that two blocks share is no line of its own.
        text = text[1:] if ended and text.startswith(b"\n") else text
        ended = ended and not text
        end = lines_end(text)
        rest = text[end:]
        if len(rest) > BLOCK_BYTES:
            raise too_long(path)
        if end:
            ended = not rest and text.endswith(b"\r")
            yield text[:end]
    if rest:
        yield rest


def too_long(path: Path) -> SourceError:
    """What is said about a line that doesn't end."""
    return SourceError(
        f"{path} has a line of more than {BLOCK_BYTES >> 20} MB, most likely since a quotation mark is never closed. "
        "Mend the line, or add `reader: {quote: off}` to the profile if quotation marks are characters there."
    )


def _in_utf8(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    first = next(blocks, b"")
    encoding = encoding_of(first, encoding)
    is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    decoder = codecs.getincrementaldecoder("utf-8" if is_utf8 else encoding)()
    for number, block in enumerate(chain([first], blocks)):
        text = decoder.decode(block)
        # What is UTF-8 already has only been checked.
        written = block if is_utf8 else text.encode()
        yield written if number else written.removeprefix(codecs.BOM_UTF8)
    if tail := decoder.decode(b"", final=True):
        yield tail.encode()
