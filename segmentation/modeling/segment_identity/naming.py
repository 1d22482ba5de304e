"""Names and descriptions of segments, from what their customers do, by rules that read well.

A name says how the customers buy (noun) and what stands out about them (adjective), relative to all customers:
"High-value regulars", "Lapsed one-time buyers". Segments that would share a name are told apart by the trait in
which they differ most.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Traits:
    """The typical customer of a group.

    Attributes:
        recency_days: Median days since the last order.
        order_count: Mean number of orders.
        one_time_share: Share with exactly one order.
        net_revenue: Mean net revenue.
        order_value: Mean of the average order values.
        distinct_products: Mean number of different products.
        return_rate: Mean return rate.
    """

    recency_days: float
    order_count: float
    one_time_share: float
    net_revenue: float
    order_value: float
    distinct_products: float
    return_rate: float


@dataclass(frozen=True)
class Population:
    """All customers together: their traits, and two quantiles of recency.

    Attributes:
        traits: Of everybody.
        recent_days: 40 % of customers ordered at most so many days ago.
        lapsed_days: 75 % of customers ordered at most so many days ago.
    """

    traits: Traits
    recent_days: float
    lapsed_days: float


NOUNS = {
    ("once", "recent"): "New customers",
    ("once", "cooling"): "One-time buyers",
    ("once", "lapsed"): "Lapsed one-time buyers",
    ("often", "recent"): "Regulars",
    ("often", "cooling"): "Cooling regulars",
    ("often", "lapsed"): "Lost regulars",
    ("sometimes", "recent"): "Active shoppers",
    ("sometimes", "cooling"): "Cooling shoppers",
    ("sometimes", "lapsed"): "Lapsed shoppers",
}

DIFFERENCES = (
    ("order_value", "with big baskets", "with small baskets"),
    ("order_count", "who buy most often", "who buy less often"),
    ("distinct_products", "with a broad range", "with a narrow range"),
    ("recency_days", "seen longer ago", "seen recently"),
    ("net_revenue", "who spend more", "who spend less"),
)


def name_segments(segments: Sequence[Traits], population: Population) -> list[str]:
    """One name per segment, no two the same.

    Args:
        segments: Traits of each segment.
        population: What they are compared with.
    """
    names = [_base_name(traits, population) for traits in segments]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        groups[name].append(index)
    for members in groups.values():
        _tell_apart(names, members, segments, DIFFERENCES)
    return names


def describe(traits: Traits, population: Population) -> str:
    """What the typical customer of a segment does, in a sentence."""
    ratio = _ratio(traits.net_revenue, population.traits.net_revenue)
    returns = f", {traits.return_rate:.0%} of it returned" if traits.return_rate >= 0.02 else ""
    return (
        f"{_amount(traits.order_count)} order{'' if round(traits.order_count, 1) == 1 else 's'} of "
        f"{_amount(traits.order_value)} on average, the last one {_amount(traits.recency_days)} days ago; "
        f"{_amount(traits.net_revenue)} net revenue each ({ratio:.1f} times the mean){returns}."
    )


def _base_name(traits: Traits, population: Population) -> str:
    noun = NOUNS[_frequency(traits, population), _activity(traits, population)]
    adjective = _adjective(traits, population)
    return f"{adjective} {noun[0].lower()}{noun[1:]}" if adjective else noun


def _frequency(traits: Traits, population: Population) -> str:
    if traits.one_time_share >= 0.5:
        return "once"
    return "often" if traits.order_count >= population.traits.order_count else "sometimes"


def _activity(traits: Traits, population: Population) -> str:
    if traits.recency_days <= population.recent_days:
        return "recent"
    return "cooling" if traits.recency_days <= population.lapsed_days else "lapsed"


def _adjective(traits: Traits, population: Population) -> str:
    everybody = population.traits
    order_value = _ratio(traits.order_value, everybody.order_value)
    revenue = _ratio(traits.net_revenue, everybody.net_revenue)
    rules = (
        (traits.return_rate >= max(0.1, 2 * everybody.return_rate), "Return-prone"),
        (revenue >= 2, "High-value"),
        (order_value >= 1.75, "Big-basket"),
        (order_value <= 0.6, "Small-basket"),
        (revenue <= 0.25, "Low-spend"),
    )
    return next((adjective for holds, adjective in rules if holds), "")


def _tell_apart(
    names: list[str], members: list[int], segments: Sequence[Traits], traits: tuple[tuple[str, str, str], ...]
) -> None:
    if len(members) < 2:
        return
    if not traits:
        for number, index in enumerate(members, start=1):
            names[index] += f" ({number})"
        return
    trait, more, less = max(traits, key=lambda t: _spread([getattr(segments[i], t[0]) for i in members]))
    ordered = sorted(members, key=lambda i: -getattr(segments[i], trait))
    cut = _widest_gap([getattr(segments[i], trait) for i in ordered])
    rest = tuple(t for t in traits if t[0] != trait)
    for group, suffix in ((ordered[:cut], more), (ordered[cut:], less)):
        for index in group:
            names[index] += f", {suffix}"
        _tell_apart(names, group, segments, rest)


def _spread(values: list[float]) -> float:
    return _log(max(values)) - _log(min(values))


def _widest_gap(descending: list[float]) -> int:
    gaps = [_log(a) - _log(b) for a, b in pairwise(descending)]
    return gaps.index(max(gaps)) + 1


def _log(value: float) -> float:
    return math.log1p(max(value, 0.0))


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference > 0 else 1.0


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"
