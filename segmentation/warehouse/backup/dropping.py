"""Dropping old backups, and the data files that only they needed."""

from pathlib import Path
from shutil import rmtree

from segmentation.errors import SegmentationError
from segmentation.warehouse.backup.manifest import DRAFT, POOL, backups_in, read_manifest


def drop_backups(destination: Path, keep: int) -> tuple[tuple[Path, ...], int]:
    """Drop all but the newest backups of a folder; safe to kill.

    Args:
        destination: The backup folder; nobody else may write to it.
        keep: How many stay, at least 1.

    Returns:
        The dropped backups, and how many data files were removed.

    Raises:
        SegmentationError: The manifest of a backup that stays can't be read; no file has been removed.
        OSError: Something can't be removed.
    """
    found = backups_in(destination)
    dropped, kept = found[:-keep], found[-keep:]
    try:
        needed = {file.path for backup in kept for file in read_manifest(backup).files}
    except SegmentationError as error:
        raise SegmentationError(f"No old backup is dropped: {error}") from error
    for backup in dropped:
        rmtree(backup.rename(backup.with_name(backup.name + DRAFT)))
    pool = destination / POOL
    unneeded = [path for path in pool.rglob("*") if path.is_file() and path.relative_to(pool).as_posix() not in needed]
    for path in unneeded:
        path.unlink()
    _remove_empty(pool)
    return tuple(dropped), len(unneeded)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
