"""What a backup says of itself, and where its parts are. Nothing here copies anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from segmentation.errors import SegmentationError

FORMAT = 1
MANIFEST = "manifest.json"
CATALOG_FILE = "catalog.sqlite"
POOL = "files"
HOME = "home"
DRAFT = ".part"
"""Ends the names of what is being written or removed, and so is no backup."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a backup: its path relative to where such files are, with slashes, and what it must be."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A backup's description.

    Attributes:
        format: Version of this layout.
        made_at: When its catalog was copied (UTC, ISO 8601).
        lake_id: The lake's own identity, which it keeps when it is restored.
        catalogue_kind: What the lake's catalog was, `sqlite` or `postgres`.
        snapshot: The lake's newest snapshot then.
        versions: Of the software, DuckDB and DuckLake's catalog.
        tables: Rows of each table at that snapshot, by name.
        catalogue: The copied catalog.
        home: Small files of the platform beside the lake.
        files: Data files, in the pool.
    """

    format: int
    made_at: str
    lake_id: str
    catalogue_kind: str
    snapshot: int
    versions: dict[str, str]
    tables: dict[str, int]
    catalogue: StoredFile
    home: tuple[StoredFile, ...]
    files: tuple[StoredFile, ...]

    @property
    def data_bytes(self) -> int:
        """Size of all data files."""
        return sum(file.size_bytes for file in self.files)


def backups_in(destination: Path) -> list[Path]:
    """The whole backups in a backup folder, oldest first."""
    found = [path.parent for path in destination.glob(f"*/{MANIFEST}")]
    return sorted(path for path in found if path.suffix != DRAFT)


def find_backup(path: Path) -> Path:
    """The backup that a path means: itself, or the newest one in a backup folder.

    Raises:
        SegmentationError: There is none.
    """
    if (path / MANIFEST).is_file():
        return path
    found = backups_in(path)
    if not found:
        reason = "holds no whole backup" if path.is_dir() else "is no folder"
        raise SegmentationError(
            f"{path} {reason}. Give the folder that `segmentation backup` wrote to, or one of the folders with a "
            f"{MANIFEST} in it."
        )
    return found[-1]


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        SegmentationError: It can't be read, or is of a newer release.
    """
    path = backup / MANIFEST
    try:
        found = msgspec.json.decode(path.read_bytes())
        if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
            raise SegmentationError(f"{path} is of a newer release (format {found['format']}). Update the software.")
        manifest = msgspec.convert(found, Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SegmentationError(f"{path} is damaged, or no manifest of a backup: {error}") from error
    for file in (*manifest.files, *manifest.home, manifest.catalogue):
        if PurePosixPath(file.path).is_absolute() or ".." in PurePosixPath(file.path).parts:
            raise SegmentationError(f"{path} is damaged: it names a file outside of the backup, {file.path!r}.")
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest of a backup."""
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def stored_files(manifest: Manifest, backup: Path) -> Iterator[tuple[Path, StoredFile]]:
    """Each file of a backup, with where it should be."""
    yield backup / CATALOG_FILE, manifest.catalogue
    yield from ((backup / HOME / file.path, file) for file in manifest.home)
    yield from ((backup.parent / POOL / file.path, file) for file in manifest.files)
