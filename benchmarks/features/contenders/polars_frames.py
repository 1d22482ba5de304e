"""All features in Polars' lazy API on its streaming engine, as somebody who knows it would write them.

Money is added up as whole micro-units, since sums of floats would break ties at random. Modes and top categories are a
count (or spend) and a rank packed into one integer, so that a plain `max`, which streams, finds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from pathlib import Path

import polars as pl

from benchmarks.features.contenders.source import Source
from segmentation.features.one_customer import COLUMNS
from segmentation.metadata.features import FEATURES

CUSTOMER = "customer_id"
SCALE = 1_000_000
DAY_US = 86_400_000_000
WINDOWS = (30, 90, 365)


class PolarsStreaming:
    """One lazy query over all files."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def compute(self) -> None:
        """Leave the answer in memory."""
        lines = _scan(self._source.files, self._source.as_of)
        codes = _codes(lines)
        self._answer = _with_scores(_customer_features(lines, codes, self._source.as_of))

    def save(self, path: Path) -> None:
        """Write the answer, sorted by customer."""
        _write(self._answer, path)


class PolarsByBucket:
    """The same query file by file, since the lake keeps all lines of a customer in one bucket: less memory."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def compute(self) -> None:
        """Leave the answer in memory."""
        codes = _codes(_scan(self._source.files, self._source.as_of))
        parts = [
            _customer_features(_scan(files, self._source.as_of), codes, self._source.as_of)
            for files in self._source.files_by_bucket
        ]
        self._answer = _with_scores(pl.concat(parts))

    def save(self, path: Path) -> None:
        """Write the answer, sorted by customer."""
        _write(self._answer, path)


@dataclass(frozen=True)
class _Codes:
    """Ranks of the few different texts, in the order of their names, and the home market."""

    category: pl.Enum
    country: pl.Enum
    channel: pl.Enum
    home_market: str


def _scan(files: Sequence[Path], as_of: datetime) -> pl.LazyFrame:
    return pl.scan_parquet(list(files), hive_partitioning=False).select(COLUMNS).filter(pl.col("ordered_at") < as_of)


def _codes(lines: pl.LazyFrame) -> _Codes:
    counts = [
        lines.group_by(name).len().filter(pl.col(name).is_not_null()).sort(name)
        for name in ("category", "country", "channel")
    ]
    categories, countries, channels = pl.collect_all(counts, engine="streaming")
    market = countries.sort("len", "country", descending=[True, False])["country"][0]
    return _Codes(pl.Enum(categories["category"]), pl.Enum(countries["country"]), pl.Enum(channels["channel"]), market)


def _customer_features(lines: pl.LazyFrame, codes: _Codes, as_of: datetime) -> pl.DataFrame:
    lines = lines.with_columns(
        _micros("amount"),
        _micros("discount"),
        _micros("quantity"),
        pl.col("category").cast(codes.category).to_physical().cast(pl.Int64),
        pl.col("country").cast(codes.country).to_physical().cast(pl.Int64),
        pl.lit(1, pl.Int64)
        .mul(2 ** pl.col("channel").cast(codes.channel).to_physical().cast(pl.Int64))
        .alias("channel"),
    )
    purchases = lines.filter(pl.col("quantity") > 0)
    # The orders are read by many branches; collecting them once beats leaving it to the optimizer.
    orders = (
        purchases.group_by(CUSTOMER, "order_id")
        .agg(
            pl.col("ordered_at").min(),
            pl.col("amount").sum().alias("revenue"),
            pl.col("discount").sum(),
            pl.col("quantity").sum().alias("units"),
            pl.col("country").min(),
            pl.col("channel").bitwise_or().alias("channels"),
        )
        .select(pl.exclude("order_id"))
        .collect(engine="streaming")
        .lazy()
    )
    parts = [
        _orders(orders, as_of),
        _gaps(orders),
        _months(orders),
        *(_favourite(orders, name, choice) for name, choice in _choices().items()),
        _products(purchases),
        _categories(purchases, len(codes.category.categories)),
        _returns(lines),
    ]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part, on=CUSTOMER, how="left")
    return joined.select(CUSTOMER, *_final(codes)).collect(engine="streaming")


def _micros(name: str) -> pl.Expr:
    return (pl.col(name) * SCALE).round().cast(pl.Int64)


def _orders(orders: pl.LazyFrame, as_of: datetime) -> pl.LazyFrame:
    age = (pl.lit(as_of) - pl.col("ordered_at")).dt.total_microseconds()
    recent = {days: pl.col("age") <= days * DAY_US for days in WINDOWS}
    return (
        orders.with_columns(age.alias("age"))
        .group_by(CUSTOMER)
        .agg(
            pl.col("age").min().alias("youngest"),
            pl.col("age").max().alias("oldest"),
            pl.len().alias("order_count"),
            pl.col("revenue").sum().alias("gross"),
            pl.col("revenue").median().alias("median_order"),
            pl.col("revenue").max().alias("max_order"),
            *(is_recent.sum().alias(f"orders_{days}d") for days, is_recent in recent.items()),
            *((pl.col("revenue") * is_recent).sum().alias(f"revenue_{days}d") for days, is_recent in recent.items()),
            (pl.col("ordered_at").dt.weekday() >= 6).sum().alias("weekend_orders"),
            pl.col("discount").sum(),
            pl.col("units").sum(),
            pl.col("channels").bitwise_or(),
        )
    )


def _gaps(orders: pl.LazyFrame) -> pl.LazyFrame:
    gap = pl.col("ordered_at").diff().dt.total_microseconds()
    return (
        orders.select(CUSTOMER, "ordered_at")
        .sort(CUSTOMER, "ordered_at")
        .select(CUSTOMER, pl.when(pl.col(CUSTOMER) == pl.col(CUSTOMER).shift()).then(gap).alias("gap"))
        .group_by(CUSTOMER)
        .agg(pl.col("gap").std())
    )


def _months(orders: pl.LazyFrame) -> pl.LazyFrame:
    n, x, y = pl.len().cast(pl.Int64), pl.col("month"), pl.col("revenue")
    months = orders.group_by(
        CUSTOMER, (pl.col("ordered_at").dt.year() * 12 + pl.col("ordered_at").dt.month()).cast(pl.Int64).alias("month")
    ).agg(y.sum())
    base = 2000 * 12
    monthly = (
        months.with_columns(x - base)
        .group_by(CUSTOMER)
        .agg(
            pl.len().alias("active_months"),
            y.std().alias("monthly_std"),
            (n * (x * y).sum() - x.sum() * y.sum()).alias("slope_above"),
            (n * (x * x).sum() - x.sum() * x.sum()).alias("slope_below"),
        )
    )
    seasons = months.group_by(CUSTOMER, x % 12).agg(y.sum()).group_by(CUSTOMER).agg(_entropy(y).alias("season_entropy"))
    return monthly.join(seasons, on=CUSTOMER)


def _choices() -> dict[str, pl.Expr]:
    moment = pl.col("ordered_at").dt
    return {"weekday": moment.weekday(), "hour": moment.hour(), "country": pl.col("country")}


def _favourite(orders: pl.LazyFrame, name: str, choice: pl.Expr) -> pl.LazyFrame:
    """The most frequent choice; of equally frequent ones the smallest."""
    return (
        orders.group_by(CUSTOMER, choice.cast(pl.Int64).alias(name))
        .len()
        .filter(pl.col(name).is_not_null())
        .group_by(CUSTOMER)
        .agg((pl.col("len").cast(pl.Int64) * SCALE - pl.col(name)).max().alias(f"top_{name}"))
    )


def _products(purchases: pl.LazyFrame) -> pl.LazyFrame:
    return (
        purchases.group_by(CUSTOMER, "order_id", "product_id")
        .agg(pl.col("amount").sum())
        .group_by(CUSTOMER, "product_id")
        .agg(pl.col("amount").sum(), pl.len().alias("orders"))
        .group_by(CUSTOMER)
        .agg(
            pl.len().alias("distinct_products"),
            _entropy(pl.col("amount")).alias("product_entropy"),
            (pl.col("orders") >= 2).sum().alias("repeated"),
            pl.col("orders").sum().alias("product_orders"),
        )
    )


def _categories(purchases: pl.LazyFrame, count: int) -> pl.LazyFrame:
    spend = pl.col("amount")
    return (
        purchases.filter(pl.col("category").is_not_null())
        .group_by(CUSTOMER, "category")
        .agg(spend.sum())
        .group_by(CUSTOMER)
        .agg(
            pl.len().alias("distinct_categories"),
            _entropy(spend).alias("category_entropy"),
            spend.sum().alias("category_spend"),
            (spend * count + (count - 1 - pl.col("category"))).max().alias("top"),
        )
        .with_columns(
            (pl.col("top") // count).alias("top_spend"),
            (count - 1 - pl.col("top") % count).alias("top_category"),
        )
    )


def _returns(lines: pl.LazyFrame) -> pl.LazyFrame:
    return (
        lines.filter(pl.col("quantity") < 0)
        .group_by(CUSTOMER, "order_id")
        .agg(pl.col("amount").sum())
        .group_by(CUSTOMER)
        .agg((-pl.col("amount").sum()).alias("returned"), pl.len().alias("return_count"))
    )


def _entropy(spend: pl.Expr) -> pl.Expr:
    """ln(S) - sum(s ln s) / S over positive s, as sums that stream."""
    positive = spend.clip(lower_bound=0).cast(pl.Float64) / SCALE
    total = positive.sum()
    terms = pl.when(positive > 0).then(positive * positive.log()).otherwise(0.0).sum()
    return pl.when(total > 0).then((total.log() - terms / total).clip(lower_bound=0))


def _share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def _name(code: pl.Expr, names: pl.Enum) -> pl.Expr:
    return code.replace_strict(dict(enumerate(names.categories)), default=None, return_dtype=pl.String)


def _final(codes: _Codes) -> list[pl.Expr]:
    def money(name: str) -> pl.Expr:
        return pl.col(name) / SCALE

    def days(name: str) -> pl.Expr:
        return pl.col(name) / DAY_US

    def decoded(name: str) -> pl.Expr:
        return -pl.col(name) % SCALE

    orders, gross = pl.col("order_count"), money("gross")
    returned = money("returned").fill_null(0)
    net = (pl.col("gross") - pl.col("returned").fill_null(0)) / SCALE  # in this order, so that ties stay ties
    country = _name(decoded("top_country"), codes.country)
    several_months = pl.col("slope_below") > 0
    return [
        days("youngest").alias("recency_days"),
        orders,
        gross.alias("gross_revenue"),
        returned.alias("returned_revenue"),
        net.alias("net_revenue"),
        (gross / orders).alias("average_order_value"),
        money("median_order").alias("median_order_value"),
        money("max_order").alias("max_order_value"),
        *(pl.col(f"orders_{days}d") for days in WINDOWS),
        *(money(f"revenue_{days}d") for days in WINDOWS),
        pl.col("distinct_products"),
        pl.col("distinct_categories").fill_null(0),
        pl.col("category_entropy"),
        pl.col("product_entropy"),
        _name(pl.col("top_category"), codes.category),
        _share(pl.col("top_spend"), pl.col("category_spend")).alias("top_category_share"),
        (pl.col("repeated") / pl.col("distinct_products")).alias("repeat_product_share"),
        (pl.col("product_orders") / orders).alias("distinct_products_per_order"),
        days("oldest").alias("tenure_days"),
        pl.when(orders > 1).then((days("oldest") - days("youngest")) / (orders - 1)).alias("mean_gap_days"),
        days("gap").alias("std_gap_days"),
        pl.col("active_months"),
        (gross / pl.col("active_months")).alias("monthly_spend_mean"),
        money("monthly_std").alias("monthly_spend_std"),
        pl.when(several_months).then(money("slope_above") / pl.col("slope_below")).alias("spend_trend"),
        decoded("top_weekday").alias("preferred_weekday"),
        decoded("top_hour").alias("preferred_hour"),
        (pl.col("weekend_orders") / orders).alias("weekend_order_share"),
        (1 - pl.col("season_entropy") / log(12)).alias("seasonality_index"),
        money("units").alias("units_purchased"),
        (money("units") / orders).alias("average_basket_units"),
        pl.col("return_count").fill_null(0),
        _share(returned, gross).alias("return_rate"),
        _share(money("discount"), money("discount") + gross).alias("discount_share"),
        country.alias("home_country"),
        (country == codes.home_market).alias("is_home_market"),
        pl.col("channels").bitwise_count_ones().alias("distinct_channels"),
        (orders == 1).alias("is_one_time_buyer"),
    ]


def _with_scores(frame: pl.DataFrame) -> pl.DataFrame:
    """Quintiles over everybody, ties broken by customer id, and the named segment."""
    for score, column, descending in (
        ("r_score", "recency_days", True),
        ("f_score", "order_count", False),
        ("m_score", "net_revenue", False),
    ):
        frame = frame.sort(column, CUSTOMER, descending=[descending, False]).with_columns(_quintile().alias(score))
    r, fm = pl.col("r_score"), (pl.col("f_score") + pl.col("m_score") + 1) // 2
    segment = (
        pl.when((r >= 4) & (fm >= 4)).then(pl.lit("Champions"))
        .when((r >= 4) & (fm >= 2)).then(pl.lit("Potential loyalists"))
        .when(r >= 4).then(pl.lit("Recent small buyers"))
        .when((r == 3) & (fm >= 4)).then(pl.lit("Loyal customers"))
        .when((r == 3) & (fm >= 2)).then(pl.lit("Needing attention"))
        .when(r == 3).then(pl.lit("About to sleep"))
        .when((r == 1) & (fm >= 4)).then(pl.lit("Cannot lose them"))
        .when(fm >= 3).then(pl.lit("At risk"))
        .when(r == 2).then(pl.lit("Hibernating"))
        .otherwise(pl.lit("Long unseen"))
    )  # fmt: skip
    return frame.with_columns(segment.alias("rfm_segment"))


def _quintile() -> pl.Expr:
    """`NTILE(5)` in the frame's order: the first groups take the remainder."""
    row, size, more = pl.int_range(pl.len()), pl.len() // 5, pl.len() % 5
    early = row // (size + 1)
    late = more + (row - more * (size + 1)) // size.clip(lower_bound=1)
    return (pl.when(row < more * (size + 1)).then(early).otherwise(late) + 1).cast(pl.Int64)


def _write(answer: pl.DataFrame, path: Path) -> None:
    answer.select(CUSTOMER, *(feature.name for feature in FEATURES)).sort(CUSTOMER).write_parquet(path)
