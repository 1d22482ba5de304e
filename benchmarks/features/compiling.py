"""Compiling the features' kernel: once before anything is measured, and how long it takes without a cache.

`python -m benchmarks.features.compiling` leaves the compiled kernel in the cache, where the contenders find it.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from segmentation.features.compiled_kernel import can_compile
from segmentation.features.feature_rows import compute_tables, shop_clock
from segmentation.features.kernels import compiled
from segmentation.features.line_columns import NAMES, KnownNames, read_columns
from segmentation.features.windows import window_of

KEYS = pa.array([1, 2], pa.uint64())
AS_OF = date(2026, 1, 1)


def reason_not_to_compile() -> str | None:
    """Why there is nothing to compile; None if there is."""
    return None if can_compile() else "numba is not installed (pip install numba)"


def warm_up() -> None:
    """Compile all of the kernel, or read it from the cache, by computing a customer of two lines."""
    if reason_not_to_compile():
        return
    lines = pa.table(
        {
            "customer_id": pa.array(["one", "one"]),
            **dict.fromkeys(("order_id", "product_id", *NAMES), KEYS),
            "ordered_at": pa.array([1_735_689_600_000_000, 1_738_368_000_000_000], pa.timestamp("us")),
            **dict.fromkeys(("quantity", "amount", "discount"), pa.array([1.0, 2.0])),
        }
    )
    kernel, windows = compiled(), [window_of(AS_OF, None)]
    columns = read_columns(kernel, lines, KnownNames(), _texts)
    compute_tables(kernel, columns, windows, [None], shop_clock(kernel, windows))


def _texts(_column: str, keys: Sequence[int]) -> Mapping[int, str | None]:
    return {key: str(key) for key in keys}


if __name__ == "__main__":
    warm_up()
