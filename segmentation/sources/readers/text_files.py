"""CSV and JSON-lines files, compressed or not, as text columns for DuckDB, a few megabytes at a time.

CSV is parsed by Arrow: it gives malformed lines back as they are, and a broken file can't invalidate the database that
holds the lake (DuckDB 1.5's own `store_rejects` can). It is parsed in the calling thread: see `text_blocks`. What
quotes, and where the header is, is found out in `quotations` and `headers`.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Reader
from segmentation.sources.readers.encodings import suggestion
from segmentation.sources.readers.headers import HEADER_BYTES, Lacking, find_header, with_width
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.line_accounts import LineAccount, LineEnds, count_line_ends
from segmentation.sources.readers.quotations import (
    LINE_END,
    UNQUOTED,
    are_lines,
    end_of_plain_lines,
    line_of,
    quotes_are_characters,
)
from segmentation.sources.readers.text_blocks import read_blocks, whole_lines

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

BLOCKS_PER_TABLE = 12
"""How many blocks are written at a time: DuckDB takes three times as long for each alone."""

LINE = "line"
UTF8_BOM = b"\xef\xbb\xbf"
SPACES = re.compile(rb"[ \t]+")
AROUND_LINE_ENDS = re.compile(rb"[ \t]*(\r\n|\r|\n)[ \t]*")

BY_THEMSELVES = "each of which could be a whole line by itself"


class CsvFile:
    """One CSV file: its header at once, its lines when asked for.

    Attributes:
        header: The names in the header.
        malformed: Lines of the last table that had too many or too few fields.
        account: What has become of the physical lines; complete once all tables have been taken.
    """

    def __init__(self, path: Path, reader: Reader, limits: ReadingLimits, lacking: Lacking = lambda _: 0) -> None:
        """Read the header.

        Args:
            path: The file.
            reader: What is known about it.
            limits: What reading it may cost.
            lacking: How many of the wanted columns a header lacks; the header is looked for until it is none.

        Raises:
            SourceError: The file is empty, exceeds a limit, or is not in the expected encoding.
        """
        self._path, self._encoding, self._limits = path, reader.encoding, limits
        with reading_errors(path, reader.encoding):
            start = _beginning(path, reader.encoding, limits)
            self._head = find_header(start, reader, is_tsv=".tsv" in path.suffixes, lacking=lacking)
            self.header, self._width = with_width(self._head, start)
        self._dialect = self._head.dialect
        self._is_asked = reader.quote is None and self._dialect.quote is not None
        self._is_settled = not self._is_asked or self._dialect.delimiter not in UNQUOTED
        self.malformed: list[str] = []
        self._is_whole = False
        self.account = LineAccount(above=self._head.lines)

    def tables(self) -> "Iterator[pa.Table]":
        """The lines as text columns named `c0`, `c1`, …, by position; empty fields are NULL. At least one table.

        Raises:
            SourceError: The file exceeds a limit, ends inside of a quotation, or it isn't clear whether it quotes.
        """
        ends = LineEnds()
        chunks = whole_lines(
            self._path, self._encoding, self._limits, self._last_end, skip=self._head.end, on_text=ends.feed
        )
        empty = True
        for table in _grouped(map(self._parsed, chunks)):
            empty = False
            yield table
            self.malformed = []
        if empty:
            yield self._empty()
        self.account.physical = ends.lines
        self.account.require_balance(self._path)

    def _last_end(self, text: bytes) -> int:
        if not self._is_settled and b'"' in text:
            self._settle()
        end = self._dialect.last_end(text)
        self._is_whole = end > 0
        return end

    def _settle(self) -> None:
        """Find out by the whole file whether its quotation marks quote."""
        self._is_settled = True
        chunks = whole_lines(self._path, self._encoding, self._limits, end_of_plain_lines, skip=self._head.end)
        if quotes_are_characters(chunks, self._dialect.delimiter, self._width):
            self._dialect = replace(self._dialect, quote=None)
            self.account.has_literal_quotes = True

    def _parsed(self, lines: bytes) -> "pa.Table":
        before = self._lines_before()
        if not self._is_whole:  # what is left at the end of the file
            self._require_whole(lines, before)
        self._is_whole = False
        if self._head.is_spaced:
            lines = SPACES.sub(b"\t", AROUND_LINE_ENDS.sub(rb"\1", lines).strip(b" \t"))
        odd = len(self.malformed)
        table = self._read(lines) if lines.strip(b"\r\n") else self._empty()
        malformed = self.malformed[odd:]
        self.malformed[odd:] = [row for row in malformed if row.strip()]
        self._count(lines, table, malformed, before)
        return table

    def _read(self, lines: bytes) -> "pa.Table":
        import pyarrow as pa  # heavy, and only who reads files needs it
        import pyarrow.csv as pa_csv

        names = [f"c{position}" for position in range(self._width)]
        dialect = self._dialect
        return pa_csv.read_csv(
            pa.BufferReader(lines),
            pa_csv.ReadOptions(
                column_names=names,
                block_size=len(lines) + 1,
                use_threads=False,  # or the handler below is called from threads that nobody waits for
            ),
            pa_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote or False,
                escape_char=dialect.escape or False,
                newlines_in_values=dialect.joins_lines,
                invalid_row_handler=self._keep_malformed,
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )

    def _empty(self) -> "pa.Table":
        import pyarrow as pa  # heavy, and only who reads files needs it

        return pa.schema([(f"c{position}", pa.string()) for position in range(self._width)]).empty_table()

    def _keep_malformed(self, row: "pa_csv.InvalidRow") -> str:
        self.malformed.append(row.text)
        return "skip"

    def _lines_before(self) -> int:
        account = self.account
        return account.above + account.records + account.malformed + account.joined + account.blank

    def _count(self, lines: bytes, table: "pa.Table", malformed: list[str], before: int) -> None:
        """Add what became of a chunk's lines to the account."""
        account = self.account
        empty = sum(1 for row in malformed if not row.strip())
        account.records += table.num_rows
        account.malformed += len(malformed) - empty
        account.blank += empty
        gap = count_line_ends(lines) + (not lines.endswith((b"\n", b"\r"))) - table.num_rows - len(malformed)
        if gap and self._dialect.joins_lines:
            gap -= self._count_joined(lines, table, malformed, before)
        if gap:  # else each physical line is one, or in one
            account.blank += self._dialect.blank_lines(lines)
        if odd := self._dialect.odd_quotes(lines):
            account.odd_quotes += len(odd)
            account.first_odd = account.first_odd or odd[0].decode(errors="replace")

    def _count_joined(self, lines: bytes, table: "pa.Table", malformed: list[str], before: int) -> int:
        """Count the line ends inside of fields by what was parsed, and ask whether they should be there."""
        if self._dialect.escape is None:
            inside = _line_ends_in(table, has_returns=b"\r" in lines) + sum(
                count_line_ends(row.encode()) for row in malformed
            )
        else:  # the halves of a line end may be escaped apart, and be together in the value
            inside = sum(count_line_ends(record) for _, record in self._dialect.joined(lines))
        if not inside:
            return 0
        account, dialect = self.account, self._dialect
        account.joined += inside
        held = {row for row in malformed if LINE_END.search(row.encode())}
        for place, record in dialect.joined(lines):
            if account.first_joined is None:
                account.first_joined = before + line_of(lines, place)
            if not self._is_asked:
                break
            share = 0.5 if record.decode() in held else 1.0
            if are_lines(record, dialect.delimiter, self._width, share=share):
                first = before + line_of(lines, place)
                last = first + count_line_ends(record)
                raise SourceError(
                    f"{self._path} has a quotation that joins lines {first:,} to {last:,}, {BY_THEMSELVES}. Add "
                    "`reader: {quote: off}` to the profile if its quotation marks are characters, or `reader: {quote: "
                    "'\"'}` if they quote and the lines belong together."
                )
        return inside

    def _require_whole(self, rest: bytes, before: int) -> None:
        if self._dialect.is_whole(rest):
            return
        first = before + 1
        raise SourceError(
            f"{self._path} ends inside of a quotation that begins in line {first:,}: "
            f"{LINE_END.split(rest)[0][:200].decode(errors='replace')!r}. If the file was cut off, fetch it again; if "
            "quotation marks are characters there, add `reader: {quote: off}` to the profile."
        )


