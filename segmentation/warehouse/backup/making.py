"""Making a backup: first the catalog, at one moment, then the data files that it names; and dropping old backups.

Files of data never change, and stay for `READER_GRACE` after nothing needs them any more. So those that the copied
catalog names can be copied after it, while others write, as long as that takes less than two days.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import rmtree

import duckdb
from filelock import FileLock, Timeout

from segmentation import __version__
from segmentation.errors import SegmentationError
from segmentation.private_files import make_private_folder
from segmentation.progress import Progress, no_progress
from segmentation.settings import Settings
from segmentation.warehouse.backup.catalog import copy_catalog, workshop
from segmentation.warehouse.backup.copying import copy_file, local_data, size_of, sync
from segmentation.warehouse.backup.dropping import drop_backups
from segmentation.warehouse.backup.manifest import (
    CATALOG_FILE,
    DRAFT,
    FORMAT,
    HOME,
    MANIFEST,
    POOL,
    Manifest,
    StoredFile,
    backups_in,
    read_manifest,
    write_manifest,
)
from segmentation.warehouse.checksums import TABLE as CHECKSUMS
from segmentation.warehouse.checksums import sha256_of
from segmentation.warehouse.identity import LAKE_ID
from segmentation.warehouse.lake import Lake
from segmentation.warehouse.sql import literal

NEEDED = """
SELECT DISTINCT
    schemas.path, schemas.path_is_relative, tables.path, tables.path_is_relative, files.path, files.path_is_relative,
    files.file_size_bytes
FROM (
    SELECT table_id, path, path_is_relative, file_size_bytes FROM ducklake_data_file
    UNION ALL
    SELECT table_id, path, path_is_relative, file_size_bytes FROM ducklake_delete_file
) AS files
JOIN ducklake_table AS tables USING (table_id)
JOIN ducklake_schema AS schemas USING (schema_id)
"""

TABLES = """
SELECT schema_name, table_name
FROM duckdb_tables()
WHERE database_name = 'copied'
ORDER BY schema_name, table_name
"""


@dataclass(frozen=True)
class Backup:
    """A backup that was made.

    Attributes:
        path: Its folder.
        manifest: What it says of itself.
        copied_files: Data files that were copied; the backup folder had the others.
        copied_bytes: Their size.
        dropped: Older backups that were dropped for it.
        removed_files: Data files that no backup needs any more, and that were removed.
    """

    path: Path
    manifest: Manifest
    copied_files: int
    copied_bytes: int
    dropped: tuple[Path, ...]
    removed_files: int


def make_backup(
    settings: Settings,
    destination: Path,
    *,
    now: datetime,
    home_files: Sequence[str] = (),
    keep: int | None = None,
    progress: Progress = no_progress,
) -> Backup:
    """Back up the lake to a folder, of which only what is new is written.

    Safe beside readers and writers, to kill, and to repeat: a backup has its name once it is whole.

    Args:
        settings: Say where the lake is.
        destination: The backup folder; made if there is none.
        now: When this happens (UTC); names the backup.
        home_files: Names of small files in `home` that belong to the lake, copied if they are there.
        keep: How many of the newest backups stay; all if left out.
        progress: Is told how much of the data files is done.

    Raises:
        SegmentationError: The lake can't be read, or the folder not be written; older backups are as before.
    """
    data = _places(settings, destination)
    Lake(settings, read_only=True).close()  # says what is wrong if there is none
    with _only_one(destination), _explained(destination):
        _remove_drafts(destination)
        name = f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z"
        draft = destination / (name + DRAFT)
        make_private_folder(draft)
        catalog = draft / CATALOG_FILE
        copy_catalog(settings, catalog)
        with closing(sqlite3.connect(catalog)) as con, con:
            # They are this lake's to delete; the restored one may be another lake.
            con.execute("DELETE FROM ducklake_files_scheduled_for_deletion")
        known = _known(destination, _lake_id(catalog))
        files, copied = _copy_data(catalog, data, destination, known, progress)
        home = tuple(_copy_home(settings, draft, home_files))
        manifest = _describe(settings, catalog, destination / POOL, now, home, files)
        write_manifest(manifest, draft)
        for path in (catalog, draft / MANIFEST, draft):
            sync(path)
        path = draft.rename(destination / name)
        sync(destination)
        dropped, removed = drop_backups(destination, keep) if keep else ((), 0)
    return Backup(path, manifest, len(copied), sum(copied), dropped, removed)


def _places(settings: Settings, destination: Path) -> Path:
    """Check that backing up there makes sense, and return the lake's data folder."""
    data = local_data(settings)
    target = destination.absolute().resolve()
    if target.is_relative_to(data.resolve()) or data.resolve().is_relative_to(target / POOL):
        raise SegmentationError(
            f"{destination} is in the lake's own data folder, {data}, where maintenance removes what isn't the lake's. "
            "Choose a folder elsewhere, best on another disk."
        )
    if destination.exists() and not destination.is_dir():
        raise SegmentationError(f"{destination} is a file; a backup needs a folder.")
    return data


@contextmanager
def _only_one(destination: Path) -> Iterator[None]:
    try:
        make_private_folder(destination)
        lock = FileLock(destination / ".lock", timeout=0)
        with lock:
            yield
    except Timeout as error:
        raise SegmentationError(f"Another backup to {destination} is running. Wait for it.") from error
    except OSError as error:
        raise SegmentationError(f"Can't write to {destination}: {error}") from error


