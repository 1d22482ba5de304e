"""All features in vectorised pandas, as somebody who knows it would write them.

Texts are read as categoricals and grouped by their codes; no Python runs per group. Money is added up as whole
micro-units, since sums of floats would break ties at random.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from benchmarks.features.contenders.source import Source
from segmentation.features.one_customer import COLUMNS
from segmentation.metadata.features import FEATURES

SCALE = 1_000_000
DAY_US = 86_400_000_000
WINDOWS = (30, 90, 365)
TEXTS = ("customer_id", "order_id", "product_id", "category", "country", "channel")
NONE = 1 << 15
"""Code of a missing text, after all others."""


class PandasVectorised:
    """Everything in memory, whole columns at a time."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def compute(self) -> None:
        """Leave the answer in memory."""
        lines, names = read_lines(self._source.files, self._source.as_of)
        self._answer = with_scores(_features(lines, names, self._source.as_of))

    def save(self, path: Path) -> None:
        """Write the answer, sorted by customer."""
        write(self._answer, path)


def read_lines(files: Sequence[Path], as_of: datetime) -> tuple[pd.DataFrame, dict[str, pd.Index]]:
    """The lines with codes for texts (in the order of the texts), and the texts behind the codes."""
    tables = [parquet.ParquetFile(path, read_dictionary=list(TEXTS)).read(columns=list(COLUMNS)) for path in files]
    lines = pa.concat_tables(tables).to_pandas(self_destruct=True)
    lines = lines[lines["ordered_at"] < pd.Timestamp(as_of)] if lines["ordered_at"].max() >= as_of else lines
    return _encoded(lines)


def features_of_lines(lines: pd.DataFrame, as_of: datetime, home_market: str | None) -> pd.DataFrame:
    """The features of lines that are in memory, by customer id; without scores.

    Args:
        lines: In the columns of the transaction contract, all of them within the window.
        as_of: The date.
        home_market: The shop's; lines of some customers don't tell it.
    """
    texts = {text: lines[text].astype("category") for text in TEXTS}
    encoded, names = _encoded(lines[list(COLUMNS)].assign(**texts))
    found = _features(encoded, names, as_of).set_index("customer_id")
    known = found["home_country"].notna()
    return found.assign(is_home_market=(found["home_country"] == home_market).astype("float64").where(known))


def _encoded(lines: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Index]]:
    names = {}
    for text in TEXTS:
        # Orders are only told apart, so theirs may stay in any order.
        column = (
            lines[text] if text == "order_id" else lines[text].cat.set_categories(sorted(lines[text].cat.categories))
        )
        names[text], lines[text] = column.cat.categories, column.cat.codes
    for money in ("amount", "discount", "quantity"):
        lines[money] = (lines[money] * SCALE).round().astype("int64")
    return lines, names


def _features(lines: pd.DataFrame, names: dict[str, pd.Index], as_of: datetime) -> pd.DataFrame:
    countries = lines.loc[lines["country"] >= 0, "country"].value_counts()
    market = countries.index[countries == countries.max()].min() if len(countries) else -1
    returned = lines[lines["quantity"] < 0]
    bought = lines[lines["quantity"] > 0]
    bought = bought.assign(country=bought["country"].astype("int32").where(bought["country"] >= 0, NONE))
    pairs = bought["customer_id"].astype("int64") * len(names["order_id"]) + bought["order_id"]
    bought = bought.assign(order=pd.factorize(pairs)[0])
    orders = _orders(bought)
    result = _measures(orders, as_of)
    for part in (
        _gaps(orders),
        _months(orders),
        _favourites(orders),
        _products(bought, len(names["product_id"])),
        _categories(bought, len(names["category"])),
        _channels(bought),
        _returns(returned),
    ):
        result = result.join(part)
    return _final(result, names, market)


def _orders(bought: pd.DataFrame) -> pd.DataFrame:
    by_order = bought.groupby("order", sort=False)
    return by_order.agg(
        customer=("customer_id", "first"),
        ordered_at=("ordered_at", "min"),
        revenue=("amount", "sum"),
        discount=("discount", "sum"),
        units=("quantity", "sum"),
        country=("country", "min"),
    )


