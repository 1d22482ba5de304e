"""The synthetic shop keeps the transaction contract and is the same shop every time."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from segmentation.synthetic import ARCHETYPES, SyntheticShop, generate, shop, write
from segmentation.synthetic.seasons import build_calendar
from segmentation.synthetic.streams import Streams

START, END = date(2024, 1, 1), date(2026, 1, 1)
PURCHASE, RETURN = pl.col("quantity") > 0, pl.col("quantity") < 0

windows = st.tuples(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.one_of(st.just(1), st.integers(1, 800))).map(
    lambda pair: (pair[0], pair[0] + timedelta(days=pair[1]))
)


@pytest.fixture(scope="module")
def two_years() -> SyntheticShop:
    return generate(customers=4_000, start=START, end=END)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "CHUNK_CUSTOMERS", 40)


@pytest.fixture(scope="module")
def by_archetype(two_years: SyntheticShop) -> dict[str, dict[str, float]]:
    """Means per customer, by archetype, computed with plain group-bys."""
    category_price = pl.col("unit_price").mean().over("category")
    lines = two_years.transactions.with_columns(category_price=category_price)
    customers = lines.group_by("customer_id").agg(
        orders=pl.col("order_id").filter(PURCHASE).n_unique(),
        order_value=pl.col("amount").filter(PURCHASE).sum() / pl.col("order_id").filter(PURCHASE).n_unique(),
        discounted=(pl.col("discount").filter(PURCHASE) > 0).mean(),
        returned=RETURN.sum() / PURCHASE.sum(),
        units=pl.col("quantity").filter(PURCHASE).mean(),
        unit_price=pl.col("unit_price").filter(PURCHASE).mean(),
        dearness=(pl.col("unit_price") / pl.col("category_price")).filter(PURCHASE).mean(),
        categories=pl.col("category").n_unique(),
        first=pl.col("ordered_at").min().dt.epoch("d"),
        last=pl.col("ordered_at").filter(PURCHASE).max().dt.epoch("d"),
        winter=pl.col("ordered_at").dt.month().is_in([11, 12]).mean(),
        office=(pl.col("ordered_at").dt.weekday() < 6).mean(),
    )
    means = (
        customers.join(two_years.archetypes, on="customer_id")
        .drop("customer_id")
        .group_by("archetype")
        .agg(pl.all().mean(), single=(pl.col("orders") == 1).mean())
    )
    return {row.pop("archetype"): row for row in means.to_dicts()}


def test_the_columns_are_those_of_the_contract(two_years: SyntheticShop) -> None:
    text = {"line_id", "order_id", "customer_id", "product_id", "category", "country", "channel"}
    assert two_years.transactions.columns == [
        *("line_id", "order_id", "customer_id", "product_id", "category", "quantity", "unit_price", "amount"),
        *("discount", "ordered_at", "country", "channel"),
    ]
    for name, dtype in two_years.transactions.schema.items():
        assert dtype == (pl.String if name in text else pl.Datetime("us") if name == "ordered_at" else pl.Float64)
    assert two_years.transactions.null_count().transpose().sum().item() == 0


def test_a_customer_has_about_fifty_lines_in_two_years(two_years: SyntheticShop) -> None:
    assert 45 <= two_years.transactions.height / two_years.archetypes.height <= 58


def test_the_same_seed_gives_the_same_shop(two_years: SyntheticShop) -> None:
    again = generate(customers=4_000, start=START, end=END)
    assert_frame_equal(again.transactions, two_years.transactions)
    assert_frame_equal(again.products, two_years.products)
    assert_frame_equal(again.archetypes, two_years.archetypes)


def test_another_seed_gives_another_shop() -> None:
    one, other = (generate(customers=50, start=START, end=END, seed=seed) for seed in (1, 2))
    assert not one.transactions.equals(other.transactions)
    assert not one.products.equals(other.products)
    assert not one.archetypes.equals(other.archetypes)


@settings(max_examples=15, deadline=None)
@given(few=st.integers(1, 60), more=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_more_customers_leave_the_first_ones_as_they_were(few: int, more: int, seed: int) -> None:
    small = generate(customers=few, start=START, end=END, seed=seed)
    large = generate(customers=few + more, start=START, end=END, seed=seed)
    first = large.transactions.filter(pl.col("customer_id").is_in(small.archetypes["customer_id"].implode()))
    assert_frame_equal(first, small.transactions)
    assert_frame_equal(large.archetypes.head(few), small.archetypes)
    assert_frame_equal(large.products, small.products)


@pytest.mark.usefixtures("small_chunks")
def test_a_chunk_does_not_depend_on_the_others() -> None:
    two = generate(customers=80, start=START, end=END)
    three = generate(customers=120, start=START, end=END)
    assert_frame_equal(three.transactions.head(two.transactions.height), two.transactions)
    halves = [three.archetypes.slice(offset, 40)["archetype"].to_list() for offset in (0, 40)]
    assert halves[0] != halves[1]


@pytest.mark.usefixtures("small_chunks")
def test_ids_are_unique_across_chunks() -> None:
    made = generate(customers=130, start=START, end=END)
    assert made.transactions["line_id"].is_unique().all()
    assert made.archetypes["customer_id"].is_unique().all()
    owners = made.transactions.group_by("order_id").agg(pl.col("customer_id").n_unique())
    assert owners["customer_id"].max() == 1


@settings(max_examples=40, deadline=None)
@given(window=windows, customers=st.integers(1, 30), seed=st.integers(0, 2**32))
def test_the_contract_holds_for_any_window(window: tuple[date, date], customers: int, seed: int) -> None:
    start, end = window
    made = generate(customers=customers, start=start, end=end, seed=seed)
    lines = made.transactions
    assert (
        lines["ordered_at"]
        .is_between(datetime.combine(start, time()), datetime.combine(end, time()), closed="left")
        .all()
    )
    assert lines["line_id"].is_unique().all()
    assert set(lines.filter(PURCHASE)["customer_id"]) == set(made.archetypes["customer_id"])
    assert made.archetypes.height == customers
    assert_frame_equal(lines, lines.sort("ordered_at", "line_id"))


def test_an_amount_is_quantity_times_price_less_discount_to_the_cent(two_years: SyntheticShop) -> None:
    lines = two_years.transactions
    amount = (pl.col("quantity") * pl.col("unit_price") - pl.col("discount")).round(2)
    assert lines.select((amount == pl.col("amount")).all()).item()
    for money in ("unit_price", "amount", "discount"):
        assert lines.select((pl.col(money).round(2) == pl.col(money)).all()).item()
    assert lines.select((pl.col("discount") >= 0).all() & (pl.col("unit_price") > 0).all()).item()
    assert lines.select((pl.col("amount").sign() == pl.col("quantity").sign()).all()).item()


def test_an_order_has_one_moment_customer_country_and_channel_and_names_a_product_once(
    two_years: SyntheticShop,
) -> None:
    orders = two_years.transactions.group_by("order_id").agg(
        pl.col("ordered_at", "customer_id", "country", "channel").n_unique(),
        repeats=pl.len() - pl.col("product_id").n_unique(),
        kinds=PURCHASE.n_unique(),
    )
    assert orders.select(pl.col("ordered_at", "customer_id", "country", "channel", "kinds").max()).row(0) == ((1,) * 5)
    assert orders["repeats"].max() == 0


def test_nothing_is_returned_before_it_was_bought_nor_more_of_it(two_years: SyntheticShop) -> None:
    lines = two_years.transactions
    assert lines.select(RETURN.mean()).item() > 0.01
    # Nothing is held below zero at any moment when, at a tie, a return is counted before a purchase.
    held = (
        lines.sort("ordered_at", "quantity")
        .select(pl.col("quantity").cum_sum().over("customer_id", "product_id"))
        .to_series()
    )
    assert held.min() == 0


def test_a_refund_never_exceeds_what_was_paid(two_years: SyntheticShop) -> None:
    paid = two_years.transactions.group_by("customer_id", "product_id").agg(pl.col("amount").sum())
    assert paid.select((pl.col("amount").round(2) >= 0).all()).item()


def test_lines_name_products_and_their_categories(two_years: SyntheticShop) -> None:
    lines = two_years.transactions
    known = lines.join(two_years.products, on=["product_id", "category"], how="semi")
    assert known.height == lines.height


def test_products_form_a_hierarchy(two_years: SyntheticShop) -> None:
    products = two_years.products
    assert products.columns == ["product_id", "product_name", "category", "department", "brand"]
    assert 300 <= products.height <= 2_500
    assert products["product_id"].is_unique().all()
    departments = products.group_by("category").agg(pl.col("department").n_unique())
    assert departments["department"].max() == 1


def test_few_products_make_most_of_the_sales(two_years: SyntheticShop) -> None:
    sales = two_years.transactions.group_by("product_id").len().sort("len", descending=True)["len"].to_list()
    top_fifth = sum(sales[: two_years.products.height // 5])
    assert 0.4 < top_fifth / sum(sales) < 0.8


def test_november_and_december_are_the_busiest_months(two_years: SyntheticShop) -> None:
    per_day = (
        two_years.transactions.group_by(pl.col("ordered_at").dt.truncate("1d"))
        .len()
        .group_by(pl.col("ordered_at").dt.month())
        .agg(pl.col("len").mean())
    )
    lines_a_day = dict(per_day.iter_rows())
    others = [lines for month, lines in lines_a_day.items() if month < 11]
    assert min(lines_a_day[11], lines_a_day[12]) > 1.1 * max(others)
    assert lines_a_day[11] > 1.5 * lines_a_day[2]


def test_every_archetype_has_its_share_of_customers(two_years: SyntheticShop) -> None:
    assert sum(kind.share for kind in ARCHETYPES) == pytest.approx(1)
    counts = dict(two_years.archetypes.group_by("archetype").len().iter_rows())
    for kind in ARCHETYPES:
        deviation = (kind.share * (1 - kind.share) / two_years.archetypes.height) ** 0.5
        assert counts[kind.name] / two_years.archetypes.height == pytest.approx(kind.share, abs=5 * deviation)


@pytest.mark.parametrize(
    ("archetype", "measure", "factor"),
    [
        ("wholesalers", "order_value", 2),
        ("wholesalers", "units", 3),
        ("wholesalers", "office", 1.1),
        ("champions", "orders", 1.8),
        ("champions", "categories", 1.4),
        ("bargain_hunters", "discounted", 1.8),
        ("big_ticket", "unit_price", 2),
        ("one_time_gift_buyers", "single", 2),
    ],
)
def test_an_archetype_stands_out_in_what_it_is_named_for(
    by_archetype: dict[str, dict[str, float]], archetype: str, measure: str, factor: float
) -> None:
    others = [means[measure] for name, means in by_archetype.items() if name != archetype]
    assert by_archetype[archetype][measure] > factor * max(others)


@pytest.mark.parametrize(
    ("archetype", "measure", "factor"),
    [("bargain_hunters", "returned", 2), ("big_ticket", "returned", 2), ("holiday_shoppers", "winter", 2)],
)
def test_an_archetype_differs_from_the_ordinary_loyal_customer(
    by_archetype: dict[str, dict[str, float]], archetype: str, measure: str, factor: float
) -> None:
    assert by_archetype[archetype][measure] > factor * by_archetype["loyal"][measure]


def test_gift_buyers_order_once_new_customers_come_late_and_lapsing_ones_stop(
    by_archetype: dict[str, dict[str, float]],
) -> None:
    assert by_archetype["one_time_gift_buyers"]["single"] > 0.9
    assert by_archetype["new"]["first"] == max(means["first"] for means in by_archetype.values())
    assert by_archetype["lapsing"]["last"] == min(means["last"] for means in by_archetype.values())


def test_champions_choose_the_dearer_products_of_a_category_and_bargain_hunters_the_cheaper_ones(
    by_archetype: dict[str, dict[str, float]],
) -> None:
    dearness = {name: means["dearness"] for name, means in by_archetype.items()}
    assert 1.1 * dearness["bargain_hunters"] < dearness["loyal"] < dearness["champions"]


def test_purposes_and_chunks_draw_independently() -> None:
    streams = [Streams(seed, chunk) for seed in (1, 2) for chunk in (None, 0, 1)]
    draws = [stream.of(purpose).random() for stream in streams for purpose in ("orders", "lines")]
    assert len(set(draws)) == len(draws)


@settings(max_examples=30, deadline=None)
@given(window=windows)
def test_the_end_of_all_activity_is_the_last_second_of_the_window(window: tuple[date, date]) -> None:
    calendar = build_calendar(*window)
    every_archetype = np.arange(len(ARCHETYPES))
    moments = calendar.moments(every_archetype, calendar.reached(every_archetype, np.ones(len(ARCHETYPES))))
    assert set(moments) == {calendar.end_second - 1}


@pytest.mark.usefixtures("small_chunks")
def test_the_files_hold_what_generate_makes(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    files = write(tmp_path, customers=100, start=START, end=END, progress=lambda *step: steps.append(step))
    made = generate(customers=100, start=START, end=END)
    assert [path.name for path in files.transactions] == [f"part-{n:05d}.parquet" for n in range(3)]
    assert_frame_equal(pl.read_parquet(list(files.transactions)), made.transactions)
    assert_frame_equal(pl.read_parquet(files.products), made.products)
    assert_frame_equal(pl.read_parquet(files.archetypes), made.archetypes)
    assert (files.customers, files.lines) == (100, made.transactions.height)
    assert files.orders == made.transactions.filter(PURCHASE)["order_id"].n_unique()
    assert steps == [(40, 100), (80, 100), (100, 100)]


@pytest.mark.usefixtures("small_chunks")
def test_writing_again_gives_the_same_bytes_and_leaves_nothing_of_a_larger_run(tmp_path: Path) -> None:
    write(tmp_path / "once", customers=50, start=START, end=END)
    write(tmp_path / "twice", customers=200, start=START, end=END)
    write(tmp_path / "twice", customers=50, start=START, end=END)
    once, twice = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "once", tmp_path / "twice")
    )
    assert len(once) == 4
    assert once == twice


@pytest.mark.parametrize(
    ("customers", "start", "end", "seed", "message"),
    [
        (0, START, END, 7, "customers is 0; ask for at least 1"),
        (-3, START, END, 7, "customers is -3; ask for at least 1"),
        (1, START, START, 7, "holds no day; choose an end after the start"),
        (1, END, START, 7, "holds no day; choose an end after the start"),
        (1, START, END, -1, "seed is -1; choose 0 or more"),
    ],
)
def test_arguments_that_make_no_shop_are_refused_before_anything_is_written(
    tmp_path: Path, customers: int, start: date, end: date, seed: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        generate(customers=customers, start=start, end=end, seed=seed)
    with pytest.raises(ValueError, match=message):
        write(tmp_path, customers=customers, start=start, end=end, seed=seed)
    assert not list(tmp_path.iterdir())
