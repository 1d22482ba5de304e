"""Compiling the features' kernel: once before anything is measured, and how long it takes without a cache.

`python -m benchmarks.features.compiling` leaves the compiled kernel in the cache, where the contenders find it.
"""

from segmentation.features import warm_up as kernel
from segmentation.features.compiled_kernel import can_compile


def reason_not_to_compile() -> str | None:
    """Why there is nothing to compile; None if there is."""
    return None if can_compile() else "numba is not installed (pip install numba)"


def warm_up() -> None:
    """Compile all of the kernel, or read it from the cache."""
    if reason_not_to_compile() is None:
        kernel.warm_up()


if __name__ == "__main__":
    warm_up()
