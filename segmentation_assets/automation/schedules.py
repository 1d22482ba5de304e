"""Schedules. Off until someone turns them on in the UI: they only make sense where data keeps coming in."""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from segmentation.sources.config import SourceConfig
from segmentation_assets.assets.sources import is_read
from segmentation_assets.automation.jobs import ingest, maintain, retrain
from segmentation_assets.keys import source_key
from segmentation_assets.partitions import range_tags


@dg.schedule(cron_schedule="0 2 * * *", job=ingest, description="Yesterday's lines, at 02:00 UTC.")
def daily_ingestion(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for the day that has just ended. By a range, since the day may be newer than this code location."""
    day = (context.scheduled_execution_time - timedelta(days=1)).date().isoformat()
    return dg.RunRequest(run_key=day, tags=range_tags(day, day))


@dg.schedule(
    cron_schedule="0 6 1 * *",
    job=retrain,
    description="A new model from the newest snapshot, on the first of the month at 06:00 UTC.",
)
def monthly_retraining(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for a model."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.date().isoformat())


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
    return [daily_ingestion, monthly_retraining, hourly_maintenance, *reading]