@contextmanager
def _explained(destination: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        raise SegmentationError(
            f"The backup to {destination} could not be finished: {error}. Older backups are as they were; what was "
            "copied is used by the next try."
        ) from error


def _remove_drafts(destination: Path) -> None:
    for draft in destination.glob(f"*{DRAFT}"):
        rmtree(draft)


def _known(destination: Path, lake_id: str) -> dict[str, StoredFile]:
    """The data files of all backups there, by path."""
    known = {}
    for backup in backups_in(destination):
        manifest = read_manifest(backup)
        if manifest.lake_id != lake_id:
            raise SegmentationError(f"{destination} holds backups of another lake. Give each lake a folder of its own.")
        known.update({file.path: file for file in manifest.files})
    return known


def _copy_data(
    catalog: Path, data: Path, destination: Path, known: dict[str, StoredFile], progress: Progress
) -> tuple[tuple[StoredFile, ...], list[int]]:
    """Bring what the copied catalog needs to the pool; returns all of it, and the sizes of what was copied."""
    needed, sums = _needed(catalog, data), _sums(catalog)
    done, total = 0, sum(needed.values())
    files, copied = [], []
    for path, size in sorted(needed.items()):
        pooled = destination / POOL / path
        expected = sums.get(path)
        sha256 = _pooled_sum(pooled, known.get(path), size)
        if sha256 is None or expected not in (None, sha256):
            sha256 = _copy_needed(data / path, pooled, catalog.with_name("file"), size, expected)
            copied.append(size)
        files.append(StoredFile(path, size, sha256))
        done += size
        progress(done, total)
    return tuple(files), copied


def _pooled_sum(pooled: Path, known: StoredFile | None, size: int) -> str | None:
    """The SHA-256 of a file in the pool, or None if it isn't there as a whole."""
    if size_of(pooled) != size:
        return None
    return known.sha256 if known else sha256_of(pooled)


def _copy_needed(source: Path, target: Path, draft: Path, size: int, expected: str | None) -> str:
    """Copy a file to the pool; returns its SHA-256.

    Raises:
        SegmentationError: It isn't what the lake wrote; nothing is put into the pool.
    """
    try:
        found, sha256 = copy_file(source, target, draft, expected=expected)
    except FileNotFoundError as error:
        raise SegmentationError(
            f"The lake needs {source}, which isn't there: it is damaged, or the backup took longer than two days."
        ) from error
    if found != size:
        target.unlink()
        raise SegmentationError(f"{source} has {found:,} bytes, the lake's catalogue says {size:,}: it is damaged.")
    return sha256


def _sums(catalog: Path) -> dict[str, str]:
    """The SHA-256 of files by path, as the lake keeps them; none in a catalog of an older release."""
    with closing(sqlite3.connect(catalog)) as con:
        if not con.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (CHECKSUMS,)).fetchall():
            return {}
        return dict(con.execute(f"SELECT path, sha256 FROM {CHECKSUMS} WHERE sha256 IS NOT NULL").fetchall())


def _needed(catalog: Path, data: Path) -> dict[str, int]:
    """The files that a catalog names, relative to the data folder, with their sizes in bytes."""
    with closing(sqlite3.connect(catalog)) as con:
        rows = con.execute(NEEDED).fetchall()
    needed = {}
    for schema, is_schema_relative, table, is_table_relative, file, is_file_relative, size in rows:
        if not (is_schema_relative and is_table_relative and is_file_relative):
            raise SegmentationError(
                f"The lake names a file by a path of its own, {file}, outside of {data}. Such a file can't be backed "
                "up; insert its rows instead."
            )
        needed[f"{schema}{table}{file}"] = int(size)
    return needed


def _copy_home(settings: Settings, draft: Path, names: Sequence[str]) -> Iterator[StoredFile]:
    for name in names:
        if (settings.home / name).exists():
            target = draft / HOME / name
            size, sha256 = copy_file(settings.home / name, target, draft / "file")
            yield StoredFile(name, size, sha256)


def _describe(
    settings: Settings,
    catalog: Path,
    pool: Path,
    now: datetime,
    home: tuple[StoredFile, ...],
    files: tuple[StoredFile, ...],
) -> Manifest:
    with closing(sqlite3.connect(catalog)) as con:
        ((version,),) = con.execute("SELECT value FROM ducklake_metadata WHERE key = 'version'").fetchall()
        ((snapshot,),) = con.execute("SELECT MAX(snapshot_id) FROM ducklake_snapshot").fetchall()
    tables = _row_counts(catalog, pool)
    return Manifest(
        format=FORMAT,
        made_at=f"{now.isoformat(timespec='milliseconds')}Z",
        lake_id=_lake_id(catalog),
        catalogue_kind=settings.catalog_uri.partition(":")[0],
        snapshot=snapshot,
        versions={"segmentation": __version__, "duckdb": duckdb.__version__, "ducklake": version},
        tables=tables,
        catalogue=StoredFile(CATALOG_FILE, catalog.stat().st_size, sha256_of(catalog)),
        home=home,
        files=files,
    )


def _lake_id(catalog: Path) -> str:
    with closing(sqlite3.connect(catalog)) as con:
        ((lake_id,),) = con.execute(LAKE_ID.format(metadata="main")).fetchall()
    return str(lake_id)


def _row_counts(catalog: Path, pool: Path) -> dict[str, int]:
    """How many rows each table has, read from the backup itself."""
    source = literal(f"ducklake:sqlite:{catalog}")
    with workshop() as con:
        con.execute(f"ATTACH {source} AS copied (READ_ONLY, DATA_PATH {literal(f'{pool}/')}, OVERRIDE_DATA_PATH true)")
        names = con.execute(TABLES).fetchall()
        return {f"{s}.{t}": con.execute(f'SELECT COUNT(*) FROM copied."{s}"."{t}"').fetchall()[0][0] for s, t in names}
