"""What Spark's executors run, without a Spark: a partition in pieces, and what they say where they can't do it."""

import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.features import spark_kernel
from segmentation.features.feature_rows import offsets_within
from segmentation.features.kernel.sources import kernel_version
from segmentation.features.one_customer import compute_features
from segmentation.features.spark_kernel import Instructions, chunks, compute_batches
from segmentation.features.windows import Window, window_of
from segmentation.segments.spark_batches import assign_batches
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT, order_lines
from segmentation_assets_tests.testing.lines import Line
from segmentation_assets_tests.testing.partitions import partition

WINDOWS = (window_of(AS_OF, 365), window_of(AS_OF - timedelta(days=60), 365))
QUICK = hypothesis_settings(max_examples=40, deadline=None)


def _instructions(windows: Sequence[Window] = WINDOWS, *, is_compiled: bool = False, size: int = 5) -> Instructions:
    return Instructions(
        tuple(windows), ("UK",) * len(windows), kernel_version(), offsets_within(windows), is_compiled, size
    )


def _rows(batches: Sequence[pa.RecordBatch], told: Instructions) -> list[dict[str, object]]:
    return [row for batch in compute_batches(batches, told) for row in batch.to_pylist()]


customers = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 9)), max_size=8).map(dict)


@given(counts=customers, sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4), size=st.integers(1, 12))
@QUICK
def test_chunks_hold_whole_customers_in_order_and_not_many_lines_more_than_asked_for(
    counts: dict[str, int], sizes: list[int], size: int
) -> None:
    ids = [customer for customer, count in sorted(counts.items()) for _ in range(count)]
    batches = partition([Line(customer, "o", "p", MIDNIGHT) for customer in ids], sizes)
    found = [chunk["customer_id"].to_pylist() for chunk in chunks(batches, size)]
    assert [customer for chunk in found for customer in chunk] == ids
    assert all(one[-1] != other[0] for one, other in pairwise(found))
    assert all(len(chunk) >= size for chunk in found[:-1])
    most = max(Counter(ids).values(), default=0)
    assert all(len(chunk) < size + max(sizes) + most for chunk in found)


@given(lines=st.lists(order_lines(), min_size=1, max_size=30), sizes=st.lists(st.integers(1, 9), min_size=1))
@QUICK
def test_a_partition_in_pieces_gives_every_customer_of_every_date(lines: list[Line], sizes: list[int]) -> None:
    found = _rows(partition(lines, sizes), _instructions())
    assert {row.pop("problem") for row in found} <= {None}
    expected = [
        {"as_of": window.as_of, "customer_id": customer, **features}
        for window in WINDOWS
        for customer, features in compute_features([vars(line) for line in lines], window, "UK").items()
    ]
    order = sorted(found, key=lambda row: (str(row["as_of"]), str(row["customer_id"])))
    assert order == sorted(expected, key=lambda row: (str(row["as_of"]), str(row["customer_id"])))


def test_an_empty_partition_has_no_rows() -> None:
    assert _rows([], _instructions()) == []


def test_a_customer_with_numbers_too_large_is_told_by_id() -> None:
    lines = [Line("fine", "o", "p", MIDNIGHT - timedelta(days=1)), Line("huge", "o", "p", MIDNIGHT, amount=1e13)]
    (row,) = _rows(partition(lines, [9]), _instructions())
    assert row["customer_id"] is None
    assert "customer huge add up to more" in str(row["problem"])


def test_executors_with_other_definitions_say_so() -> None:
    batches = partition([Line("a", "o", "p", MIDNIGHT)], [9])
    (row,) = _rows(batches, replace(_instructions(), kernel_version="another"))
    assert "another version of segmentation-platform" in str(row["problem"])
    (row,) = _rows(batches, replace(_instructions(), offsets=((MIDNIGHT, timedelta(hours=1)),)))
    assert "other rules of the time zone UTC" in str(row["problem"])


def test_executors_without_numba_say_so_where_they_are_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_kernel, "can_compile", lambda: False)
    batches = partition([Line("a", "o", "p", MIDNIGHT - timedelta(days=1))], [9])
    (row,) = _rows(batches, _instructions(is_compiled=True))
    assert "pip install numba" in str(row["problem"])
    assert len(_rows(batches, _instructions(WINDOWS[:1]))) == 1


def test_what_is_sent_to_executors_names_modules_and_needs_no_lake_there() -> None:
    sent = pickle.dumps([partial(compute_batches, told=_instructions()), assign_batches])
    assert len(sent) < 2000
    code = f"import pickle, sys; pickle.loads({sent!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"segmentation.features.spark_kernel", "segmentation.segments.spark_batches"} <= loaded
    assert not {"duckdb", "dagster", "pydantic", "numba", "pyspark", "segmentation.settings"} & loaded
