"""CSV and JSON-lines files, compressed or not, as text columns for DuckDB, a few megabytes at a time.

CSV is parsed by Arrow: it gives malformed lines back as they are, and a broken file can't invalidate the database that
holds the lake (DuckDB 1.5's own `store_rejects` can). It is parsed in the calling thread: see `text_blocks`.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Reader
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.text_blocks import (
    LINE_END,
    end_of_csv_lines,
    end_of_plain_lines,
    read_blocks,
    whole_lines,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

HEADER_BYTES = 128_000
"""A first line may not be longer."""

BLOCKS_PER_TABLE = 12
"""How many blocks are written at a time: DuckDB takes three times as long for each alone."""

DELIMITERS = ",;\t|"
LINE = "line"
UTF8_BOM = b"\xef\xbb\xbf"


class CsvFile:
    """One CSV file: its header at once, its lines when asked for.

    Attributes:
        header: The names in the first line.
        malformed: Lines of the last table that had too many or too few fields.
    """

    def __init__(self, path: Path, reader: Reader, limits: ReadingLimits) -> None:
        """Read the header.

        Raises:
            SourceError: The file is empty, exceeds a limit, or is not in the expected encoding.
        """
        self._path, self._encoding, self._limits = path, reader.encoding, limits
        with reading_errors(path, reader.encoding):
            first = _first_line(path, reader.encoding, limits)
            self._delimiter = reader.delimiter or _delimiter(path, first)
            self.header = tuple(name.strip() for name in next(csv.reader([first], delimiter=self._delimiter)))
        self.malformed: list[str] = []

    def tables(self) -> "Iterator[pa.Table]":
        """The lines as text columns named `c0`, `c1`, …, by position; empty fields are NULL. At least one table.

        Raises:
            SourceError: The file exceeds a limit.
        """
        lines_end = end_of_csv_lines(self._delimiter)
        blocks = enumerate(whole_lines(self._path, self._encoding, self._limits, lines_end))
        for table in _grouped(self._parsed(lines, header_lines=0 if number else 1) for number, lines in blocks):
            yield table
            self.malformed = []

    def _parsed(self, lines: bytes, header_lines: int) -> "pa.Table":
        import pyarrow as pa  # heavy, and only who reads files needs it
        import pyarrow.csv as pa_csv

        names = [f"c{position}" for position in range(len(self.header))]
        return pa_csv.read_csv(
            pa.BufferReader(lines),
            pa_csv.ReadOptions(
                column_names=names,
                skip_rows_after_names=header_lines,
                block_size=len(lines) + 1,
                use_threads=False,  # or the handler below is called from threads that nobody waits for
            ),
            pa_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=self._keep_malformed
            ),
            pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )

    def _keep_malformed(self, row: "pa_csv.InvalidRow") -> str:
        self.malformed.append(row.text)
        return "skip"


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
        raise SourceError(_explain(path, encoding, str(error))) from error


def _grouped(tables: "Iterator[pa.Table]") -> "Iterator[pa.Table]":
    import pyarrow as pa  # heavy, and only who reads files needs it

    while group := list(islice(tables, BLOCKS_PER_TABLE)):
        yield pa.concat_tables(group)


def _explain(path: Path, encoding: str, error: str) -> str:
    if "codec can't decode" in error or "invalid UTF8" in error:
        return (
            f"{path} is not written in {encoding}. Name its encoding in the profile, such as "
            "`reader: {encoding: latin-1}`, or convert the file."
        )
    return f"{path} can't be read; it may be incomplete or damaged: {error.splitlines()[0] if error else 'no reason'}"


def _first_line(path: Path, encoding: str, limits: ReadingLimits) -> str:
    start = next(whole_lines(path, encoding, limits, end_of_plain_lines), b"")
    if not start:
        raise SourceError(f"{path} is empty (0 bytes). Remove it or fetch it again.")
    first = next((line for line in LINE_END.split(start) if line.strip()), b"")
    if len(first) > HEADER_BYTES:
        raise SourceError(
            f"{path} begins with a line of more than {HEADER_BYTES // 1000} kB, which can't be a header. Is it the "
            "file that you mean?"
        )
    return first.decode()


def _delimiter(path: Path, header: str) -> str:
    if ".tsv" in path.suffixes:
        return "\t"
    return max(DELIMITERS, key=header.count)
