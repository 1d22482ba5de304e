"""Folders that take long to fill, filled once for all of pytest's workers."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], None]) -> Path:
    """The folder of that name, which the first to ask for it fills; tests may only read it or work on copies.

    Args:
        factory: Knows the run's temporary folder.
        name: Of the folder; one for each way to fill it.
        fill: Is given the folder, empty. If it fails, whoever asks next begins anew.
    """
    base = factory.getbasetemp()  # of one worker; without workers, its parent is that of other runs, too
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "made once" / name
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        is_done = folder.with_name(f"{name}.done")
        if not is_done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fill(folder)
            is_done.touch()
    return folder
