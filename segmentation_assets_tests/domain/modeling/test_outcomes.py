"""What customers did after a date, against the same counted in Polars."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from segmentation.features.snapshots import write_snapshots
from segmentation.modeling.fitting.outcomes import SHARED, read_outcome
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.lines import Line, insert_lines

AS_OF = date(2024, 3, 1)
NOW = datetime(2024, 9, 1)


def _lines() -> list[Line]:
    rng = np.random.default_rng(11)
    lines = []
    for number in range(400):
        customer = f"c{rng.integers(12)}"
        back = rng.random() < 0.1
        lines.append(
            Line(
                customer,
                f"o{number // 3}{customer}",
                f"p{rng.integers(9)}",
                datetime(2024, 1, 5) + timedelta(days=float(rng.integers(170)), hours=float(rng.integers(24))),
                quantity=-1.0 if back else float(rng.integers(1, 4)),
                amount=-5.0 if back else float(rng.integers(100, 3000)) / 100,
                category=f"k{rng.integers(9)}",
                discount=float(rng.integers(0, 2)),
                channel="web",
            )
        )
    return lines


def test_outcomes_are_those_counted_otherwise(lake: Lake) -> None:
    lines = _lines()
    insert_lines(lake, lines)
    write_snapshots(lake, [AS_OF], lambda _: Commit("features"), now=NOW)
    ids = pl.Series([f"c{number}" for number in range(13)])  # the last one never bought
    with lake.cursor() as con:
        outcome = read_outcome(con, AS_OF, 90, ids)
    start = datetime(2024, 3, 1)
    then = pl.DataFrame(lines).filter(pl.col("ordered_at").is_between(start, start + timedelta(days=90), closed="left"))

    def total(rows: pl.DataFrame, column: str) -> float:
        return float(rows.select(pl.col(column).sum()).item())

    for row, customer in enumerate(ids):
        theirs = then.filter(pl.col("customer_id") == customer)
        bought = theirs.filter(pl.col("quantity") > 0)
        spend = total(theirs, "amount")
        assert outcome.log_spend[row] == pytest.approx(np.log1p(max(spend, 0.0)))
        assert outcome.returned[row] == (len(bought) > 0)
        if not len(bought):
            assert all(np.isnan(values[row]) for values in (*outcome.behaviour.values(), *outcome.shares.values()))
            continue
        orders = bought.group_by("order_id").agg(pl.col("ordered_at").min(), pl.col("product_id").n_unique())
        gross, units = total(bought, "amount"), total(bought, "quantity")
        expected = {
            "order_value": np.log1p(gross / len(orders)),
            "units_per_order": np.log1p(units / len(orders)),
            "products_per_order": np.log1p(total(orders, "product_id") / len(orders)),
            "unit_price": np.log1p(gross / units),
            "return_rate": np.sqrt(-total(theirs.filter(pl.col("quantity") < 0), "amount") / gross),
            "discount_share": np.sqrt(total(bought, "discount") / (gross + total(bought, "discount"))),
            "weekend_share": float(np.mean(orders["ordered_at"].dt.weekday().to_numpy() >= 6)),
        }
        assert {name: values[row] for name, values in outcome.behaviour.items()} == pytest.approx(expected)
        shares = {f"category {key}": total(part, "amount") / gross for (key,), part in bought.group_by("category")}
        for name, values in outcome.shares.items():
            if name.startswith("category"):
                assert values[row] == pytest.approx(shares.get(name, 0.0))
    largest = then.filter(pl.col("quantity") > 0).group_by("category").agg(pl.col("amount").sum())
    leading = set(largest.sort("amount", descending=True)["category"][: SHARED["category"]])
    assert {name.removeprefix("category ") for name in outcome.shares if name.startswith("category")} == leading
    assert outcome.shares["channel web"][0] == 1.0


def test_some_customers_of_an_outcome_keep_all_their_figures(lake: Lake) -> None:
    insert_lines(lake, _lines())
    write_snapshots(lake, [AS_OF], lambda _: Commit("features"), now=NOW)
    ids = pl.Series([f"c{number}" for number in range(12)])
    with lake.cursor() as con:
        everybody, few = read_outcome(con, AS_OF, 90, ids), read_outcome(con, AS_OF, 90, ids[3:5])
    some = everybody.of(np.array([3, 4]))
    assert some.log_spend.tolist() == few.log_spend.tolist()
    assert some.behaviour["unit_price"].tolist() == few.behaviour["unit_price"].tolist()
    assert some.shares["category k1"].tolist() == few.shares["category k1"].tolist()
