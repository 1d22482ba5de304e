"""Verification of the lake's files against their checksums: some at each maintenance, all of them on demand.

A file that has none yet gets its first. A damaged file is named, counted by the exporter until it is whole again, and
never rewritten, so that the damage doesn't get a new checksum.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from segmentation.errors import WarehouseUnavailableError
from segmentation.progress import Progress, no_progress
from segmentation.warehouse.checksums import TABLE, FileEntry, read_entries, sha256_of
from segmentation.warehouse.data_folder import found_files
from segmentation.warehouse.identity import named_files
from segmentation.warehouse.lake import METADATA, Lake
from segmentation.warehouse.object_stores import is_object_store, meaning_of

LEAST_BYTES = 1_000_000_000
"""So much is read at each maintenance if that many bytes are due, however small the lake."""

NOTE_CHECK = f"""
UPDATE {METADATA}.{TABLE}
SET sha256 = COALESCE(sha256, $sha256), checked_at = $checked_at, damage = NULL
WHERE file_id = $file_id
"""
NOTE_DAMAGE = f"UPDATE {METADATA}.{TABLE} SET damage = $damage WHERE file_id = $file_id"
FORGET = f"""
DELETE FROM {METADATA}.{TABLE}
WHERE file_id NOT IN (
    SELECT data_file_id FROM {METADATA}.ducklake_data_file
    UNION ALL SELECT delete_file_id FROM {METADATA}.ducklake_delete_file
)
"""
NEVER = datetime(1970, 1, 1)  # noqa: DTZ001 (all are naive UTC)
NO_OBJECT = ("HTTP 404", "404 (Not Found)", "No files found")
OBJECT_SUM = "SELECT size, sha256(content) FROM read_blob($path)"


@dataclass(frozen=True)
class Verification:
    """What came of it.

    Attributes:
        files: How many were read.
        bytes_read: Their size.
        damaged: Those that aren't what they must be, with what is wrong.
        without_sum: How many had no checksum yet.
    """

    files: int
    bytes_read: int
    damaged: tuple[tuple[FileEntry, str], ...]
    without_sum: int


def verify_files(lake: Lake, *, progress: Progress = no_progress) -> Verification:
    """Read all files of the lake and compare them with their checksums; nothing is noted.

    Args:
        lake: The lake, which may be read-only.
        progress: Is told how many bytes are done.

    Raises:
        WarehouseUnavailableError: The object store can't be reached.
    """
    with lake.cursor() as con:
        entries = read_entries(con, METADATA)
        return _verify(lake, con, entries, now=None, progress=progress)


def verify_due_files(lake: Lake, *, now: datetime, every_days: int) -> Verification:
    """Read the files that have not been read for so long, the damaged ones first, and note what came of it.

    What is due at once, as after a large load, is spread over several runs: none reads more than twice its share.

    Args:
        lake: A writable lake. Safe to kill: each file is noted by itself.
        now: The present moment (UTC).
        every_days: How often each file should be read.
    """
    lake.enter_new_files()
    with lake.cursor() as con:
        con.execute(FORGET)
        entries = read_entries(con, METADATA)
        due = [entry for entry in entries if _is_due(entry, now - timedelta(days=every_days))]
        due.sort(key=lambda entry: (entry.damage is None, entry.checked_at or NEVER, entry.file_id))
        share = 2 * sum(entry.size_bytes for entry in entries) // every_days
        chosen = list(_first_bytes(due, max(LEAST_BYTES, share)))
        return _verify(lake, con, chosen, now=now, progress=no_progress)


def misplaced_files(con: duckdb.DuckDBPyConnection, data_uri: str) -> tuple[int, list[tuple[str, str]]]:
    """How many files the catalog names, and those that are missing or of another size, by path; none is read.

    Args:
        con: A cursor of the lake.
        data_uri: Its data folder, ending in a slash.

    Raises:
        OSError: The folder can't be listed.
        duckdb.Error: The bucket can't be.
    """
    sizes = {file.path: file.size_bytes for file in found_files(con, data_uri)}
    named = [file for file in named_files(con, METADATA, data_uri) if "://" not in file.path and file.path[:1] != "/"]
    wrong = []
    for file in named:
        damage = _wrong_size(file.size_bytes, sizes.get(file.path))
        if damage and not _is_gone(con, file.file_id):
            wrong.append((file.path, damage))
    return len(named), wrong


def damaged_files(con: duckdb.DuckDBPyConnection) -> list[FileEntry]:
    """The files that were damaged when they were last read."""
    return [entry for entry in read_entries(con, METADATA) if entry.damage]


def damage_message(path: str, damage: str) -> str:
    """What is said of a damaged file, and what to do about it."""
    return (
        f"The data file {path} is damaged ({damage}); what is read of it can't be trusted. Put it back from a backup: "
        f"copy files/{path} of the backup folder over it, then `segmentation doctor --verify`."
    )


def _is_due(entry: FileEntry, before: datetime) -> bool:
    return entry.damage is not None or entry.checked_at is None or entry.checked_at < before


def _first_bytes(entries: list[FileEntry], most: int) -> Iterator[FileEntry]:
    for entry in entries:
        if most <= 0:
            return
        most -= entry.size_bytes
        yield entry


def _verify(
    lake: Lake, con: duckdb.DuckDBPyConnection, entries: list[FileEntry], *, now: datetime | None, progress: Progress
) -> Verification:
    done, total, damaged = 0, sum(entry.size_bytes for entry in entries), []
    for entry in entries:
        damage, sha256 = _damage(lake, con, entry)
        if damage and _is_gone(con, entry.file_id):
            continue
        if damage:
            damaged.append((entry, damage))
        if now is not None:
            _note(con, entry, sha256, damage, now)
        done += entry.size_bytes
        progress(done, total)
    without = sum(entry.sha256 is None for entry in entries)
    return Verification(len(entries), done, tuple(damaged), without)


def _look(lake: Lake, con: duckdb.DuckDBPyConnection, entry: FileEntry) -> tuple[int, str]:
    """A file's size and SHA-256 as they are."""
    data_uri = lake.settings.data_uri
    if not is_object_store(data_uri):
        path = Path(data_uri) / entry.path
        return path.stat().st_size, sha256_of(path)
    try:
        ((size, sha256),) = con.execute(OBJECT_SUM, {"path": f"{data_uri}{entry.path}"}).fetchall()
    except duckdb.Error as error:
        if any(sign in str(error) for sign in NO_OBJECT):
            raise FileNotFoundError from error
        if meaning := meaning_of(error):
            raise WarehouseUnavailableError(f"Can't read {data_uri}: {meaning}.") from error
        raise
    return int(size), str(sha256)


