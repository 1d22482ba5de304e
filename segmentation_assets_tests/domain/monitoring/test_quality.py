"""When a champion's figures count as worse."""

import numpy as np
import pytest

from segmentation.modeling.fitting.outcomes import Outcome
from segmentation.modeling.nearest import Assignment
from segmentation.monitoring.quality import (
    LEAST_LOSS,
    MEANINGS,
    WORSE,
    QualityMetric,
    forward_figure,
    measure,
    measure_quality,
)


def _judged(metric: str, training: float, now: float, *, error: float = 0.0, earlier: tuple[float, ...] = ()) -> bool:
    rows = measure_quality(
        {metric: QualityMetric(training, error)},
        {metric: QualityMetric(now, error)},
        [{metric: QualityMetric(value, error)} for value in earlier],
    )
    return next(row.is_degraded for row in rows if row.metric == metric)


@pytest.mark.parametrize(("metric", "direction"), sorted(WORSE.items()))
def test_only_worse_is_degraded_and_only_by_more_than_matters(metric: str, direction: str) -> None:
    worse = -1 if direction == "lower" else 1
    loss = LEAST_LOSS[metric]
    assert _judged(metric, 0.4, 0.4 + worse * loss * 1.1)
    assert not _judged(metric, 0.4, 0.4 + worse * loss * 0.9)
    assert not _judged(metric, 0.4, 0.4 - worse * loss * 3)


def test_chance_and_usual_ups_and_downs_are_allowed_for() -> None:
    assert _judged("simplified_silhouette", 0.5, 0.4)
    assert not _judged("simplified_silhouette", 0.5, 0.4, error=0.03)
    assert not _judged("simplified_silhouette", 0.5, 0.4, earlier=(0.42, 0.55, 0.47, 0.6))
    assert _judged("simplified_silhouette", 0.5, 0.4, earlier=(0.5, 0.5, 0.501, 0.499))


def test_every_figure_has_a_row_and_what_is_unknown_is_no_finding() -> None:
    rows = measure_quality(
        {"fixed_silhouette": QualityMetric(0.3, 0.01)}, {"smallest_share": QualityMetric(0.2, 0.0)}, []
    )
    assert [row.metric for row in rows] == list(MEANINGS)
    assert not any(row.is_degraded for row in rows)
    known = {row.metric: (row.value, row.training_value, row.threshold is None) for row in rows}
    assert known["fixed_silhouette"] == (None, 0.3, False)
    assert known["smallest_share"] == (0.2, None, True)


def _assignment(rng: np.random.Generator, count: int) -> Assignment:
    near, far = np.sort(rng.random((2, count)), axis=0)
    return Assignment(rng.integers(0, 3, count), near, rng.integers(0, 3, count), far)


def test_figures_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    assignment, cutoffs = _assignment(rng, 4000), np.array([0.2, 0.5, 0.0])
    found = measure(assignment, cutoffs, rng.normal(size=(4000, 3)), 1, held_share=0.25)
    confidence = 1 - assignment.distance / assignment.runner_up_distance
    low = [c < cutoffs[s] for c, s in zip(confidence, assignment.segment, strict=True)]
    assert found["low_confidence_share"].value == pytest.approx(sum(low) / 4000)
    assert found["confidence_p50"].value == pytest.approx(float(np.median(confidence)))
    assert found["held_share"].value == 0.25
    means = [rng.choice(confidence, 4000).mean() for _ in range(300)]
    assert found["simplified_silhouette"].error == pytest.approx(float(np.std(means)), rel=0.15)
    shares = [rng.choice(low, 4000).mean() for _ in range(300)]
    assert found["low_confidence_share"].error == pytest.approx(float(np.std(shares)), rel=0.15)


def test_the_error_of_forward_value_is_that_of_drawing_customers_anew() -> None:
    rng = np.random.default_rng(2)
    assignment = _assignment(rng, 2000)
    spend = assignment.segment + rng.normal(0, 1.2, 2000)
    outcome = Outcome(spend, spend > 0)
    figure = forward_figure(outcome, assignment)
    values = []
    for _ in range(200):
        rows = rng.integers(0, 2000, 2000)
        drawn = Assignment(
            assignment.segment[rows],
            assignment.distance[rows],
            assignment.runner_up[rows],
            assignment.runner_up_distance[rows],
        )
        values.append(forward_figure(Outcome(spend[rows], spend[rows] > 0), drawn).value)
    assert figure.error == pytest.approx(float(np.std(values)), rel=0.25)
