"""One definition, two ways to run it: the same bits compiled and interpreted, in whatever order lines come."""

import math
import os
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import SegmentationError
from segmentation.features import compiled_kernel
from segmentation.features.feature_rows import compute_tables, offsets_within, shop_clock
from segmentation.features.kernel.memory import Arrays
from segmentation.features.kernel.numbers import entropy, millionths
from segmentation.features.kernel.records import COMPUTED, FIELD_TYPES, NAME_COLUMNS, ROW, UNSET
from segmentation.features.kernel.sources import kernel_version
from segmentation.features.kernels import Kernel, choose_kernel, compiled, interpreted
from segmentation.features.line_columns import NAMES, KnownNames, read_columns
from segmentation.features.one_customer import compute_features
from segmentation.features.spark_kernel import Instructions, compute_batches
from segmentation.features.windows import Window, window_of
from segmentation_assets_tests.domain.features.strategies import AS_OF, order_lines
from segmentation_assets_tests.testing.lines import Line
from segmentation_assets_tests.testing.partitions import partition

pytestmark = pytest.mark.takes(60)

QUICK = hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
WINDOWS = (
    window_of(AS_OF, 365),
    window_of(AS_OF - timedelta(days=1), 365),
    window_of(AS_OF - timedelta(days=60), 30),
    window_of(AS_OF, None),
)
Rows = list[dict[str, dict[str, object]]]


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return compiled()


def tables(kernel: Kernel, lines: Sequence[Line], windows: Sequence[Window], market: str | None = "UK") -> Rows:
    """Per window the features by customer, as an engine gets them."""
    texts: dict[int, str | None] = {}

    def key(text: str | None) -> int:
        hashed = hash(text)
        texts[hashed] = text
        return hashed

    columns = {name: [getattr(line, name) for line in lines] for name in ("quantity", "amount", "discount")}
    hashed = {name: [key(getattr(line, name)) for line in lines] for name in ("order_id", "product_id", *NAMES)}
    table = pa.table(
        {
            "customer_id": pa.array([line.customer_id for line in lines], pa.string()),
            "ordered_at": pa.array([line.ordered_at for line in lines], pa.timestamp("us")),
            **{name: pa.array(values, pa.float64()) for name, values in columns.items()},
            **{name: pa.array(values, pa.int64()) for name, values in hashed.items()},
        }
    )
    found = read_columns(kernel, table, KnownNames(), lambda _, keys: {each: texts[each] for each in keys})
    clock = shop_clock(kernel, windows)
    made = compute_tables(kernel, found, windows, [market] * len(windows), clock)
    return [{str(row.pop("customer_id")): row for row in each.to_pylist()} for each in made]


def bits(rows: object) -> object:
    """Numbers by their bits, so that equal means equal."""
    if isinstance(rows, float):
        return struct.pack("<d", rows)
    if isinstance(rows, dict):
        return {key: bits(value) for key, value in rows.items()}
    return [bits(each) for each in rows] if isinstance(rows, list) else rows


huge_lines = st.builds(
    Line,
    customer_id=st.sampled_from("ab"),
    order_id=st.sampled_from("123456"),
    product_id=st.sampled_from("pqr"),
    ordered_at=st.datetimes(datetime(2021, 1, 1), datetime(2024, 3, 1)),
    quantity=st.sampled_from([1.0, 1e9 / 3, -2.0]),
    amount=st.floats(0, 1e11),
    discount=st.floats(0, 1e10),
)


@given(lines=st.lists(st.one_of(order_lines(), huge_lines), min_size=1, max_size=60), seed=st.integers(0, 2**32))
@QUICK
def test_compiled_interpreted_and_shuffled_have_the_same_bits(kernel: Kernel, lines: list[Line], seed: int) -> None:
    found = bits(tables(interpreted(), lines, WINDOWS))
    assert bits(tables(kernel, lines, WINDOWS)) == found
    shuffled = random.Random(seed).sample(lines, len(lines))
    assert bits(tables(kernel, shuffled, WINDOWS)) == found
    assert bits(tables(interpreted(), shuffled, WINDOWS)) == found