def _damage(lake: Lake, con: duckdb.DuckDBPyConnection, entry: FileEntry) -> tuple[str | None, str | None]:
    """What is wrong with a file, if anything, and its SHA-256."""
    try:
        size, sha256 = _look(lake, con, entry)
    except FileNotFoundError:
        return "missing", None
    except OSError as error:  # a disk that says itself that it is broken
        return f"can't be read: {error.strerror or error}", None
    if wrong := _wrong_size(entry.size_bytes, size):
        return wrong, sha256
    return "another checksum" if entry.sha256 not in (None, sha256) else None, sha256


def _wrong_size(named: int, found: int | None) -> str | None:
    if found is None:
        return "missing"
    return None if found == named else f"{found:,} bytes instead of {named:,}"


def _is_gone(con: duckdb.DuckDBPyConnection, file_id: int) -> bool:
    """Whether the catalog names a file no more: another process has tidied up since it was listed."""
    named = f"""
        SELECT 1 FROM {METADATA}.ducklake_data_file WHERE data_file_id = $id
        UNION ALL SELECT 1 FROM {METADATA}.ducklake_delete_file WHERE delete_file_id = $id
    """
    return not con.execute(named, {"id": file_id}).fetchall()


def _note(
    con: duckdb.DuckDBPyConnection, entry: FileEntry, sha256: str | None, damage: str | None, now: datetime
) -> None:
    if damage:
        con.execute(NOTE_DAMAGE, {"damage": damage, "file_id": entry.file_id})
        return
    checked_at = now.isoformat(sep=" ", timespec="seconds")
    con.execute(NOTE_CHECK, {"sha256": sha256, "checked_at": checked_at, "file_id": entry.file_id})
