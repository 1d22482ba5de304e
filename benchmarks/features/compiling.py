"""Compiling the features' kernel: once before anything is measured, and how long it takes without a cache.

`python -m benchmarks.features.compiling` leaves the compiled kernel in the cache, where the contenders find it.
"""

from importlib import import_module
from importlib.util import find_spec

KERNEL = "segmentation.features.kernel"
COMPILED = f"{KERNEL}.compiled"
"""The module with the function `warm_up`."""


def reason_not_to_compile() -> str | None:
    """Why there is nothing to compile; None if there is."""
    if find_spec(KERNEL) is None or find_spec(COMPILED) is None:
        return f"there is no {COMPILED} yet"
    return "numba is not installed (pip install numba)" if find_spec("numba") is None else None


def warm_up() -> None:
    """Compile the kernel, or read it from the cache; nothing where it runs interpreted."""
    if reason_not_to_compile() is None:
        import_module(COMPILED).warm_up()


if __name__ == "__main__":
    warm_up()
