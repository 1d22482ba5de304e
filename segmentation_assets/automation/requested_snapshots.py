"""Requested snapshots: what people asked the scorer for is made, each date by a run of its own.

The lake keeps the requests, and the cursor says which of them have been looked at. While a run goes on, what is asked
for waits and comes together after it, so that many requests of one date are one run.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import groupby

import dagster as dg

from segmentation.errors import NoLakeError
from segmentation.settings import Settings
from segmentation.snapshots.report import LedgerReport, read_report
from segmentation.snapshots.requests import SnapshotRequest, read_requests
from segmentation.warehouse.schema import open_current
from segmentation_assets.automation.due_snapshots import run_going_on
from segmentation_assets.automation.on_demand import OnDemandConfig, make_snapshot, snapshot_on_demand
from segmentation_assets.resources import ASKED_BY

NAME = "requested_snapshots"


def build_requested_snapshots(settings: Settings, now: Callable[[], datetime]) -> dg.SensorDefinition:
    """The sensor that answers requests."""

    @dg.sensor(
        name=NAME,
        job=snapshot_on_demand,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Dates that the scorer was asked for (`POST /v1/snapshots`) are made: each request once, several "
        "of one date by one run; a date that is there and current is left alone.",
    )
    def requested_snapshots(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return answer_requests(context, settings, now())

    return requested_snapshots


def answer_requests(
    context: dg.SensorEvaluationContext, settings: Settings, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run per date that was requested since the last look; say why if there is none."""
    running = run_going_on(context.instance, now, job_name=snapshot_on_demand.name)
    if running:
        return dg.SkipReason(f"run {running} is still making a snapshot")
    try:
        with open_current(settings) as lake, lake.cursor() as con:
            requests = read_requests(con, int(context.cursor or 0))
            report = read_report(con, settings, now) if requests else None
    except NoLakeError as error:
        return dg.SkipReason(str(error))
    if report is None:
        return dg.SkipReason("nothing was requested")
    wanted = []
    for as_of, of_date in groupby(sorted(requests, key=lambda each: each.as_of), key=lambda each: each.as_of):
        reason = _why_not(report, as_of)
        if reason:
            context.log.info(reason)
        else:
            wanted.append(_run_request(as_of, list(of_date)))
    skip_reason = None if wanted else "what was requested is there, or can't be made"
    return dg.SensorResult(wanted, skip_reason=skip_reason, cursor=str(requests[-1].request_id))


def _why_not(report: LedgerReport, as_of: date) -> str:
    """Why a date is not made; empty if it is."""
    if report.is_whole(as_of):
        return f"As of {as_of}: it is there, and current."
    return "" if report.coverage.reaches(as_of) else f"As of {as_of}: {report.coverage.why_not(as_of)}"


def _run_request(as_of: date, requests: Sequence[SnapshotRequest]) -> dg.RunRequest:
    asked_by = f"REST: {', '.join(sorted({each.requested_by for each in requests}))}"
    config = OnDemandConfig(as_of=str(as_of), asked_by=asked_by)
    return dg.RunRequest(
        run_key=f"{as_of}, request {requests[-1].request_id}",
        run_config=dg.RunConfig({make_snapshot.name: config}),
        tags={ASKED_BY: asked_by},
    )
