"""Where the records of CSV end, by how it quotes and escapes, and whether its quotation marks quote at all.

RFC 4180 lets a field that begins with a quotation mark hold delimiters and line ends; many exports write names such as
`"Best" mug` and quote nothing. What the fields mean is not known here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from segmentation.sources.readers.line_accounts import count_line_ends

LINE_END = re.compile(rb"\r\n|\r|\n")
UNQUOTED = "\t|"
"""Delimiters of exports that as a rule don't quote: whether a file does is found out."""

LINES_AT_ONCE = 1_000
"""How many lines are matched at a time: a match of each alone takes most of its time to begin."""

WITH_QUOTE = re.compile(rb'[^\r\n]*"[^\r\n]*')


@dataclass(frozen=True)
class Dialect:
    """How fields are told from each other.

    Attributes:
        delimiter: One character of ASCII.
        quote: The same; None where nothing is quoted.
        escape: What makes the next character an ordinary one; None if nothing does.
    """

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None

    @property
    def joins_lines(self) -> bool:
        """Whether a line end may be inside of a field."""
        return self.quote is not None or self.escape is not None

    def last_end(self, text: bytes) -> int:
        """Where the last whole record of a text ends that begins with one; 0 if there is none."""
        end = end_of_plain_lines(text[: self._first_mark(text)])
        while end < len(text) and (found := self._lines.match(text, end)):
            end = found.end()
        return end

    def is_whole(self, record: bytes) -> bool:
        """Whether a text without an end of its own is a record, and not cut off inside of a quotation."""
        return self._whole.fullmatch(record) is not None

    def end_of_first(self, text: bytes, start: int) -> int | None:
        """Where the record that begins at `start` ends, its line end included; None if it doesn't."""
        found = self._record.match(text, start)
        return found.end() if found else None

    def joined(self, text: bytes) -> Iterator[tuple[int, bytes]]:
        """The records of whole lines that hold line ends, and where they begin."""
        place = end_of_plain_lines(text[: self._first_mark(text)])
        while place < len(text):
            while found := self._unjoined.match(text, place):
                place = found.end()
            if place == len(text) or not (found := self._record.match(text, place)):
                return
            record = text[place : found.start(1)]
            if LINE_END.search(record):
                yield place, record
            place = found.end() if found.end() > place else len(text)

    def blank_lines(self, text: bytes) -> int:
        """How many lines of a text of whole lines are empty, between its records."""
        if not self.joins_lines or self._first_mark(text) == len(text):
            return sum(1 for line in text.splitlines() if not line)
        blank = place = 0
        while place < len(text) and (found := self._record.match(text, place)):
            blank += not found[0].strip(b"\r\n")
            place = found.end() if found.end() > place else len(text)
        return blank

    def odd_quotes(self, text: bytes) -> list[bytes]:
        """The quotations of a text of whole lines that end in the middle of a field, with what follows."""
        if self.quote is None or not self._stray.search(text):
            return []
        return [found[0] for found in self._quoted.finditer(text) if found[1]]

    def _first_mark(self, text: bytes) -> int:
        marks = [mark.encode() for mark in (self.quote, self.escape) if mark is not None]
        return min((place for mark in marks if (place := text.find(mark)) >= 0), default=len(text))

    def _fields(self, breaks: bytes = b"") -> bytes:
        """Fields of one record; those with a quoted or escaped one of `breaks` are left out."""
        mark = re.escape(self.delimiter.encode())
        escape = re.escape(self.escape.encode()) if self.escape else b""
        escaped = escape + (rb"[^" + breaks + rb"]" if breaks else rb"(?:.|\Z)")
        plain = rb"[^" + mark + escape + rb"\r\n]*"
        field = plain + (rb"(?:" + escaped + plain + rb")*" if escape else b"")
        if self.quote is not None:
            # A closing quotation mark is no half of a doubled one, which leaves one way to read a line, and so nothing
            # to try again. (Possessive quantifiers would say that, too; Python 3.11.2 gets them wrong.)
            quote = re.escape(self.quote.encode())
            inner = rb"[^" + quote + escape + breaks + rb"]*"
            more = quote + quote + (rb"|" + escaped if escape else b"")
            parts = (quote, inner, more, inner, quote, quote, quote, field)
            field = rb"(?:%b%b(?:(?:%b)%b)*%b(?!%b)|(?!%b))%b" % parts
        return field + rb"(?:" + mark + field + rb")*"

    @cached_property
    def _lines(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:%b[\r\n]+){1,%d}" % (self._fields(), LINES_AT_ONCE), re.S)

    @cached_property
    def _unjoined(self) -> re.Pattern[bytes]:
        return re.compile(rb"(?:%b[\r\n]+){1,%d}" % (self._fields(rb"\r\n"), LINES_AT_ONCE), re.S)

    @cached_property
    def _record(self) -> re.Pattern[bytes]:
        return re.compile(self._fields() + rb"(\r\n|\r|\n|\Z)", re.S)

    @cached_property
    def _whole(self) -> re.Pattern[bytes]:
        return re.compile(self._fields(), re.S)

    @cached_property
    def _stray(self) -> re.Pattern[bytes]:
        quote, border = self._quote_and_border
        escape = re.escape(self.escape.encode()) if self.escape else b""
        return re.compile(rb"%b(?<=[^%b%b%b]%b)[^%b%b]" % (quote, quote, escape, border, quote, quote, border))

    @cached_property
    def _quoted(self) -> re.Pattern[bytes]:
        quote, border = self._quote_and_border
        escape = re.escape(self.escape.encode()) if self.escape else b""
        inner = rb"[^" + quote + escape + rb"]*"
        more = quote + quote + (rb"|" + escape + rb"." if escape else b"")
        begin = rb"(?:(?<=[%b])|\A)" % border
        return re.compile(
            begin + rb"%b%b(?:(?:%b)%b)*%b(?!%b)([^%b]*)" % (quote, inner, more, inner, quote, quote, border), re.S
        )

    @property
    def _quote_and_border(self) -> tuple[bytes, bytes]:
        return re.escape((self.quote or "").encode()), re.escape(self.delimiter.encode()) + rb"\r\n"


