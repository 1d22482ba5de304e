"""Which steps people are told: whatever a model says, what is told is monotone in value."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.explanations.honest_steps import Played, honest_steps
from segmentation.explanations.next_steps import WAITING, Step, buying_asks, rhythm
from segmentation.explanations.segment_ranks import is_fading, segment_ranks
from segmentation.modeling.artefact import Segment

AS_OF = date(2024, 7, 1)
BUYING = buying_asks(1)
K = 4


def steps() -> list[Step]:
    played = [Step("buying", f"{asks}", AS_OF, (), asks) for asks in BUYING]
    played += [Step("waiting", f"{days}", AS_OF + timedelta(days=days), (), (days,)) for days in WAITING]
    return [*played, Step("returning", "back", AS_OF, ())]


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        ([200.0], 1),  # lapsed: one order is all that may be asked
        ([1.0, 5.0, 9.0], 3),  # new: three in the first month
        ([float(day) for day in range(0, 360, 3)], 10),
        ([float(day) for day in range(120, 360, 3)], 1),
        ([day / 10 for day in range(900)], 30),  # capped
    ],
)
def test_what_is_usual_goes_by_the_last_three_months(days_ago: list[float], expected: int) -> None:
    now = datetime(2024, 7, 1)
    assert rhythm([now - timedelta(days=days) for days in days_ago], now, 30) == expected


@given(usual=st.integers(1, 30))
def test_no_order_is_asked_that_is_less_than_usual(usual: int) -> None:
    asks = buying_asks(usual)
    assert asks[0] == (usual, 1)
    assert len(set(asks)) == len(asks)
    assert all(count >= usual and size >= 1 for count, size in asks)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[int, list[Played], list[int], list[bool]]:
    targets = st.one_of(st.none(), st.integers(0, K - 1))
    played = [Played(step, draw(targets), draw(st.floats(0, 9))) for step in steps()]
    ranks = draw(st.permutations(range(K)))
    return draw(st.integers(0, K - 1)), played, ranks, draw(st.lists(st.booleans(), min_size=K, max_size=K))


@given(worlds(), st.sampled_from([30, 90]))
def test_what_is_told_is_monotone_in_value_whatever_the_model_says(
    world: tuple[int, list[Played], list[int], list[bool]], days: int
) -> None:
    start, played, ranks, fading = world
    told, left_out = honest_steps(*world, days)
    value = {None: -1} | dict(enumerate(ranks))
    without = value[next(each.target for each in played if each.step.asks == (days,))]
    for judged in told:
        step, target = judged.played.step, judged.played.target
        if step.kind == "buying":
            assert target is not None
            assert not fading[target]
            assert value[target] >= value[start]
            assert value[target] > without, "doing nothing does as well"
            more = [each for each in played if each.step.kind == "buying" and _is_more(each.step.asks, step.asks)]
            assert all(value[each.target] >= value[target] for each in more)
        else:
            assert value[target] < value[start]
            longer = [each for each in played if each.step.kind == step.kind and each.step.asks > step.asks]
            assert all(value[each.target] <= value[target] for each in longer)
        assert (judged.direction == "up") == (value[target] > value[start])
    pairs = [(judged.played.step.kind, judged.played.target) for judged in told]
    assert len(set(pairs)) == len(pairs)
    assert [judged.played.distance for judged in told] == sorted(judged.played.distance or 0.0 for judged in told)
    assert 0 <= left_out <= len(played) - len(told)


@given(start=st.integers(0, K - 2), waiting=st.integers(0, K - 1))
def test_a_sound_model_has_nothing_left_out(start: int, waiting: int) -> None:
    """Segments by rising value: each order leads one further up, each wait one further down."""
    ups = {asks: min(K - 1, start + asks[0] * asks[1] // 2) for asks in BUYING}
    waits = {days: max(0, min(start, waiting) - number) for number, days in enumerate(WAITING)}
    targets = [*ups.values(), *waits.values(), max(0, start - 1)]
    played = [Played(step, target, 1.0) for step, target in zip(steps(), targets, strict=True)]
    told, left_out = honest_steps(start, played, list(range(K)), [False] * K, 30)
    assert left_out == 0
    assert {each.played.target for each in told if each.direction == "up"} == {up for up in ups.values() if up > start}
    assert {each.played.target for each in told if each.direction == "down"} == {
        each for each in targets if each < start
    }


def test_segments_rank_by_what_was_spent_later_and_else_by_their_order() -> None:
    segments = [Segment(i, str(i), "", (0.0,), later_spend=spend) for i, spend in enumerate((5.0, 90.0, 40.0))]
    assert segment_ranks(segments) == [0, 2, 1]
    assert segment_ranks([*segments, Segment(3, "3", "", (0.0,))]) == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Cooling regulars", True),
        ("High value · lapsed", True),
        ("Lost regulars", True),
        ("Big-ticket, at risk", True),
        ("At-risk regulars", True),
        ("Regulars", False),
        ("Supercooling fans", False),
    ],
)
def test_some_names_say_that_customers_are_going(name: str, expected: bool) -> None:
    assert is_fading(name) is expected


def _is_more(more: tuple[int, ...], less: tuple[int, ...]) -> bool:
    return more != less and more[0] >= less[0] and more[1] >= less[1]
