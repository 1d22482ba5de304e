"""What follows from something else is not told, by the real Alertmanager's routes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from segmentation_assets_tests.testing.alert_rules import alertmanager_configuration
from segmentation_assets_tests.testing.prometheus import Server, running_alertmanager
from segmentation_assets_tests.testing.waiting import eventually


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"alertname": "ScorerDown"}, {"alertname": "ScorerStale", "instance": "a"}),
        ({"alertname": "ScorerNotReady"}, {"alertname": "ScorerErrorBudgetBurn", "severity": "page"}),
        (
            {"alertname": "ScorerErrorBudgetBurn", "severity": "page"},
            {"alertname": "ScorerErrorBudgetBurn", "severity": "ticket"},
        ),
        ({"alertname": "StreamDown"}, {"alertname": "StreamBrokerDown", "source": "app"}),
        ({"alertname": "StreamBrokerDown", "source": "app"}, {"alertname": "StreamStalled", "source": "app"}),
        ({"alertname": "StreamStalled", "source": "app"}, {"alertname": "StreamLagGrows", "source": "app"}),
        ({"alertname": "ExporterDown"}, {"alertname": "DataStale", "area": "data"}),
        ({"alertname": "ExporterPartFails", "part": "lake"}, {"alertname": "QualityDegraded", "area": "model"}),
        ({"alertname": "ExporterHangs", "part": "pipeline"}, {"alertname": "RunFailed", "area": "pipeline"}),
        ({"alertname": "DaemonUnhealthy"}, {"alertname": "RunQueueStuck"}),
        ({"alertname": "CandidateRefused"}, {"alertname": "RunFailed", "job": "retrain"}),
        ({"alertname": "DriftOfDataQuality"}, {"alertname": "DriftOfBehaviour"}),
        ({"alertname": "DriftOfBehaviour"}, {"alertname": "DriftOfMix"}),
        ({"alertname": "DiskAlmostFull", "path": "data"}, {"alertname": "DiskFillsUp", "path": "data"}),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_what_follows_is_held_back(alertmanager: Server, source: Mapping[str, str], target: Mapping[str, str]) -> None:
    with posted(alertmanager, target):
        assert held_back(alertmanager, target) is False
        with posted(alertmanager, source):
            eventually(lambda: held_back(alertmanager, target), lambda: alertmanager.get("/api/v2/alerts"))
            assert held_back(alertmanager, source) is False


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ({"alertname": "StreamStalled", "source": "app"}, {"alertname": "StreamLagGrows", "source": "web"}),
        ({"alertname": "ExporterPartFails", "part": "pipeline"}, {"alertname": "DataStale", "area": "data"}),
        ({"alertname": "ExporterDown"}, {"alertname": "StreamRejectsHigh", "area": "data"}),
        ({"alertname": "ExporterDown"}, {"alertname": "ScorerDown", "area": "service"}),
        ({"alertname": "CandidateRefused"}, {"alertname": "RunFailed", "job": "ingest"}),
        ({"alertname": "DiskAlmostFull", "path": "data"}, {"alertname": "DiskFillsUp", "path": "home"}),
    ],
    ids=lambda labels: labels["alertname"],
)
def test_what_does_not_follow_is_told(
    alertmanager: Server, source: Mapping[str, str], target: Mapping[str, str]
) -> None:
    with posted(alertmanager, source), posted(alertmanager, target):
        assert held_back(alertmanager, target) is False


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An Alertmanager with the real inhibition rules."""
    folder = tmp_path_factory.mktemp("alertmanager")
    with running_alertmanager(folder, alertmanager_configuration(folder, "http://127.0.0.1:9/")) as running:
        yield running


@contextmanager
def posted(alertmanager: Server, labels: Mapping[str, str]) -> Iterator[None]:
    """An alert that fires for a while."""

    def post(ends: timedelta) -> None:
        alert = {"labels": labels, "endsAt": (datetime.now(UTC) + ends).isoformat()}
        httpx.post(f"{alertmanager.address}/api/v2/alerts", json=[alert]).raise_for_status()

    post(timedelta(minutes=5))
    try:
        yield
    finally:
        post(timedelta(0))


def held_back(alertmanager: Server, labels: Mapping[str, str]) -> bool:
    """Whether something else that fires keeps an alert from being told."""
    (found,) = [alert for alert in alertmanager.get("/api/v2/alerts") if alert["labels"] == labels]
    return bool(found["status"]["inhibitedBy"])
