"""Traces of runs: after a run has ended, what Dagster's event log says of it is sent as a trace.

Nothing is measured inside of steps, so that tracing costs a run nothing, and one that was killed has a trace as well.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from segmentation.tracing.otlp import open_exporter, wants_traces
from segmentation_assets.automation.run_ends import ended_since, job_of, newest_ends, partition_of
from segmentation_assets.run_errors import brief_cause

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from segmentation.tracing.run_spans import SpanRecord

ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_CANCELED)
STEP_ENDS = (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE)
OF_INTEREST = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.ASSET_MATERIALIZATION, *STEP_ENDS}

MOST_RUNS = 20
"""Of each end, that one tick sends; the next tick goes on."""

TOO_OLD_S = 24 * 3600.0
"""Runs that ended longer ago are not sent any more: the collector was away all day, or refuses them."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs that have ended are sent as traces where `OTEL_EXPORTER_OTLP_ENDPOINT` says.",
)
def run_traces(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Send the runs that ended since the last look, and those that could not be sent then."""
    if not wants_traces():
        if context.cursor:  # what happens until there is an endpoint again is not sent then
            context.update_cursor("")
        return dg.SkipReason("OTEL_EXPORTER_OTLP_ENDPOINT is not set: runs are not traced.")
    if not context.cursor:
        return _result("Runs are traced from now on.", newest_ends(context.instance, ENDS))
    cursor: dict[str, int] = json.loads(context.cursor)
    exporter = open_exporter()
    try:
        sent = [run_id for end in ENDS for run_id in _send(context, end, cursor, exporter)]
    finally:
        exporter.shutdown()
    if all(sent):
        return _result(f"{len(sent)} runs were sent." if sent else "No run has ended.", cursor)
    return _result("The collector didn't take a run; it is sent again at the next look.", cursor)


def _result(said: str, cursor: Mapping[str, int]) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=json.dumps(cursor))


def _send(
    context: dg.SensorEvaluationContext, end: dg.DagsterEventType, cursor: dict[str, int], exporter: "SpanExporter"
) -> Iterator[bool]:
    """Whether each run was taken, up to the first that was not; the cursor is brought up to date."""
    from segmentation.tracing.run_spans import send

    now = time.time()
    for number, record, event in ended_since(context.instance, end, cursor[end.value], MOST_RUNS):
        run_id = record.dagster_run.run_id
        if now - event.timestamp > TOO_OLD_S:
            context.log.warning(f"Run {run_id} ended more than a day ago and is not traced any more.")
        else:
            is_taken = send(run_id, _stretch(context.instance, record, event), exporter)
            yield is_taken
            if not is_taken:
                return
        cursor[end.value] = number


def _stretch(instance: dg.DagsterInstance, record: dg.RunRecord, end: dg.EventLogEntry) -> "SpanRecord":
    from segmentation.tracing.run_spans import SpanRecord

    run = record.dagster_run
    shared = {"dagster.job": job_of(run), "dagster.run_id": run.run_id, "dagster.partition": partition_of(run)}
    known = {name: value for name, value in shared.items() if value}
    steps = tuple(_steps(instance, run.run_id, end.timestamp, known))
    begun = record.start_time or min([record.create_timestamp.timestamp(), *(step.begun_at for step in steps)])
    failed = next((step.error for step in steps if step.error), None)
    error = _error_of(end)
    return SpanRecord(job_of(run), begun, end.timestamp, known, error and (failed or error), steps)


def _steps(
    instance: dg.DagsterInstance, run_id: str, run_ended_at: float, known: Mapping[str, str]
) -> Iterator["SpanRecord"]:
    """The steps of a run, in the order in which they began; one that never ended did when the run did."""
    from segmentation.tracing.run_spans import SpanRecord

    begun: dict[str, float] = {}
    ended: dict[str, dg.EventLogEntry] = {}
    assets: dict[str, list[str]] = {}
    for record in instance.get_records_for_run(run_id, of_type=OF_INTEREST).records:
        entry = record.event_log_entry
        step, event = entry.step_key or "", entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.STEP_START:
            begun.setdefault(step, entry.timestamp)
        elif event.event_type in STEP_ENDS:
            ended[step] = entry
        elif event.asset_key is not None:
            assets.setdefault(step, []).append(event.asset_key.to_user_string())
    for step, at in begun.items():
        entry_or_none = ended.get(step)
        yield SpanRecord(
            name=step,
            begun_at=at,
            ended_at=entry_or_none.timestamp if entry_or_none else run_ended_at,
            attributes={**known, "dagster.step": step, **({"dagster.assets": assets[step]} if step in assets else {})},
            error=_error_of(entry_or_none) if entry_or_none else "It was still working when the run ended.",
        )


def _error_of(end: dg.EventLogEntry) -> str | None:
    """Why a run or a step failed; None if it did not."""
    event = end.get_dagster_event()
    if event.is_step_failure:
        error = event.step_failure_data.error
        return brief_cause(error) if error else "failed"
    if event.event_type in (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED):
        return str(event.event_type.value).removeprefix("PIPELINE_").lower()
    return None
