"""Order lines as Spark's executors get them."""

from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa

from segmentation_assets_tests.testing.lines import Line


def partition(lines: Sequence[Line], sizes: Sequence[int]) -> list[pa.RecordBatch]:
    """Lines, customer by customer, in the batches that an executor gets.

    Args:
        lines: In any order.
        sizes: Of the batches, again and again.
    """
    ordered = sorted(lines, key=lambda line: line.customer_id)
    texts = {name: [getattr(line, name) for line in ordered] for name in ("category", "country", "channel")}
    numbers = {name: [float(getattr(line, name)) for line in ordered] for name in ("quantity", "amount", "discount")}
    table = pa.table(
        {
            "customer_id": pa.array([line.customer_id for line in ordered], pa.string()),
            **{name: [hash(getattr(line, name)) for line in ordered] for name in ("order_id", "product_id")},
            **{name: pa.array(values, pa.string()) for name, values in texts.items()},
            "ordered_at": pa.array([line.ordered_at for line in ordered], pa.timestamp("us")),
            **numbers,
        }
    )
    ends = [0]
    while ends[-1] < len(lines):
        ends.append(ends[-1] + sizes[len(ends) % len(sizes)])
    return [batch for start, end in pairwise(ends) for batch in table.slice(start, end - start).to_batches()]
