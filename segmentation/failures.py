"""What errors of the machine and of the catalogue's database mean, whatever library says them, and what to do.

SQLite, SQLAlchemy, DuckDB, Polars, Arrow and Python tell of a full disk each in its own words, and wrap each other's.
"""

import errno
from collections.abc import Iterator

from segmentation.quoting import bounded

NOTHING_LOST = "What was committed before is in the lake, whole; nothing of what was under way is."
DAMAGED = (
    "the lake's catalogue is damaged, or is no catalogue of a lake. Check SEGMENTATION_CATALOG and SEGMENTATION_HOME; "
    "if they are right, `segmentation restore` brings the last backup back, and `segmentation doctor` tells more"
)

_NUMBERS = {
    errno.ENOSPC: f"there is no space left on the disk. {NOTHING_LOST} Free some and run it again",
    errno.EDQUOT: f"this user's quota of the disk is used up. {NOTHING_LOST} Free some and run it again",
    errno.EFBIG: f"a file would be larger than this user or file system may have (`ulimit -f`). {NOTHING_LOST}",
    errno.EROFS: f"the file system is read-only. {NOTHING_LOST} Mount it writable, or set SEGMENTATION_HOME to another",
    errno.EMFILE: f"this process has too many open files. {NOTHING_LOST} Raise `ulimit -n`",
    errno.ENFILE: f"this machine has too many open files. {NOTHING_LOST} Close some programs",
    errno.EIO: f"the disk can't be read or written. {NOTHING_LOST} Look at the system's log; the disk may be failing",
}
_UNOPENED = (
    "a database can't be opened: it must be a file that this user may read and write, in such a folder, on a disk with "
    f"some space left. {NOTHING_LOST}"
)
_READ_ONLY = (
    "a database can't be written: it, its folder or its file system is read-only for this user; or it was to be read, "
    f"and holds no lake. {NOTHING_LOST} Check SEGMENTATION_CATALOG and SEGMENTATION_HOME"
)
_DATABASE = (
    f"a database can't be read or written: the disk is full, or is failing. {NOTHING_LOST} Look at its free space "
    "(`df`) and at the system's log, and run it again"
)
_LOST_TABLE = ("table with name ducklake_", "no such table: ducklake_")
_SIGNS = (
    (
        ("no space left on device", "database or disk is full", "(os error 28)", "not enough space"),
        _NUMBERS[errno.ENOSPC],
    ),
    (("disk quota exceeded", "(os error 122)"), _NUMBERS[errno.EDQUOT]),
    (("file too large", "(os error 27)"), _NUMBERS[errno.EFBIG]),
    (("read-only file system", "(os error 30)"), _NUMBERS[errno.EROFS]),
    (("readonly database",), _READ_ONLY),
    (("too many open files", "(os error 24)"), _NUMBERS[errno.EMFILE]),
    (
        ("database disk image is malformed", "file is not a database", "no snapshot found in ducklake", *_LOST_TABLE),
        DAMAGED,
    ),
    (("input/output error", "(os error 5)"), _NUMBERS[errno.EIO]),
    (("unable to open database",), _UNOPENED),
    (("disk i/o error",), _DATABASE),
)


def meaning_of_failure(error: BaseException) -> str | None:
    """What an error, or one that it came from, says about disk or catalogue and what to do; None if it says neither."""
    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, OSError) and each.errno in _NUMBERS:
            return f"{_NUMBERS[each.errno]} ({reason_of(each)})"
    return next((meaning for each in chain if (meaning := meaning_of_text(str(each)))), None)


def meaning_of_text(text: str) -> str | None:
    """What the text of an error says about disk or catalogue and what to do; None if it says neither."""
    lowered = text.lower()
    for signs, meaning in _SIGNS:
        if found := next((sign for sign in signs if sign in lowered), None):
            line = next(line for line in text.splitlines() if found in line.lower())
            return f"{meaning} ({bounded(line.strip(), 300).rstrip('.')})"
    return None


def reason_of(error: BaseException) -> str:
    """What an error says in one line; its kind, if it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return bounded(lines[0], 300).rstrip(".") if lines else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it came from or that it holds."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        held = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        waiting += [other for other in (each.__cause__, each.__context__, *held) if other is not None]
