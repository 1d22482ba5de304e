"""Files that are copied whole or not at all, and checksums of them."""

import hashlib
import os
from pathlib import Path

from segmentation.errors import SegmentationError
from segmentation.private_files import make_private_folder, private_opener
from segmentation.settings import Settings

CHUNK_BYTES = 4 * 1024 * 1024


def copy_file(source: Path, target: Path, draft: Path, *, expected: str | None = None) -> tuple[int, str]:
    """Copy a file to a draft, and give it its name once it is on the disk.

    Args:
        source: What to copy.
        target: Where it goes; its folder is made.
        draft: A name on the same file system that nobody else uses.
        expected: The SHA-256 that it must have; any if left out.

    Returns:
        Its size in bytes and its SHA-256.

    Raises:
        OSError: It can't be read or written; the target is as before.
        SegmentationError: It has another checksum; the same.
    """
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, open(draft, "wb", opener=private_opener) as writer:
        while chunk := reader.read(CHUNK_BYTES):
            digest.update(chunk)
            size += writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    if expected not in (None, digest.hexdigest()):
        draft.unlink()
        raise SegmentationError(
            f"{source} is damaged: it has another checksum than when the lake wrote it. Older backups may have it "
            "whole; `segmentation doctor --verify` tells of all such files."
        )
    make_private_folder(target.parent)
    draft.replace(target)
    return size, digest.hexdigest()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_of(path: Path) -> int | None:
    """The size of a file in bytes, or None if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def local_data(settings: Settings) -> Path:
    """The lake's data folder.

    Raises:
        SegmentationError: It is in an object store.
    """
    if "://" in settings.data_uri:
        raise SegmentationError(
            f"The lake's data is at {settings.data_uri}; only data in a folder is backed up and restored here. Use the "
            "object store's own versions and copies, and back up the catalogue before them."
        )
    return Path(settings.data_uri)
