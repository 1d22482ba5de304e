"""What runs on Spark's executors: the kernel, on the lines of a partition, some customers at a time.

Executors import this module, so that nothing in here, and nothing that it imports, needs DuckDB, the lake or Dagster:
NumPy, PyArrow and, where the kernel is compiled, Numba are enough. What is wrong is a row of its own among the answers,
since the driver would get no more than a stack trace of an exception, after as many attempts as Spark is told to make.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from segmentation.errors import SegmentationError
from segmentation.features.compiled_kernel import can_compile
from segmentation.features.feature_rows import compute_tables, offsets_within, shop_clock
from segmentation.features.kernel.records import COMPUTED
from segmentation.features.kernel.sources import kernel_version
from segmentation.features.kernels import compiled, interpreted
from segmentation.features.line_columns import read_text_columns
from segmentation.features.windows import Window

TYPES = {"DOUBLE": pa.float64(), "BIGINT": pa.int64(), "VARCHAR": pa.string(), "BOOLEAN": pa.bool_()}

ANSWER = pa.schema(
    {
        "problem": pa.string(),
        "as_of": pa.date32(),
        "customer_id": pa.string(),
        **{feature.name: TYPES[feature.type] for feature in COMPUTED},
    }
)
"""A row of features, or what went wrong, in `problem`, and nothing else."""


BATCH_ROWS = 10_000
"""Rows that Spark gets at a time: it copies each batch."""


@dataclass(frozen=True)
class Instructions:
    """What executors are told.

    Attributes:
        windows: The snapshots; all are of one time zone.
        home_markets: The home market of each window, where one is known.
        kernel_version: Of the driver's kernel.
        offsets: By how much the shop's clocks are ahead of UTC within the windows, as the driver knows.
        is_compiled: Whether the kernel is to be compiled.
        chunk_lines: About how many lines to compute at a time.
    """

    windows: tuple[Window, ...]
    home_markets: tuple[str | None, ...]
    kernel_version: str
    offsets: tuple[tuple[datetime, timedelta], ...]
    is_compiled: bool
    chunk_lines: int


def compute_batches(batches: Iterable[pa.RecordBatch], told: Instructions) -> Iterator[pa.RecordBatch]:
    """The features of the customers in a partition, in all windows.

    Args:
        batches: Lines, those of a customer one after the other, in columns of the transaction contract with 64-bit
            hashes for `order_id` and `product_id`.
        told: What to compute.

    Yields:
        Rows of `ANSWER`.
    """
    problem = _unfit(told)
    if problem:
        yield _row_of(problem)
        return
    kernel = compiled() if told.is_compiled else interpreted()
    clock = shop_clock(kernel, told.windows)
    try:
        for lines in chunks(batches, told.chunk_lines):
            tables = compute_tables(kernel, read_text_columns(kernel, lines), told.windows, told.home_markets, clock)
            for window, table in zip(told.windows, tables, strict=True):
                yield from _rows_of(window, table)
    except SegmentationError as error:
        yield _row_of(str(error))


def chunks(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Lines in pieces of at least so many, of which none cuts a customer; the last one may be smaller.

    Args:
        batches: Lines, those of a customer one after the other.
        size: How many; there are more by one batch at most, unless a single customer has more.
    """
    gathered: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        rest = batch
        if count >= size:
            end = _leading(batch["customer_id"], gathered[-1]["customer_id"][-1])
            if end < batch.num_rows:
                yield pa.Table.from_batches([*gathered, batch.slice(0, end)])
                gathered, count, rest = [], 0, batch.slice(end)
        gathered.append(rest)
        count += rest.num_rows
    if gathered:
        yield pa.Table.from_batches(gathered)


def _leading(ids: pa.Array, customer: pa.Scalar) -> int:
    """How many lines at the beginning are the customer's."""
    other = pc.index(pc.not_equal(ids, customer), True).as_py()
    return len(ids) if other < 0 else int(other)


def _unfit(told: Instructions) -> str | None:
    """Why this executor would not do as the driver does."""
    if kernel_version() != told.kernel_version:
        return (
            "Spark's executors have another version of segmentation-platform, with other definitions of features, than "
            "the driver. Install the same one on all of them (docs/scale.md)."
        )
    if offsets_within(told.windows) != told.offsets:
        return (
            f"Spark's executors have other rules of the time zone {told.windows[0].zone} than the driver. Install the "
            "same edition of them everywhere: pip install --upgrade tzdata, or the system's package of that name."
        )
    if told.is_compiled and not can_compile():
        return (
            "Spark's executors have no Numba, without which these lines would take thirty times as long. Install it "
            "where they run: pip install numba (docs/scale.md)."
        )
    return None


def _rows_of(window: Window, table: pa.Table) -> list[pa.RecordBatch]:
    count = table.num_rows
    first = {"problem": pa.nulls(count, pa.string()), "as_of": pa.repeat(pa.scalar(window.as_of), count)}
    rows = pa.table({**first, **dict(zip(table.column_names, table.columns, strict=True))}, ANSWER)
    batches: list[pa.RecordBatch] = rows.to_batches(BATCH_ROWS)
    return batches


def _row_of(problem: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"problem": problem}], ANSWER)