def _measures(orders: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    age = (pd.Timestamp(as_of) - orders["ordered_at"]).astype("timedelta64[us]").astype("int64")
    columns = {
        "age": age,
        "customer": orders["customer"],
        "revenue": orders["revenue"],
        "discount": orders["discount"],
        "units": orders["units"],
        "weekend": orders["ordered_at"].dt.day_of_week >= 5,
    }
    aggregates = {
        "youngest": ("age", "min"),
        "oldest": ("age", "max"),
        "order_count": ("age", "size"),
        "gross": ("revenue", "sum"),
        "median_order": ("revenue", "median"),
        "max_order": ("revenue", "max"),
        "discount": ("discount", "sum"),
        "units": ("units", "sum"),
        "weekend_orders": ("weekend", "sum"),
    }
    for days in WINDOWS:
        recent = age <= days * DAY_US
        columns[f"is_{days}"], columns[f"spend_{days}"] = recent, orders["revenue"] * recent
        aggregates[f"orders_{days}d"] = (f"is_{days}", "sum")
        aggregates[f"revenue_{days}d"] = (f"spend_{days}", "sum")
    return pd.DataFrame(columns).groupby("customer").agg(**aggregates)


def _gaps(orders: pd.DataFrame) -> pd.Series:
    placed = orders[["customer", "ordered_at"]].sort_values(["customer", "ordered_at"])
    gaps = placed["ordered_at"].diff().dt.total_seconds() / 86_400
    gaps = gaps.where(placed["customer"] == placed["customer"].shift())
    deviation: pd.Series = gaps.groupby(placed["customer"]).std()
    return deviation.rename("std_gap_days")


def _months(orders: pd.DataFrame) -> pd.DataFrame:
    number = (orders["ordered_at"].dt.year - 2000) * 12 + orders["ordered_at"].dt.month
    months = orders["revenue"].groupby([orders["customer"], number.rename("month")]).sum().reset_index()
    x, y = months["month"].astype("int64"), months["revenue"]
    sums = months.assign(xy=x * y, xx=x * x, month=x).groupby("customer")
    n, total = sums.size(), sums[["month", "revenue", "xy", "xx"]].sum()
    below = n * total["xx"] - total["month"] ** 2
    slope = (n * total["xy"] - total["month"] * total["revenue"]) / SCALE / below.where(below > 0)
    seasons = y.groupby([months["customer"], x % 12]).sum()
    return pd.DataFrame(
        {
            "active_months": n,
            "monthly_spend_std": sums["revenue"].std() / SCALE,
            "spend_trend": slope,
            "season_entropy": _entropy(seasons, "customer"),
        }
    )


def _favourites(orders: pd.DataFrame) -> pd.DataFrame:
    """The most frequent choice; of equally frequent ones the smallest."""
    placed = orders["ordered_at"].dt
    choices = {"weekday": placed.day_of_week + 1, "hour": placed.hour, "country": orders["country"]}
    columns = {}
    for name, choice in choices.items():
        # A count and a rank in one integer, so that a plain `max` finds the mode.
        known = choice < NONE
        counts = (orders["customer"].astype("int64") * (NONE * 2) + choice)[known].value_counts(sort=False)
        customer, value = counts.index // (NONE * 2), counts.index % (NONE * 2)
        packed = pd.Series(counts.to_numpy() * NONE + (NONE - 1 - value.to_numpy()), index=customer)
        columns[f"top_{name}"] = NONE - 1 - packed.groupby(level=0).max() % NONE
    return pd.DataFrame(columns)


def _products(bought: pd.DataFrame, count: int) -> pd.DataFrame:
    pairs = (bought["order"] * count + bought["product_id"]).drop_duplicates()
    distinct = bought.loc[pairs.index]
    key = distinct["customer_id"].astype("int64") * count + distinct["product_id"]
    orders = key.value_counts(sort=False)
    spend = bought["amount"].groupby(bought["customer_id"].astype("int64") * count + bought["product_id"]).sum()
    by_customer = orders.groupby(orders.index // count)
    spend.index = pd.Index(spend.index // count, name="customer")
    return pd.DataFrame(
        {
            "distinct_products": by_customer.size(),
            "product_orders": by_customer.sum(),
            "repeated": (orders >= 2).groupby(orders.index // count).sum(),
            "product_entropy": _entropy(spend, "customer"),
        }
    )


def _categories(bought: pd.DataFrame, count: int) -> pd.DataFrame:
    known = bought[bought["category"] >= 0]
    key = known["customer_id"].astype("int64") * count + known["category"]
    spend = known["amount"].groupby(key).sum()
    category = spend.index % count
    spend.index = pd.Index(spend.index // count, name="customer")
    top = (spend * count + (count - 1 - category)).groupby(level=0).max()
    by_customer = spend.groupby(level=0)
    return pd.DataFrame(
        {
            "distinct_categories": by_customer.size(),
            "category_entropy": _entropy(spend, "customer"),
            "category_spend": by_customer.sum(),
            "top_spend": top // count,
            "top_category": count - 1 - top % count,
        }
    )


def _channels(bought: pd.DataFrame) -> pd.Series:
    used = bought.loc[bought["channel"] >= 0, ["customer_id", "channel"]].drop_duplicates()
    return used.groupby("customer_id").size().rename("distinct_channels")


def _returns(returned: pd.DataFrame) -> pd.DataFrame:
    by_customer = returned.groupby("customer_id")
    documents = returned[["customer_id", "order_id"]].drop_duplicates().groupby("customer_id").size()
    return pd.DataFrame({"returned": -by_customer["amount"].sum(), "return_count": documents})


def _entropy(spend: pd.Series, level: str) -> pd.Series:
    """ln(S) - sum(s ln s) / S over positive s."""
    positive = spend[spend > 0] / SCALE
    total = positive.groupby(level=level).sum()
    terms = (positive * np.log(positive)).groupby(level=level).sum()
    entropy: pd.Series = np.log(total) - terms / total
    return entropy.clip(lower=0)


def _final(r: pd.DataFrame, names: dict[str, pd.Index], market: int) -> pd.DataFrame:
    orders, gross, returned = r["order_count"], r["gross"] / SCALE, (r["returned"] / SCALE).fillna(0)
    discount = r["discount"] / SCALE
    first, last = r["oldest"] / DAY_US, r["youngest"] / DAY_US

    def share(part: pd.Series, whole: pd.Series) -> pd.Series:
        return part / whole.where(whole > 0)

    def named(codes: pd.Series, text: str) -> pd.Series:
        known = codes.notna()
        return pd.Series(names[text].astype(object)[codes[known].astype(int).to_numpy()], index=codes.index[known])

    home = named(r["top_country"], "country")
    return pd.DataFrame(
        {
            "customer_id": names["customer_id"][r.index],
            "recency_days": last,
            "order_count": orders,
            "gross_revenue": gross,
            "returned_revenue": returned,
            "net_revenue": (r["gross"] - r["returned"].fillna(0)) / SCALE,  # in this order, so that ties stay ties
            "average_order_value": gross / orders,
            "median_order_value": r["median_order"] / SCALE,
            "max_order_value": r["max_order"] / SCALE,
            **{f"orders_{days}d": r[f"orders_{days}d"] for days in WINDOWS},
            **{f"revenue_{days}d": r[f"revenue_{days}d"] / SCALE for days in WINDOWS},
            "distinct_products": r["distinct_products"],
            "distinct_categories": r["distinct_categories"].fillna(0),
            "category_entropy": r["category_entropy"],
            "product_entropy": r["product_entropy"],
            "top_category": named(r["top_category"], "category"),
            "top_category_share": share(r["top_spend"], r["category_spend"]),
            "repeat_product_share": r["repeated"] / r["distinct_products"],
            "distinct_products_per_order": r["product_orders"] / orders,
            "tenure_days": first,
            "mean_gap_days": (first - last) / (orders - 1).where(orders > 1),
            "std_gap_days": r["std_gap_days"],
            "active_months": r["active_months"],
            "monthly_spend_mean": gross / r["active_months"],
            "monthly_spend_std": r["monthly_spend_std"],
            "spend_trend": r["spend_trend"],
            "preferred_weekday": r["top_weekday"],
            "preferred_hour": r["top_hour"],
            "weekend_order_share": r["weekend_orders"] / orders,
            "seasonality_index": 1 - r["season_entropy"] / np.log(12),
            "units_purchased": r["units"] / SCALE,
            "average_basket_units": r["units"] / SCALE / orders,
            "return_count": r["return_count"].fillna(0),
            "return_rate": share(returned, gross),
            "discount_share": share(discount, discount + gross),
            "home_country": home,
            "is_home_market": (r.loc[home.index, "top_country"] == market).astype(object),
            "distinct_channels": r["distinct_channels"].fillna(0),
            "is_one_time_buyer": orders == 1,
        },
        index=r.index,
    )


def with_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Quintiles over everybody, ties broken by customer id, and the named segment."""
    for score, column, ascending in (
        ("r_score", "recency_days", False),
        ("f_score", "order_count", True),
        ("m_score", "net_revenue", True),
    ):
        order = frame.sort_values([column, "customer_id"], ascending=[ascending, True]).index
        # `array_split` gives the first groups the remainder, as NTILE does.
        sizes = [len(part) for part in np.array_split(np.arange(len(order)), 5)]
        frame[score] = pd.Series(np.repeat(np.arange(1, 6), sizes), index=order)
    r, fm = frame["r_score"], (frame["f_score"] + frame["m_score"] + 1) // 2
    rules = [
        ((r >= 4) & (fm >= 4), "Champions"),
        ((r >= 4) & (fm >= 2), "Potential loyalists"),
        (r >= 4, "Recent small buyers"),
        ((r == 3) & (fm >= 4), "Loyal customers"),
        ((r == 3) & (fm >= 2), "Needing attention"),
        (r == 3, "About to sleep"),
        ((r == 1) & (fm >= 4), "Cannot lose them"),
        (fm >= 3, "At risk"),
        (r == 2, "Hibernating"),
    ]
    frame["rfm_segment"] = np.select([rule for rule, _ in rules], [name for _, name in rules], "Long unseen")
    return frame


def write(answer: pd.DataFrame, path: Path) -> None:
    """Write an answer as every contender does."""
    columns = ["customer_id", *(feature.name for feature in FEATURES)]
    answer[columns].sort_values("customer_id").to_parquet(path, index=False)
