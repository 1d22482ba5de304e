"""How a text is written, told from a sample of it: encoding, delimiter, quotation marks, and where its header is."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from segmentation.sources.suggestion.samples import Sample, columns_of, sampled_bytes
from segmentation.sources.suggestion.values import is_date, is_number

DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"
ENCODINGS = ("cp1252", "shift_jis", "gb18030", "cp1251", "latin-1")
COMMON_SIGNS = "°ºª§·–—‘’“”„…€£¥©®™«»¿¡×½¼¾²³´¨\u00a0"
EXCEL_DELIMITER = re.compile(r'^\s*"?sep=(.)"?[^\r\n]*[\r\n]+', re.I)
MIN_SHARE = 0.8
"""Of lines that have as many fields as most, for a delimiter to be one."""


def sample_text(path: Path) -> Sample:
    """A sample of a delimited text file.

    Raises:
        SourceError: It can't be read, or is empty.
    """
    data = sampled_bytes(path)
    encoding = encoding_of(data)
    text = data.decode(encoding, errors="replace").lstrip("\ufeff").replace("\0", "")
    reader: dict[str, object] = {} if encoding in ("utf-8", "utf-8-sig", "utf-16") else {"encoding": encoding}
    remarks = {"encoding": f"It isn't UTF-8, and can be read as {encoding}; look at names with accents."}
    if told := EXCEL_DELIMITER.match(text):
        text = text[told.end() :]
    delimiter, quotes, rows = best_reading(text, told[1] if told else None)
    reader["delimiter"] = delimiter
    if not quotes:
        reader["quote"] = "off"
        remarks["quote"] = "Quotation marks are characters like others here: some are never closed."
    above, header, body = header_of(rows)
    if above:
        remarks["delimiter"] = f"{above} lines above the header are passed over."
    names = header if header else [f"column {number}" for number in range(1, len(body[0]) + 1)]
    kept = {key: text for key, text in remarks.items() if key in reader}
    return Sample(path, "csv", columns_of(names, body), reader, kept, bool(header))


def encoding_of(data: bytes) -> str:
    """What a text is written in: what its first bytes say, UTF-8, or the first encoding that gives words."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = data[:200]
    if len(start) > 3 and start[1::2].count(0) > len(start) // 3:
        return "utf-16-le"
    if len(start) > 3 and start[::2].count(0) > len(start) // 3:
        return "utf-16-be"
    try:
        data[: data.rfind(b"\n") + 1 or None].decode()
    except UnicodeDecodeError:
        return next((name for name in ENCODINGS if _gives_words(data, name)), "latin-1")
    return "utf-8"


def best_reading(text: str, told: str | None = None) -> tuple[str, bool, list[list[str]]]:
    """The delimiter, whether quotation marks quote, and the rows that these give.

    Args:
        text: The sample.
        told: The delimiter, if the file says it.
    """
    readings = []
    for delimiter in [told] if told else DELIMITERS:
        for quotes in (True, False):
            rows = _rows(text, delimiter, quotes)
            share, width = _evenness(rows)
            if width > 1 and share >= MIN_SHARE:
                lines = sum(1 for row in rows if len(row) == width)
                readings.append((lines, width, quotes, delimiter, rows))
    if readings:
        _, _, quotes, delimiter, rows = max(readings, key=lambda each: (_quality(each[0], each[1]), each[2]))
        return delimiter, quotes, rows
    spaced = [line.split() for line in text.splitlines() if line.strip()]
    share, width = _evenness(spaced)
    if width > 1 and share >= MIN_SHARE:
        return WHITESPACE, True, spaced
    return ",", True, _rows(text, ",", True)


def header_of(rows: Sequence[list[str]]) -> tuple[int, list[str], list[list[str]]]:
    """How many rows are above the header, the header (empty if there is none), and the rows below."""
    _, width = _evenness(rows)
    first = next((number for number, row in enumerate(rows) if _fits(row, width) and _is_filled(row)), 0)
    header, below = rows[first], [row for row in rows[first + 1 :] if _fits(row, width)]
    if _is_data(header):
        return first, [], [header, *below]
    return first, [_shown(name) for name in header], below


def _fits(row: Sequence[str], width: int) -> bool:
    return len(row) == width or (len(row) in (width - 1, width + 1) and width > 2)


def _is_filled(row: Sequence[str]) -> bool:
    """Whether most fields say something: a title above a table is alone on its line."""
    return sum(1 for cell in row if cell.strip()) > len(row) / 2


def _quality(lines: int, width: int) -> int:
    return lines * min(width, 4)


def _is_data(header: Sequence[str]) -> bool:
    """Whether a first row is one of values: it has numbers or dates."""
    return any(is_number(cell) or is_date(cell) for cell in header if cell.strip()) and len(header) > 1


def _shown(name: str) -> str:
    return " ".join(name.replace("\u00a0", " ").split())


def _rows(text: str, delimiter: str, quotes: bool) -> list[list[str]]:
    lines = io.StringIO(text, newline="")
    rows = (
        csv.reader(lines, delimiter=delimiter)
        if quotes
        else csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    )
    found: list[list[str]] = []
    with suppress(csv.Error):  # a field longer than csv takes: what came before is a sample as well
        found.extend(row for row in rows if any(row))
    return found


def _evenness(rows: Sequence[Sequence[str]]) -> tuple[float, int]:
    """How many fields most rows of several have, and the share that have so many from the first of them on."""
    widths = [len(row) for row in rows]
    several = [width for width in widths if width > 1]
    if not several:
        return 0.0, 1
    width, count = Counter(several).most_common(1)[0]
    return count / len(widths[widths.index(width) :]), width


def _gives_words(data: bytes, encoding: str) -> bool:
    try:
        text = data[: data.rfind(b"\n") + 1 or None].decode(encoding)
    except UnicodeDecodeError:
        return False
    signs = [char for char in text if not char.isascii()]
    return sum(char.isalpha() or char in COMMON_SIGNS for char in signs) > 0.9 * len(signs)
