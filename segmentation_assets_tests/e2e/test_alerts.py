"""Every alert fires, reaches whom it concerns and resolves, by figures that a test makes up."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import segmentation
from segmentation_assets_tests.test_docs import blocks
from segmentation_assets_tests.testing.alert_rules import ROOT, alerts
from segmentation_assets_tests.testing.alert_watch import watching
from segmentation_assets_tests.testing.prometheus import Exposition, Figure, running_exposition
from segmentation_assets_tests.testing.waiting import eventually

pytestmark = pytest.mark.takes(70)

DAY = 86400
BEGUN = [time.monotonic()]
"""When the test that runs has begun: it may be long after this was imported."""

Figures = Mapping[str, Figure]


def growing(per_second: float, start: float = 0) -> Callable[[], float]:
    """A counter, or a gauge that rises or falls."""
    return lambda: start + per_second * (time.monotonic() - BEGUN[0])


def ago(seconds: float) -> Callable[[], float]:
    """The Unix time of so many seconds ago, whenever that is asked."""
    return lambda: time.time() - seconds


REQUESTS = 'segmentation_requests_total{method="POST",route="/v1/score",status="%s"}'
UNDER = 'segmentation_request_duration_seconds_bucket{method="POST",route="/v1/score",le="0.1"}'
SCORES = 'segmentation_request_duration_seconds_count{method="POST",route="/v1/score"}'
LAG = 'segmentation_stream_lag_messages{source="%s",partition="0"}'
COMMITTED = 'segmentation_stream_last_commit_timestamp_seconds{source="%s"}'
LINES = 'segmentation_stream_lines_total{source="web",outcome="%s"}'
CHECK = 'segmentation_asset_check_passed{asset="%s",check="%s",severity="%s"}'
FREE = 'segmentation_disk_free_bytes{path="%s"}'
DRIFTING = 'segmentation_drifting_features{cause="%s"}'

HEALTHY: Mapping[str, Figures] = {
    "scorer": {
        REQUESTS % 200: growing(1e6),
        REQUESTS % 503: 0,
        UNDER: growing(1e6),
        SCORES: growing(1e6),
        "segmentation_is_ready": 1,
        "segmentation_is_stale": 0,
        "segmentation_model_version": 3,
    },
    "second scorer": {"segmentation_is_ready": 1},
    "stream": {
        LAG % "app": 0,
        COMMITTED % "app": ago(1),
        LAG % "web": 0,
        COMMITTED % "web": ago(1),
        'segmentation_stream_failed_commits_total{source="web"}': 0,
        'segmentation_stream_broker_up{source="shop"}': 1,
        LINES % "new": growing(1e6),
        LINES % "rejected": 0,
    },
    "exporter": {
        'segmentation_table_rows{table="raw.transactions"}': 1e9,
        'segmentation_rejected_lines{source="web",reason="no_customer"}': 1000,
        'segmentation_table_files{table="raw.transactions"}': 16,
        'segmentation_table_bytes{table="raw.transactions"}': 1e9,
        "segmentation_newest_line_timestamp_seconds": ago(60),
        'segmentation_newest_arrival_timestamp_seconds{source="web"}': ago(60),
        "segmentation_newest_snapshot_timestamp_seconds": ago(20 * DAY),
        "segmentation_newest_current_snapshot_timestamp_seconds": ago(20 * DAY),
        "segmentation_judged_timestamp_seconds": ago(20 * DAY - 60),
        "segmentation_lake_snapshots": 300,
        FREE % "data": 90e9,
        'segmentation_disk_size_bytes{path="data"}': 100e9,
        FREE % "home": 90e9,
        'segmentation_disk_size_bytes{path="home"}': 100e9,
        "segmentation_champion_version": 3,
        "segmentation_champion_as_of_timestamp_seconds": ago(20 * DAY),
        'segmentation_models{alias="challenger"}': 0,
        DRIFTING % "data_quality": 0,
        DRIFTING % "behaviour": 0,
        DRIFTING % "mix": 0,
        'segmentation_feature_drift{feature="recency_days",metric="psi"}': 0.4,
        'segmentation_feature_drift_threshold{feature="recency_days",metric="psi"}': 0.2,
        "segmentation_degraded_metrics": 0,
        'segmentation_run_last_success_timestamp_seconds{job="ingest"}': ago(60),
        'segmentation_run_last_failure_timestamp_seconds{job="ingest"}': ago(2 * DAY),
        CHECK % ("raw/transactions", "keeps_the_contract", "error"): 1,
        CHECK % ("raw/transactions", "volume_is_usual", "warn"): 1,
        CHECK % ("training/candidate_model", "segments_are_stable", "error"): 1,
        'segmentation_backfills{status="failed"}': 1,
        'segmentation_backfill_partitions{status="failed"}': 0,
        'segmentation_daemon_healthy{daemon="sensor"}': 1,
        'segmentation_sensor_last_tick_failed{name="new_files"}': 0,
        'segmentation_exporter_up{part="lake"}': 1,
        'segmentation_exporter_up{part="pipeline"}': 1,
        'segmentation_exporter_last_success_timestamp_seconds{part="lake"}': ago(5),
        'segmentation_exporter_last_success_timestamp_seconds{part="pipeline"}': ago(5),
    },
    "alertmanager": {},
    "prometheus": {
        'alertmanager_notifications_failed_total{integration="slack"}': 0,
        'prometheus_rule_evaluation_failures_total{rule_group="data"}': 0,
    },
}
"""What targets show while nothing is wrong."""


@dataclass(frozen=True)
class Fault:
    """Something wrong at a target.

    Attributes:
        target: Where.
        figures: What is shown instead; None if the target doesn't answer.
    """

    target: str
    figures: Figures | None


STAGES: list[Mapping[str, list[Fault]]] = [
    # As much as can be wrong at once, without one alert hiding another.
    {
        "ScorerErrorBudgetBurn": [Fault("scorer", {REQUESTS % 200: growing(100), REQUESTS % 503: growing(100)})],
        "ScorerLatencyBudgetBurn": [Fault("scorer", {UNDER: growing(100), SCORES: growing(200)})],
        "ScorerStale": [Fault("scorer", {"segmentation_is_stale": 1})],
        "ScorerServesOtherVersion": [Fault("scorer", {"segmentation_model_version": 2})],
        "InstanceDown": [Fault("second scorer", None)],
        "StreamStalled": [Fault("stream", {LAG % "app": 40, COMMITTED % "app": ago(1000)})],
        "StreamLagGrows": [Fault("stream", {LAG % "web": growing(1000, 20_000)})],
        "StreamCommitsFail": [
            Fault("stream", {'segmentation_stream_failed_commits_total{source="web"}': growing(100)})
        ],
        "StreamBrokerDown": [Fault("stream", {'segmentation_stream_broker_up{source="shop"}': 0})],
        "StreamRejectsHigh": [Fault("stream", {LINES % "new": growing(100), LINES % "rejected": growing(100)})],
        "RunFailed": [
            Fault(
                "exporter",
                {
                    'segmentation_run_last_success_timestamp_seconds{job="ingest"}': ago(DAY),
                    'segmentation_run_last_failure_timestamp_seconds{job="ingest"}': ago(60),
                },
            )
        ],
        "AssetCheckFailed": [Fault("exporter", {CHECK % ("raw/transactions", "keeps_the_contract", "error"): 0})],
        "AssetCheckWarns": [Fault("exporter", {CHECK % ("raw/transactions", "volume_is_usual", "warn"): 0})],
        "RunQueueStuck": [Fault("exporter", {"segmentation_oldest_queued_run_timestamp_seconds": ago(3600)})],
        "BackfillFailed": [Fault("exporter", {'segmentation_backfills{status="failed"}': 2})],
        "BackfillPartitionsFail": [Fault("exporter", {'segmentation_backfill_partitions{status="failed"}': 3})],
        "TickFailed": [Fault("exporter", {'segmentation_sensor_last_tick_failed{name="new_files"}': 1})],
        "DataStale": [Fault("exporter", {"segmentation_newest_line_timestamp_seconds": ago(4 * DAY)})],
        "SourceSilent": [
            # Since when the source is silent stays the same.
            Fault("exporter", {'segmentation_newest_arrival_timestamp_seconds{source="web"}': time.time() - 3 * DAY})
        ],
        "SnapshotStale": [Fault("exporter", {"segmentation_newest_current_snapshot_timestamp_seconds": ago(50 * DAY)})],
        "SnapshotMissing": [Fault("exporter", {"segmentation_newest_snapshot_timestamp_seconds": ago(34 * DAY)})],
        "RejectsHigh": [
            Fault("exporter", {'segmentation_rejected_lines{source="web",reason="no_customer"}': 1e9}),
        ],
        "ModelTooOld": [Fault("exporter", {"segmentation_champion_as_of_timestamp_seconds": ago(70 * DAY)})],
        "DriftOfMix": [Fault("exporter", {DRIFTING % "mix": 2})],
        "QualityDegraded": [Fault("exporter", {"segmentation_degraded_metrics": 1})],
        "MonitoringBehind": [Fault("exporter", {"segmentation_judged_timestamp_seconds": ago(60 * DAY)})],
        "CandidateRefused": [
            Fault("exporter", {CHECK % ("training/candidate_model", "segments_are_stable", "error"): 0})
        ],
        "ModelWaits": [Fault("exporter", {'segmentation_models{alias="challenger"}': 1})],
        "DiskAlmostFull": [Fault("exporter", {FREE % "data": 4e9})],
        "DiskFillsUp": [Fault("exporter", {FREE % "home": growing(-1e8, 45e9)})],
        "LakeSnapshotsPileUp": [Fault("exporter", {"segmentation_lake_snapshots": 60_000})],
        "DataFileDamaged": [Fault("exporter", {"segmentation_damaged_files": 1})],
        "LakeFilesPileUp": [
            Fault(
                "exporter",
                {
                    'segmentation_table_files{table="raw.transactions"}': 2000,
                    'segmentation_table_bytes{table="raw.transactions"}': 1e9,
                },
            )
        ],
        "AlertmanagerDown": [Fault("alertmanager", None)],
        "NotificationsFail": [
            Fault("prometheus", {'alertmanager_notifications_failed_total{integration="slack"}': growing(10)})
        ],
        "RulesFail": [
            Fault("prometheus", {'prometheus_rule_evaluation_failures_total{rule_group="data"}': growing(9)})
        ],
    },
    {
        "ScorerNotReady": [Fault("scorer", {"segmentation_is_ready": 0})],
        "DriftOfBehaviour": [Fault("exporter", {DRIFTING % "behaviour": 2})],
        "DaemonUnhealthy": [Fault("exporter", {'segmentation_daemon_healthy{daemon="sensor"}': 0})],
    },
    {
        "ScorerDown": [Fault("scorer", None), Fault("second scorer", None)],
        "StreamDown": [Fault("stream", None)],
        "DriftOfDataQuality": [Fault("exporter", {DRIFTING % "data_quality": 2})],
        "ExporterPartFails": [Fault("exporter", {'segmentation_exporter_up{part="pipeline"}': 0})],
    },
    {
        "ExporterHangs": [
            Fault("exporter", {'segmentation_exporter_last_success_timestamp_seconds{part="lake"}': ago(2000)})
        ],
    },
    {"ExporterDown": [Fault("exporter", None)]},
]
"""What is made wrong, by the alert that has to tell."""


@pytest.fixture
def expositions() -> Iterator[dict[str, Exposition]]:
    """A target for each that is healthy."""
    with ExitStack() as stack:
        made = {name: stack.enter_context(running_exposition()) for name in HEALTHY}
        BEGUN[0] = time.monotonic()
        show(made, [])
        yield made


def show(expositions: Mapping[str, Exposition], faults: list[Fault]) -> None:
    """Let targets show that they are healthy, but for some faults."""
    for name, exposition in expositions.items():
        own = [fault.figures for fault in faults if fault.target == name]
        figures = {**HEALTHY[name]}
        for changed in own:
            figures |= changed or {}
        exposition.show(figures)
        if None in own:
            exposition.fail()


def targets_of(expositions: Mapping[str, Exposition]) -> dict[str, list[str]]:
    """Addresses by job."""
    by_job: dict[str, list[str]] = {}
    for name, exposition in expositions.items():
        by_job.setdefault(name.removeprefix("second "), []).append(exposition.target)
    return by_job


def test_the_stages_have_every_alert_once() -> None:
    named = [name for stage in STAGES for name in stage]
    assert sorted([*named, "Watchdog"]) == sorted({alert.name for alert in alerts()})


def test_a_new_installation_fires_what_the_runbook_says(
    tmp_path: Path, expositions: dict[str, Exposition], empty_lake: Path
) -> None:
    shutil.copytree(empty_lake, tmp_path / "home")
    figures = segmentation(tmp_path / "home", "exporter", "--once").stdout.splitlines()
    told = [text.rpartition(" ") for text in figures if not text.startswith("#")]
    expositions["exporter"].show({series: float(value) for series, _, value in told})
    without_model = {"segmentation_is_ready": 0, "segmentation_is_stale": 1, "segmentation_model_version": 0}
    expositions["scorer"].show(without_model)
    expositions["second scorer"].show(without_model)
    targets = {**targets_of(expositions), "stream": []}
    with watching(tmp_path, targets) as watch:
        eventually(lambda: set(watch.prometheus.targets().values()) == {"up"}, watch.prometheus.targets)
        time.sleep(6)
        # Nobody has started a daemon.
        assert watch.firing() == {"Watchdog", "DaemonUnhealthy"}


def test_every_alert_fires_reaches_its_receiver_and_resolves(
    tmp_path: Path, expositions: dict[str, Exposition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_BASE", "https://git.example/")
    with watching(tmp_path, targets_of(expositions)) as watch:
        eventually(lambda: watch.firing() == {"Watchdog"}, watch.firing)
        # Long enough for whatever is wrong without a fault to fire, and for a source to have delivered seven times.
        time.sleep(6)
        assert watch.firing() == {"Watchdog"}
        for stage in STAGES:
            before = len(watch.told.notifications())
            show(expositions, [fault for faults in stage.values() for fault in faults])
            watch.await_told("firing", set(stage), before)
            show(expositions, [])
            watch.await_told("resolved", set(stage), before)
        eventually(lambda: watch.firing() == {"Watchdog"}, watch.firing)
        told = watch.told
        for query in [
            query for name in ("runbook", "monitoring") for query in blocks(ROOT / f"docs/{name}.md", "promql")
        ]:
            watch.prometheus.query(query)

    severities = {(alert.name, alert.labels["severity"]) for alert in alerts()}
    for receiver, severity in {"page": "page", "ticket": "ticket", "info": "info", "watchdog": "none"}.items():
        assert {(name, severity) for name in told.names("firing", receiver)} <= severities
    for alert in told.alerts("firing"):
        assert alert["annotations"]["runbook_url"].startswith("https://git.example/docs/runbook.md#")
        assert "runbook_base" not in alert["labels"]
        assert "{{" not in str(alert["annotations"])
        assert "<no value>" not in str(alert["annotations"])
