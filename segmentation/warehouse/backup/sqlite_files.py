"""SQLite catalogs as files: copied while others write, and put in the place of others."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from segmentation.errors import SegmentationError
from segmentation.private_files import make_private_folder
from segmentation.settings import Settings
from segmentation.warehouse.backup.copying import copy_file, sync
from segmentation.warehouse.lake import BUSY_TIMEOUT_MS, sqlite_path

DATA_PATH = "key = 'data_path' AND scope IS NULL"
"""The row of `ducklake_metadata` that says where the data is."""

COPY = f"""
import sqlite3, sys
try:
    con = sqlite3.connect(sys.argv[1] + "?mode=ro", uri=True, timeout={BUSY_TIMEOUT_MS / 1000})
    con.execute("VACUUM INTO ?", (sys.argv[2],))
except sqlite3.Error as error:
    print(error)
"""

CLOSE_JOURNAL = """
import sqlite3, sys
try:
    con = sqlite3.connect(sys.argv[1], timeout=1)
    con.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    con.execute("BEGIN EXCLUSIVE")  # refused while anybody has the catalogue open
    con.commit()
    # Its journal mode stays WAL: readers can't set that, and the catalogue may stay after all.
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    con.close()
except sqlite3.Error as error:
    print(error)
"""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite catalog, as it is at one moment, to a new file.

    Raises:
        SegmentationError: It can't be read, or there is no space.
    """
    if problem := _apart(COPY, source.resolve().as_uri(), str(target)):
        raise SegmentationError(f"The catalogue could not be copied: {problem}")


def replace_sqlite(settings: Settings, source: Path) -> None:
    """Put a copy in the place of the lake's SQLite catalog, all at once.

    Raises:
        SegmentationError: Somebody is working with the catalog that is there.
        OSError: There is no space, or no right to write.
    """
    target = sqlite_path(settings)
    make_private_folder(target.parent)
    draft = target.with_name(f"{target.name}.restoring")
    _remove_journals(draft)  # of a restore that was killed; SQLite would apply them to this copy
    copy_file(source, draft, target.with_name(f"{target.name}.part"))
    with closing(sqlite3.connect(draft)) as con, con:
        con.execute("PRAGMA journal_mode = WAL")  # which readers can't set
        con.execute(f"UPDATE ducklake_metadata SET value = ? WHERE {DATA_PATH}", (settings.data_uri,))
    try:
        with FileLock(target.with_suffix(".lock"), timeout=1):
            _close_journal(target)
            draft.replace(target)
    except Timeout as error:
        raise SegmentationError(_at_work(target)) from error
    sync(target.parent)


def _close_journal(path: Path) -> None:
    """End the journal of the catalog that is to go, which SQLite would apply to the one that comes."""
    outcome = _apart(CLOSE_JOURNAL, str(path)) if path.exists() else ""
    if "locked" in outcome:
        raise SegmentationError(_at_work(path))
    if "not a database" in outcome or "malformed" in outcome:
        path.unlink()  # which is why it is replaced
    elif outcome:
        raise SegmentationError(f"The catalogue {path} can't be replaced: {outcome}")
    _remove_journals(path)


def _remove_journals(path: Path) -> None:
    for suffix in ("-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _at_work(path: Path) -> str:
    return (
        f"Somebody has the lake at {path} open, and nothing was replaced. Stop the pipelines, the scorer and whatever "
        "else works with it, and restore again."
    )


def _apart(program: str, *arguments: str) -> str:
    """Run a program that uses SQLite in a process of its own; returns what it prints.

    DuckDB has an SQLite of its own. A second one in the same process, as it closes a file, takes away the locks that
    the first one holds on it (https://sqlite.org/howtocorrupt.html, section 2.2.1).
    """
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
