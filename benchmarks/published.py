"""Our features against those that published packages compute from the same lines.

`python -m benchmarks.published [--home LAKE] [--as-of DATE] [--packages A,B]`; docs/published-definitions.md explains
the differences. The development environment has Lifetimes only: the others are large, and OpenRetailScience needs an
older pandas. So make an environment for all of them:

    python3 -m venv /tmp/published
    /tmp/published/bin/pip install -e . openretailscience lifetimes pymc-marketing
    /tmp/published/bin/python -m benchmarks.published
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.features.contenders.duckdb_engine import compute_only
from benchmarks.features.data import END, fill_lake
from segmentation.settings import load_settings
from segmentation.synthetic import write
from segmentation.warehouse import Lake

CUSTOMERS = 2_000
DAY_S = 86_400
TOLERANCE = 1e-9
"""Largest difference of two numbers that agree, relative to the larger, or to 1 where both are smaller."""

LINES = """
SELECT customer_id, order_id, ordered_at, quantity, amount
FROM raw.transactions
WHERE ordered_at < $as_of
ORDER BY customer_id, ordered_at, order_id
"""

ORDERS = """
SELECT customer_id, order_id, MIN(ordered_at) AS ordered_at, SUM(amount) AS amount
FROM raw.transactions
WHERE ordered_at < $as_of AND quantity > 0
GROUP BY customer_id, order_id
ORDER BY customer_id, MIN(ordered_at), order_id
"""

# What their definitions need and ours don't keep.
EXTRAS = """
WITH days AS (
    SELECT customer_id, CAST(ordered_at AS DATE) AS day, SUM(amount) AS spend
    FROM raw.transactions
    WHERE ordered_at < $as_of AND quantity > 0
    GROUP BY customer_id, CAST(ordered_at AS DATE)
),
moments AS (
    SELECT customer_id, COUNT(DISTINCT ordered_at) AS order_moments
    FROM (
        SELECT customer_id, date_trunc('second', MIN(ordered_at)) AS ordered_at
        FROM raw.transactions
        WHERE ordered_at < $as_of AND quantity > 0
        GROUP BY customer_id, order_id
    ) AS orders
    GROUP BY customer_id
)
SELECT
    customer_id,
    COUNT(*) AS purchase_days,
    ARG_MIN(spend, day) AS first_day_spend,
    ANY_VALUE(order_moments) AS order_moments
