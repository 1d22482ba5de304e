"""Names are true, distinct, and kept as long as they are true; whatever the customers and the clusters are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.explanations.differences import find_differences
from segmentation.explanations.sample import Sample
from segmentation.metadata.vocabulary import BY_LABEL, EMPTY, MIXED, NAMED_FROM, WORDS, Band, Word, named, words_of
from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.segment_identity.bands import find_bands
from segmentation.modeling.segment_identity.naming import NamedSegment, name_segments
from segmentation.modeling.segment_identity.truth import TRUE_SHARE, WITHIN_RHYTHM, prepared, shares

COLUMN = {name: index for index, name in enumerate(NAMED_FROM)}


def customers(n: int, seed: int = 0, **given: float | Floats) -> Floats:
    """Customers of a made-up shop, by `NAMED_FROM`, with the given figures; others are drawn."""
    rng = np.random.default_rng(seed)
    orders = np.asarray(given.get("order_count", 1 + rng.poisson(2, n)), dtype=float) * np.ones(n)
    value = np.asarray(given.get("average_order_value", rng.lognormal(4, 0.6, n)), dtype=float) * np.ones(n)
    recency = np.asarray(given.get("recency_days", rng.uniform(1, 150, n)), dtype=float) * np.ones(n)
    units = rng.uniform(1, 9, n)
    figures: dict[str, object] = {
        "recency_days": recency,
        "tenure_days": recency + (orders - 1) * rng.uniform(15, 45, n),
        "order_count": orders,
        "net_revenue": orders * value,
        "gross_revenue": orders * value,
        "units_purchased": orders * units,
        "average_order_value": value,
        "average_basket_units": units,
        "distinct_products": rng.integers(1, 20, n),
        "distinct_products_per_order": rng.uniform(1, 5, n),
        "repeat_product_share": rng.uniform(0, 0.4, n),
        "top_category_share": rng.uniform(0.3, 1, n),
        "distinct_categories": rng.integers(1, 6, n),
        "distinct_channels": 1.0,
        "return_rate": 0.0,
        "discount_share": rng.uniform(0, 0.1, n),
        "weekend_order_share": rng.uniform(0, 0.5, n),
        "seasonality_index": rng.uniform(0.2, 1, n),
        "active_months": np.minimum(orders, 12),
        "is_home_market": 1.0,
        **given,
    }
    return np.column_stack([np.asarray(figures[name], dtype=float) * np.ones(n) for name in NAMED_FROM])


def shop(*groups: Floats) -> tuple[Floats, Ints]:
    """Groups of customers, each a segment."""
    return np.vstack(groups), np.repeat(np.arange(len(groups)), [len(group) for group in groups])


def names_of(*groups: Floats, **options: object) -> list[str]:
    features, labels = shop(*groups)
    return [each.name for each in name_segments(features, labels, len(groups), **options)]  # type: ignore[arg-type]


def assert_true(features: Floats, labels: Ints, named_segments: list[NamedSegment]) -> None:
    """Every word of every name holds for those who are called by it, by counts of our own."""
    bare = [each.name.casefold() for each in named_segments]
    assert len(set(bare)) == len(bare)
    claims = [words_of(each.name) for each in named_segments]
    with prepared(features, labels) as con:
        for segment_id, claimed in enumerate(claims):
            assert claimed is not None, named_segments[segment_id].name
            members = (labels == segment_id).sum()
            for claim in claimed:
                inside, others = con.execute(
                    f"SELECT COUNT(*) FILTER (segment_id = $id AND {claim.condition}), "
                    f"COUNT(*) FILTER (segment_id <> $id AND {claim.condition}) FROM temp.measured, temp.shop",
                    {"id": segment_id},
                ).fetchall()[0]
                elsewhere = others / (len(labels) - members) if members < len(labels) else 0
                assert inside / members >= TRUE_SHARE, (named_segments[segment_id].name, claim.label)
                assert inside / members > elsewhere, (named_segments[segment_id].name, claim.label)


BUYERS = {
    "gold": customers(60, 1, order_count=20, average_order_value=300, recency_days=5, discount_share=0),
    "hunters": customers(60, 2, order_count=6, average_order_value=60, recency_days=10, discount_share=0.3),
    "gone": customers(60, 3, order_count=4, average_order_value=60, recency_days=320),
    "fresh": customers(60, 4, order_count=2, average_order_value=90, recency_days=6),
    "once": customers(60, 5, order_count=1, average_order_value=900, recency_days=200),
}


def test_names_say_value_activity_by_their_own_rhythm_and_what_they_do() -> None:
    found = dict(zip(BUYERS, names_of(*BUYERS.values()), strict=True))
    assert found["gold"].startswith("Top value") or found["gold"].startswith("High value")
    assert found["hunters"].endswith("discount-driven")
    assert "lapsed" in found["gone"].casefold()
    assert found["fresh"].startswith("New")
    assert found["once"] == "High value, lapsed · one order"


def test_who_buys_once_a_quarter_and_came_two_months_ago_is_not_cooling() -> None:
    """The shop's customers come weekly; these have another rhythm, and are within it."""
    weekly = customers(100, 1, order_count=40, tenure_days=300, recency_days=5)
    quarterly = customers(50, 2, order_count=4, tenure_days=330, recency_days=60)
    missing = customers(50, 3, order_count=40, tenure_days=330, recency_days=40)
    found = names_of(weekly, quarterly, missing)
    assert "cooling" not in found[1].casefold()
    assert "lapsed" not in found[1].casefold()
    assert any(word in found[2].casefold() for word in ("cooling", "lapsed"))


