"""Schedules. Off until someone turns them on in the UI: they only make sense where data keeps coming in."""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from segmentation.sources.config import SourceConfig
from segmentation_assets.assets.sources import is_read
from segmentation_assets.assets.training import TrainingConfig
from segmentation_assets.automation.jobs import ingest, maintain, retrain, snapshot
from segmentation_assets.keys import source_key


@dg.schedule(cron_schedule="0 2 * * *", job=ingest, description="Yesterday's lines, at 02:00 UTC.")
def daily_ingestion(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the day that has just ended."""
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=day, partition_key=day)


@dg.schedule(
    cron_schedule="0 4 1 * *",
    job=snapshot,
    description="Features and segments as of the first of the month, at 04:00 UTC.",
)
def monthly_snapshot(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the date that has just been reached."""
    as_of = context.scheduled_execution_time.date().replace(day=1).isoformat()
    return dg.RunRequest(run_key=as_of, partition_key=as_of)


@dg.schedule(
    cron_schedule="0 6 1 * *",
    job=retrain,
    description="A new model from the snapshot of the first of the month, at 06:00 UTC.",
)
def monthly_retraining(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for a model of the date that has just been reached; without its snapshot the run fails and says so."""
    as_of = context.scheduled_execution_time.date().replace(day=1).isoformat()
    config = TrainingConfig(as_of=as_of)
    return dg.RunRequest(
        run_key=as_of,
        run_config=dg.RunConfig({"training__training_set": config, "training__candidate_model": config}),
    )


hourly_maintenance = dg.ScheduleDefinition(
    name="hourly_maintenance",
    job=maintain,
    cron_schedule="20 * * * *",
    description="Maintenance of the lake, twenty past every hour: what streams and pushes leave behind adds up.",
)


def reading_schedule(source: SourceConfig) -> dg.ScheduleDefinition:
    """The schedule that `sources.yaml` gives a source; it is on, since somebody asked for it."""
    name = source_key(source.name).path[-1]
    return dg.ScheduleDefinition(
        name=f"read_{name}",
        target=dg.AssetSelection.assets(source_key(source.name)),
        cron_schedule=source.schedule,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Read the source {source.name}, as sources.yaml says.",
    )


def build_schedules(sources: Iterable[SourceConfig]) -> list[dg.ScheduleDefinition]:
    """All schedules: the platform's own, and those that `sources.yaml` gives to sources."""
    reading = [reading_schedule(source) for source in sources if source.schedule and is_read(source)]
    return [daily_ingestion, monthly_snapshot, monthly_retraining, hourly_maintenance, *reading]
