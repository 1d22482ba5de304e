"""Why one customer is where they are, and what would move them; in worlds small enough to reckon by hand."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segmentation.errors import SegmentationError
from segmentation.explanations.changes import Placement, find_changes
from segmentation.explanations.contributions import find_contributions
from segmentation.explanations.customer_explanation import Outlook
from segmentation.explanations.holding import why_held
from segmentation.features.windows import window_of
from segmentation.modeling.artefact import Artefact, Evaluator, Floats, Segment
from segmentation.segments.columns import Hysteresis
from segmentation_assets_tests.testing.lines import Line

AS_OF = date(2024, 7, 1)
FEATURES = ("recency_days", "order_count", "net_revenue", "return_rate")


class World(Evaluator):
    """A model whose space is a projection of the logarithms of raw features."""

    def __init__(
        self,
        features: Sequence[str],
        projection: Floats,
        centroids: Floats,
        names: Sequence[str],
        worth: Sequence[float] | None = None,
    ) -> None:
        segments = [
            SimpleNamespace(id=10 + i, name=name, cutoff=0.0, later_spend=worth[i] if worth else None)
            for i, name in enumerate(names)
        ]
        self.artefact = cast("Artefact", SimpleNamespace(feature_names=tuple(features), segments=segments))
        self.centroids = centroids
        self.projection = projection

    def coordinates(self, features: Floats) -> Floats:
        filled = np.where(np.isnan(features), 0.0, features)
        return np.ascontiguousarray(np.log1p(np.maximum(filled, 0)) @ self.projection)


class Plain(World):
    """A model whose space are the raw features themselves, in units of its own."""

    def coordinates(self, features: Floats) -> Floats:
        return np.ascontiguousarray(features @ self.projection)


numbers = st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 6))
raw = st.floats(0, 1e4, allow_nan=False).map(lambda x: round(x, 3))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    dimensions = draw(st.integers(1, 4))
    projection = draw(hnp.arrays(np.float64, (4, dimensions), elements=numbers))
    centroids = draw(hnp.arrays(np.float64, (3, dimensions), elements=numbers))
    return World(FEATURES, projection, centroids, ("Loyal", "Lapsed", "New"))


def gap_of(world: World, features: Floats) -> float:
    found = world.assign(features[np.newaxis])
    return float(found.runner_up_distance[0] ** 2 - found.distance[0] ** 2)


@given(
    world=worlds(),
    features=hnp.arrays(np.float64, 4, elements=st.one_of(raw, st.just(float("nan")))),
    typical=hnp.arrays(np.float64, (3, 4), elements=st.one_of(raw, st.just(float("nan")))),
)
def test_contributions_sum_to_the_difference_of_the_squared_distances(
    world: World, features: Floats, typical: Floats
) -> None:
    found = find_contributions(world, features, typical)
    scale = max(1.0, float((np.abs(world.coordinates(np.vstack([features, typical]))) ** 2).sum()))
    assert sum(each.contribution for each in found) == pytest.approx(gap_of(world, features), abs=1e-9 * scale)
    assert {each.feature for each in found} == set(FEATURES)
    pulls = [abs(each.contribution) for each in found]
    assert pulls == sorted(pulls, reverse=True)


def test_contributions_are_shapley_values() -> None:
    projection = np.random.default_rng(3).normal(size=(4, 2))
    typical = np.array([[5.0, 20.0, 900.0, 0.1], [200.0, 2.0, 50.0, 0.0]])
    centroids = np.log1p(typical) @ projection + [[0.3, -0.2], [0.1, 0.4]]
    world = World(FEATURES, projection, centroids, ("Loyal", "Lapsed"))
    sides = (world.coordinates(typical) - centroids.mean(axis=0)) @ (centroids[0] - centroids[1])
    assert sides[0] > 0 > sides[1], "both typical customers are on their own side"
    weight = sides[1] / (sides[1] - sides[0])
    customer = np.array([30.0, 7.0, 300.0, 0.3])
    first = int(world.assign(customer[np.newaxis]).segment[0])

    def worth(known: frozenset[int]) -> float:
        """The gap if only some features are known, and the others are those of a customer on the border."""
        rows = np.array([[customer[i] if i in known else reference[i] for i in range(4)] for reference in typical])
        squared = ((world.coordinates(rows)[:, np.newaxis] - world.centroids) ** 2).sum(axis=2)
        return float(np.dot([weight, 1 - weight], squared[:, 1 - first] - squared[:, first]))

    shapley = dict.fromkeys(FEATURES, 0.0)
    for order in permutations(range(4)):
        for place, i in enumerate(order):
            before = frozenset(order[:place])
            shapley[FEATURES[i]] += (worth(before | {i}) - worth(before)) / 24
    assert worth(frozenset()) == pytest.approx(0, abs=1e-9)
    found = find_contributions(world, customer, typical)
    assert {each.feature: each.contribution for each in found} == pytest.approx(shapley)


def test_sentences_say_which_side_a_feature_takes() -> None:
    world = Plain(FEATURES[:2], np.eye(2) / [30, 1], np.array([[1.0, 8.0], [6.0, 1.0]]), ("Loyal", "Lapsed"))
    typical = np.array([[30.0, 8.0], [180.0, 1.0]])
    orders, recency = find_contributions(world, np.array([120.0, 9.0]), typical)
    assert orders.sentence == "Orders: 9, where Loyal typically have 8 and Lapsed 1; speaks for Loyal"
    assert recency.sentence == (
        "Days since the last order: 120, where Loyal typically have 30 and Lapsed 180; speaks for Lapsed"
    )
    assert (recency.value, recency.segment_typical, recency.runner_up_typical) == (120, 30, 180)
    assert orders.contribution > 0 > recency.contribution


def test_a_feature_without_a_rule_must_be_known() -> None:
    world = Plain(FEATURES[:1], np.eye(1), np.array([[1.0], [2.0]]), ("Loyal", "Lapsed"))
    with pytest.raises(SegmentationError, match="lacks a feature"):
        find_contributions(world, np.array([np.nan]), np.array([[1.0], [2.0]]))


def bought(day: date, order_id: str = "o1", amount: float = 12.25, products: int = 2, **more: Any) -> list[Any]:
    moment = datetime(day.year, day.month, day.day, 10, 30)
    return [asdict(Line("c", order_id, f"p{i}", moment, amount=amount, **more)) for i in range(products)]


LOYALTY = Plain(
    ("order_count", "recency_days"),
    np.diag([1.0, 1 / 30]),
    np.array([[1.0, 1.0], [2.2, 0.5], [1.0, 4.0]]),
    ("New", "Loyal", "Lapsed"),
    (20.0, 50.0, 5.0),
)


def sentences(outlook: Outlook) -> list[str]:
    return [change.sentence for change in outlook.changes]


def test_the_smallest_steps_that_move_a_customer_come_first() -> None:
    outlook = find_changes(LOYALTY, bought(date(2024, 6, 21)), window_of(AS_OF, None))
    assert sentences(outlook) == [
        "One more order of 24.50 within 30 days → Loyal",
        "No order for 90 days → Lapsed",
    ]
    changes = outlook.changes
    assert [change.direction for change in changes] == ["up", "down"]
    assert (outlook.reach.kind, outlook.reach.left_out) == ("up", 0)
    assert [change.as_of for change in changes] == [date(2024, 7, 31), date(2024, 9, 29)]
    # From 1 order, 9.5625 days ago, to 2 orders, the last one 14.5625 days before the look; and to 99.5625 days.
    distances = [change.distance for change in changes]
    assert distances == pytest.approx([np.hypot(1, 5 / 30), 90 / 30])
    assert [change.segment_id for change in changes] == [11, 12]


def test_the_future_and_what_is_out_of_the_window_are_not_known() -> None:
    known = bought(date(2024, 6, 21))
    others = [*bought(AS_OF, "later"), *bought(date(2023, 1, 1), "long ago", 5000.0)]
    expected = sentences(find_changes(LOYALTY, known, window_of(AS_OF, 365)))
    assert sentences(find_changes(LOYALTY, known + others, window_of(AS_OF, 365))) == expected
    with pytest.raises(SegmentationError, match="no purchase in the window before 2024-07-01"):
        find_changes(LOYALTY, others, window_of(AS_OF, 365))
    with pytest.raises(SegmentationError, match="no purchase"):
        find_changes(LOYALTY, bought(date(2024, 6, 1), quantity=-1.0), window_of(AS_OF, None))


def test_who_has_no_purchase_left_is_no_customer_any_more() -> None:
    outlook = find_changes(LOYALTY, bought(date(2024, 6, 21)), window_of(AS_OF, 40))
    changes = outlook.changes
    assert sentences(outlook)[-1] == "No order for 60 days → no purchase left in the window"
    assert (changes[-1].segment_id, changes[-1].segment_name, changes[-1].distance) == (None, None, None)


def test_a_larger_order_and_a_return_move_by_what_is_spent() -> None:
    spend = Plain(
        ("max_order_value", "returned_revenue"),
        np.diag([0.1, 0.1]),
        np.array([[2.0, 0.0], [7.0, 0.0], [4.0, 5.0]]),
        ("Small", "Big", "Returns"),
        (20.0, 60.0, 5.0),
    )
    lines = [*bought(date(2024, 5, 1), "a", 10.0), *bought(date(2024, 6, 1), "b", 20.0), *bought(AS_OF, "c", 99.0)]
    lines += bought(date(2024, 4, 1), "d", 5.0)
    # Orders of 10, 20 and 40: the usual one is 20, the last one 40.
    assert sentences(find_changes(spend, lines, window_of(AS_OF, None))) == [
        "An order of 60 within 30 days, three times the usual → Big",
        "Returning the last order, worth 40 → Returns",
    ]


def test_buying_is_not_said_to_do_what_time_does() -> None:
    ageing = Plain(("tenure_days",), np.eye(1), np.array([[10.0], [50.0]]), ("Young", "Old"))
    outlook = find_changes(ageing, bought(date(2024, 6, 21)), window_of(AS_OF, None))
    assert sentences(outlook) == ["No order for 30 days → Old"]
    assert outlook.reach.kind == "highest"


def test_nobody_moves_up_by_returning_or_waiting() -> None:
    odd = Plain(
        ("returned_revenue", "tenure_days"),
        np.diag([0.1, 0.01]),
        np.array([[0.0, 0.1], [2.45, 0.1], [0.0, 1.9]]),
        ("Plain", "Return-prone", "Old"),
        (10.0, 30.0, 20.0),
    )
    outlook = find_changes(odd, bought(date(2024, 6, 21)), window_of(AS_OF, None))
    assert outlook.changes == ()
    # The return, and 180 days of ageing.
    assert (outlook.reach.kind, outlook.reach.left_out) == ("nothing", 2)


def test_where_a_month_is_too_short_orders_of_three_months_are_played() -> None:
    slow = Plain(("order_count",), np.eye(1), np.array([[1.0], [44.0]]), ("Some", "Many"), (10.0, 90.0))
    lines = [line for n in range(5) for line in bought(date(2024, 6, 1 + 6 * n), f"o{n}")]
    outlook = find_changes(slow, lines, window_of(AS_OF, None))
    # They have 5, and the border is at 22.5: 15 are the most in 30 days; 15 are usual in 90, and 23 the next try.
    assert sentences(outlook) == ["23 more orders of 24.50 each within 90 days → Many"]
    assert outlook.changes[0].as_of == date(2024, 9, 29)


def test_an_order_that_keeps_a_customer_from_falling_is_told() -> None:
    recent = Plain(("recency_days",), np.eye(1), np.array([[10.0], [60.0]]), ("Fresh", "Cooling"))
    outlook = find_changes(recent, bought(date(2024, 6, 11)), window_of(AS_OF, None))
    assert sentences(outlook) == [
        "One more order of 24.50 within 30 days → still Fresh; without it: Cooling",
        "No order for 30 days → Cooling",
    ]
    assert (outlook.changes[0].direction, outlook.changes[0].segment_id) == ("keeps", 10)
    assert outlook.reach.kind == "keeps"


@pytest.mark.parametrize(("margin", "days"), [(0.0, 30), (0.1, 30), (0.2, 60), (1.5, 90), (9.0, None)])
def test_a_step_has_to_lead_past_the_margin(margin: float, days: int | None) -> None:
    # The border is at 35 days, the next centroid 25 days on. After 30 days they are 4.5625 days past it, after 60
    # 34.5625, after 90 64.5625.
    recent = Plain(("recency_days",), np.eye(1), np.array([[10.0], [60.0]]), ("Fresh", "Cooling"))
    placement = Placement(Hysteresis(margin), 10, 10, date(2024, 5, 1))
    outlook = find_changes(recent, bought(date(2024, 6, 21)), window_of(AS_OF, None), placement=placement)
    expected = [] if days is None else [f"No order for {days} days → Cooling"]
    assert [said for said in sentences(outlook) if said.startswith("No order")] == expected


def test_who_is_held_is_told_why_and_explained_between_the_two_segments() -> None:
    segments = [Segment(10, "New", "", (1.0,)), Segment(11, "Loyal", "", (5.0,))]
    placement = Placement(Hysteresis(0.2, 59), 11, 10, date(2024, 6, 1))
    assert why_held(segments, placement, 2.2, 1.8) == (  # the border is at 3
        "Held in Loyal: New has been nearer since 2024-06-01, but they are only 10% of the way from the border to its "
        "centre. They change at 20%, or it has been the nearest for 59 days (SEGMENTATION_HYSTERESIS_MARGIN, "
        "SEGMENTATION_HYSTERESIS_DWELL_DAYS)."
    )
    assert why_held(segments, Placement(Hysteresis(0.2), 11, 11, date(2024, 6, 1)), 1.0, 2.0) is None
    customer, typical = np.array([1.5, 20.0]), np.array([[1.0, 30.0], [2.0, 15.0], [1.0, 120.0]])
    squared = ((LOYALTY.coordinates(customer[np.newaxis]) - LOYALTY.centroids) ** 2).sum(axis=1)
    found = find_contributions(LOYALTY, customer, typical, (1, 0))
    assert sum(each.contribution for each in found) == pytest.approx(squared[0] - squared[1])
    assert "Loyal typically have" in found[0].sentence


def test_a_model_that_compares_customers_cannot_look_ahead() -> None:
    ranked = Plain(("r_score",), np.eye(1), np.array([[1.0], [5.0]]), ("Low", "High"))
    with pytest.raises(SegmentationError, match="r_score, which can't be computed of one customer"):
        find_changes(ranked, bought(date(2024, 6, 21)), window_of(AS_OF, None))


def test_explaining_a_customer_and_reading_explanations_need_no_scikit_learn() -> None:
    explanations = "segmentation.explanations.customers, segmentation.explanations.segments"
    modules = f"segmentation.cli.explain, {explanations}"
    check = f"import sys, {modules}; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
