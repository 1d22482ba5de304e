"""How a text file is written: what its first bytes say about it, and what it might be where it isn't what was said.

How the text is cut into lines is in `text_blocks`.
"""

import codecs
import re
from collections.abc import Iterator

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

CANDIDATES = ("cp1252", "shift_jis", "gb18030", "euc_kr", "big5", "cp1250", "cp1251")
"""What exports that aren't UTF-8 are written in, the most frequent first."""

AROUND = 12
"""Characters on both sides of what can't be read that a message may show."""

WORD = re.compile(r"\w*[^\W\x00-\x7f]\w*")


def encoding_of(start: bytes, named: str) -> str:
    """The encoding of a text that begins so: its byte order mark's, that of UTF-16 without one, or the one named."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    if codecs.lookup(named).name == "utf-8" and len(start) >= 4:
        first, second = start[:4:2], start[1:4:2]  # two letters, and two NULs
        if second == b"\0\0" and b"\0" not in first:
            return "utf-16-le"
        if first == b"\0\0" and b"\0" not in second:
            return "utf-16-be"
    return named


def suggestion(error: UnicodeDecodeError) -> str:
    """What the text might be written in, with what the place that can't be read would say then; empty if nothing."""
    readings = list(_readings(error.object, error.start))[:3]
    return f" What can't be read would say {' or '.join(readings)}." if readings else ""


def _readings(text: bytes, place: int) -> Iterator[str]:
    seen = set()
    for encoding in CANDIDATES:
        try:
            decoded = codecs.getincrementaldecoder(encoding)().decode(text)
            before = codecs.getincrementaldecoder(encoding)().decode(text[:place])
        except UnicodeDecodeError:
            continue
        found = WORD.search(decoded[max(0, len(before) - AROUND) : len(before) + AROUND])
        if found and found[0] not in seen:
            seen.add(found[0])
            yield f"{found[0]!r} as {encoding}"
