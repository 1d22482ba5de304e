"""What the demo's shop differs in, and that nothing else does."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from segmentation.synthetic import Promotion, Variation, write

START, END = date(2024, 1, 1), date(2026, 1, 1)
FROM, UNTIL = date(2025, 7, 1), date(2025, 10, 1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variation], pl.DataFrame]:
    """The lines of a shop of some variation."""

    def lines(variation: Variation) -> pl.DataFrame:
        folder: Path = tmp_path_factory.mktemp("shop")
        files = write(folder, customers=600, start=START, end=END, variation=variation)
        assert pl.read_parquet(list(files.transactions)).height == files.lines
        return pl.read_parquet(list(files.transactions))

    return lines


def test_a_promotion_changes_discounts_of_its_days_alone(shop: Callable[[Variation], pl.DataFrame]) -> None:
    before, after = shop(Variation()), shop(Variation(promotion=Promotion(FROM, UNTIL, 2.0)))
    bought = pl.col("line_id").str.starts_with("O")
    within = bought & pl.col("ordered_at").is_between(pl.lit(FROM), pl.lit(UNTIL), closed="left")
    assert_frame_equal(before.filter(bought & ~within), after.filter(bought & ~within))
    money = ["discount", "amount"]
    assert_frame_equal(before.filter(within).drop(money), after.filter(within).drop(money))

    def discounted(lines: pl.DataFrame) -> int:
        return int((lines.filter(within)["discount"] > 0).sum())

    assert 1.6 < discounted(after) / discounted(before) < 2.1


def test_dirty_lines_come_besides(shop: Callable[[Variation], pl.DataFrame]) -> None:
    clean, dirty = shop(Variation()), shop(Variation(dirty_share=0.02))
    assert dirty.height == clean.height + round(0.02 * clean.height)
    marked = pl.col("line_id").str.ends_with("-X")
    assert_frame_equal(dirty.filter(~marked).unique(maintain_order=True), clean)
    bad = dirty.filter(marked)
    kinds = bad.select(
        pl.col("customer_id").is_null().sum().alias("no customer"),
        (pl.col("quantity") == 0).sum().alias("no quantity"),
        (pl.col("ordered_at").dt.year() == 1899).sum().alias("no date"),
        pl.col("unit_price").is_null().sum().alias("no price"),
        (pl.col("unit_price") < 0).sum().alias("negative price"),
    ).row(0)
    assert sum(kinds) == bad.height
    assert min(kinds) > 0.1 * bad.height


def test_without_seasons_no_month_stands_out(shop: Callable[[Variation], pl.DataFrame]) -> None:
    def peak(lines: pl.DataFrame) -> float:
        months = lines.filter(pl.col("ordered_at").dt.year() == 2024).group_by(pl.col("ordered_at").dt.month()).len()
        return float(months["len"].max() / months["len"].mean())  # type: ignore[arg-type, operator]

    assert peak(shop(Variation(seasonality=0.0))) < 1.25 < peak(shop(Variation()))


def test_newcomers_come_all_the_time_if_wanted(shop: Callable[[Variation], pl.DataFrame]) -> None:
    def late(lines: pl.DataFrame) -> int:
        firsts = lines.group_by("customer_id").agg(pl.col("ordered_at").min().alias("first"))
        return firsts.filter(pl.col("first") >= date(2025, 9, 1)).height

    assert late(shop(Variation(arrivals_from=0.3))) < 0.6 * late(shop(Variation()))


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_is_one(share: float) -> None:
    with pytest.raises(ValueError, match="dirty_share"):
        Variation(dirty_share=share)
