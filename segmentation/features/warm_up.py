"""Compiles the kernel and keeps the code: `python -m segmentation.features.warm_up`, for images and benchmarks.

Where code is to serve other machines than the one that compiles it, `NUMBA_CPU_NAME=generic` has to be set on both.
"""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from segmentation.features.compiled_kernel import cache_folder
from segmentation.features.feature_rows import compute_tables, shop_clock
from segmentation.features.kernels import compiled
from segmentation.features.line_columns import NAMES, KnownNames, read_columns
from segmentation.features.windows import window_of

LINE = pa.table(
    {
        "customer_id": ["c"],
        "ordered_at": pa.array([datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None)], pa.timestamp("us")),
        **{name: pa.array(np.ones(1)) for name in ("quantity", "amount", "discount")},
        **{name: pa.array(np.ones(1, np.int64)) for name in ("order_id", "product_id", *NAMES)},
    }
)


def warm_up() -> None:
    """Compile what is not in the cache yet, by computing the features of one line."""
    kernel, window = compiled(), window_of(date(2024, 2, 1), 365)
    columns = read_columns(kernel, LINE, KnownNames(), lambda _, keys: dict.fromkeys(keys, "x"))
    list(compute_tables(kernel, columns, [window], ["x"], shop_clock(kernel, [window])))


if __name__ == "__main__":
    warm_up()
    print(f"The kernel is compiled, and kept in {cache_folder() or 'no folder: none can be written'}")  # noqa: T201
