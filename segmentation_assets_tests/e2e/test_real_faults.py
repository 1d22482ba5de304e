"""Faults of real processes are told: a scorer, the exporter and a stream consumer, with all that they need."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from segmentation.metadata.tables.monitoring import FEATURE_DRIFT
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets.cli.runs import dagster_home
from segmentation_assets_tests.e2e.conftest import command
from segmentation_assets_tests.streaming.conftest import declare, line
from segmentation_assets_tests.testing.alert_watch import Watch, watching
from segmentation_assets_tests.testing.broker import Broker, running_broker
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.recorded import record_by_hand
from segmentation_assets_tests.testing.running_scorer import environment_of
from segmentation_assets_tests.testing.shop import KEY, change, open_shop
from segmentation_assets_tests.testing.waiting import eventually

pytestmark = pytest.mark.takes(30)

START_S = 60
MOST_MESSAGES = 200_000

FAULTS = {"ScorerDown", "DataStale", "DriftOfDataQuality", "AssetCheckFailed", "StreamLagGrows"}

DRIFT = """
INSERT INTO monitoring.feature_drift
VALUES ('{as_of}', 1, 'category_entropy', 'missing_share', {value}, 0.1, {value} >= 0.1, {cause})
"""


def test_faults_of_real_processes_are_told(settings: Settings, empty_lake: Path, tmp_path: Path) -> None:
    shutil.copytree(empty_lake, settings.home)
    open_shop(settings)
    (key := tmp_path / "key").write_text(f"{KEY}\n")
    ports = {job: free_port() for job in ("scorer", "exporter", "stream")}
    targets = {job: [f"127.0.0.1:{port}"] for job, port in ports.items()} | {"alertmanager": [], "prometheus": []}
    serve = ("serve", "--port", str(ports["scorer"]), "--workers", "1")
    with ExitStack() as stack:
        broker = stack.enter_context(running_broker())
        topic = broker.create("alerts", 3)
        environment = environment_of(settings, **sources(settings, broker, topic))
        watch = stack.enter_context(watching(tmp_path / "watch", targets, key))
        scorer = stack.enter_context(started(environment, *serve))
        stack.enter_context(started(environment, "exporter", "--port", str(ports["exporter"]), "--every", "1"))
        stack.enter_context(started(environment, "stream", "app", "--metrics-port", str(ports["stream"])))
        new_line(settings, "1", datetime.now(UTC))
        record_drift(settings, "2024-07-01", 0.0)
        record_check(settings, passed=True)
        await_fine(watch)

        before = len(watch.told.notifications())
        scorer.terminate()
        remove_lines(settings)
        record_drift(settings, "2024-07-02", 0.5)
        record_check(settings, passed=False)
        swamp(broker, topic, watch, before)
        watch.await_told("firing", FAULTS, before)

        stack.enter_context(started(environment, *serve))
        new_line(settings, "2", datetime.now(UTC))
        record_drift(settings, "2024-07-03", 0.0)
        record_check(settings, passed=True)
        watch.await_told("resolved", FAULTS, before)


def sources(settings: Settings, broker: Broker, topic: str) -> Mapping[str, str]:
    """The setting that declares a topic."""
    declared = declare(settings, broker, topic)
    return {"SEGMENTATION_SOURCES": declared["SEGMENTATION_SOURCES"]}


@contextmanager
def started(environment: Mapping[str, str], *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the platform, which may take its time to answer."""
    with subprocess.Popen(
        command(*arguments), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def await_fine(watch: Watch) -> None:
    """Wait until all answer, and nothing fires that a test is about."""

    def fine() -> bool:
        states = watch.prometheus.targets()
        return set(states.values()) == {"up"} and not FAULTS & watch.firing()

    eventually(fine, lambda: (watch.prometheus.targets(), watch.firing()), START_S)


def new_line(settings: Settings, order_id: str, ordered_at: datetime) -> None:
    """An order comes in."""
    with Lake(settings) as lake:
        insert_lines(lake, [Line("A", order_id, "p", ordered_at.replace(tzinfo=None))])


def remove_lines(settings: Settings) -> None:
    """No order has come in for days."""
    old = datetime.now(UTC) - timedelta(days=4)
    change(settings, "DELETE FROM raw.transactions WHERE source = 'test'")
    new_line(settings, "0", old)


def record_drift(settings: Settings, as_of: str, value: float) -> None:
    """Monitoring has judged a date."""
    cause = "'data_quality'" if value else "NULL"
    change(settings, DRIFT.format(as_of=as_of, value=value, cause=cause))
    with Lake(settings) as lake:
        record_by_hand(lake, date.fromisoformat(as_of), [FEATURE_DRIFT])


def record_check(settings: Settings, passed: bool) -> None:
    """A check has run."""
    check = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["raw", "transactions"]), check_name="keeps_the_contract", passed=passed, metadata={}
    )
    with dg.DagsterInstance.from_config(str(dagster_home(settings))) as instance:
        instance.report_runless_asset_event(check)


def swamp(broker: Broker, topic: str, watch: Watch, before: int) -> None:
    """Send twice as much as can be consumed, until that is told."""
    for number in range(0, MOST_MESSAGES, 5_000):
        broker.send(topic, [line(number + each) for each in range(5_000)])
        told = [alert for body in watch.told.notifications()[before:] for alert in body["alerts"]]
        if "StreamLagGrows" in {alert["labels"]["alertname"] for alert in told}:
            return
        time.sleep(0.5)