FROM days
JOIN moments USING (customer_id)
GROUP BY customer_id
"""


@dataclass(frozen=True)
class Shop:
    """What is compared.

    Attributes:
        name: Where the lines come from.
        as_of: The snapshot date; all earlier lines count.
        lines: All lines, returns included, of customers with a purchase.
        orders: One row for each order, at the moment of its earliest line.
        features: Our features and the extras, one row a customer.
    """

    name: str
    as_of: date
    lines: pl.DataFrame
    orders: pl.DataFrame
    features: pl.DataFrame

    @property
    def purchases(self) -> pl.DataFrame:
        """The purchase lines."""
        return self.lines.filter(pl.col("quantity") > 0)


@dataclass(frozen=True)
class Check:
    """One of their terms beside an expression of ours.

    Attributes:
        package: Whose term.
        term: What they call it.
        ours: What it should equal, in words.
        customers: How many were compared.
        agreeing: How many have the same value.
        is_definition: Whether all must agree; otherwise it shows how far a near relation carries.
    """

    package: str
    term: str
    ours: str
    customers: int
    agreeing: int
    is_definition: bool

    @property
    def holds(self) -> bool:
        """Whether what was claimed is so."""
        return self.agreeing == self.customers or not self.is_definition


Term = tuple[str, str, pl.Expr, bool]
"""Their column, our expression in words and in Polars, and whether all customers must agree."""

DAYS_SINCE = pl.col("recency_days").ceil()
AGE = pl.col("tenure_days").ceil()
REPEAT_DAYS = pl.col("purchase_days") - 1


def read_shop(lake: Lake, name: str, as_of: date | None = None) -> Shop:
    """What to compare, from a lake; nothing is written to it.

    Args:
        lake: A lake whose settings have no look-back limit.
        name: What to call it.
        as_of: Snapshot date; None for the day after the last line.
    """
    with lake.cursor() as con:
        if as_of is None:
            ((last,),) = con.execute("SELECT CAST(MAX(ordered_at) AS DATE) FROM raw.transactions").fetchall()
            as_of = last + timedelta(days=1)
        with tempfile.TemporaryDirectory() as parts:
            compute_only(con, lake, as_of, Path(parts))
            features = con.execute("FROM temp.answer ORDER BY customer_id").pl()
        lines, orders, extras = (con.execute(query, {"as_of": as_of}).pl() for query in (LINES, ORDERS, EXTRAS))
    buyers = lines.join(features.select("customer_id"), on="customer_id", how="semi")
    return Shop(name, as_of, buyers.sort("customer_id", "ordered_at"), orders, features.join(extras, on="customer_id"))


def openretailscience(shop: Shop) -> Iterator[Check]:
    """RFM scores of OpenRetailScience, with five groups as ours."""
    segmentation = import_module("openretailscience.segmentation.rfm").RFMSegmentation

    def scored(lines: pl.DataFrame) -> pl.DataFrame:
        frame = lines.rename({"order_id": "transaction_id", "ordered_at": "transaction_date", "amount": "unit_spend"})
        result = segmentation(frame.to_pandas(), current_date=shop.as_of, r_segments=5, f_segments=5, m_segments=5)
        scores: pl.DataFrame = pl.from_pandas(result.df.reset_index())
        return scores

    by_day = (-DAYS_SINCE).rank("ordinal")  # the frame is sorted by customer, who breaks ties
    yield from _checks(
        "openretailscience, purchase lines",
        shop,
        scored(shop.purchases),
        ("recency_days", "ceil(recency_days)", DAYS_SINCE, True),
        ("frequency", "order_count", pl.col("order_count"), True),
        ("monetary", "gross_revenue", pl.col("gross_revenue"), True),
        ("f_score", "f_score - 1", pl.col("f_score") - 1, True),
        ("r_score", "NTILE(5) over ceil(recency_days) DESC, customer_id, - 1", _ntile(by_day, 5), True),
        ("r_score", "r_score - 1", pl.col("r_score") - 1, False),
    )
    yield from _checks(
        "openretailscience, all lines",
        shop,
        scored(shop.lines),
        ("monetary", "net_revenue", pl.col("net_revenue"), True),
        ("m_score", "m_score - 1", pl.col("m_score") - 1, True),
        ("frequency", "order_count + return_count", pl.col("order_count") + pl.col("return_count"), True),
        ("recency_days", "ceil(recency_days)", DAYS_SINCE, False),
    )


def lifetimes(shop: Shop) -> Iterator[Check]:
    """The summary that Lifetimes fits its models on."""

    def summary(lines: pl.DataFrame, unit: str, *, with_first: bool) -> pl.DataFrame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not been released since 2020
            summarize = import_module("lifetimes.utils").summary_data_from_transaction_data
            result = summarize(*_arguments(lines), None, shop.as_of, unit, 1, with_first)
        frame: pl.DataFrame = pl.from_pandas(result.reset_index())
        return frame

    yield from _summaries("lifetimes", shop, summary)
    yield from _checks(
        "lifetimes, with the first purchase",
        shop,
        summary(shop.purchases, "D", with_first=True),
        ("recency", "ceil(tenure_days) - ceil(recency_days)", AGE - DAYS_SINCE, True),
    )


def pymc_marketing(shop: Shop) -> Iterator[Check]:
    """The summary of PyMC-Marketing, which descends from that of Lifetimes."""

    def summary(lines: pl.DataFrame, unit: str, *, with_first: bool) -> pl.DataFrame:
        summarize = import_module("pymc_marketing.clv.utils").rfm_summary
        result = summarize(*_arguments(lines), None, shop.as_of.isoformat(), unit, 1, with_first)
        frame: pl.DataFrame = pl.from_pandas(result)
        return frame

    yield from _summaries("pymc-marketing", shop, summary)
    yield from _checks(
        "pymc-marketing, with the first purchase",
        shop,
        summary(shop.purchases, "D", with_first=True),
        ("recency", "ceil(recency_days)", DAYS_SINCE, True),
    )


PACKAGES: dict[str, tuple[str, Callable[[Shop], Iterator[Check]]]] = {
    "openretailscience": ("openretailscience", openretailscience),
    "lifetimes": ("lifetimes", lifetimes),
    "pymc-marketing": ("pymc_marketing", pymc_marketing),
}
"""Name on PyPI, name to import, and what compares it."""


def _summaries(package: str, shop: Shop, summary: Callable[..., pl.DataFrame]) -> Iterator[Check]:
    repeat_spend = (pl.col("gross_revenue") - pl.col("first_day_spend")) / REPEAT_DAYS
    yield from _checks(
        f"{package}, by day",
        shop,
        summary(shop.purchases, "D", with_first=False),
        ("frequency", "days with an order - 1", REPEAT_DAYS, True),
        ("frequency", "order_count - 1", pl.col("order_count") - 1, False),
        ("recency", "ceil(tenure_days) - ceil(recency_days)", AGE - DAYS_SINCE, True),
        ("T", "ceil(tenure_days)", AGE, True),
        (
            "monetary_value",
            "(gross_revenue - first day's) / (days - 1), else 0",
            pl.when(REPEAT_DAYS > 0).then(repeat_spend).otherwise(0.0),
            True,
        ),
    )
    yield from _checks(
        f"{package}, with the first purchase",
        shop,
        summary(shop.purchases, "D", with_first=True),
        ("frequency", "days with an order", pl.col("purchase_days"), True),
        (
            "monetary_value",
            "gross_revenue / days with an order",
            pl.col("gross_revenue") / pl.col("purchase_days"),
            True,
        ),
        ("monetary_value", "average_order_value", pl.col("average_order_value"), False),
    )
    to_the_second = (pl.col("tenure_days") - pl.col("recency_days")) * DAY_S
    yield from _checks(
        f"{package}, by second, one row an order",
        shop,
        summary(shop.orders, "s", with_first=False),
        ("frequency", "seconds with an order - 1", pl.col("order_moments") - 1, True),
        ("frequency", "order_count - 1", pl.col("order_count") - 1, False),
        ("recency", "(tenure_days - recency_days) × 86,400", to_the_second, True),
        ("T", "tenure_days × 86,400", pl.col("tenure_days") * DAY_S, True),
    )


def _arguments(lines: pl.DataFrame) -> tuple[Any, str, str, str]:
    customer, moment, amount = "customer_id", "ordered_at", "amount"
    return lines.select(customer, moment, amount).to_pandas(), customer, moment, amount


def _ntile(rank: pl.Expr, groups: int) -> pl.Expr:
    """The group of each rank (from 1), from 0; the first groups take the remainder, as in SQL."""
    row, size, more = rank.cast(pl.Int64) - 1, pl.len() // groups, pl.len() % groups
    return pl.when(row < more * (size + 1)).then(row // (size + 1)).otherwise(more + (row - more * (size + 1)) // size)


def _checks(package: str, shop: Shop, theirs: pl.DataFrame, *terms: Term) -> Iterator[Check]:
    named = theirs.rename(lambda name: name if name == "customer_id" else f"their_{name}")
    both = shop.features.join(named, on="customer_id").sort("customer_id")
    if both.height != max(theirs.height, shop.features.height):
        raise RuntimeError(f"{package} has {theirs.height:,} customers, we have {shop.features.height:,}.")
    for term, ours, expression, is_definition in terms:
        pair = both.select(ours=expression.cast(pl.Float64), theirs=pl.col(f"their_{term}").cast(pl.Float64))
        scale = pl.max_horizontal(pl.col("ours").abs(), pl.col("theirs").abs(), 1.0)
        agreeing = pair.filter((pl.col("ours") - pl.col("theirs")).abs() <= TOLERANCE * scale).height
        yield Check(package, term, ours, both.height, agreeing, is_definition)


def main() -> None:
    """Compare with every package that is installed; exit 1 if a definition does not hold."""
    arguments, console = _parser().parse_args(), Console(width=None if sys.stdout.isatty() else 150)
    missing = [name for name in arguments.packages if find_spec(PACKAGES[name][0]) is None]
    for name in missing:
        console.print(f"{name} is not installed: pip install {name} (in an environment of its own, see --help)")
    with tempfile.TemporaryDirectory() as folder:
        shop = _shop(arguments.home, arguments.as_of, Path(folder))
    console.print(f"{shop.name}: {shop.lines.height:,} lines, {shop.features.height:,} customers, as of {shop.as_of}")
    checks = [check for name in arguments.packages if name not in missing for check in PACKAGES[name][1](shop)]
    table = Table("package", "their term", "ours", "customers", "the same", "claim")
    for check in checks:
        claim = ("holds" if check.holds else "FAILS") if check.is_definition else "related"
        table.add_row(check.package, check.term, check.ours, f"{check.customers:,}", f"{check.agreeing:,}", claim)
    console.print(table)
    if not checks or not all(check.holds for check in checks):
        sys.exit(1)


def _shop(home: Path | None, as_of: date | None, folder: Path) -> Shop:
    if home:
        with Lake(load_settings(home=home, catalog="", data_path="", lookback_days=None), read_only=True) as lake:
            return read_shop(lake, str(home), as_of)
    files = write(folder / "files", customers=CUSTOMERS, start=END - timedelta(days=731), end=END)
    settings = load_settings(home=folder / "lake", catalog="", data_path="", customer_buckets=4, lookback_days=None)
    fill_lake(settings, files.transactions)
    with Lake(settings, read_only=True) as lake:
        return read_shop(lake, "a synthetic shop", as_of or END)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.published",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--home", type=Path, help="folder of a lake (SQLite catalogue) to compare on; it is only read")
    parser.add_argument("--as-of", type=date.fromisoformat, metavar="DATE", help="default: the day after the last line")
    parser.add_argument("--packages", type=lambda text: text.split(","), default=list(PACKAGES), metavar="A,B,…")
    return parser


if __name__ == "__main__":
    main()
