"""A shop in NumPy, with a known change at a known month: quick enough for thousands of runs."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from segmentation.metadata.features import BY_NAME, Feature
from segmentation.modeling.artefact import Floats, Ints
from segmentation.monitoring.drift import Population

MONTH = 30.4
HISTORY = 13
"""Dates before and at the training."""

TRAINED = 26
"""Month of the training; lines begin at month 0, and features look back for twelve."""

EPOCH = date(2022, 1, 1)
PRODUCTS = 200

FEATURES: tuple[Feature, ...] = tuple(
    BY_NAME[name]
    for name in (
        "recency_days",
        "tenure_days",
        "order_count",
        "orders_90d",
        "gross_revenue",
        "average_order_value",
        "max_order_value",
        "revenue_90d",
        "mean_gap_days",
        "distinct_products",
        "category_entropy",
        "average_basket_units",
        "return_rate",
        "discount_share",
        "weekend_order_share",
        "active_months",
    )
)


@dataclass(frozen=True)
class Change:
    """What happens to the shop; factors are 1 for nothing.

    Attributes:
        arrivals: Of new customers, from the training on.
        rate: Of orders per customer, from the training on.
        monthly_rate: The same, once more for each month since the training.
        discount: On prices, from the training on.
        season: Amplitude of the yearly swing of orders, all the time: 0.5 for between half and one and a half.
        pence: Share of products whose price is a hundredfold in the last month.
        lost_categories: Share of lines that have lost their category in the last month.
        after: Months from the training to the date that is judged.
    """

    arrivals: float = 1.0
    rate: float = 1.0
    monthly_rate: float = 1.0
    discount: float = 1.0
    season: float = 0.1
    pence: float = 0.0
    lost_categories: float = 0.0
    after: int = 3


@dataclass(frozen=True)
class Orders:
    """One order per row, of one product."""

    customer: Ints
    day: Floats
    value: Floats
    units: Floats
    product: Ints
    has_category: Ints
    is_returned: Ints
    discount: Floats


def orders(customers: int, change: Change, seed: int) -> Orders:
    """All orders until the date that is judged."""
    rng = np.random.default_rng(seed)
    last = TRAINED + change.after
    per_month = customers / 15
    weights = np.ones(last)
    weights[TRAINED:] = change.arrivals
    months = np.repeat(np.arange(last), rng.poisson(per_month * weights))
    begins = (months + rng.random(len(months))) * MONTH
    count = len(begins)
    rates = rng.gamma(1.5, 0.5, count)
    ends = begins + rng.exponential(18 * MONTH, count)
    customer, day = _times(rng, begins, ends, rates, last, change)
    later = day >= TRAINED * MONTH
    units = 1.0 + rng.poisson(np.exp(rng.normal(0.8, 0.6, count))[customer])
    taste = rng.integers(0, PRODUCTS, count)
    product = np.where(rng.random(len(day)) < 0.3, taste[customer], rng.integers(0, PRODUCTS, len(day)))
    price = np.exp(rng.normal(2.0, 0.7, PRODUCTS))
    prone = rng.beta(1, 9, count)
    bargains = rng.beta(1, 4, count)
    made = Orders(
        customer,
        day,
        np.asarray(units * price[product] * np.exp(rng.normal(0, 0.05, len(day))), dtype=np.float64),
        np.asarray(units, dtype=np.float64),
        product,
        np.ones(len(day), dtype=np.int64),
        (rng.random(len(day)) < prone[customer]).astype(np.int64),
        bargains[customer] * rng.random(len(day)) * np.where(later, change.discount, 1.0),
    )
    return _spoilt(made, change, rng, last)


def _times(
    rng: np.random.Generator, begins: Floats, ends: Floats, rates: Floats, last: int, change: Change
) -> tuple[Ints, Floats]:
    """Who orders when: the first order on arrival, then a Poisson process that is thinned by season and change."""
    most = (1 + change.season) * max(1.0, change.rate)
    horizon = np.minimum(ends, last * MONTH)
    counts = rng.poisson(rates * most * np.maximum(horizon - begins, 0) / MONTH)
    customer = np.repeat(np.arange(len(begins)), counts)
    day = begins[customer] + rng.random(len(customer)) * (horizon - begins)[customer]
    since = np.maximum(day / MONTH - TRAINED, 0)
    factor = 1 + change.season * np.sin(2 * np.pi * day / 365)
    factor *= np.where(since > 0, change.rate * change.monthly_rate**since, 1.0)
    keep = rng.random(len(day)) * most < factor
    everybody = np.arange(len(begins))
    return np.concatenate([everybody, customer[keep]]), np.concatenate([begins, day[keep]])


def _spoilt(made: Orders, change: Change, rng: np.random.Generator, last: int) -> Orders:
    recent = made.day >= (last - 1) * MONTH
    pence = rng.random(PRODUCTS) < change.pence
    lost = recent & (rng.random(len(made.day)) < change.lost_categories)
    return replace(
        made,
        value=np.where(recent & pence[made.product], made.value * 100, made.value),
        has_category=np.where(lost, 0, made.has_category),
    )


def population(made: Orders, month: int, centroids: Floats | None = None) -> Population:
    """The customers as of the end of a month, with the features of `FEATURES`."""
    end, start = month * MONTH, month * MONTH - 365
    window = (made.day >= start) & (made.day < end)
    who, row = np.unique(made.customer[window], return_inverse=True)
    day, value, units = made.day[window], made.value[window], made.units[window]
    n = np.bincount(row).astype(np.float64)

    def total(weights: Floats) -> Floats:
        return np.asarray(np.bincount(row, weights=weights, minlength=len(who)), dtype=np.float64)

    first, final, largest = np.full(len(who), np.inf), np.full(len(who), -np.inf), np.zeros(len(who))
    np.minimum.at(first, row, day)
    np.maximum.at(final, row, day)
    np.maximum.at(largest, row, value)
    recent = (day >= end - 90).astype(np.float64)
    spent, discount = total(value), made.discount[window]
    columns = {
        "recency_days": end - final,
        "tenure_days": end - first,
        "order_count": n,
        "orders_90d": total(recent),
        "gross_revenue": spent,
        "average_order_value": spent / n,
        "max_order_value": largest,
        "revenue_90d": total(recent * value),
        "mean_gap_days": np.where(n > 1, (final - first) / np.maximum(n - 1, 1), np.nan),
        "distinct_products": _distinct(row, made.product[window], len(who)),
        "category_entropy": _entropy(row, made.product[window] % 8, value * made.has_category[window], len(who)),
        "average_basket_units": total(units) / n,
        "return_rate": total(value * made.is_returned[window]) / spent,
        "discount_share": total(value * discount) / (spent + total(value * discount)),
        "weekend_order_share": total((day % 7 < 2).astype(np.float64)) / n,
        "active_months": _distinct(row, (day // MONTH).astype(np.int64), len(who)),
    }
    values = np.column_stack([columns[feature.name] for feature in FEATURES])
    segments = np.zeros(len(who), dtype=np.int64) if centroids is None else nearest_segment(values, centroids)
    as_of = EPOCH + timedelta(days=round(end))
    return Population(as_of, pl.Series(who).cast(pl.String), values, segments)


def space(values: Floats) -> Floats:
    """What segments are made in: recency, orders, revenue and order value, on log scales."""
    return np.log1p(values[:, [0, 2, 4, 5]])


def nearest_segment(values: Floats, centroids: Floats) -> Ints:
    """Index of the nearest centroid."""
    return np.asarray(np.argmin(((space(values)[:, None, :] - centroids[None]) ** 2).sum(axis=2), axis=1))


def figures(made: Orders, month: int) -> dict[str, float | None]:
    """What `line_figures` reads of a month."""
    now, before = ((made.day // MONTH).astype(np.int64) == m for m in (month - 1, month - 2))
    prices = [_medians(made.product[mask], made.value[mask] / made.units[mask]) for mask in (now, before)]
    sold = np.isfinite(prices[0]) & np.isfinite(prices[1])
    ratio = prices[0][sold] / prices[1][sold]
    return {
        "rejected": 0.01,
        "missing_category": float(1 - made.has_category[now].mean()),
        "missing_channel": 0.0,
        "no_discounts": float(np.exp(-(made.discount[now] > 0).sum())),
        "no_returns": float(np.exp(-made.is_returned[now].sum())),
        "days_without_lines": 0.0,
        "price_jumps": float((np.maximum(ratio, 1 / ratio) >= 2).mean()),
    }


def _medians(product: Ints, price: Floats) -> Floats:
    order = np.lexsort((price, product))
    product, price = product[order], price[order]
    counts = np.bincount(product, minlength=PRODUCTS)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    middle = np.minimum(starts + counts // 2, len(price) - 1)
    return np.where(counts > 0, price[middle], np.nan)


def _distinct(row: Ints, key: Ints, count: int) -> Floats:
    pairs = np.unique(row * 100_003 + key)
    return np.bincount(pairs // 100_003, minlength=count).astype(np.float64)


def _entropy(row: Ints, category: Ints, spend: Floats, count: int) -> Floats:
    table = np.bincount(row * 8 + category, weights=spend, minlength=count * 8).reshape(count, 8)
    total = table.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = table / total[:, None]
        terms = np.where(shares > 0, shares * np.log(shares), 0.0)
    return np.where(total > 0, -terms.sum(axis=1), np.nan)