@given(st.integers(2, 40), st.floats(0.5, 300), st.floats(0.1, 300))
def test_nobody_within_their_own_mean_gap_is_ever_cooling(orders: int, own_gap: float, usual_gap: float) -> None:
    """The one usual gap that is added to their own can't shorten two of them below it."""
    recency = own_gap
    features = customers(1, order_count=orders, recency_days=recency, tenure_days=recency + own_gap * (orders - 1))
    others = customers(40, order_count=2, recency_days=5, tenure_days=5 + usual_gap)
    with prepared(*shop(features, others)) as con:
        held = shares(con, [BY_LABEL["cooling"], BY_LABEL["lapsed"]])
    assert held.inside[0].max() == 0


def test_most_of_those_called_cooling_are_beyond_their_rhythm() -> None:
    """Three in ten within their gap are too many, though the rest has been away for long."""
    recency = np.concatenate([np.full(70, 200.0), np.full(30, 1.0)])
    mixed = customers(100, 1, order_count=5, recency_days=recency, tenure_days=recency + 80)
    others = customers(200, 2, order_count=5, recency_days=10, tenure_days=90)
    features, labels = shop(mixed, others)
    with prepared(features, labels) as con:
        held = shares(con, [BY_LABEL["cooling"]])
    assert held.of(0, BY_LABEL["cooling"]) == (0.7, 0.0)
    assert held.within_rhythm[0] > WITHIN_RHYTHM
    assert not held.is_true(0, BY_LABEL["cooling"])
    assert "cooling" not in names_of(mixed, others)[0].casefold()


def _partition(kind: str, features: Floats, k: int) -> Ints:
    rank = np.argsort(np.argsort(features[:, COLUMN["net_revenue"]], kind="stable"))
    chosen = {
        "random": np.random.default_rng(k).integers(0, k, len(features)),
        "a value ladder": rank * k // len(features),
        "one alone": np.where(rank == len(features) - 1, 1, 0),
        "with empty ones": 2 * (rank * k // len(features) // 2),
    }
    return np.asarray(chosen[kind])


def _odd(kind: str, n: int = 240) -> Floats:
    none = np.full(n, np.nan)
    given: dict[str, dict[str, float | Floats]] = {
        "usual": {},
        "one order each": {"order_count": 1},
        "order lines only": dict.fromkeys(("top_category_share", "distinct_categories", "discount_share"), none),
        "all returned": {"net_revenue": 0, "return_rate": 1.0},
        "no spend": {"net_revenue": 0, "gross_revenue": 0, "average_order_value": 0, "units_purchased": 0},
        "identical": dict.fromkeys(NAMED_FROM, 1.0),
        "huge": {"average_order_value": np.geomspace(1e-4, 1e12, n)},
        "all new": {"recency_days": 3, "tenure_days": 20},
    }
    return customers(n, 0, **given[kind])


@pytest.mark.parametrize("partition", ["random", "a value ladder", "one alone", "with empty ones"])
@pytest.mark.parametrize(
    "kind",
    [
        "usual",
        "one order each",
        "order lines only",
        "all returned",
        "no spend",
        "identical",
        "huge",
        "all new",
    ],
)
def test_names_are_true_and_distinct_for_odd_shops_and_odd_clusters(kind: str, partition: str) -> None:
    features = _odd(kind)
    for k in (1, 4, 13):
        labels = _partition(partition, features, k)
        found = name_segments(features, labels, max(k, 2))
        assert_true(features, labels, found)
        assert all(each.description.endswith(".") and each.advice.endswith(".") for each in found)
        assert not any("0.0 times" in each.description or "nan" in each.description for each in found)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 14), st.floats(0, 1))
