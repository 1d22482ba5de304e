"""The kernel, compiled by Numba, and where its machine code is kept between processes.

Numba's own cache looks at the file of a cached function only, and would go on with yesterday's definitions after an
edit of another file. Hence a folder of its own for every state of the kernel's sources.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
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

    It is in the folder that `NUMBA_CACHE_DIR` names, else in that of the user's caches.
    """
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parent = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(caches).expanduser() / "segmentation")
    folder = parent / f"kernel-{kernel_version()}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        make_private_folder(folder)
    except OSError:  # a read-only installation without a home
        return None
    return folder if os.access(folder, os.W_OK) else None


def is_cached() -> bool:
    """Whether some process has compiled these sources and kept the code."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob("*.nbc"))
