"""What Dagster's instance tells Prometheus: runs, assets, checks, backfills, daemons and ticks. Nothing here writes.

Names come from the code location, so that every series is there before its first run; what the instance knows besides
(jobs that were renamed, assets that are gone) makes no series of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from segmentation.metrics.families import Labels, MetricFamily, by_one, single
from segmentation_assets.dagster_internals.instance_state import (
    AssetGraph,
    BulkActionsFilter,
    BulkActionStatus,
    InstigatorStatus,
    PartitionBackfill,
    TickStatus,
)
from segmentation_assets.dagster_internals.names import IMPLICIT_ASSET_JOB_NAME

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

ASSETS = "assets"
"""The label of runs that people, automation and backfills start on assets; Dagster has one hidden job for them."""
OTHER = "other"
"""The label of runs of jobs that the code location doesn't have any more."""

BACKFILLS = {
    "requested": (BulkActionStatus.REQUESTED,),
    "completed": (BulkActionStatus.COMPLETED, BulkActionStatus.COMPLETED_SUCCESS),
    "failed": (BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED),
    "failing": (BulkActionStatus.FAILING,),
    "canceling": (BulkActionStatus.CANCELING,),
    "canceled": (BulkActionStatus.CANCELED,),
}
"""Dagster's statuses by ours: a backfill whose runs failed has failed, whoever says so."""
BACKFILLS_UNDER_WAY = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]
MOST_BACKFILLS = 50
"""Backfills under way whose partitions are counted, the newest ones: each is read as a whole."""

TICKED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]


@dataclass(frozen=True)
class Names:
    """What the code location declares.

    Attributes:
        jobs: By label, what Dagster calls the job.
        graph: Its assets and their checks.
        ticking: Per schedule and sensor, whether it runs unless somebody has stopped it.
    """

    jobs: Mapping[str, str]
    graph: AssetGraph
    ticking: Mapping[str, bool]

    @classmethod
    def of(cls, definitions: dg.Definitions) -> "Names":
        """The names in definitions."""
        repository = definitions.get_repository_def()
        jobs = {job.name: job.name for job in repository.get_all_jobs() if job.name != IMPLICIT_ASSET_JOB_NAME}
        schedules = {
            each.name: each.default_status is dg.DefaultScheduleStatus.RUNNING for each in repository.schedule_defs
        }
        sensors = {each.name: each.default_status is dg.DefaultSensorStatus.RUNNING for each in repository.sensor_defs}
        return cls({**jobs, ASSETS: IMPLICIT_ASSET_JOB_NAME}, repository.asset_graph, {**schedules, **sensors})


