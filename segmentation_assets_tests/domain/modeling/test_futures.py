"""What features announce: regressions against a reference, their signs, and what is left out."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from segmentation.metadata.features import FEATURES, modelled
from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.fit import lesson, tiers_of
from segmentation.modeling.fitting.futures import Lesson, learn_futures, ridge_regression
from segmentation.modeling.fitting.outcomes import Outcome
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import Examples

NAMES = ("recency_days", "order_count", "return_rate", "average_order_value")


def _customers(seed: int = 3, count: int = 800) -> tuple[Floats, Outcome]:
    """Customers whose spend follows the first two features, whose order value the last, and nothing the third."""
    rng = np.random.default_rng(seed)
    scaled = rng.normal(size=(count, len(NAMES)))
    spend = np.maximum(2.0 + scaled[:, 1] - scaled[:, 0] + rng.normal(size=count), 0.0)
    returned = spend > 0
    behaviour = {
        "order_value": np.where(returned, scaled[:, 3] + rng.normal(size=count), np.nan),
        "weekend_share": np.where(returned, rng.random(count), np.nan),
    }
    return scaled, Outcome(spend, returned, behaviour, {"category tea": np.where(returned, scaled[:, 2], np.nan)})


def test_without_signs_it_is_ridge_regression() -> None:
    scaled, outcome = _customers()
    target = outcome.log_spend - outcome.log_spend.mean()
    weights, foretold = ridge_regression(scaled, target, 50.0, [None] * 4)
    reference = Ridge(alpha=50.0).fit(scaled, target)
    assert weights == pytest.approx(reference.coef_, abs=1e-9)
    assert foretold == pytest.approx(reference.score(scaled, target), abs=0.02)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from([1, -1, None]), min_size=4, max_size=4))
def test_with_signs_no_other_weights_within_them_are_better(seed: int, signs: list[int | None]) -> None:
    rng = np.random.default_rng(seed)
    scaled = rng.normal(size=(60, 4))
    scaled -= scaled.mean(axis=0)
    target = rng.normal(size=60)
    target -= target.mean()

    def loss(weights: Floats) -> float:
        return float(np.sum((target - scaled @ weights) ** 2) + 5.0 * np.sum(weights**2))

    weights, _ = ridge_regression(scaled, target, 5.0, signs)
    allowed = [np.sign(w) in ((0, sign) if sign else (-1, 0, 1)) for w, sign in zip(weights, signs, strict=True)]
    assert all(allowed)
    for step in rng.normal(scale=0.1, size=(50, 4)):
        other = weights + step
        other = np.array([max(w * s, 0.0) * s if s else w for w, s in zip(other, signs, strict=True)])
        assert loss(weights) <= loss(other) + 1e-9


def test_what_can_be_foretold_is_found_and_noise_is_left_out() -> None:
    futures = learn_futures([Lesson(NAMES, *_customers())], ridge=100.0)
    found = {future.name: future for future in futures}
    assert set(found) == {"log_spend", "order_value", "category tea"}
    assert found["log_spend"].coefficients["recency_days"] < 0 < found["log_spend"].coefficients["order_count"]
    assert found["order_value"].coefficients["average_order_value"] > 0.5
    assert [future.block for future in futures] == ["value", "behaviour", "share"]


def test_returning_goods_never_raises_what_will_be_spent() -> None:
    scaled, outcome = _customers()
    spends = replace(outcome, log_spend=np.maximum(outcome.log_spend + 2 * scaled[:, 2], 0.0))
    value = learn_futures([Lesson(NAMES, scaled, spends)], ridge=100.0)[0]
    assert value.coefficients["return_rate"] == 0.0


def test_dates_are_pooled_though_one_knows_less() -> None:
    scaled, outcome = _customers()
    poorer = Lesson(NAMES[:2], scaled[:, :2], replace(outcome, behaviour={}, shares={}))
    futures = learn_futures([Lesson(NAMES, scaled, outcome), poorer], ridge=100.0)
    assert {future.name for future in futures} == {"log_spend", "order_value", "category tea"}
    assert learn_futures([], ridge=1.0) == ()


def test_constant_outcomes_teach_nothing() -> None:
    scaled, outcome = _customers()
    nothing = Outcome(np.zeros(len(scaled)), np.zeros(len(scaled), dtype=bool))
    assert learn_futures([Lesson(NAMES, scaled, nothing)], ridge=1.0) == ()
    few = outcome.of(np.arange(10))
    assert learn_futures([Lesson(NAMES, scaled[:10], few)], ridge=1.0) == ()


def test_a_date_without_outcome_is_no_lesson() -> None:
    examples = Examples(date(2024, 1, 1), np.random.default_rng(1).gamma(2, 1, (50, len(modelled()))))
    with pytest.raises(ValueError, match="2024-01-01 have no outcome"):
        lesson(Specification(2), modelled(), examples)


def test_what_features_say_of_value_is_in_the_catalogue() -> None:
    signs = {feature.name: feature.value_sign for feature in FEATURES}
    assert signs["recency_days"] == -1
    assert signs["order_count"] == signs["net_revenue"] == 1
    assert {signs["return_rate"], signs["return_count"], signs["returned_revenue"]} == {-1}
    assert signs["tenure_days"] is None


def test_tiers_have_the_sizes_of_the_segments_in_their_order() -> None:
    expected = np.array([5.0, 1.0, 2.0, 9.0, 7.0, 3.0])
    labels = np.array([1, 0, 0, 1, 2, 0])  # means 2, 7 and 7: the larger segment comes first
    assert tiers_of(expected, labels).tolist() == [1, 0, 0, 2, 1, 0]
    assert tiers_of(expected, np.zeros(6, dtype=np.int64)).tolist() == [0] * 6
