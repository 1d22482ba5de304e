"""What is called drift, and why, in shops whose change is known (`benchmarks.drift` does it hundreds of times)."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.drift.__main__ import SCENARIOS, Scenario, one
from benchmarks.drift.shop import FEATURES, TRAINED, Change, figures, orders, population
from segmentation.monitoring.drift import (
    SEGMENT,
    Drift,
    Past,
    Population,
    Sensitivity,
    cause_of,
    measure_drift,
    monitored,
)
from segmentation.monitoring.line_statistics import OddLines, compare

QUICK = Sensitivity(draws=80)


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if not each.is_faint], ids=lambda each: each.name)
def test_a_known_change_is_found_and_called_by_its_name(scenario: Scenario) -> None:
    outcome = one(scenario, 7)
    assert outcome.cause == scenario.cause


def _shop(change: Change, seed: int = 1) -> tuple[Population, Population, list[Population]]:
    made = orders(800, change, seed)
    past = [population(made, month) for month in range(TRAINED - 8, TRAINED)]
    return population(made, TRAINED), population(made, TRAINED + change.after), past


def _judged(change: Change, past: Past | None = None, lines: list[OddLines] | None = None) -> tuple[list[Drift], Past]:
    reference, current, populations = _shop(change)
    past = past or Past(populations)
    return measure_drift(FEATURES, 2, reference, current, past, lines or [], QUICK), past


def test_every_feature_and_metric_has_a_row_and_a_threshold() -> None:
    found, _ = _judged(Change())
    assert {row.feature for row in found} == {*(feature.name for feature in FEATURES), SEGMENT}
    assert all(row.threshold > 0 for row in found)
    assert [row for row in found if row.is_drifting != (row.cause is not None)] == []


def test_the_same_seed_finds_the_same() -> None:
    assert _judged(Change(discount=1.3))[0] == _judged(Change(discount=1.3))[0]


def test_a_feature_that_its_lines_make_doubtful_is_not_called_behaviour() -> None:
    odd = OddLines("missing_category", 0.6, 0.1, True)
    found, _ = _judged(Change(lost_categories=0.6, rate=0.3), lines=[odd])
    causes = {row.feature: row.cause for row in found if row.is_drifting}
    assert causes["category_entropy"] == "data_quality"
    assert causes["orders_90d"] == "behaviour"
    assert cause_of(found) == "data_quality"


def test_without_a_past_rules_of_thumb_hold() -> None:
    reference, current, _ = _shop(Change())
    found = measure_drift(FEATURES, 2, reference, current, Past(), [], QUICK)
    assert {row.threshold >= 0.1 for row in found} == {True}
    assert cause_of(found) is None


def test_a_past_that_changed_or_was_spoilt_teaches_nothing() -> None:
    reference, current, populations = _shop(Change(rate=0.6))
    wild = replace(populations[3], values=populations[3].values * 10)
    spoilt = [*populations[:3], wild, *populations[4:]]
    plain, misled, told = (
        {
            (row.feature, row.metric): row.threshold
            for row in measure_drift(FEATURES, 2, reference, current, past, [], QUICK)
        }
        for past in (Past(populations), Past(spoilt), Past(spoilt, spoilt=[wild.as_of]))
    )
    key = ("orders_90d", "wasserstein")
    assert misled[key] > 2 * plain[key]
    assert told[key] < 1.5 * plain[key]
    halves = Past(spoilt, breaks=[wild.as_of, spoilt[4].as_of])
    parted = measure_drift(FEATURES, 2, reference, current, halves, [], QUICK)
    assert next(row.threshold for row in parted if (row.feature, row.metric) == key) < 1.5 * plain[key]


def test_a_feature_that_nobody_had_before_gets_rules_of_thumb() -> None:
    reference, current, populations = _shop(Change())
    column = [feature.name for feature in FEATURES].index("mean_gap_days")
    for each in populations:
        each.values[:, column] = np.nan
    found = measure_drift(FEATURES, 2, reference, current, Past(populations), [], QUICK)
    thresholds = {row.metric: row.threshold for row in found if row.feature == "mean_gap_days"}
    assert all(np.isfinite(value) for value in thresholds.values())


def test_all_numbers_of_the_catalogue_are_monitored() -> None:
    assert {"recency_days", "net_revenue", "tenure_days", "return_rate"} <= {each.name for each in monitored()}


def test_figures_of_lines_are_odd_only_far_outside_of_their_past() -> None:
    made = orders(500, Change(pence=0.3), 3)
    before = [figures(made, month) for month in range(TRAINED - 6, TRAINED + 1)]
    odd = [finding.figure for finding in compare(figures(made, TRAINED + 3), before) if finding.is_odd]
    assert odd == ["price_jumps"]
    assert [finding for finding in compare(before[0], before[1:]) if finding.is_odd] == []


@pytest.mark.parametrize(("usual", "is_odd"), [(100, True), (8, True), (1, False)])
def test_no_return_at_all_is_odd_only_where_there_are_many(usual: int, is_odd: bool) -> None:
    counts = np.random.default_rng(1).poisson(usual, 12)
    before: list[dict[str, float | None]] = [{"no_returns": float(np.exp(-count))} for count in counts]
    found = next(each for each in compare({"no_returns": 1.0}, before) if each.figure == "no_returns")
    assert found.is_odd == is_odd


def test_a_month_without_lines_or_without_a_past_is_no_finding() -> None:
    made = orders(200, Change(), 3)
    assert not any(finding.is_odd for finding in compare({}, [figures(made, TRAINED)]))
    assert not any(finding.is_odd for finding in compare(figures(made, TRAINED), []))
