"""Features once more, in plain Python, customer by customer, written from the definitions and not from the SQL."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

from segmentation_assets_tests.testing.lines import Line

DAY = timedelta(days=1)
Row = dict[str, object]
T = TypeVar("T", int, str)


def features_of(
    lines: Sequence[Line],
    as_of: datetime,
    lookback_days: int,
    *,
    zone: str = "UTC",
    starts_at: datetime | None = None,
) -> dict[str, Row]:
    """Features by customer, without the scores, which compare customers.

    Args:
        lines: Of all customers.
        as_of: The moment (UTC) at which the window ends.
        lookback_days: Its length.
        zone: The shop's time zone.
        starts_at: The moment (UTC) at which the window starts, where days differ in length.
    """
    start = starts_at or as_of - timedelta(days=lookback_days)
    window = [line for line in lines if start <= line.ordered_at < as_of]
    by_customer: dict[str, list[Line]] = defaultdict(list)
    for line in window:
        by_customer[line.customer_id].append(line)
    home_market = _most_frequent([line.country for line in window if line.country is not None])
    return {
        customer: _features(own, as_of, home_market, ZoneInfo(zone))
        for customer, own in by_customer.items()
        if any(line.quantity > 0 for line in own)
    }


def differences(found: dict[str, object], expected: dict[str, object]) -> dict[str, tuple[object, object]]:
    """What is found and what is expected, by name, where they differ by more than a rounding error."""

    def same(one: object, other: object) -> bool:
        if isinstance(one, float) and isinstance(other, float):
            return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        return one == other

    return {name: (found[name], value) for name, value in expected.items() if not same(found[name], value)}


def is_refund(line: Line) -> bool:
    """Goods that came back, or money alone."""
    return line.quantity < 0 or (line.quantity == 0 and line.amount < 0)


def _features(lines: list[Line], as_of: datetime, home_market: str | None, zone: ZoneInfo) -> Row:
    bought = [line for line in lines if line.quantity > 0]
    orders: dict[str, list[Line]] = defaultdict(list)
    for line in bought:
        orders[line.order_id].append(line)
    placed = sorted(min(line.ordered_at for line in order) for order in orders.values())
    moments = {name: min(line.ordered_at for line in order) for name, order in orders.items()}
    shown = {name: moment.replace(tzinfo=UTC).astimezone(zone) for name, moment in moments.items()}
    values = {name: _money(order) for name, order in orders.items()}
    gross, returned = _money(bought), -_money([line for line in lines if is_refund(line)])

    discount = sum((Fraction(round(line.discount * 10**6), 10**6) for line in bought), Fraction(0))

    def recent(days: int) -> list[str]:
        return [name for name, moment in moments.items() if as_of - moment <= days * DAY]

    countries = [min((li.country for li in order if li.country), default=None) for order in orders.values()]
    home_country = _most_frequent([country for country in countries if country is not None])
    gaps = [(later - earlier) / DAY for earlier, later in pairwise(placed)]
    return {
        "recency_days": (as_of - placed[-1]) / DAY,
        "order_count": len(orders),
        "gross_revenue": float(gross),
        "returned_revenue": float(returned),
        "net_revenue": float(gross - returned),
        "average_order_value": float(gross) / len(orders),
        "median_order_value": statistics.median(float(value) for value in values.values()),
        "max_order_value": float(max(values.values())),
        **{f"orders_{days}d": len(recent(days)) for days in (30, 90, 365)},
        **{f"revenue_{days}d": float(sum(values[n] for n in recent(days))) for days in (30, 90, 365)},
        **_diversity(bought, orders),
        "tenure_days": (as_of - placed[0]) / DAY,
        "mean_gap_days": statistics.fmean(gaps) if gaps else None,
        "std_gap_days": statistics.stdev(gaps) if len(gaps) > 1 else None,
        **_months(shown, values),
        "preferred_weekday": _most_frequent([moment.isoweekday() for moment in shown.values()]),
        "preferred_hour": _most_frequent([moment.hour for moment in shown.values()]),
        "weekend_order_share": sum(moment.isoweekday() >= 6 for moment in shown.values()) / len(placed),
        "units_purchased": sum(line.quantity for line in bought),
        "average_basket_units": sum(line.quantity for line in bought) / len(orders),
        "return_count": len({line.order_id for line in lines if line.quantity < 0}),
        "home_country": home_country,
        "is_home_market": None if home_country is None else home_country == home_market,
        "distinct_channels": len(
            {min(known) for order in orders.values() if (known := [line.channel for line in order if line.channel])}
        ),
        "return_rate": float(returned) / float(gross) if gross > 0 else None,
        "discount_share": float(discount / (discount + gross)) if discount + gross > 0 else None,
        "is_one_time_buyer": len(orders) == 1,
    }


def _months(moments: dict[str, datetime], values: dict[str, Fraction]) -> Row:
    spend: dict[int, Fraction] = defaultdict(Fraction)
    seasons: dict[int, Fraction] = defaultdict(Fraction)
    for name, moment in moments.items():
        spend[moment.year * 12 + moment.month] += values[name]
        seasons[moment.month] += values[name]
    months, money = list(spend), [float(value) for value in spend.values()]
    entropy = _entropy([float(value) for value in seasons.values()])
    return {
        "active_months": len(months),
        "monthly_spend_mean": statistics.fmean(money),
        "monthly_spend_std": statistics.stdev(spend.values()) if len(months) > 1 else None,
        "spend_trend": _slope(spend) if len(months) > 1 else None,
        "seasonality_index": None if entropy is None else 1 - entropy / math.log(12),
    }


def _slope(points: Mapping[int, Fraction]) -> float:
    """Of the least-squares line; exactly, as `statistics.linear_regression` loses half of the digits of large sums."""
    x, y = Fraction(sum(points), len(points)), sum(points.values(), Fraction(0)) / len(points)
    return float(sum((a - x) * (b - y) for a, b in points.items()) / sum((a - x) ** 2 for a in points))


def _most_frequent(values: Sequence[T]) -> T | None:
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value), default=None)


def _diversity(bought: list[Line], orders: dict[str, list[Line]]) -> Row:
    products: dict[str, list[Line]] = defaultdict(list)
    categories: dict[str, list[Line]] = defaultdict(list)
    for line in bought:
        products[line.product_id].append(line)
        known = [li.category for li in orders[line.order_id] if li.product_id == line.product_id and li.category]
        if known:
            categories[min(known)].append(line)
    spend = {name: float(_money(lines)) for name, lines in categories.items()}
    top = min(spend, key=lambda name: (-spend[name], name.encode())) if spend else None
    total = math.fsum(spend.values())
    return {
        "distinct_products": len(products),
        "distinct_categories": len(categories),
        "category_entropy": _entropy(list(spend.values())),
        "product_entropy": _entropy([float(_money(lines)) for lines in products.values()]),
        "top_category": top,
        "top_category_share": spend[top] / total if top is not None and total > 0 else None,
        "repeat_product_share": sum(len({li.order_id for li in ls}) >= 2 for ls in products.values()) / len(products),
        "distinct_products_per_order": statistics.fmean(
            len({line.product_id for line in order}) for order in orders.values()
        ),
    }


def _entropy(spend: list[float]) -> float | None:
    positive = [value for value in spend if value > 0]
    total = math.fsum(positive)
    if not positive:
        return None
    return max(0.0, -math.fsum(value / total * math.log(value / total) for value in positive))


def _money(lines: Sequence[Line]) -> Fraction:
    return sum((Fraction(round(line.amount * 10**6), 10**6) for line in lines), Fraction(0))