def end_of_plain_lines(text: bytes) -> int:
    """Where the last whole line ends, if every line break is one."""
    return max(text.rfind(b"\n"), text.rfind(b"\r")) + 1


def quotes_are_characters(chunks: Iterable[bytes], delimiter: str, width: int) -> bool:
    """Whether the quotation marks of a file quote nothing.

    They don't if some field begins with one that isn't closed at its end, and yet each line that has any is whole by
    itself. A quotation that holds a delimiter or a line end leaves its line with another number of fields.

    Args:
        chunks: The file's physical lines, some at a time; the last of all may lack its end.
        delimiter: Between fields.
        width: How many fields a line has.
    """
    mark = delimiter.encode()
    is_odd = False
    for chunk in chunks:
        for found in WITH_QUOTE.finditer(chunk):
            fields = found[0].split(mark)
            if len(fields) != width:
                return False
            is_cut_off = found.end() == len(chunk)
            is_odd = is_odd or not (is_cut_off or all(map(_is_closed, fields)))
    return is_odd


def _is_closed(field: bytes) -> bool:
    if not field.startswith(b'"'):
        return True
    inner = field[1:-1].replace(b'""', b"")
    return len(field) > 1 and field.endswith(b'"') and b'"' not in inner


def are_lines(record: bytes, delimiter: str, width: int, *, share: float) -> bool:
    """Whether more than a share of a record's physical lines (all of them, for 1) are whole lines by themselves."""
    mark = delimiter.encode()
    lines = [line for line in LINE_END.split(record) if line.strip()]
    whole = sum(line.count(mark) + 1 == width for line in lines)
    return width > 1 and (whole == len(lines) if share == 1 else whole > share * len(lines))


def line_of(text: bytes, place: int) -> int:
    """Number of the physical line, from 1, that has a place of a text."""
    return count_line_ends(text[:place]) + 1
