from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import GROUPS, Group, modelled
from segmentation.metadata.vocabulary import NAMED_FROM
from segmentation.modeling.fitting.fit import SpecificationEvaluator, fit
from segmentation.modeling.fitting.outcomes import Outcome
from segmentation.modeling.search.search import (
    Search,
    TrialProgress,
    default_specification,
    search,
    study_name,
)
from segmentation.modeling.search.trials import Trial, score
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import Examples, History, TrainingData
from segmentation.settings import Settings

pytestmark = pytest.mark.takes(50)

FEATURES = modelled()
Evaluation = Callable[[SpecificationEvaluator, Specification], dict[str, float]]
NAMES = [feature.name for feature in FEATURES]


def _examples(as_of: date, seed: int, customers: int = 400) -> Examples:
    """Customers of whom those who ordered lately will spend more, whatever else they did."""
    rng = np.random.default_rng(seed)
    level = rng.choice([1.0, 8.0, 60.0], customers)
    values = rng.gamma(4, 1, (customers, len(NAMES))) * 10
    values[:, NAMES.index("orders_90d")] = rng.poisson(level)
    values[:, NAMES.index("active_months")] = rng.poisson(level / 4)
    spend = np.where(rng.random(customers) < level / (level + 5), rng.gamma(3, level), 0.0)
    return Examples(as_of, values, Outcome(np.log1p(spend), spend > 0))


def _data(*, with_history: bool = True, customers: int = 400) -> TrainingData:
    current = _examples(date(2024, 7, 1), 3, customers)
    history = History(_examples(date(2024, 1, 1), 1, customers), _examples(date(2024, 4, 1), 2, customers))
    traits = np.ones((customers, len(NAMED_FROM)))
    return TrainingData(FEATURES, Examples(current.as_of, current.values), traits, history if with_history else None)


def _settings(home: Path, trials: int = 14, **changes: Any) -> Settings:
    return Settings(home=home, search_trials=trials, **changes)


def _facts(found: Search) -> list[tuple[object, ...]]:
    return [(t.number, t.state, t.specification, t.metrics, t.score, t.shortfall) for t in found.trials]


def test_a_search_beats_plain_rfm_where_something_announces_spend(tmp_path: Path) -> None:
    found = search(_data(), _settings(tmp_path), key="k")
    assert len(found.trials) == 14
    assert found.chosen.metrics["forward_ratio"] > 0.9
    assert found.chosen.specification.forward_share > 0
    assert "tried again" in found.reason


def _dying_at(number: int) -> TrialProgress:
    def die(done: int, _total: int, _trial: Trial) -> None:
        if done == number:
            raise KeyboardInterrupt

    return die


def test_a_killed_search_goes_on_and_gives_what_it_would_have_given(tmp_path: Path) -> None:
    undisturbed = search(_data(), _settings(tmp_path / "one"), key="k")
    for number in (3, 9):
        with pytest.raises(KeyboardInterrupt):
            search(_data(), _settings(tmp_path / "two"), key="k", progress=_dying_at(number))
    resumed = search(_data(), _settings(tmp_path / "two"), key="k")
    assert _facts(resumed) == _facts(undisturbed)
    assert resumed.chosen.specification == undisturbed.chosen.specification


def test_a_trial_that_was_under_way_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = search(_data(), _settings(tmp_path / "one"), key="k")
    for number in (2, 7):
        with monkeypatch.context() as patched:
            patched.setattr(SpecificationEvaluator, "current", _dying_in(SpecificationEvaluator.current, number))
            with pytest.raises(KeyboardInterrupt):
                search(_data(), _settings(tmp_path / "two"), key="k")
    assert _facts(search(_data(), _settings(tmp_path / "two"), key="k")) == _facts(undisturbed)


def _dying_in(judged: Evaluation, number: int) -> Evaluation:
    calls = count(1)

    def dies(evaluator: SpecificationEvaluator, specification: Specification) -> dict[str, float]:
        if next(calls) == number:
            raise KeyboardInterrupt
        return judged(evaluator, specification)

    return dies


def test_more_trials_go_on_where_fewer_ended(tmp_path: Path) -> None:
    few = search(_data(), _settings(tmp_path, 6), key="k")
    more = search(_data(), _settings(tmp_path, 10), key="k")
    assert _facts(more)[:6] == _facts(few)
    assert len(more.trials) == 10


def test_other_data_or_thresholds_are_another_search(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    names = {
        study_name("a", settings),
        study_name("b", settings),
        study_name("a", _settings(tmp_path, seed=8)),
        study_name("a", _settings(tmp_path, min_stability=0.5)),
    }
    assert len(names) == 4
    assert study_name("a", _settings(tmp_path, 99)) == study_name("a", settings)


def test_without_history_it_says_so_and_searches_without(tmp_path: Path) -> None:
    found = search(_data(with_history=False), _settings(tmp_path, 8), key="k")
    assert "lines don't reach back far enough" in found.reason
    assert found.chosen.specification.forward_share == 0
    assert "forward_ratio" not in found.chosen.metrics


def test_time_is_bounded(tmp_path: Path) -> None:
    found = search(_data(), _settings(tmp_path, 500, search_timeout_s=0.01), key="k")
    assert len(found.trials) == 1


def test_too_few_customers_are_refused(tmp_path: Path) -> None:
    data = _data(with_history=False, customers=3)
    with pytest.raises(NotEnoughDataError, match="too few different customers for 4 segments"):
        search(data, _settings(tmp_path, 3), key="k")


def test_a_predecessors_specification_stays_unless_it_is_clearly_beaten(tmp_path: Path) -> None:
    weights: dict[Group, float] = {"rfm": 1.0, "diversity": 0.0, "temporal": 0.5, "behaviour": 0.0}
    favourite = Specification(5, weights=weights, forward_share=0.65, ridge=10.0)
    good = search(_data(), _settings(tmp_path / "good", min_stability=0), key="k", favourite=favourite)
    assert good.trials[0].specification == favourite
    best = max(t.score for t in good.trials if t.score is not None and t.shortfall <= good.trials[0].shortfall)
    assert (good.chosen.specification == favourite) == ("predecessor" in good.reason)
    assert best - (good.trials[0].score or 0) > 0.05 or good.chosen.specification == favourite
    poor = Specification(4, weights={**dict.fromkeys(GROUPS, 0.0), "behaviour": 1.0}, forward_share=0.0)
    found = search(_data(), _settings(tmp_path / "poor", min_stability=0), key="k", favourite=poor)
    assert found.chosen.specification != poor


def test_the_score_is_the_sum_that_the_docs_name() -> None:
    figures = {
        "forward_ratio": 1.1,
        "behaviour_lift": 0.3,
        "kept_share": 0.9,
        "resample_agreement": 0.8,
        "fixed_silhouette": 0.2,
        "segments": 6,
    }
    assert score(figures) == pytest.approx(3 * 1.0 + 0.3 + 0.9 + 0.8 + 0.2 + 0.3)


def test_a_fit_of_a_specification_is_the_same_every_time() -> None:
    one, other = (fit(_data(), default_specification(5, has_history=True), seed=3) for _ in range(2))
    assert (one.centroids == other.centroids).all()
    assert one.projection == other.projection
    assert one.metrics == other.metrics
    assert one.projection is not None
    axis = np.array(one.projection[0])
    names = [rule.name for rule in one.rules]
    assert abs(axis[names.index("orders_90d")]) > abs(axis[names.index("average_basket_units")])
