"""Restoring a backup: all of it is verified, data files are put in place, and the catalog takes its place at last.

Until then the lake that was there is as it was, and afterwards it is the restored one, whenever this is killed.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import duckdb

from segmentation.errors import NoLakeError, SegmentationError, WarehouseUnavailableError
from segmentation.metadata.tables.registry import SCHEMA_VERSIONS
from segmentation.private_files import make_private_folder
from segmentation.progress import Progress, no_progress
from segmentation.settings import Settings
from segmentation.warehouse.backup.catalog import replace_catalog
from segmentation.warehouse.backup.copying import copy_file, local_data, size_of
from segmentation.warehouse.backup.manifest import (
    CATALOG_FILE,
    HOME,
    POOL,
    Manifest,
    StoredFile,
    find_backup,
    read_manifest,
    stored_files,
)
from segmentation.warehouse.checksums import sha256_of
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.identity import MARKER, lake_id, read_marker, write_marker
from segmentation.warehouse.lake import METADATA, Lake, sqlite_path

DRAFTS = ".restoring"

TABLES = "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL"
"""Tables of the lake that is there."""


@dataclass(frozen=True)
class Restored:
    """A lake that was restored; in a dry run, that would be.

    Attributes:
        path: The backup.
        manifest: What it says of itself.
        copied_files: Data files that were copied; the others were in the data folder already. None in a dry run.
    """

    path: Path
    manifest: Manifest
    copied_files: int | None


def restore_backup(
    settings: Settings,
    backup: Path,
    *,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> Restored:
    """Make the lake what it was when a backup was made, where the settings say.

    Safe to kill and to repeat. Whoever has the lake open must open it again.

    Args:
        settings: Say where the lake comes to: any home, data folder and catalog.
        backup: A backup, or a folder of backups, whose newest one is taken.
        force: Whether a lake with data may be replaced.
        dry_run: Whether to verify only.
        progress: Is told how many bytes are verified and, after that, in place.

    Raises:
        SegmentationError: The backup is damaged, there is a lake with data, or it can't be written to; the lake that
            was there is as before.
    """
    found = find_backup(backup)
    manifest = read_manifest(found)
    data = local_data(settings)
    if data.resolve().is_relative_to(found.parent.resolve() / POOL):
        raise SegmentationError(f"The lake's data folder, {data}, is in the backup. Choose another SEGMENTATION_HOME.")
    _verify(manifest, found, progress)
    if not force:
        _refuse_other_files(data, (manifest.lake_id, _refuse_data(settings)))
    if dry_run:
        return Restored(found, manifest, None)
    try:
        copied = _put_files(manifest, found, data, settings.home, progress)
        _replace_catalog(settings, found / CATALOG_FILE, data, manifest.lake_id)
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        raise SegmentationError(
            f"The lake could not be restored: {error}. What was there before is still there; repeat it once the cause "
            "is gone."
        ) from error
    return Restored(found, manifest, copied)


def _verify(manifest: Manifest, backup: Path, progress: Progress) -> None:
    damages, done = [], 0
    for path, file in stored_files(manifest, backup):
        damages += list(_damages(path, file))
        done += file.size_bytes
        progress(done, manifest.data_bytes)
    if damages:
        shown = "\n".join(f"  {damage}" for damage in damages[:10])
        more = f"\n  and {len(damages) - 10:,} more" if len(damages) > 10 else ""
        raise SegmentationError(
            f"The backup {backup} is damaged, and nothing was restored:\n{shown}{more}\nTake another backup."
        )


def _damages(path: Path, file: StoredFile) -> Iterator[str]:
    size = size_of(path)
    if size is None:
        yield f"{path} is missing"
    elif size != file.size_bytes:
        yield f"{path} has {size:,} bytes instead of {file.size_bytes:,}"
    elif sha256_of(path) != file.sha256:
        yield f"{path} has another checksum"


def _refuse_data(settings: Settings) -> str | None:
    """Refuse to go on if the settings name a lake with rows; returns the id of an empty one, which may go."""
    if settings.catalog_uri.startswith("sqlite:") and not sqlite_path(settings).exists():
        return None
    try:
        with Lake(settings, read_only=True) as lake, lake.cursor() as con:
            names = [name for (name,) in con.execute(TABLES).fetchall() if name != SCHEMA_VERSIONS.name]
            full = [name for name in names if con.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()]
            found = lake_id(con, METADATA)
    except NoLakeError:
        return None
    except (WarehouseUnavailableError, duckdb.Error) as error:
        raise SegmentationError(
            f"There may be a lake already, which can't be read: {error}\nTo replace it, add --force."
        ) from error
    if full:
        raise SegmentationError(
            f"There is a lake with data already ({settings.home.absolute()}; {full[0]} has rows). To replace it by the "
            "backup, add --force; to keep it, set SEGMENTATION_HOME to another folder."
        )
    return found


def _refuse_other_files(data: Path, known: tuple[str, str | None]) -> None:
    """Refuse to mix the files of two lakes."""
    with open_duckdb(()) as con:
        marked = read_marker(con, f"{data}/")
    if marked not in (None, *known):
        raise SegmentationError(
            f"{data} holds the files of another lake ({marked}; the backup's is {known[0]}). Set SEGMENTATION_HOME or "
            "SEGMENTATION_DATA_PATH to another folder; to take this one, add --force."
        )


def _replace_catalog(settings: Settings, source: Path, data: Path, own_id: str) -> None:
    """Put the catalog in place, and mark the data folder as its own.

    A marker of another lake goes first: in between, a folder without one is taken by the catalog whose files it has.
    """
    with open_duckdb(()) as con:
        if read_marker(con, f"{data}/") == own_id:
            replace_catalog(settings, source)
            return
        (data / MARKER).unlink(missing_ok=True)
        replace_catalog(settings, source)
        write_marker(con, f"{data}/", own_id)


def _put_files(manifest: Manifest, backup: Path, data: Path, home: Path, progress: Progress) -> int:
    """Copy data files that aren't in place yet, and the small files; returns how many data files that were."""
    drafts = data / DRAFTS
    make_private_folder(drafts)
    copied, done = 0, 0
    for file in manifest.files:
        target = data / file.path
        if size_of(target) != file.size_bytes or sha256_of(target) != file.sha256:
            copy_file(backup.parent / POOL / file.path, target, drafts / "file")
            copied += 1
        done += file.size_bytes
        progress(done, manifest.data_bytes)
    make_private_folder(home)
    for file in manifest.home:
        copy_file(backup / HOME / file.path, home / file.path, home / f"{file.path}.restoring")
    rmtree(drafts)
    return copied
