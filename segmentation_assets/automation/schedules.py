"""Schedules. Off until someone turns them on in the UI: they only make sense where data keeps coming in."""

import dagster as dg

from segmentation_assets.jobs import ingest, snapshot

daily_ingestion = dg.build_schedule_from_partitioned_job(
    ingest,
    name="daily_ingestion",
    hour_of_day=2,
    description="Yesterday's lines, at 02:00 UTC.",
)

monthly_snapshot = dg.build_schedule_from_partitioned_job(
    snapshot,
    name="monthly_snapshot",
    day_of_month=1,
    hour_of_day=4,
    description="Features and segments as of the first of the month, at 04:00 UTC.",
)

SCHEDULES = [daily_ingestion, monthly_snapshot]
