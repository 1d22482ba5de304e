"""Runs that a sensor asks for, executed at once, as the daemon would queue them."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg

from segmentation.settings import Settings
from segmentation.snapshots.coverage import coverage_at
from segmentation_assets.automation.due_snapshots import NAME
from segmentation_assets.automation.jobs import snapshot
from segmentation_assets.cli.runs import QUIET
from segmentation_assets.definitions import build_definitions

MOST_LOOKS = 20


def follow_due_snapshots(
    settings: Settings, instance: dg.DagsterInstance, now: Callable[[], datetime]
) -> tuple[list[tuple[str, str]], str]:
    """Let `due_snapshots` look until nothing is due, and execute what it asks for.

    Args:
        settings: Of the installation, which the environment has to have, too.
        instance: Where the runs are kept.
        now: Tells the time (UTC).

    Returns:
        The first and last date of each run, and why nothing more is due.
    """
    asked: list[tuple[str, str]] = []
    keys = set[str | None]()
    for _ in range(MOST_LOOKS):
        defs = build_definitions(settings, coverage=coverage_at(settings, now()), now=now)
        sensor = defs.resolve_sensor_def(NAME)
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))
        requests = [request for request in tick.run_requests or [] if request.run_key not in keys]
        if not requests:
            return asked, tick.skip_message or "it was asked for before"
        for request in requests:
            keys.add(request.run_key)
            job = defs.resolve_job_def(snapshot.name)
            done = job.execute_in_process(
                instance=instance, tags=request.tags, run_config={**request.run_config, **QUIET}
            )
            assert done.success
            tags = request.tags
            asked.append((tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]))
    raise AssertionError(f"after {MOST_LOOKS} looks something is still due: {asked}")
