"""What is counted of a month's lines, beside the same in Polars."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from segmentation.monitoring.line_statistics import MEANINGS, read_figures
from segmentation.warehouse import Commit, Lake

MARCH, APRIL, MAY = date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)


def _lines(seed: int) -> pl.DataFrame:
    """Lines of February to April: half of the days of April, some without category, prices of some tripled in April."""
    rng = np.random.default_rng(seed)
    count = 900
    day = rng.integers(0, 75, count)
    product = rng.integers(0, 20, count)
    later = day >= 60
    return pl.DataFrame(
        {
            "line_id": [f"l{i}" for i in range(count)],
            "order_id": [f"o{i}" for i in range(count)],
            "customer_id": [f"c{i % 40}" for i in range(count)],
            "product_id": [f"p{p}" for p in product],
            "category": [None if x < 0.3 else "a" for x in rng.random(count)],
            "quantity": np.where(rng.random(count) < 0.1, -1.0, 2.0),
            "unit_price": (1.0 + product) * np.where(later & (product < 5), 3.0, 1.0),
            "amount": np.ones(count),
            "discount": np.where(later, 0.0, rng.integers(0, 2, count)),
            "ordered_at": [datetime(2024, 2, 1) + timedelta(days=int(d), hours=3) for d in day],
            "source": ["shop"] * count,
            "ingested_at": [datetime(2024, 6, 1)] * count,
            "customer_bucket": [0] * count,
        }
    )


def test_figures_of_a_month_are_those_of_its_lines(lake: Lake) -> None:
    lines = _lines(4)
    rejects = pl.DataFrame({"ordered_on": [date(2024, 4, 3)] * 7 + [date(2024, 3, 5)] * 2 + [None]})
    with lake.cursor() as con:
        con.register("lines", lines)
        con.register("rejects", rejects)
        con.execute("CREATE TEMP TABLE l AS FROM lines; CREATE TEMP TABLE r AS FROM rejects")

        def write(c: object) -> None:
            con.execute("INSERT INTO raw.transactions BY NAME FROM temp.l")
            con.execute(
                "INSERT INTO raw.rejected_transactions SELECT 'shop', 'f', ordered_on, 'why', '{}', now() FROM temp.r"
            )

        lake.transaction(con, Commit("test"), write)
        found = read_figures(con, [MARCH, APRIL, MAY, date(2023, 1, 1)])
    assert set(found) == {MARCH, APRIL, MAY}
    april = lines.filter(pl.col("ordered_at") >= datetime(2024, 4, 1))
    assert found[MAY]["rejected"] == pytest.approx(7 / (7 + len(april)))
    assert found[MAY]["missing_category"] == pytest.approx(april["category"].is_null().mean())
    assert found[MAY]["missing_channel"] == 1
    assert found[MAY]["no_discounts"] == 1
    assert found[APRIL]["no_discounts"] == pytest.approx(0, abs=1e-9)
    assert found[MAY]["no_returns"] == pytest.approx(np.exp(-len(april.filter(pl.col("quantity") < 0))))
    assert found[MAY]["days_without_lines"] == pytest.approx(1 - april["ordered_at"].dt.date().n_unique() / 30)
    assert found[MAY]["price_jumps"] == pytest.approx(5 / 20)
    assert found[MARCH]["price_jumps"] is None
    assert found[APRIL]["price_jumps"] == 0
    assert set(found[MAY]) == set(MEANINGS)
