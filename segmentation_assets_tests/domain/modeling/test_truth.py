"""Counts of whom a word is true of, against the same words in NumPy."""

import numpy as np
import pytest

from segmentation.metadata.vocabulary import BY_LABEL, NAMED_FROM, QUANTILES, WORDS, Band, figure, mentioned, words_of
from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.segment_identity.truth import SEGMENT_WEIGHT, prepared, shares
from segmentation_assets_tests.domain.modeling.test_naming import customers


def _measures(features: Floats, labels: Ints) -> dict[str, Floats]:
    found = {name: features[:, index] for index, name in enumerate(NAMED_FROM)}
    orders, span = found["order_count"], found["tenure_days"] - found["recency_days"]
    again = orders >= 2
    usual = float(np.median(span[again] / (orders[again] - 1)))
    gap = np.empty(len(labels))
    for segment in np.unique(labels):
        own = again & (labels == segment)
        median = float(np.median(span[own] / (orders[own] - 1))) if own.any() else 0.0
        pooled = (median * own.sum() + usual * SEGMENT_WEIGHT) / (own.sum() + SEGMENT_WEIGHT)
        gap[labels == segment] = (span[labels == segment] + pooled) / orders[labels == segment]
    return {**found, "unit_price": found["gross_revenue"] / found["units_purchased"], "expected_gap_days": gap}


def _reference(m: dict[str, Floats]) -> dict[str, np.ndarray]:
    top = {f"{n}_p{p}": np.nanpercentile(m[n], p) for n, percents in QUANTILES.items() for p in percents}
    orders, revenue, value = m["order_count"], m["net_revenue"], m["average_order_value"]
    new, ratio = m["tenure_days"] <= 90, m["recency_days"] / m["expected_gap_days"]
    middle = (revenue >= top["net_revenue_p25"]) & (revenue <= top["net_revenue_p75"])
    return {
        "top value": (revenue > 0) & (revenue >= top["net_revenue_p90"]),
        "high value": (revenue > 0) & (revenue >= top["net_revenue_p75"]),
        "mid value": middle,
        "low value": revenue <= top["net_revenue_p33"],
        "new": new,
        "promising": new & ((orders >= 2) | (value >= top["average_order_value_p67"])),
        "lapsed": ratio > 4,
        "cooling": ratio > 2,
        "active": ratio <= 1.5,
        "discount-driven": m["discount_share"] >= max(0.1, top["discount_share_p75"]),
        "full-price": np.nan_to_num(m["discount_share"]) <= 0.01,
        "return-prone": m["return_rate"] >= 0.1,
        "nothing kept": revenue <= 0,
        "big-ticket": value >= top["average_order_value_p75"],
        "small-ticket": value <= top["average_order_value_p25"],
        "frequent": orders >= max(3, top["order_count_p75"]),
        "one order": orders == 1,
        "few orders": orders <= 2,
        "big baskets": m["average_basket_units"] >= max(2, top["average_basket_units_p75"]),
        "small baskets": m["average_basket_units"] <= top["average_basket_units_p25"],
        "premium items": m["unit_price"] >= top["unit_price_p75"],
        "low-priced items": m["unit_price"] <= top["unit_price_p25"],
        "varied orders": m["distinct_products_per_order"] >= max(2, top["distinct_products_per_order_p75"]),
        "one category": (m["top_category_share"] >= 0.9) & (orders >= 2) & (top["top_category_share_p25"] < 0.9),
        "many categories": (m["distinct_categories"] >= 3) & (m["top_category_share"] <= 0.5),
        "same products again": (m["repeat_product_share"] >= max(0.2, top["repeat_product_share_p75"]))
        & (m["distinct_products"] >= 2),
        "weekend": (m["weekend_order_share"] >= 0.6) & (orders >= 2) & (top["weekend_order_share_p50"] < 0.6),
        "seasonal": (m["seasonality_index"] >= max(0.5, top["seasonality_index_p75"])) & (orders >= 3),
        "several channels": m["distinct_channels"] >= 2,
        "abroad": m["is_home_market"] == 0,
        "long-standing": m["tenure_days"] >= 270,
    }


def test_words_are_true_of_whom_they_are_said_to_be_true_of() -> None:
    rng = np.random.default_rng(3)
    discount = np.where(rng.random(900) < 0.2, np.nan, rng.random(900) * 0.4)
    features = customers(
        900,
        3,
        discount_share=discount,
        return_rate=rng.random(900) * 0.2,
        weekend_order_share=rng.random(900) ** 1.5,
        distinct_channels=rng.integers(1, 4, 900).astype(float),
        is_home_market=rng.integers(0, 2, 900).astype(float),
    )
    labels = rng.integers(0, 3, 900)
    reference = _reference(_measures(features, labels))
    assert set(reference) == set(BY_LABEL)
    with prepared(features, labels) as con:
        held = shares(con, WORDS)
    for segment in range(3):
        members = labels == segment
        for word in WORDS:
            expected = (reference[word.label][members].mean(), reference[word.label][~members].mean())
            assert held.of(segment, word) == pytest.approx(expected, abs=1e-12), word.label


def test_what_the_shop_makes_of_everybody_is_no_word_of_those_who_came_again() -> None:
    """One product, one category and weekends alone: who came again did so, too, but nobody could do otherwise."""
    given = {"distinct_products": 1, "top_category_share": 1, "repeat_product_share": 1, "weekend_order_share": 1}
    features = customers(300, 1, order_count=np.where(np.arange(300) % 2, 4.0, 1.0), **given)
    with prepared(features, np.arange(300) % 2) as con:
        held = shares(con, [BY_LABEL[label] for label in ("same products again", "one category", "weekend")])
    assert held.inside.max() == 0


def test_a_shop_where_nearly_nobody_comes_again_has_no_rhythm() -> None:
    """A few who came again within days don't make the others overdue."""
    features = customers(1000, 1, order_count=np.where(np.arange(1000) < 30, 2.0, 1.0))
    with prepared(features, np.arange(1000) % 2) as con:
        held = shares(con, [BY_LABEL[label] for label in ("active", "cooling", "lapsed")])
    assert held.inside.max() == 0


@pytest.mark.parametrize(
    "name",
    ["3 to 5 orders", "High value · orders of 1,200+", "Last order up to 2.5 days ago", "New · net revenue of -3 to 0"],
)
def test_figures_in_a_name_are_the_figures_that_are_tested(name: str) -> None:
    bands = [claim for claim in words_of(name) or () if isinstance(claim, Band)]
    assert len(bands) == 1
    for bound in (bands[0].low, bands[0].high):
        assert bound is None or figure(bound) in name


@pytest.mark.parametrize("name", ["", "Loyal", "Cooling shoppers", "high value", "Cooling, high value", "New · new"])
def test_a_name_of_other_words_or_in_another_order_claims_nothing(name: str) -> None:
    assert words_of(name) is None


def test_words_in_peoples_own_names_are_found() -> None:
    assert [word.label for word in mentioned("Our NEW friends, cooling off?")] == ["new", "cooling"]
    assert [word.label for word in mentioned("Top value")] == ["top value"]
    assert mentioned("Renewed") == ()
