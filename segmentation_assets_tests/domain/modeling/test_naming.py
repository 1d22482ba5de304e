from hypothesis import given
from hypothesis import strategies as st

from segmentation.modeling.segment_identity.naming import Population, Traits, describe, name_segments

EVERYBODY = Traits(
    recency_days=60,
    order_count=5,
    one_time_share=0.3,
    net_revenue=500,
    order_value=100,
    distinct_products=12,
    return_rate=0.02,
)
POPULATION = Population(EVERYBODY, recent_days=30, lapsed_days=120)


def _named(**changes: float) -> str:
    return name_segments([Traits(**{**EVERYBODY.__dict__, **changes})], POPULATION)[0]


def test_names_say_how_the_customers_buy() -> None:
    assert _named(order_count=20, recency_days=5, net_revenue=3000) == "High-value regulars"
    assert _named(order_count=9, recency_days=200) == "Lost regulars"
    assert _named(one_time_share=0.9, order_count=1.1, recency_days=10) == "New customers"
    assert _named(one_time_share=0.9, order_count=1.1, recency_days=200) == "Lapsed one-time buyers"
    assert _named(order_count=3, order_value=200) == "Big-basket cooling shoppers"
    assert _named(order_count=3, recency_days=9, return_rate=0.4) == "Return-prone active shoppers"


def test_segments_alike_in_kind_are_told_apart_by_what_differs_most() -> None:
    frugal = Traits(**{**EVERYBODY.__dict__, "order_count": 9, "order_value": 70})
    lavish = Traits(**{**EVERYBODY.__dict__, "order_count": 9, "order_value": 160})
    assert name_segments([frugal, lavish], POPULATION) == [
        "Cooling regulars, with small baskets",
        "Cooling regulars, with big baskets",
    ]


amounts = st.floats(0, 1e6)
traits = st.builds(Traits, amounts, amounts, st.floats(0, 1), st.floats(-1e5, 1e6), amounts, amounts, st.floats(0, 2))


@given(st.lists(traits, min_size=1, max_size=12), traits, amounts, amounts)
def test_no_name_is_given_twice(segments: list[Traits], everybody: Traits, recent: float, lapsed: float) -> None:
    names = name_segments(segments, Population(everybody, min(recent, lapsed), max(recent, lapsed)))
    assert len({name.casefold() for name in names}) == len(segments)


@given(st.integers(2, 12))
def test_even_segments_without_any_difference_get_different_names(count: int) -> None:
    assert len(set(name_segments([EVERYBODY] * count, POPULATION))) == count


def test_descriptions_read_well() -> None:
    text = describe(Traits(**{**EVERYBODY.__dict__, "net_revenue": 1250, "return_rate": 0.08}), POPULATION)
    assert text == (
        "5.0 orders of 100 on average, the last one 60 days ago; 1,250 net revenue each (2.5 times the mean), "
        "8% of it returned."
    )
