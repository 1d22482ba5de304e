"""Due snapshots: dates of the cadence are made once the data reaches them, and made anew when late lines come.

It looks at the ledger, not at the calendar: where lines are late, dates wait for them, and several that have become due
since the last look share a run. Without a champion nothing is made; the first model is a person's decision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import dagster as dg

from segmentation.errors import NoLakeError
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings
from segmentation.snapshots.due import due_dates
from segmentation.snapshots.states import Standing, judge, read_present
from segmentation.warehouse.ledger import read_entries
from segmentation.warehouse.schema import open_current
from segmentation_assets.assets.segments import ModelConfig
from segmentation_assets.automation.jobs import snapshot
from segmentation_assets.partitions import range_tags
from segmentation_assets.resources import ASKED_BY, REASON

NAME = "due_snapshots"

MOST_DATES = 31
"""In one run; the next look goes on."""

SETTLED = timedelta(hours=1)
"""A date that was made less than that ago waits: late lines of a stream come one after the other."""

GIVEN_UP = timedelta(days=1)
"""A run that began longer ago has been killed, if Dagster still takes it for unfinished."""

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Due:
    """Dates to make in one run.

    Attributes:
        dates: In order, neighbours in the cadence.
        reason: Why.
        keeps_model: Whether the model that decided them does so again; else the champion does.
        key: The same as long as nothing has changed, so that a run that failed is not repeated over and over.
    """

    dates: tuple[date, ...]
    reason: str
    keeps_model: bool
    key: str


def build_due_snapshots(settings: Settings, now: Callable[[], datetime]) -> dg.SensorDefinition:
    """The sensor that asks for snapshots."""

    @dg.sensor(
        name=NAME,
        job=snapshot,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"A snapshot of each {settings.cadence} date (SEGMENTATION_CADENCE) that the data has reached, "
        "once there is a champion; dates not older than SEGMENTATION_REFRESH_DAYS are made anew when late lines come.",
    )
    def due_snapshots(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return ask_for_snapshots(context, settings, now())

    return due_snapshots


def ask_for_snapshots(
    context: dg.SensorEvaluationContext, settings: Settings, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run over the dates that are due, or stale; say why if not."""
    running = run_going_on(context.instance, now, tags={ASKED_BY: NAME})
    if running:
        return dg.SkipReason(f"run {running} is still making snapshots")
    try:
        with open_current(settings) as lake, lake.cursor() as con:
            entries, present = read_entries(con), read_present(con, settings, now)
    except NoLakeError as error:
        return dg.SkipReason(str(error))
    if present.champion is None:
        return dg.SkipReason("no model serves yet; `segmentation materialize` trains one")
    due = find_due(judge(entries, present), due_dates(settings, present.coverage), settings, now)
    if isinstance(due, str):
        return dg.SkipReason(due)
    first, last = str(due.dates[0]), str(due.dates[-1])
    context.log.info(f"As of {first} to {last}: {due.reason}")
    tags = {**range_tags(first, last), REASON: due.reason, ASKED_BY: NAME}
    model = ModelConfig(keep_model=due.keeps_model)
    config = dg.RunConfig({"segments__customer_segments": model, "monitoring": model})
    return dg.SensorResult([dg.RunRequest(run_key=due.key, tags=tags, run_config=config)])


def run_going_on(instance: dg.DagsterInstance, now: datetime, **chosen: Any) -> str | None:
    """The id of a run that has not ended, of those that a filter of Dagster's chooses; one that was killed is none."""
    since = now.replace(tzinfo=UTC) - GIVEN_UP
    found = instance.get_runs(dg.RunsFilter(**chosen, statuses=UNFINISHED, created_after=since), limit=1)
    return found[0].run_id if found else None


def find_due(standings: list[Standing], dates: list[date], settings: Settings, now: datetime) -> Due | str:
    """What has to be made: new dates first, else the oldest stale ones.

    Args:
        standings: The ledger.
        dates: The dates of the cadence that the data reaches, in order.
        settings: How long stale dates are made anew.
        now: The present moment (UTC).

    Returns:
        The dates, or why there are none.
    """
    segments = {s.entry.as_of: s for s in standings if s.entry.table_name == CUSTOMER_SEGMENTS.name}
    if not segments:
        return "no customer has a segment yet; `segmentation materialize` makes the first snapshot"
    new = [as_of for as_of in dates if as_of > max(segments)][:MOST_DATES]
    if new:
        return Due(tuple(new), "the data has reached them", False, f"{new[0]} to {new[-1]}, asked for on {now.date()}")
    stale = {s.entry.as_of: s for s in standings if s.state == "stale" and s.entry.as_of in segments}
    oldest = max(dates, default=date.max) - timedelta(days=settings.refresh_days)
    wanted = [as_of for as_of in dates if as_of in stale and as_of >= oldest]
    settled = [as_of for as_of in wanted if now - segments[as_of].entry.made_at >= SETTLED]
    ready = [as_of for as_of in settled if not _begins_within(now.date(), standings, as_of)]
    if ready:
        newest = max(segments)
        older = [as_of for as_of in ready if as_of != newest]
        neighbours = _neighbours((older or ready)[:MOST_DATES], dates)
        reason = f"stale: {stale[neighbours[0]].reasons[0]}"
        made = max(segments[as_of].entry.written_version for as_of in neighbours)
        return Due(
            neighbours, reason, bool(older), f"{neighbours[0]} to {neighbours[-1]}, stale since {made}, on {now.date()}"
        )
    if settled:
        return f"{settled[0]} is stale; it begins within {now.date()} (UTC), of which more lines come"
    if wanted:
        return f"{wanted[0]} is stale; it was made less than an hour ago, and more late lines may come"
    old = len(stale)
    return f"{old} older dates are stale; `segmentation snapshots refresh` makes them anew" if old else "nothing is due"


def _begins_within(today: date, standings: list[Standing], as_of: date) -> bool:
    """Whether a date begins in the middle of a day (UTC) that is not over, so that lines of the day make it stale."""
    begins = (s.entry.ends_at for s in standings if s.entry.as_of == as_of and s.entry.ends_at)
    return any(moment.date() == today and moment.time() != time() for moment in begins)


def _neighbours(wanted: list[date], dates: list[date]) -> tuple[date, ...]:
    """The first of some dates, with those that follow it without a gap."""
    start = dates.index(wanted[0])
    found = []
    for as_of, following in zip(wanted, dates[start:], strict=False):
        if as_of != following:
            break
        found.append(as_of)
    return tuple(found)
