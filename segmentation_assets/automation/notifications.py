"""Notifications: what is told of runs, checks and the champion, and the sensor that tells it.

What to say and where it goes is the domain's business (`segmentation.monitoring`); here is what Dagster knows of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import duckdb
import msgspec

from segmentation.errors import SegmentationError
from segmentation.notifications.channels import Message, open_services
from segmentation.notifications.messages import (
    FailedCheck,
    Origin,
    RunSummary,
    promotion_message,
    run_message,
    unchanged_message,
)
from segmentation.notifications.outbox import Outbox, deliver
from segmentation.notifications.promotions import RecordedPromotion, has_promotion, read_promotions
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets.automation.run_ends import ended_since, job_of, newest_ends, partition_of
from segmentation_assets.keys import CANDIDATE_KEY
from segmentation_assets.resources import ASKED_BY, REASON
from segmentation_assets.run_errors import brief_cause

ENDS = (dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_SUCCESS)
OF_INTEREST = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}
MOST_RUNS = 50
"""Of each end, that one tick looks at; the next tick goes on."""

LONGEST_WAIT = timedelta(hours=1)
"""How long a decision waits for the end of its run, so that both are one story."""


@dataclass(frozen=True)
class NotificationCursor:
    """How far everything has been told: the sensor's cursor.

    Attributes:
        since: When telling began (UTC); what was decided before is not told.
        events: By type of event, the id of the last one that was looked at.
        promotion: The last line of the ledger that was.
        outbox: What has not arrived yet.
    """

    since: datetime
    events: Mapping[str, int]
    promotion: int = 0
    outbox: Outbox = field(default_factory=Outbox)


def build_notifications(settings: Settings, now: Callable[[], datetime]) -> dg.SensorDefinition:
    """The sensor that tells people what has happened since the last look, and what could not be told then."""

    @dg.sensor(
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Failed runs and checks, promotions, refusals and rollbacks are told where `SEGMENTATION_NOTIFY` "
        "says.",
    )
    def notifications(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return look(context, settings, now())

    return notifications


def look(context: dg.SensorEvaluationContext, settings: Settings, now: datetime) -> dg.SensorResult | dg.SkipReason:
    """One look of the sensor at a moment (UTC)."""
    services = open_services(settings)
    if not services:
        if context.cursor:  # what happens until there is a setting again is not told then
            context.update_cursor("")
        return dg.SkipReason("SEGMENTATION_NOTIFY is empty: nobody is told anything.")
    if not context.cursor:
        start = NotificationCursor(since=now, events=newest_ends(context.instance, ENDS))
        return _result("From now on it is told what happens.", start)
    position = msgspec.json.decode(context.cursor, type=NotificationCursor)
    seconds = now.replace(tzinfo=UTC).timestamp()
    position, messages, obstacle = _collect(context, settings, position, now)
    delivery = deliver(position.outbox.with_messages(messages, seconds), services, seconds)
    for problem in delivery.problems:
        context.log.warning(problem)
    for loss in delivery.given_up:
        context.log.error(loss)
    told = [f"Told: {', '.join(delivery.arrived)}."] if delivery.arrived else []
    said = [*told, *delivery.problems, *delivery.given_up] or ["Nothing to tell."]
    return _result(" ".join([*said, *obstacle]), replace(position, outbox=delivery.outbox))


def _result(said: str, position: NotificationCursor) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(said), cursor=msgspec.json.encode(position).decode())


def _collect(
    context: dg.SensorEvaluationContext, settings: Settings, position: NotificationCursor, now: datetime
) -> tuple[NotificationCursor, list[Message], list[str]]:
    """The position after what is new, the messages about it, and what stood in the way.

    A lake that can't be read, or isn't there yet, keeps no failed run from being told.
    """
    events = dict(position.events)
    stories = [story for end in ENDS for story in _stories(context.instance, settings, end, events)]
    messages = [message for story in stories if (message := run_message(story))]
    asked = [story for story in stories if story.origin.asked_by and not (story.has_failed or story.refused)]
    promotion, obstacle = position.promotion, list[str]()
    try:
        with Lake(settings, read_only=True) as lake, lake.cursor() as con:
            decisions = read_promotions(con, promotion, position.since)
            messages += [unchanged_message(story) for story in asked if not has_promotion(con, story.run_id)]
    except (SegmentationError, duckdb.Error) as error:
        obstacle = [f"The ledger can't be read: {error}"]
        decisions = []
    for decision in decisions:
        if _is_under_way(context.instance, decision, now):
            break
        messages.append(_told(context.instance, settings, decision))
        promotion = decision.promotion_id
    return replace(position, events=events, promotion=promotion), messages, obstacle


def _stories(
    instance: dg.DagsterInstance, settings: Settings, end: dg.DagsterEventType, events: dict[str, int]
) -> Iterator[RunSummary]:
    """Runs that ended so since the last look; `events` is brought up to date."""
    for number, record, event in ended_since(instance, end, events[end.value], MOST_RUNS):
        events[end.value] = number
        if record.dagster_run.tags.get("dagster/will_retry") != "true":
            yield _story(instance, settings, record.dagster_run, event)


def _story(instance: dg.DagsterInstance, settings: Settings, run: dg.DagsterRun, end: dg.EventLogEntry) -> RunSummary:
    records = instance.get_records_for_run(run.run_id, of_type=OF_INTEREST).records
    found = [record.event_log_entry.dagster_event for record in records]
    failure = next((event for event in found if event and event.is_step_failure), None)
    return RunSummary(
        link=_link(settings, run.run_id),
        run_id=run.run_id,
        job=job_of(run),
        partition=partition_of(run),
        has_failed=end.dagster_event_type is dg.DagsterEventType.RUN_FAILURE,
        step=(failure.step_key or "") if failure else "",
        cause=_cause(failure, end),
        checks=tuple(_failed_checks(found)),
        origin=_origin(run),
    )


def _failed_checks(events: list[dg.DagsterEvent | None]) -> Iterator[FailedCheck]:
    for event in events:
        if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        check: dg.AssetCheckEvaluation = event.event_specific_data  # type: ignore[assignment]
        if check.passed:
            continue
        values = {name: value.value for name, value in check.metadata.items()}
        plain = {name: value for name, value in values.items() if isinstance(value, int | float)}
        is_gate = check.asset_key == CANDIDATE_KEY and "version" in plain
        yield FailedCheck(
            asset=check.asset_key.to_user_string(),
            name=check.check_name,
            is_warning=check.severity is dg.AssetCheckSeverity.WARN,
            description=check.description or ", ".join(f"{name} {value}" for name, value in plain.items()),
            refused_version=int(plain["version"]) if is_gate else None,
            limits=(plain["measured"], plain["threshold"]) if {"measured", "threshold"} <= plain.keys() else None,
        )


def _cause(failure: dg.DagsterEvent | None, end: dg.EventLogEntry) -> str:
    of_run: Any = end.dagster_event.event_specific_data if end.dagster_event else None
    error = failure.step_failure_data.error if failure else getattr(of_run, "error", None)
    if error is None:
        return (end.dagster_event.message if end.dagster_event else "") or "Dagster doesn't say why."
    return brief_cause(error)


def _is_under_way(instance: dg.DagsterInstance, decision: RecordedPromotion, now: datetime) -> bool:
    run = instance.get_run_by_id(decision.deciding_run) if decision.deciding_run else None
    return run is not None and not run.is_finished and now - decision.decided_at < LONGEST_WAIT


def _told(instance: dg.DagsterInstance, settings: Settings, decision: RecordedPromotion) -> Message:
    deciding, training = (
        instance.get_run_by_id(run_id) if run_id else None for run_id in (decision.deciding_run, decision.training_run)
    )
    origins = [_origin(run) for run in (training, deciding) if run is not None and not decision.is_rollback]
    origin = next((each for each in origins if each != Origin()), Origin())
    by = f"run {decision.deciding_run[:8]}" if decision.deciding_run else decision.actor
    if deciding is not None:
        by = f"{by} ({job_of(deciding)})"
    return promotion_message(decision, origin, by, _link(settings, deciding.run_id) if deciding else "")


def _origin(run: dg.DagsterRun) -> Origin:
    return Origin(run.tags.get(ASKED_BY, ""), run.tags.get(REASON, ""))


def _link(settings: Settings, run_id: str) -> str:
    return f"{settings.dagster_url.rstrip('/')}/runs/{run_id}" if settings.dagster_url else ""
