"""All features the way most notebooks do it: `groupby("customer_id")`, then a Python function for each customer."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.features.contenders.pandas_frames import WINDOWS, with_scores, write
from benchmarks.features.contenders.source import Source
from segmentation.features.one_customer import COLUMNS

DAY = pd.Timedelta(days=1)
CUSTOMER = "customer_id"


class PandasLambdas:
    """Everything in memory, customer by customer."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def compute(self) -> None:
        """Leave the answer in memory."""
        lines = pd.concat([pd.read_parquet(path, columns=list(COLUMNS)) for path in self._source.files])
        lines = lines[lines["ordered_at"] < self._source.as_of]
        self._answer = with_scores(_features(lines, self._source.as_of))

    def save(self, path: Path) -> None:
        """Write the answer, sorted by customer."""
        write(self._answer, path)


def _features(lines: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    bought, returned = lines[lines["quantity"] > 0], lines[lines["quantity"] < 0]
    orders = bought.groupby([CUSTOMER, "order_id"], as_index=False).agg(
        ordered_at=("ordered_at", "min"),
        revenue=("amount", _money),
        discount=("discount", _money),
        units=("quantity", "sum"),
        country=("country", "min"),
    )
    parts = [
        orders.groupby(CUSTOMER).agg(**_of_orders(pd.Timestamp(as_of))),
        orders.groupby(CUSTOMER)[["ordered_at", "revenue"]].apply(lambda own: _windows_and_months(own, as_of)),
        bought.groupby(CUSTOMER)[["order_id", "product_id", "category", "amount", "channel"]].apply(_baskets),
    ]
    result = parts[0].join(parts[1:])
    result["returned_revenue"] = -returned.groupby(CUSTOMER)["amount"].agg(_money)
    result["return_count"] = returned.groupby(CUSTOMER)["order_id"].agg(lambda own: own.nunique())
    result = result.fillna({"returned_revenue": 0, "return_count": 0})
    return _ratios(result, _mode(lines["country"]))


def _of_orders(as_of: pd.Timestamp) -> dict[str, tuple[str, Callable[[pd.Series], object] | str]]:
    return {
        "recency_days": ("ordered_at", lambda own: (as_of - own.max()) / DAY),
        "tenure_days": ("ordered_at", lambda own: (as_of - own.min()) / DAY),
        "order_count": ("order_id", "count"),
        "gross_revenue": ("revenue", _money),
        "median_order_value": ("revenue", lambda own: own.median()),
        "max_order_value": ("revenue", lambda own: own.max()),
        "std_gap_days": ("ordered_at", lambda own: own.sort_values().diff().dt.total_seconds().std() / 86_400),
        "preferred_weekday": ("ordered_at", lambda own: _mode(own.dt.day_of_week + 1)),
        "preferred_hour": ("ordered_at", lambda own: _mode(own.dt.hour)),
        "weekend_order_share": ("ordered_at", lambda own: (own.dt.day_of_week >= 5).mean()),
        "discount": ("discount", _money),
        "units_purchased": ("units", "sum"),
        "home_country": ("country", _mode),
    }


def _windows_and_months(own: pd.DataFrame, as_of: datetime) -> pd.Series:
    row: dict[str, float] = {}
    for days in WINDOWS:
        recent = own[pd.Timestamp(as_of) - own["ordered_at"] <= days * DAY]
        row[f"orders_{days}d"] = len(recent)
        row[f"revenue_{days}d"] = _money(recent["revenue"])
    months = own.groupby(own["ordered_at"].dt.year * 12 + own["ordered_at"].dt.month)["revenue"].sum()
    row["active_months"] = len(months)
    row["monthly_spend_std"] = months.std()
    row["spend_trend"] = np.polyfit(months.index - months.index.max(), months, 1)[0] if len(months) > 1 else np.nan
    row["seasonality_index"] = 1 - _entropy(own.groupby(own["ordered_at"].dt.month)["revenue"].sum()) / np.log(12)
    return pd.Series(row)


def _baskets(own: pd.DataFrame) -> pd.Series:
    categories = own.groupby("category")["amount"].agg(_money)
    orders_by_product = own.groupby("product_id")["order_id"].nunique()
    total = categories.sum()
    return pd.Series(
        {
            "distinct_products": own["product_id"].nunique(),
            "distinct_categories": own["category"].nunique(),
            "category_entropy": _entropy(categories),
            "product_entropy": _entropy(own.groupby("product_id")["amount"].sum()),
            "top_category": categories.idxmax() if len(categories) else None,
            "top_category_share": categories.max() / total if total > 0 else np.nan,
            "repeat_product_share": (orders_by_product >= 2).mean(),
            "distinct_products_per_order": own.groupby("order_id")["product_id"].nunique().mean(),
            "distinct_channels": own["channel"].nunique(),
        }
    )


def _ratios(result: pd.DataFrame, home_market: object) -> pd.DataFrame:
    orders, gross, discount = result["order_count"], result["gross_revenue"], result["discount"]
    return result.assign(
        net_revenue=(gross - result["returned_revenue"]).round(6),
        average_order_value=gross / orders,
        mean_gap_days=(result["tenure_days"] - result["recency_days"]) / (orders - 1).where(orders > 1),
        monthly_spend_mean=gross / result["active_months"],
        average_basket_units=result["units_purchased"] / orders,
        return_rate=result["returned_revenue"] / gross.where(gross > 0),
        discount_share=discount / (discount + gross).where(discount + gross > 0),
        is_home_market=(result["home_country"] == home_market).astype(object).where(result["home_country"].notna()),
        is_one_time_buyer=orders == 1,
    ).reset_index()


def _money(values: pd.Series) -> float:
    """The sum without the noise of floats, which would break ties at random."""
    return round(float(values.sum()), 6)


def _mode(values: pd.Series) -> object:
    counts = values.value_counts()
    return counts.index[counts == counts.max()].min() if len(counts) else None


def _entropy(spend: pd.Series) -> float:
    positive = spend[spend > 0]
    if positive.empty:
        return float("nan")
    share = positive / positive.sum()
    return max(0.0, -float((share * np.log(share)).sum()))