@given(lines=st.lists(st.one_of(order_lines(), huge_lines), min_size=1, max_size=40))
@QUICK
def test_windows_side_by_side_are_what_each_is_alone(kernel: Kernel, lines: list[Line]) -> None:
    together = bits(tables(kernel, lines, WINDOWS))
    within = [[li for li in lines if window.starts_at <= li.ordered_at < window.ends_at] for window in WINDOWS]
    alone = [tables(kernel, own, [window])[0] if own else {} for own, window in zip(within, WINDOWS, strict=True)]
    assert together == bits(alone)


@given(lines=st.lists(st.one_of(order_lines(), huge_lines), min_size=1, max_size=40))
@QUICK
def test_one_customer_in_memory_has_the_bits_of_the_lake(kernel: Kernel, lines: list[Line]) -> None:
    given_lines = [vars(line) for line in lines]
    for window, found in zip(WINDOWS, tables(kernel, lines, WINDOWS), strict=True):
        assert bits(compute_features(given_lines, window, "UK")) == bits(found)


@given(lines=st.lists(st.one_of(order_lines(), huge_lines), min_size=1, max_size=40))
@QUICK
def test_a_partition_on_spark_has_the_bits_of_the_lake(kernel: Kernel, lines: list[Line]) -> None:
    for window, expected in zip(WINDOWS, tables(kernel, lines, WINDOWS), strict=True):
        offsets = offsets_within([window])
        told = Instructions((window,), ("UK",), kernel_version(), offsets, is_compiled=True, chunk_lines=7)
        rows = [row for batch in compute_batches(partition(lines, [3]), told) for row in batch.to_pylist()]
        found = {row.pop("customer_id"): row for row in rows}
        assert {(row.pop("problem"), row.pop("as_of")) for row in rows} <= {(None, window.as_of)}
        assert bits(found) == bits(expected)
    assert [len(function.signatures) for function in vars(kernel.functions).values()] == [1] * 5, "compiled twice"


def test_every_row_of_the_catalogue_has_its_line(kernel: Kernel) -> None:
    """A feature of the catalogue that no function writes is told by name, by both ways to run."""
    written = compute_features([vars(Line("c", "o", "p", datetime(2024, 1, 1), country="UK"))], WINDOWS[0], "UK")["c"]
    assert set(written) == {feature.name for feature in COMPUTED}
    columns = tables(kernel, [Line("c", "o", "p", datetime(2024, 1, 1), category="k", country="UK")], WINDOWS[:1])
    assert UNSET not in columns[0]["c"].values()


def test_a_field_that_nobody_wrote_is_unset_and_not_zero() -> None:
    memory = Arrays()
    rows = memory.records(ROW, 2)
    rows[:] = 0
    memory.reuse()
    again = memory.records(ROW, 2)
    assert {float(again[name][0]) for name in ROW.names or ()} == {float(UNSET)}
    (plain,) = interpreted().memory.records(ROW, 1)
    with pytest.raises(AttributeError):
        _ = plain.order_count


def test_features_of_names_say_whose_names_they_are() -> None:
    assert set(NAME_COLUMNS) == {feature.name for feature in COMPUTED if feature.type == "VARCHAR"}
    assert set(NAME_COLUMNS.values()) <= set(NAMES)
    assert {feature.type for feature in COMPUTED} <= set(FIELD_TYPES)


@pytest.mark.parametrize("amount", [9.3e12, math.inf, math.nan])
def test_what_cannot_be_added_exactly_is_refused_by_name(kernel: Kernel, amount: float) -> None:
    lines = [Line("fine", "o", "p", datetime(2024, 1, 1)), Line("large", "o", "p", datetime(2024, 1, 1), amount=amount)]
    for each in (kernel, interpreted()):
        with pytest.raises(SegmentationError, match="customer large add up to more than can be added exactly"):
            tables(each, lines, WINDOWS)
    with pytest.raises(SegmentationError, match="does not fit"):
        compute_features([vars(line) for line in lines], WINDOWS[0])