def _line_ends_in(table: "pa.Table", *, has_returns: bool) -> int:
    import pyarrow.compute as pc  # heavy, and only who reads files needs it

    def times(ends: str) -> int:
        counts = (pc.sum(pc.count_substring(column, ends)).as_py() for column in table.columns)
        return sum(count or 0 for count in counts)

    return times("\n") + (times("\r") - times("\r\n") if has_returns else 0)


def json_lines(path: Path, reader: Reader, limits: ReadingLimits) -> "Iterator[pa.Table]":
    """The lines of a JSON-lines file, unparsed, as one text column `line`; blank ones are left out.

    Raises:
        SourceError: The file exceeds a limit.
    """
    import pyarrow as pa  # heavy, and only who reads files needs it

    def table_of(lines: bytes) -> pa.Table:
        texts = [line for line in lines.splitlines() if line]
        return pa.table({LINE: pa.array(texts, pa.binary()).cast(pa.string())})

    yield from _grouped(map(table_of, whole_lines(path, reader.encoding, limits, end_of_plain_lines)))


def is_json_array(path: Path, limits: ReadingLimits) -> bool:
    """Whether a JSON file is one array rather than an object per line."""
    start = next(read_blocks(path, limits), b"")
    return start.removeprefix(UTF8_BOM).lstrip().startswith(b"[")


@contextmanager
def reading_errors(path: Path, encoding: str) -> Iterator[None]:
    """Turn what Arrow and Python say about a broken text file into a `SourceError` that names it."""
    import pyarrow as pa  # heavy, and only who reads files needs it

    try:
        yield
    except (UnicodeError, pa.ArrowException, csv.Error, OSError, EOFError, RuntimeError) as error:
        raise SourceError(_explain(path, encoding, error)) from error


def _grouped(tables: "Iterator[pa.Table]") -> "Iterator[pa.Table]":
    import pyarrow as pa  # heavy, and only who reads files needs it

    while group := list(islice(tables, BLOCKS_PER_TABLE)):
        yield pa.concat_tables(group)


def _explain(path: Path, encoding: str, error: Exception) -> str:
    said = str(error)
    if "codec can't decode" in said or "invalid UTF8" in said:
        there = suggestion(error) if isinstance(error, UnicodeDecodeError) else ""
        return (
            f"{path} is not written in {encoding}. Name its encoding in the profile, such as "
            f"`reader: {{encoding: cp1252}}`, or convert the file.{there}"
        )
    return f"{path} can't be read; it may be incomplete or damaged: {said.splitlines()[0] if said else 'no reason'}"


def _beginning(path: Path, encoding: str, limits: ReadingLimits) -> bytes:
    start = next(whole_lines(path, encoding, limits, end_of_plain_lines), b"")
    if not start:
        raise SourceError(f"{path} is empty (0 bytes). Remove it or fetch it again.")
    first = next((line for line in LINE_END.split(start) if line.strip()), b"")
    if len(first) > HEADER_BYTES:
        raise SourceError(
            f"{path} begins with a line of more than {HEADER_BYTES // 1000} kB, which can't be a header. Is it the "
            "file that you mean?"
        )
    return start
