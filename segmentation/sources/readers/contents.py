"""What a file is by its first bytes, whatever its suffix says: shops call web pages and text `.xls`.

Which suffixes are known is in `paths`; how each kind is read is in `text_parts` and `files`.
"""

import re
import zipfile
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Reader
from segmentation.sources.readers.encodings import BYTE_ORDER_MARKS
from segmentation.sources.readers.paths import Format, format_of
from segmentation.sources.readers.text_tables import has_table

START_BYTES = 8_192
PARQUET = b"PAR1"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How the files of Excel before 2007 begin, and those with a password."""

WEB_PAGE = re.compile(rb"\s*<(?:!doctype html|html|head|body|table|meta|div)\b", re.I)
XML = re.compile(rb"\s*<\?xml\b", re.I)
RECORDS = re.compile(rb"\s*(?:\[\s*)?\{\s*\"")
WORKBOOK_PARTS = ("xl/workbook.", "xl/worksheets/")
SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"


def format_at(path: Path, reader: Reader) -> Format:
    """The format of a file that is there: what the profile says, or else its content, or else its suffix.

    Raises:
        SourceError: It is of a kind that can't be read; the message says what to do.
    """
    start = _start(path)
    if start.startswith(ZIP) and reader.format in (None, "csv", "json"):
        return _of_zip(path, reader)
    if reader.format is not None:
        return reader.format
    if start.startswith(PARQUET):
        return "parquet"
    if start.startswith(OLE):
        return "excel"
    named = format_of(path) or "csv"
    if named in ("csv", "excel"):
        return _of_text(path, _without_mark(start), named)
    return named


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(START_BYTES)


def _without_mark(start: bytes) -> bytes:
    mark = next((mark for mark, _ in BYTE_ORDER_MARKS if start.startswith(mark)), b"")
    return start.removeprefix(mark).replace(b"\0", b"")


def _of_zip(path: Path, reader: Reader) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            is_book = any(name.startswith(WORKBOOK_PARTS) for name in names)
            if not is_book and "mimetype" in names:
                with archive.open("mimetype") as stream:
                    is_book = stream.read(len(SPREADSHEET)) == SPREADSHEET
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):
        return format_of(path) or "zip"  # who reads it says what is wrong
    return "excel" if is_book and reader.format is None else "zip"


def _of_text(path: Path, start: bytes, named: Format) -> Format:
    if WEB_PAGE.match(start) or (named == "excel" and XML.match(start)):
        kind = "XML" if XML.match(start) else "a web page (HTML)"
        raise SourceError(
            f"{path} is {kind}, whatever its name says. If it shows a table, open it in a spreadsheet program and save "
            "it as CSV or .xlsx; if it asks to log in, fetch the file again."
        )
    if named == "excel" and start and has_table(start):
        return "csv"
    return "json" if path.suffix.lower() == ".txt" and RECORDS.match(start) else named