def test_many_names_many_customers_and_long_histories(kernel: Kernel) -> None:
    """Tables that grow, customers of one line beside one of thousands, in lines that come in no order."""
    moments = [datetime(2023, 6, 1) + timedelta(minutes=17 * n) for n in range(9000)]
    lines = [
        Line(f"c{n % 1500}" if n % 3 else "long", f"o{n % 977}", f"p{n % 4001}", moment, 1.0, n / 7, f"k{n % 2003}")
        for n, moment in enumerate(moments)
    ]
    random.Random(7).shuffle(lines)
    assert bits(tables(kernel, lines, WINDOWS[:1])) == bits(tables(interpreted(), lines, WINDOWS[:1]))


@given(st.lists(st.integers(-(10**12), 10**13), max_size=30))
def test_entropy_is_between_none_and_an_even_spread(spends: list[int]) -> None:
    from segmentation.features.kernel.memory import PlainObjects, make_work
    from segmentation.features.kernel.tallies import add

    products = make_work(PlainObjects(), 31, 0, {"category": 0, "country": 0, "channel": 0}).products
    for number, spend in enumerate(spends):
        add(products, number, spend)
    positive = [spend for spend in spends if spend > 0]
    found = entropy(products)
    assert math.isnan(found) if not positive else -1e-12 <= found <= math.log(len(positive)) + 1e-9


@given(st.floats(-1e11, 1e11))
def test_millionths_are_the_nearest(x: float) -> None:
    assert abs(millionths(x) - x * 1e6) <= 0.5


BOUNDS_CHECKED = """
import random
from datetime import datetime, timedelta
from segmentation.features.kernels import compiled
from segmentation_assets_tests.domain.features import test_kernel as t
made = random.Random(1)
for size in (1, 2, 3, 17, 400):
    lines = [
        t.Line(made.choice("abc"), str(made.randrange(size)), str(made.randrange(9)),
               datetime(2022, 1, 1) + timedelta(hours=made.randrange(20000)), made.choice([1.0, -1.0, 0.0]),
               made.uniform(-9, 9), category=made.choice([None, "x", "y"]), country=made.choice([None, "UK"]))
        for _ in range(size)
    ]
    t.tables(compiled(), lines, t.WINDOWS)
import numba
assert numba.config.BOUNDSCHECK
print("within bounds")
"""


def test_no_access_is_out_of_bounds(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", BOUNDS_CHECKED],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "within bounds" in done.stdout


def test_an_edited_source_has_a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "caches"))
    monkeypatch.setattr(compiled_kernel, "kernel_version", lambda: "one")
    one = compiled_kernel.cache_folder()
    monkeypatch.setattr(compiled_kernel, "kernel_version", lambda: "other")
    assert one is not None
    assert one.parent == tmp_path / "caches"
    assert compiled_kernel.cache_folder() != one
    assert not compiled_kernel.is_cached()


def test_where_nothing_can_be_written_each_process_compiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(file / "below"))
    assert compiled_kernel.cache_folder() is None
    assert not compiled_kernel.is_cached()


def test_a_cache_that_cannot_be_written_is_read_from_a_copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled_kernel, "kernel_version", lambda: "one")
    carried = compiled_kernel.cache_folder()
    assert carried == tmp_path / "kernel-one"
    (carried / "rows.nbc").write_bytes(b"code")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    copied = compiled_kernel.cache_folder()
    assert copied is not None
    assert copied != carried
    assert (copied / "rows.nbc").read_bytes() == b"code"
    assert compiled_kernel.is_cached()


def test_small_lakes_do_not_wait_for_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_cached, lines, is_compiled in (
        (True, 50_000, False),
        (True, 10**6, True),
        (False, 10**5, False),
        (False, 10**7, True),
    ):
        monkeypatch.setattr("segmentation.features.kernels.is_cached", lambda found=is_cached: found)
        assert choose_kernel(lines, lines // 30).is_compiled == is_compiled
    monkeypatch.setattr("segmentation.features.kernels.can_compile", lambda: False)
    assert not choose_kernel(10**9, 10**8).is_compiled


def test_columns_of_the_compiled_kernel_are_one_type(kernel: Kernel) -> None:
    column = kernel.column(np.arange(3))
    assert not column.flags.writeable
