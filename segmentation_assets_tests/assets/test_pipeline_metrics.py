"""Figures of Dagster's instance: there from the start, bounded in their labels, and right about what has happened."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, TickData
from dagster._core.utils import make_new_run_id
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from segmentation_assets.dagster_internals.instance_state import (
    BulkActionStatus,
    InstigatorStatus,
    PartitionBackfill,
    TickStatus,
)
from segmentation_assets.pipeline_metrics import Names, PipelineMetrics
from segmentation_assets_tests.assets.conftest import defs
from segmentation_assets_tests.testing.metrics_page import declared, told

Samples = dict[tuple[str, ...], float]

MONTHS = dg.StaticPartitionsDefinition(["jan", "feb", "mar"])


@dg.asset(key=["shop", "lines"], partitions_def=MONTHS)
def lines(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fails"):
        raise ValueError("as it was told to")


@dg.asset_check(asset=lines)
def is_right(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed="odd" not in context.run.tags, severity=dg.AssetCheckSeverity.WARN)


@dg.asset_check(asset=lines)
def is_never_run() -> dg.AssetCheckResult:
    raise NotImplementedError


@dg.sensor(name="runs", job_name="load", default_status=dg.DefaultSensorStatus.RUNNING)
def a_sensor() -> dg.SkipReason:
    return dg.SkipReason()


@dg.sensor(name="rests", job_name="load")
def another_sensor() -> dg.SkipReason:
    return dg.SkipReason()


LOAD = dg.define_asset_job(
    "load", selection=dg.AssetSelection.assets(lines) - dg.AssetSelection.checks(is_never_run.check_key)
)
SMALL = dg.Definitions(
    assets=[lines],
    asset_checks=[is_right, is_never_run],
    jobs=[LOAD, dg.define_asset_job("idle", selection=[lines])],
    sensors=[a_sensor, another_sensor],
)


@pytest.fixture(scope="module")
def empty_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: its databases take longer to make than to copy."""
    folder = tmp_path_factory.mktemp("instance")
    folder.joinpath("dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    dg.DagsterInstance.from_config(str(folder)).dispose()
    return folder


@pytest.fixture
def instance(empty_instance: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One with daemons, as an installation has."""
    shutil.copytree(empty_instance, tmp_path, dirs_exist_ok=True)
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        yield opened


@pytest.fixture(scope="module")
def names() -> Names:
    return Names.of(SMALL)


@pytest.fixture
def look(instance: dg.DagsterInstance, names: Names) -> Callable[[], dict[str, Samples]]:
    figures = PipelineMetrics(names)
    return lambda: {f.name.removeprefix("segmentation_"): dict(f.samples) for f in figures.read(instance)}


def run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    result = SMALL.resolve_job_def("load").execute_in_process(
        instance=instance, partition_key="jan", tags=tags, raise_on_error=False
    )
    return result.dagster_run


def test_every_figure_of_the_page_is_told_with_its_labels(instance: dg.DagsterInstance) -> None:
    families = PipelineMetrics(Names.of(defs)).read(instance)
    assert told(families) == declared("Exporter: the pipeline")
    runs = next(family for family in families if family.name == "segmentation_runs")
    jobs = {"ingest", "maintain", "promote_model", "register_files", "retrain", "segment", "snapshot"}
    assert jobs <= {job for job, _ in runs.samples}


def test_before_the_first_run_there_is_a_zero_for_every_job_and_status(look: Callable[[], dict[str, Samples]]) -> None:
    figures = look()
    expected = {(j, s) for j in ("load", "idle", "assets", "other") for s in ("success", "failure", "canceled")}
    assert figures["runs"] == dict.fromkeys(expected, 0)
    assert figures["runs_in_progress"] == dict.fromkeys({("queued",), ("starting",), ("started",), ("canceling",)}, 0)
    assert set(figures["backfill_partitions"].values()) == set(figures["backfills"].values()) == {0}
    assert figures["sensor_last_tick_failed"] == {("runs",): 0}
    assert set(figures["daemon_healthy"].values()) == {0}
    for name in ("oldest_queued_run_timestamp_seconds", "run_duration_seconds", "asset_check_passed"):
        assert figures[name] == {}


def test_runs_assets_and_checks_are_told_as_they_went(
    instance: dg.DagsterInstance, look: Callable[[], dict[str, Samples]]
) -> None:
    before = time.time()
    good = run(instance)
    first = look()
    labels = ("shop/lines", "is_right")
    assert first["asset_check_passed"] == {(*labels, "warn"): 1}
    record = instance.get_run_record_by_id(good.run_id)
    assert record is not None
    assert record.start_time is not None
    assert record.end_time is not None
    assert first["run_duration_seconds"] == {("load",): record.end_time - record.start_time}
    assert first["run_last_success_timestamp_seconds"] == {("load",): record.end_time}
    assert first["run_last_failure_timestamp_seconds"] == {}
    run(instance, odd="yes")
    run(instance, fails="yes")
    figures = look()
    runs = {labels: count for labels, count in figures["runs"].items() if count}
    assert runs == {("load", "success"): 2, ("load", "failure"): 1}
    assert figures["asset_check_passed"] == {(*labels, "warn"): 0}
    assert before < first["asset_check_last_timestamp_seconds"][labels]
    assert first["asset_check_last_timestamp_seconds"][labels] < figures["asset_check_last_timestamp_seconds"][labels]
    assert figures["run_last_success_timestamp_seconds"]["load",] > record.end_time
    assert figures["run_last_failure_timestamp_seconds"]["load",] > record.end_time
    event = instance.get_latest_materialization_event(lines.key)
    assert event is not None
    assert figures["asset_last_materialization_timestamp_seconds"] == {("shop/lines",): event.timestamp}


def test_runs_of_hidden_and_of_unknown_jobs_have_a_label_for_each_kind(
    instance: dg.DagsterInstance, look: Callable[[], dict[str, Samples]]
) -> None:
    def end(job: str, status: dg.DagsterRunStatus) -> None:
        instance.add_run(dg.DagsterRun(job_name=job, run_id=make_new_run_id(), status=status))

    end("__ASSET_JOB", dg.DagsterRunStatus.SUCCESS)
    end("renamed", dg.DagsterRunStatus.CANCELED)
    end("renamed, too", dg.DagsterRunStatus.CANCELED)
    end("load", dg.DagsterRunStatus.STARTED)
    figures = look()
    runs = {labels: count for labels, count in figures["runs"].items() if count}
    assert runs == {("assets", "success"): 1, ("other", "canceled"): 2}
    assert figures["runs_in_progress"]["started",] == 1
    assert "renamed" not in str(figures)


def test_a_run_that_ends_while_runs_are_counted_is_never_one_of_another_job(
    instance: dg.DagsterInstance, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = PipelineMetrics(names)
    count = instance.get_runs_count

    def ending(filters: dg.RunsFilter | None = None) -> int:
        found = count(filters)
        if filters and filters.job_name == "idle":  # counted after `load`, so nobody has counted this one yet
            instance.add_run(
                dg.DagsterRun(job_name="load", run_id=make_new_run_id(), status=dg.DagsterRunStatus.SUCCESS)
            )
        return found

    def others() -> float:
        return figures.read(instance)[0].samples["other", "success"]

    monkeypatch.setattr(instance, "get_runs_count", ending)
    assert [others() for _ in range(3)] == [0, 0, 0]
    monkeypatch.undo()
    assert others() == 0
    assert figures.read(instance)[0].samples["load", "success"] == count()


def test_the_run_that_waits_longest_is_told(
    instance: dg.DagsterInstance, look: Callable[[], dict[str, Samples]]
) -> None:
    origin = RemoteJobOrigin(_repository("here"), "load")
    for number in (1, 2):
        instance.add_run(
            dg.DagsterRun(
                job_name="load", run_id=str(number), status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin
            )
        )
    figures = look()
    assert figures["runs_in_progress"]["queued",] == 2
    record = instance.get_run_record_by_id("1")
    assert record is not None
    assert figures["oldest_queued_run_timestamp_seconds"] == {(): record.create_timestamp.timestamp()}


def test_a_daemon_is_healthy_by_its_heartbeats(
    instance: dg.DagsterInstance, look: Callable[[], dict[str, Samples]]
) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", None, None))
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 4000, "SCHEDULER", None, None))
    healthy = look()["daemon_healthy"]
    assert {name for (name,), value in healthy.items() if value} == {"sensor"}
    assert {"scheduler", "queued_run_coordinator", "asset", "backfill"} < {name for (name,) in healthy}


def test_partitions_of_backfills_under_way_are_told_by_where_they_are(
    instance: dg.DagsterInstance, names: Names, look: Callable[[], dict[str, Samples]]
) -> None:
    def months(*keys: str) -> AssetGraphSubset:
        partitions = {AssetKeyPartitionKey(lines.key, key) for key in keys}
        return AssetGraphSubset.from_asset_partition_set(partitions, names.graph)

    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id="one",
        asset_graph_subset=months("jan", "feb", "mar"),
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        title=None,
        description=None,
        run_config=None,
    )
    data = backfill.get_asset_backfill_data(names.graph)
    data = data._replace(requested_subset=months("jan", "feb"), materialized_subset=months("jan"))
    instance.add_backfill(backfill.with_asset_backfill_data(data, instance, names.graph))
    for number, status in enumerate((BulkActionStatus.COMPLETED_SUCCESS, BulkActionStatus.COMPLETED_FAILED)):
        instance.add_backfill(backfill._replace(backfill_id=f"old{number}", status=status))
    figures = look()
    assert figures["backfill_partitions"] == {
        ("completed",): 1,
        ("failed",): 0,
        ("in_progress",): 1,
        ("waiting",): 1,
    }
    backfills = {status: count for (status,), count in figures["backfills"].items() if count}
    assert backfills == {"requested": 1, "completed": 1, "failed": 1}


def test_the_last_tick_of_a_running_sensor_counts_wherever_its_code_was(
    instance: dg.DagsterInstance, look: Callable[[], dict[str, Samples]]
) -> None:
    def set_state(sensor: str, location: str, status: InstigatorStatus) -> InstigatorState:
        origin = RemoteInstigatorOrigin(_repository(location), sensor)
        return instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, status))

    def tick(of: InstigatorState, status: TickStatus, at: float) -> None:
        name, kind, error = of.instigator_name, InstigatorType.SENSOR, None
        if status is TickStatus.FAILURE:
            error = SerializableErrorInfo("it broke", [], None)
        instance.create_tick(
            TickData(of.instigator_origin_id, name, kind, status, at, selector_id=of.selector_id, error=error)
        )

    old = set_state("runs", "former", InstigatorStatus.DECLARED_IN_CODE)
    now = set_state("runs", "present", InstigatorStatus.DECLARED_IN_CODE)
    gone = set_state("of a former release", "present", InstigatorStatus.RUNNING)
    rests = set_state("rests", "present", InstigatorStatus.RUNNING)
    tick(old, TickStatus.FAILURE, 100.0)
    tick(gone, TickStatus.FAILURE, 100.0)
    tick(rests, TickStatus.FAILURE, 300.0)
    assert look()["sensor_last_tick_failed"] == {("runs",): 1, ("rests",): 1}
    tick(now, TickStatus.SKIPPED, 200.0)
    tick(now, TickStatus.STARTED, 201.0)  # says nothing yet
    instance.update_instigator_state(rests.with_status(InstigatorStatus.STOPPED))
    assert look()["sensor_last_tick_failed"] == {("runs",): 0}


def _repository(location: str) -> RemoteRepositoryOrigin:
    return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
