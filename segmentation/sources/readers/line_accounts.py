"""What becomes of the physical lines of a text file: each is in the header, a line, a part of one, or blank.

Lines are counted by their ends before anything is parsed, so that a parser that loses some is found out.
"""

from dataclasses import dataclass
from pathlib import Path

from segmentation.errors import SourceError


@dataclass
class LineAccount:
    """How many physical lines a file has, and where they are.

    Attributes:
        physical: Lines by their ends, whatever they hold.
        above: The header's, and those above it.
        records: Lines with fields.
        malformed: Lines that can't be split into fields.
        joined: Line ends inside of records and malformed lines, because a quotation (or an escape) holds them.
        blank: Empty lines and such with white space alone.
        odd_quotes: Quotations that end in the middle of a field: `"Best" mug` is read as `Best mug`.
        first_joined: Number of the first physical line that holds such a line end.
        first_odd: The first such field.
        has_literal_quotes: Whether the file was found to have quotation marks that quote nothing.
    """

    physical: int = 0
    above: int = 0
    records: int = 0
    malformed: int = 0
    joined: int = 0
    blank: int = 0
    odd_quotes: int = 0
    first_joined: int | None = None
    first_odd: str | None = None
    has_literal_quotes: bool = False

    def __add__(self, other: "LineAccount") -> "LineAccount":
        """Of two files in one."""
        return LineAccount(
            physical=self.physical + other.physical,
            above=self.above + other.above,
            records=self.records + other.records,
            malformed=self.malformed + other.malformed,
            joined=self.joined + other.joined,
            blank=self.blank + other.blank,
            odd_quotes=self.odd_quotes + other.odd_quotes,
            first_joined=self.first_joined or other.first_joined,
            first_odd=self.first_odd or other.first_odd,
            has_literal_quotes=self.has_literal_quotes or other.has_literal_quotes,
        )

    @property
    def told(self) -> str | None:
        """What somebody should know about the file's lines, as a sentence; None if nothing is out of the ordinary."""
        said = [
            f"{_lines(self.above - 1)} above the header" if self.above > 1 else "",
            f"{_lines(self.joined)} joined to others by quotations, first to line {self.first_joined or 0:,}"
            if self.joined
            else "",
            f"quotations that end in the middle of a field, first {self.first_odd}: {self.odd_quotes:,}"
            if self.odd_quotes
            else "",
            "quotation marks taken as characters" if self.has_literal_quotes else "",
        ]
        told = "; ".join(each for each in said if each)
        return f"{self.physical:,} physical lines; {told}" if told else None

    def require_balance(self, path: Path) -> None:
        """Complain about physical lines that are nowhere, or in two places.

        Raises:
            SourceError: There are some.
        """
        found = self.above + self.records + self.malformed + self.joined + self.blank
        if found != self.physical:
            raise SourceError(
                f"{path} has {self.physical:,} physical lines, but {found:,} were accounted for: {self.above:,} up to "
                f"the header, {self.records:,} lines, {self.malformed:,} malformed ones, {self.joined:,} joined to "
                f"others, {self.blank:,} blank. Nothing was loaded. Say how the file quotes, such as `reader: {{quote: "
                "off}`; if that doesn't help, report it."
            )


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count:,} lines"


class LineEnds:
    """Counts the ends of physical lines in a text that comes in blocks."""

    def __init__(self) -> None:
        self._count = 0
        self._last = b""

    def feed(self, block: bytes) -> None:
        """Count those of the next block."""
        if not block:
            return
        self._count += count_line_ends(block) - (self._last == b"\r" and block.startswith(b"\n"))
        self._last = block[-1:]

    @property
    def lines(self) -> int:
        """Physical lines so far, the last one included if it has no end."""
        return self._count + (self._last not in (b"", b"\n", b"\r"))


def count_line_ends(text: bytes) -> int:
    """How many line ends a text has: line feeds, carriage returns, or both together."""
    count = text.count(b"\n")
    return count + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else count
