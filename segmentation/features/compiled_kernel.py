"""The kernel, compiled by Numba, and where its machine code is kept between processes.

Numba's own cache looks at the file of a cached function only, and would go on with yesterday's definitions after an
edit of another file. Hence a folder of its own for every state of the kernel's sources.
"""

import atexit
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from segmentation.features.kernel.arranging import arrange, count_lines, find_runs, number_names
from segmentation.features.kernel.customers import fill_rows
from segmentation.features.kernel.jitable import JITABLE
from segmentation.features.kernel.sources import kernel_version
from segmentation.private_files import make_private_folder

ENTRIES = (find_runs, number_names, count_lines, arrange, fill_rows)
"""What is called from outside."""


@dataclass(frozen=True)
class CompiledKernel:
    """The functions of the kernel that are called from outside; they run without the GIL."""

    find_runs: Callable[..., Any]
    number_names: Callable[..., Any]
    count_lines: Callable[..., Any]
    arrange: Callable[..., Any]
    fill_rows: Callable[..., Any]


def can_compile() -> bool:
    """Whether Numba is installed."""
    return find_spec("numba") is not None


@cache
def compiled_kernel() -> CompiledKernel:
    """The compiled kernel; each function is compiled, or read from the cache, when it is first called."""
    import numba
    from numba.extending import register_jitable

    for function in JITABLE:
        register_jitable(function)
    folder = cache_folder()
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder or "")
    try:
        compile_function = numba.njit(cache=folder is not None, nogil=True)
        return CompiledKernel(*(compile_function(entry) for entry in ENTRIES))
    finally:
        config.CACHE_DIR = before


def cache_folder() -> Path | None:
    """Where the machine code of these sources is kept; None where nothing can be written: each process compiles then.

    It is in the folder that `NUMBA_CACHE_DIR` names, else in that of the user's caches. One that is there and can't be
    written, as in an image, is copied for the time of the process, since Numba reads none that it can't write.
    """
    folder = _caches() / f"kernel-{kernel_version()}"
    if folder.is_dir() and not os.access(folder, os.W_OK):
        return _copy_of(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_private_folder(folder)
    except OSError:  # a read-only installation without a home
        return None
    return folder


def is_cached() -> bool:
    """Whether some process has compiled these sources and kept the code."""
    return any((_caches() / f"kernel-{kernel_version()}").rglob("*.nbc"))


def _caches() -> Path:
    given = os.environ.get("NUMBA_CACHE_DIR")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "segmentation"


@cache
def _copy_of(folder: Path) -> Path:
    copy = Path(mkdtemp(prefix="segmentation-kernel-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    return copy