class PipelineMetrics:
    """Reads an instance; remembers what was counted as long as no other run has ended."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._totals: list[int] | None = None
        self._others = [0 for _ in ENDED]
        self._ended: list[MetricFamily] = []

    def read(self, instance: dg.DagsterInstance) -> list[MetricFamily]:
        """Everything that the instance tells."""
        graph = self._names.graph
        return [
            *self._ended_runs(instance),
            *_progress(instance),
            _materializations(instance, sorted(graph.get_all_asset_keys())),
            *_checks(instance, sorted(graph.asset_check_keys, key=str)),
            *_backfills(instance, graph),
            _daemons(instance),
            _ticks(instance, self._names.ticking),
        ]

    def _ended_runs(self, instance: dg.DagsterInstance) -> list[MetricFamily]:
        """Counting by job takes time that grows with history: only done if a run has ended since."""
        totals = _totals(instance)
        if totals != self._totals:
            counts = {job: _totals(instance, name) for job, name in self._names.jobs.items()}
            is_settled = totals == _totals(instance)
            if is_settled:  # else a run that ended meanwhile would be one of no job, and at the next look none
                self._others = [max(0, total - sum(own)) for total, *own in zip(totals, *counts.values(), strict=True)]
            self._totals = totals if is_settled else None
            self._ended = [_runs({**counts, OTHER: self._others}), *_last_runs(instance, self._names.jobs)]
        return self._ended


def _totals(instance: dg.DagsterInstance, job: str | None = None) -> list[int]:
    """How many runs ended how, of a job or of all."""
    return [instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=[status])) for status in ENDED]


def _runs(counts: Mapping[str, Sequence[int]]) -> MetricFamily:
    samples: dict[Labels, float] = {
        (job, _word(status)): count
        for job, by_status in counts.items()
        for status, count in zip(ENDED, by_status, strict=True)
    }
    return MetricFamily("segmentation_runs", "Runs that ended.", ("job", "status"), samples, is_counter=True)


def _word(status: dg.DagsterRunStatus) -> str:
    return status.value.lower()


def _progress(instance: dg.DagsterInstance) -> Iterator[MetricFamily]:
    counts = [(_word(status), instance.get_runs_count(dg.RunsFilter(statuses=[status]))) for status in UNDER_WAY]
    yield by_one("segmentation_runs_in_progress", "Runs that have not ended.", "status", counts)
    waiting = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED]), limit=1, ascending=True)
    yield single(
        "segmentation_oldest_queued_run_timestamp_seconds",
        "When the run was made that waits longest; absent if none waits.",
        waiting[0].create_timestamp.timestamp() if waiting else None,
    )


def _last_runs(instance: dg.DagsterInstance, jobs: Mapping[str, str]) -> Iterator[MetricFamily]:
    succeeded = {job: _last(instance, name, dg.DagsterRunStatus.SUCCESS) for job, name in jobs.items()}
    failed = {job: _last(instance, name, dg.DagsterRunStatus.FAILURE) for job, name in jobs.items()}
    yield by_one(
        "segmentation_run_duration_seconds",
        "How long the last run of a job took that succeeded.",
        "job",
        [
            (job, run.end_time - run.start_time)
            for job, run in succeeded.items()
            if run and run.end_time and run.start_time
        ],
    )
    for what, runs in (("success", succeeded), ("failure", failed)):
        yield by_one(
            f"segmentation_run_last_{what}_timestamp_seconds",
            f"When the last run of a job ended with {what}.",
            "job",
            [(job, _end(run)) for job, run in runs.items() if run],
        )


def _last(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus) -> dg.RunRecord | None:
    """The run of a job that was the last to get a final status."""
    wanted = dg.RunsFilter(job_name=job, statuses=[status])
    found = instance.get_run_records(wanted, limit=1, order_by="update_timestamp")
    return found[0] if found else None


def _end(run: dg.RunRecord) -> float:
    """When a run ended; one that failed before it began has no end but its last change."""
    return run.end_time or run.update_timestamp.timestamp()


def _materializations(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> MetricFamily:
    events = instance.get_latest_materialization_events(keys)
    return by_one(
        "segmentation_asset_last_materialization_timestamp_seconds",
        "When an asset was last materialized, any partition of it.",
        "asset",
        [(key.to_user_string(), event.timestamp) for key in keys if (event := events.get(key))],
    )


def _checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> Iterator[MetricFamily]:
    passed: dict[Labels, float] = {}
    moments: dict[Labels, float] = {}
    summaries = instance.event_log_storage.get_asset_check_summary_records(keys)
    for key in keys:
        record = summaries[key].last_completed_check_execution_record
        if record is None or record.event is None or record.evaluation is None:
            continue
        evaluation = record.evaluation
        labels = (key.asset_key.to_user_string(), key.name)
        passed[(*labels, evaluation.severity.value.lower())] = evaluation.passed
        moments[labels] = record.event.timestamp
    yield MetricFamily(
        "segmentation_asset_check_passed",
        "The last result of a check: 1 passed, 0 failed; absent if it has never run.",
        ("asset", "check", "severity"),
        passed,
    )
    yield MetricFamily(
        "segmentation_asset_check_last_timestamp_seconds", "When a check was last run.", ("asset", "check"), moments
    )


def _backfills(instance: dg.DagsterInstance, graph: AssetGraph) -> Iterator[MetricFamily]:
    counts = [
        (status, instance.get_backfills_count(BulkActionsFilter(statuses=list(theirs))))
        for status, theirs in BACKFILLS.items()
    ]
    yield by_one("segmentation_backfills", "Backfills that were asked for.", "status", counts)
    wanted = BulkActionsFilter(statuses=BACKFILLS_UNDER_WAY)
    partitions = dict.fromkeys(("completed", "failed", "in_progress", "waiting"), 0)
    for backfill in instance.get_backfills(wanted, limit=MOST_BACKFILLS):
        for status, number in _partitions(backfill, graph).items():
            partitions[status] += number
    yield by_one(
        "segmentation_backfill_partitions",
        "Partitions of backfills that are under way, each of an asset.",
        "status",
        partitions.items(),
    )


def _partitions(backfill: PartitionBackfill, graph: AssetGraph) -> dict[str, int]:
    """How many partitions of a backfill are where; none of one that this code location can't read any more."""
    if not backfill.is_asset_backfill:
        return {}
    data = backfill.get_asset_backfill_data(graph)
    target, completed, failed, requested = (
        subset.num_partitions_and_non_partitioned_assets
        for subset in (
            data.target_subset,
            data.materialized_subset,
            data.failed_and_downstream_subset,
            data.requested_subset | data.materialized_subset | data.failed_and_downstream_subset,
        )
    )
    return {
        "completed": completed,
        "failed": failed,
        "in_progress": requested - completed - failed,
        "waiting": target - requested,
    }


def _daemons(instance: dg.DagsterInstance) -> MetricFamily:
    statuses = instance.get_daemon_statuses()
    return by_one(
        "segmentation_daemon_healthy",
        "Whether a daemon of Dagster's has given a sign of life, within the time that Dagster allows.",
        "daemon",
        [(name.lower().removesuffix("_daemon"), bool(status.healthy)) for name, status in statuses.items()],
    )


def _ticks(instance: dg.DagsterInstance, ticking: Mapping[str, bool]) -> MetricFamily:
    """A code location that was renamed leaves states behind: of all that have a name, the last tick counts."""
    running = {name for name, is_running in ticking.items() if is_running}
    newest: dict[str, tuple[float, bool]] = {}
    stopped = set()
    for state in instance.all_instigator_state():
        name = state.instigator_name
        if name not in ticking:
            continue
        if state.status is InstigatorStatus.STOPPED:
            stopped.add(name)
            continue
        running.add(name)
        found = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=TICKED)
        for tick in found:
            newest[name] = max(newest.get(name, (0.0, False)), (tick.timestamp, tick.status is TickStatus.FAILURE))
    told = [(name, float(newest[name][1] if name in newest else False)) for name in sorted(running - stopped)]
    return by_one(
        "segmentation_sensor_last_tick_failed",
        "Whether the last tick of a running sensor or schedule ended in an error.",
        "name",
        told,
    )
