"""Where the header of a text is: below titles and the delimiter that Excel is told, or nowhere.

Which names a profile wants is told by the one who asks; how they are compared is in `profiles.headers`.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from segmentation.sources.profiles.headers import shown
from segmentation.sources.profiles.profile import Reader
from segmentation.sources.readers.line_accounts import count_line_ends
from segmentation.sources.readers.quotations import LINE_END, Dialect

DELIMITERS = ",;\t|"
LINES_LOOKED_AT = 50
"""How far down a header is looked for."""

HEADER_BYTES = 128_000
"""A header may not be longer."""

SAMPLE_LINES = 50

EXCEL_DELIMITER = re.compile(rb'\s*"?sep=([\x01-\x7f])"?[ \t,;]*(?:\r\n|\r|\n)', re.I)

Lacking = Callable[[Sequence[str]], int]
"""How many of the columns that have to be there a header lacks."""


@dataclass(frozen=True)
class Head:
    """A header and where it was found.

    Attributes:
        names: The columns' names.
        dialect: What they are told apart by.
        end: Where the first line below begins, in bytes.
        lines: Physical lines up to there.
        is_spaced: Whether any white space is a delimiter.
    """

    names: tuple[str, ...]
    dialect: Dialect
    end: int
    lines: int
    is_spaced: bool = False


def find_header(text: bytes, reader: Reader, *, is_tsv: bool, lacking: Lacking) -> Head:
    """The header of a text: the first line that has the wanted columns, or else the one that has the most of them.

    Args:
        text: The file's beginning.
        reader: What is known about it.
        is_tsv: Whether its suffix says that tabs delimit.
        lacking: What a header lacks; of an empty one, all that is wanted.

    Returns:
        The header; one nameless column if the text has none.
    """
    told = EXCEL_DELIMITER.match(text)
    delimiter = reader.delimiter or (told[1].decode() if told else None)
    start = told.end() if told else 0
    if reader.skip is not None:
        start = _after_lines(text, reader.skip)
    if reader.names is not None:
        first = next(_starts(text, start), start)
        chosen = _dialects(text[first : _line_end(text, first)], delimiter, reader, is_tsv)[0]
        return _head(reader.names, chosen, text, start, delimiter)
    found = _candidates(text, start, delimiter, reader, is_tsv)
    if reader.skip is not None:
        return next(found, _head(("",), Dialect(delimiter or ","), text, len(text), delimiter))
    return _best(_until_fitting(found, lacking), lacking) or _head(("",), Dialect(","), text, len(text), delimiter)


def _until_fitting(found: Iterator[Head], lacking: Lacking) -> list[Head]:
    heads = []
    for head in found:
        heads.append(head)
        if lacking(head.names) == 0:
            break
    return heads


def _best(heads: Sequence[Head], lacking: Lacking) -> Head | None:
    return min(heads, key=lambda head: lacking(head.names), default=None)


def _candidates(text: bytes, start: int, delimiter: str | None, reader: Reader, is_tsv: bool) -> Iterator[Head]:
    for number, place in enumerate(_starts(text, start)):
        if number == LINES_LOOKED_AT:
            return
        line = text[place : _line_end(text, place)]
        for dialect in _dialects(line, delimiter, reader, is_tsv):
            end = dialect.end_of_first(text[: place + HEADER_BYTES], place) or _line_end(text, place)
            names = tuple(map(shown, fields_of(text[place:end], dialect, delimiter == "whitespace")))
            yield _head(names, dialect, text, end, delimiter)


def fields_of(record: bytes, dialect: Dialect, is_spaced: bool = False) -> list[str]:
    """The fields of one record."""
    if is_spaced:
        return record.decode().split()
    return next(iter(_rows(record, dialect)), [])


def with_width(head: Head, text: bytes) -> tuple[tuple[str, ...], int]:
    """A header's names, and how many fields the lines below have: one more where each ends with a delimiter."""
    names = head.names
    sample = text[head.end : head.end + HEADER_BYTES]
    cut_off = head.end + HEADER_BYTES < len(text)
    sample = sample[: head.dialect.last_end(sample)] if cut_off else sample
    rows = [row for row in _rows(sample, head.dialect) if row][:SAMPLE_LINES] if not head.is_spaced else []
    width = len(names)
    if rows and all(len(row) == width + 1 and not row[-1] for row in rows):
        return names, width + 1
    if rows and width > 1 and not names[-1]:
        width -= all(len(row) == width - 1 for row in rows)
        return names[:-1], width
    return names, width


def _rows(text: bytes, dialect: Dialect) -> Iterator[list[str]]:
    lines = io.StringIO(text.decode(errors="replace"), newline="")
    return csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or '"',
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.escape,
    )


def _head(names: Sequence[str], dialect: Dialect, text: bytes, end: int, delimiter: str | None) -> Head:
    lines = count_line_ends(text[:end]) + (0 < end == len(text) and text[-1:] not in (b"\n", b"\r"))
    return Head(tuple(names), dialect, end, lines, delimiter == "whitespace")


def _dialects(line: bytes, delimiter: str | None, reader: Reader, is_tsv: bool) -> list[Dialect]:
    """What a line may be split by, the likeliest first."""
    quote = reader.quote_mark
    if delimiter == "whitespace":
        return [Dialect("\t", quote if reader.quote else None, reader.escape)]
    if delimiter is not None:
        return [Dialect(delimiter, quote, reader.escape)]
    there = [mark for mark in DELIMITERS if mark.encode() in line]
    there.sort(key=lambda mark: (not (is_tsv and mark == "\t"), -line.count(mark.encode())))
    return [Dialect(mark, quote, reader.escape) for mark in there or ("\t" if is_tsv else ",")]


def _starts(text: bytes, start: int) -> Iterator[int]:
    """Where the physical lines begin that aren't blank."""
    while start < len(text):
        end = _line_end(text, start)
        if text[start:end].strip():
            yield start
        start = end


def _line_end(text: bytes, start: int) -> int:
    found = LINE_END.search(text, start)
    return found.end() if found else len(text)


def _after_lines(text: bytes, count: int) -> int:
    place = 0
    for _ in range(count):
        place = _line_end(text, place)
    return place
