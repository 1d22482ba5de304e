"""Plain words for features, figures and conditions: what marketers read instead of column names.

What a feature is lies in the catalogue; here is only how to say it. A feature without words here is called by its name.
"""

import re

from segmentation.metadata.features import BY_NAME, Feature

NOUNS = {
    "recency_days": "days since the last order",
    "order_count": "orders",
    "gross_revenue": "spend before returns",
    "returned_revenue": "value of returns",
    "net_revenue": "net revenue",
    "average_order_value": "average order value",
    "median_order_value": "median order value",
    "max_order_value": "largest order",
    "orders_30d": "orders in 30 days",
    "orders_90d": "orders in 90 days",
    "orders_365d": "orders in 365 days",
    "revenue_30d": "spend in 30 days",
    "revenue_90d": "spend in 90 days",
    "revenue_365d": "spend in 365 days",
    "distinct_products": "different products",
    "distinct_categories": "different categories",
    "category_entropy": "variety of categories",
    "product_entropy": "variety of products",
    "top_category_share": "share of spend in the favourite category",
    "repeat_product_share": "share of products bought again",
    "distinct_products_per_order": "products per order",
    "tenure_days": "days since the first order",
    "mean_gap_days": "days between orders",
    "std_gap_days": "days of variation between orders",
    "active_months": "months with an order",
    "monthly_spend_mean": "spend in a month with an order",
    "monthly_spend_std": "variation of spend between months",
    "spend_trend": "growth of spend from month to month",
    "weekend_order_share": "share of orders at weekends",
    "seasonality_index": "concentration of spend on a few months",
    "units_purchased": "units bought",
    "average_basket_units": "units per order",
    "return_count": "returns",
    "return_rate": "return rate",
    "discount_share": "discount share",
    "is_home_market": "customers of the home market",
    "distinct_channels": "channels used",
    "is_one_time_buyer": "one-time buyers",
}
COUNTED = frozenset(
    {"orders", "products", "categories", "months", "returns", "channels", "units", "days", "yes/no"},
)
"""Units of which there are more or fewer; of others there is a higher or lower figure."""

ID_LENGTH = 200
"""Characters of a customer's id that a message repeats at most."""

_SINGULAR = {"categories": "category", "days": "day"}
_PLURAL = re.compile(r"\b(orders|products|categories|months|returns|channels|units|days)\b")


def noun(name: str) -> str:
    """What a feature is called, as in "more … than" or "a higher … than"."""
    return NOUNS.get(name, name.replace("_", " "))


def figure(name: str, value: float) -> str:
    """A value of a feature as people write it, without its unit."""
    unit = BY_NAME[name].unit
    if unit in ("share", "ratio", "yes/no"):
        return percent(value)
    if unit.startswith("money"):
        return money(value)
    if unit == "nats":
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"


def percent(share: float) -> str:
    """A share: whole percents, or tenths below one."""
    return f"{share:.0%}" if abs(share) >= 0.00995 or abs(share) < 0.0005 else f"{share:.1%}"


def money(amount: float) -> str:
    """An amount: cents only where they matter."""
    return f"{amount:,.0f}" if abs(amount) >= 99.995 or amount == round(amount) else f"{amount:,.2f}"


def difference(name: str, value: float, reference: float) -> str:
    """How a typical value differs from the typical value of everybody."""
    feature = BY_NAME[name]
    words = ("More", "Fewer") if feature.unit in COUNTED else ("Higher", "Lower")
    everybody = figure(name, reference)
    against = f"{everybody} of everybody" if feature.type == "BOOLEAN" else f"a typical {everybody}"
    return (
        f"{words[0 if value > reference else 1]} {noun(name)}: {figure(name, value)} against {against}"
        f"{_times(feature, value, reference)}"
    )


def condition(name: str, lower: float | None, upper: float | None) -> str:
    """A feature above `lower` and at most `upper`, as in "customers with …"; at least one of them is given.

    Args:
        name: The feature; a number, not a boolean.
        lower: Exclusive; whole for a feature that counts.
        upper: Inclusive.
    """
    feature = BY_NAME[name]
    is_counted = feature.unit in COUNTED
    one = f"{'an' if noun(name)[0] in 'aeiou' else 'a'} {noun(name)}"
    if lower is not None and upper is not None:
        first = lower + 1 if feature.type == "BIGINT" else lower
        span = figure(name, upper) if first == upper else f"{figure(name, first)} to {figure(name, upper)}"
        return _agreeing(f"{span} {noun(name)}", upper) if is_counted else f"{one} of {span}"
    if lower is not None:
        bound = figure(name, lower)
        return _agreeing(f"more than {bound} {noun(name)}", lower) if is_counted else f"{one} above {bound}"
    if upper is None:
        raise ValueError(f"No condition on {name}.")
    bound = figure(name, upper)
    return _agreeing(f"at most {bound} {noun(name)}", upper) if is_counted else f"{one} of at most {bound}"


def quoted_id(customer_id: str) -> str:
    """A customer's id as a message repeats it: in quotes, and only the beginning of an endless one."""
    return repr(customer_id if len(customer_id) <= ID_LENGTH else f"{customer_id[:ID_LENGTH]}…")


def listed(parts: list[str]) -> str:
    """Parts as people list them: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _times(feature: Feature, value: float, reference: float) -> str:
    """The ratio, where it says more than the two figures do."""
    is_ratio_scale = feature.unit in COUNTED - {"yes/no"} or feature.unit == "money"
    if not is_ratio_scale or reference <= 0 or value <= 0 or value / reference < 1.5:
        return ""
    ratio = value / reference
    return f" ({ratio:,.0f} times)" if ratio >= 10 else f" ({ratio:.1f} times)"


def _agreeing(text: str, number: float) -> str:
    """With "order" instead of "orders" where the number is one."""
    if number != 1:
        return text
    return _PLURAL.sub(lambda found: _SINGULAR.get(found[0], found[0].removesuffix("s")), text, count=1)
