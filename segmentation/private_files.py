"""Folders and files that nobody but their user can read: lines, customers and keys are in them."""

import os
from pathlib import Path

FOLDER_MODE, FILE_MODE = 0o700, 0o600


def make_private_folder(folder: Path) -> None:
    """Make a folder, and whatever it lacks above it, for its user alone; one that is there keeps its mode.

    Raises:
        OSError: It can't be made.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=FOLDER_MODE, exist_ok=True)
    folder.mkdir(exist_ok=True)  # an error if it is a file


def private_opener(path: str, flags: int) -> int:
    """For `open(…, opener=private_opener)`: a file that is made is its user's alone."""
    return os.open(path, flags, FILE_MODE)
