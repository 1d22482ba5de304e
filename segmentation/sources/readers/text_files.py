"""CSV and JSON-lines files, compressed or not, as streams of text columns for DuckDB.

They are parsed by Arrow: it gives malformed lines back as they are, reads any encoding, and a broken file can't
invalidate the database that holds the lake (DuckDB 1.5's own `store_rejects` can).
"""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Reader

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

BLOCK_BYTES = 4 << 20
"""Bytes that are parsed at a time; no single line may be longer."""

DELIMITERS = ",;\t|"
LINE = "line"
_NO_DELIMITER = "\x1f"
"""A control character that JSON text can't hold: with it, a line of JSON is one column."""


class CsvStream:
    """One CSV file: its header at once, its lines when asked for.

    Attributes:
        header: The names in the first line.
        malformed: Lines that had too many or too few fields, complete once `batches()` has been read to its end.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        """Read the header.

        Raises:
            SourceError: The file is empty, or not in the expected encoding.
        """
        self._path = path
        self._encoding = _transcoded(reader.encoding)
        with reading_errors(path, reader.encoding):
            first = _first_line(path, self._encoding)
        self._delimiter = reader.delimiter or _delimiter(path, first)
        self.header = tuple(name.strip() for name in next(csv.reader([first], delimiter=self._delimiter)))
        self.malformed: list[str] = []

    def batches(self) -> "pa.RecordBatchReader":
        """The lines as text columns named `c0`, `c1`, …, by position; empty fields are NULL."""
        import pyarrow as pa  # heavy, and only who reads files needs it
        import pyarrow.csv as pa_csv

        names = [f"c{position}" for position in range(len(self.header))]
        return pa_csv.open_csv(
            _bytes_of(self._path),
            pa_csv.ReadOptions(
                column_names=names, skip_rows_after_names=1, block_size=BLOCK_BYTES, encoding=self._encoding
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


def json_lines(path: Path, reader: Reader) -> "pa.RecordBatchReader":
    """The lines of a JSON-lines file, unparsed, as one text column `line`; blank ones are left out."""
    import pyarrow as pa  # heavy, and only who reads files needs it
    import pyarrow.csv as pa_csv

    return pa_csv.open_csv(
        _bytes_of(path),
        pa_csv.ReadOptions(column_names=[LINE], block_size=BLOCK_BYTES, encoding=_transcoded(reader.encoding)),
        pa_csv.ParseOptions(delimiter=_NO_DELIMITER, quote_char=False, newlines_in_values=False),
        pa_csv.ConvertOptions(column_types={LINE: pa.string()}),
    )


def is_json_array(path: Path) -> bool:
    """Whether a JSON file is one array rather than an object per line."""
    with _bytes_of(path) as stream:
        start: bytes = stream.read(BLOCK_BYTES)
    return start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")


@contextmanager
def reading_errors(path: Path, encoding: str) -> Iterator[None]:
    """Turn what Arrow and Python say about a broken text file into a `SourceError` that names it."""
    import pyarrow as pa  # heavy, and only who reads files needs it

    try:
        yield
    except (UnicodeError, pa.ArrowException, OSError, EOFError, RuntimeError) as error:
        raise SourceError(_explain(path, encoding, str(error))) from error


@contextmanager
def arrow_errors() -> Iterator[None]:
    """Let an error that Arrow raised while DuckDB was reading from it come out as Arrow's again."""
    try:
        yield
    except duckdb.Error as error:
        if "arrow_scan" not in str(error):
            raise
        import pyarrow as pa  # heavy, and only who reads files needs it

        raise pa.ArrowInvalid(str(error)) from error


def _explain(path: Path, encoding: str, error: str) -> str:
    if "codec can't decode" in error or "invalid UTF8" in error:
        return (
            f"{path} is not written in {encoding}. Name its encoding in the profile, such as "
            "`reader: {encoding: latin-1}`, or convert the file."
        )
    if "straddling" in error:
        return (
            f"{path} has a line of more than {BLOCK_BYTES >> 20} MB, most likely since a quotation mark is never "
            "closed. Mend the line."
        )
    return f"{path} can't be read; it may be incomplete or damaged: {error.splitlines()[0] if error else 'no reason'}"


def _transcoded(encoding: str) -> str:
    # Arrow checks UTF-8 only after splitting lines, and then can't hand over a malformed line; Python checks before.
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _bytes_of(path: Path) -> "pa.NativeFile":
    import pyarrow as pa  # heavy, and only who reads files needs it

    codec = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    return pa.input_stream(str(path), compression=codec)


def _first_line(path: Path, encoding: str) -> str:
    with _bytes_of(path) as stream:
        start = stream.read(BLOCK_BYTES)
    if not start:
        raise SourceError(f"{path} is empty (0 bytes). Remove it or fetch it again.")
    text = start.decode(encoding, errors="strict" if len(start) < BLOCK_BYTES else "ignore")
    return next((line for line in re.split(r"\r\n|\n|\r", text) if line.strip()), "")


def _delimiter(path: Path, header: str) -> str:
    if ".tsv" in path.suffixes:
        return "\t"
    return max(DELIMITERS, key=header.count)