def test_names_are_true_of_any_clusters(seed: int, k: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    features = customers(int(rng.integers(k, 300)), seed)
    by_rank = np.argsort(np.argsort(features[:, rng.integers(0, len(NAMED_FROM))])) * k // len(features)
    labels = np.where(rng.random(len(features)) < noise, rng.integers(0, k, len(features)), by_rank)
    assert_true(features, labels, name_segments(features, labels, k))


def test_near_identical_clusters_get_no_word_that_is_no_truer_of_one_of_them() -> None:
    alike = customers(100, 1, order_count=3)
    assert names_of(alike, alike) == [MIXED, f"{MIXED} (2)"]


def test_figures_tell_apart_what_words_do_not() -> None:
    ladder = [customers(80, 1, order_count=count, average_order_value=50, recency_days=20) for count in (5, 6, 40)]
    found = names_of(*ladder)
    assert len(set(found)) == 3
    assert not any("(2)" in name for name in found)


def test_figures_that_are_counted_are_whole() -> None:
    counts = np.random.default_rng(1).integers(3, 9, 80).astype(np.float64)
    few, many = customers(80, 1, order_count=3.0), customers(80, 2, order_count=counts, recency_days=20)
    with prepared(*shop(few, many)) as con:
        bands = [each for each in find_bands(con, [0, 1]).claims if isinstance(each, Band)]
    orders = [bound for each in bands if each.feature == "order_count" for bound in (each.low, each.high)]
    assert all(bound is None or bound == int(bound) for bound in orders)
    assert orders


def test_a_former_name_is_kept_while_it_is_true_though_another_one_would_be_chosen() -> None:
    groups = BUYERS.values()
    before = names_of(*groups)
    kept = "Active · frequent"
    assert before[0] != kept
    assert names_of(*groups, kept={0: kept})[0] == kept


@pytest.mark.parametrize(
    "stale", ["Cooling", "Top value, cooling", "Cooling shoppers, who spend more", "40 to 50 orders"]
)
def test_a_former_name_that_is_no_longer_true_goes(stale: str) -> None:
    assert names_of(*BUYERS.values(), kept={0: stale}) == names_of(*BUYERS.values())


def test_what_is_still_true_of_a_former_name_stays() -> None:
    """Only the word that failed is replaced: those of lapsed customers who buy on discount again go on by that."""
    found = names_of(*BUYERS.values(), kept={1: "Lapsed · small-ticket"})
    assert found[1] == "Mid value · small-ticket"


def test_a_segment_without_customers_keeps_its_name() -> None:
    features, labels = shop(*BUYERS.values())
    found = name_segments(features, labels, 7, kept={5: "Top value"})
    assert [each.name for each in found[5:]] == ["Top value", EMPTY]
    assert found[0].name != "Top value"


def test_names_that_people_gave_are_not_taken() -> None:
    features, labels = shop(*BUYERS.values())
    before = [each.name for each in name_segments(features, labels, 5)]
    after = name_segments(features, labels, 5, taken=[before[0].upper()])
    assert after[0].name.casefold() != before[0].casefold()
    assert "(2)" not in after[0].name
    assert_true(features, labels, after)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_names_never_say_the_opposite_of_what_explanations_say(seed: int, k: int) -> None:
    """Whoever is called frequent isn't explained by fewer orders than is typical."""
    rng = np.random.default_rng(seed)
    features = customers(300, seed, order_count=(1 + rng.poisson(rng.choice([0.5, 3, 30], 300))).astype(np.float64))
    labels = np.argsort(np.argsort(features[:, rng.integers(0, 12)] * rng.lognormal(0, 1, 300))) * k // 300
    names = [each.name for each in name_segments(features, labels, k)]
    for found in find_differences(Sample(NAMED_FROM, features, labels)):
        for claim in words_of(names[found.segment_id]) or ():
            opposite = claim.sign != 0 and claim.feature == found.item and found.score * claim.sign < -1e-6
            assert not opposite, (names[found.segment_id], found.sentence)


def test_a_word_that_the_mean_speaks_against_is_not_taken() -> None:
    """Six in ten have ordered once, but the others so often that explanations say "more orders"."""
    mixed = customers(100, 1, order_count=np.repeat(np.array([1.0, 400.0]), [62, 38]))
    others = customers(200, 2, order_count=np.repeat(np.array([1.0, 3.0]), [100, 100]))
    with prepared(*shop(mixed, others)) as con:
        held = shares(con, [BY_LABEL["one order"]])
    assert held.of(0, BY_LABEL["one order"]) == (0.62, 0.5)
    assert not held.is_true(0, BY_LABEL["one order"])


@given(st.sets(st.sampled_from(WORDS), max_size=4))
def test_a_name_says_what_it_claims(words: set[Word]) -> None:
    assert set(words_of(named(words)) or ()) == words


def test_advice_and_description_are_made_of_the_segments_figures() -> None:
    features, labels = shop(*BUYERS.values())
    gold, hunters, *_ = name_segments(features, labels, 5)
    assert gold.description.startswith("Typically 20 orders of 300, the last one 5 days ago")
    assert "6,000 each" in gold.advice
    assert "30% is given away" in hunters.advice
    assert "30% discount" in hunters.description
