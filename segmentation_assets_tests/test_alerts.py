"""Each alert is complete: where it goes, what it says, its tests, its page in the runbook, figures that there are."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from segmentation_assets_tests.testing.alert_rules import PROMETHEUS, ROOT, Alert, alerts, rules

METRIC = re.compile(r"(?<![:\w])(segmentation_\w+)")
PARTS = ("_bucket", "_count", "_sum")
AREAS = {"service", "pipeline", "data", "model", "platform"}
RUNBOOK = "{{ $externalLabels.runbook_base }}docs/runbook.md#"

ALERTS = alerts()
IDS = [f"{alert.name} {alert.labels.get('window', '')}".strip() for alert in ALERTS]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def expected() -> list[tuple[str, list[dict[str, Any]]]]:
    """What promtool's tests expect: the name of an alert, and those of it that fire at a moment."""
    return list(outcomes())


def outcomes() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for path in sorted((PROMETHEUS / "tests").glob("*.yml")):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for outcome in test["alert_rule_test"]:
                yield outcome["alertname"], outcome["exp_alerts"]


def documented_metrics() -> set[str]:
    return set(METRIC.findall(page("metrics.md")))


def base(metric: str) -> str:
    """The name that a histogram is documented by."""
    return next((metric.removesuffix(part) for part in PARTS if metric.endswith(part)), metric)


@pytest.mark.parametrize("alert", ALERTS, ids=IDS)
def test_an_alert_says_how_bad_what_and_where_to_read_on(alert: Alert) -> None:
    assert re.fullmatch(r"([A-Z][a-z]+)+", alert.name)
    assert alert.has_for
    assert alert.labels["severity"] in {"page", "ticket", "info", "none"}
    assert alert.labels["area"] in AREAS
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == RUNBOOK + alert.name.lower()


@pytest.mark.parametrize("alert", ALERTS, ids=IDS)
def test_promtool_tests_that_it_fires_and_that_it_does_not(
    alert: Alert, expected: list[tuple[str, list[dict[str, Any]]]]
) -> None:
    fires = [one["exp_labels"] for name, found in expected for one in found if name == alert.name]
    assert any(alert.labels.items() <= labels.items() for labels in fires)
    assert any(not found for name, found in expected if name == alert.name)


@pytest.mark.parametrize("alert", ALERTS, ids=IDS)
def test_the_runbook_and_the_overview_have_it(alert: Alert) -> None:
    (section,) = re.findall(rf"^### {alert.name}\n(.*?)(?=^##|\Z)", page("runbook.md"), re.MULTILINE | re.DOTALL)
    assert re.findall(r"^\*\*(\w+)", section, re.MULTILINE) == ["Means", "Look", "Do", "Over"]
    (row,) = re.findall(
        rf"^\| \[{alert.name}\]\(runbook\.md#{alert.name.lower()}\) \| ([\w, ]+) ", page("monitoring.md"), re.M
    )
    assert alert.labels["severity"] in row


def test_the_runbook_has_no_alert_that_is_gone() -> None:
    assert set(re.findall(r"^### (\w+)", page("runbook.md"), re.MULTILINE)) == {alert.name for alert in ALERTS}


def test_figures_that_rules_and_pages_ask_for_are_documented() -> None:
    texts = [str(rule) for rule in rules()] + [page("runbook.md"), page("monitoring.md")]
    asked = {base(metric) for text in texts for metric in METRIC.findall(text)}
    assert len(asked) > 40
    assert asked - documented_metrics() == set()


def test_a_figure_that_does_not_exist_would_be_noticed() -> None:
    assert base("segmentation_request_duration_seconds_bucket") in documented_metrics()
    assert METRIC.findall("rate(segmentation_requests[5m]) / segmentation:stream_lag_messages:sum") == [
        "segmentation_requests"
    ]
    assert "segmentation_requests" not in documented_metrics()


def test_rules_only_ask_for_their_own_recordings() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    asked = {name for rule in rules() for name in re.findall(r"segmentation:[\w:]+", rule["expr"])}
    assert asked == recorded
