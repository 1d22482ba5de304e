"""A small graph that leaves every kind of event, and a process that runs it."""

import argparse
import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from segmentation_assets.event_log import batched_events, open_instance
from segmentation_assets.partitions import range_tags

DAYS = dg.StaticPartitionsDefinition([f"day-{number:03}" for number in range(50)])
FIRST, LAST = "day-010", "day-034"
"""25 days."""


@dg.asset(partitions_def=DAYS, code_version="7")
def lines(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log.info("looks at %s", context.partition_key_range)
    return dg.MaterializeResult(metadata={"lines": 3, "note": dg.MetadataValue.md("**fine**")}, tags={"of": "lines"})


@dg.multi_asset(
    specs=[dg.AssetSpec(name, deps=[lines], partitions_def=DAYS, skippable=True) for name in ("orders", "customers")],
)
def pairs(context: dg.AssetExecutionContext) -> object:
    for name in ("orders", "customers"):
        if not context.run.tags.get("without_orders") or name == "customers":
            yield dg.MaterializeResult(name, metadata={"name": name})
    yield dg.AssetObservation("elsewhere", description="seen", partition="day-011")


@dg.asset_check(asset=lines)
def is_complete() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True, metadata={"missing": 0})


@dg.asset_check(asset="customers")
def is_usual() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="fewer than usual")


@dg.asset(deps=["orders"])
def report(context: dg.AssetExecutionContext) -> None:
    waits_for = context.run.tags.get("waits_for")
    while waits_for and not Path(waits_for).exists():
        time.sleep(0.02)
    if context.run.tags.get("fails"):
        raise ValueError("as it was told to")
    if context.run.tags.get("retries") and not context.retry_number:
        raise dg.RetryRequested(max_retries=1)


GRAPH = dg.Definitions([lines, pairs, report], asset_checks=[is_complete, is_usual])
OF_DAYS = ("lines", "orders", "customers")


def run(instance: dg.DagsterInstance, *keys: str, **tags: str) -> dg.ExecuteInProcessResult:
    """Run assets, `report` alone or those of days over all of these."""
    return GRAPH.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(key) for key in keys],
        tags={**({} if keys == ("report",) else range_tags(FIRST, LAST)), **tags},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def at_tagged_event(number: int, then: Callable[[], None]) -> Callable[[], None]:
    """Do something inside the batch that writes the n-th materialization of a day; returns how to stop listening."""
    count = itertools.count(1)

    def look(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO asset_event_tags") and next(count) == number:
            then()

    sa.event.listen(sa.Engine, "before_cursor_execute", look)
    return lambda: sa.event.remove(sa.Engine, "before_cursor_execute", look)


def main() -> None:
    """Run the days, then the report, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--waits-for", help="a file without which the report doesn't end")
    parser.add_argument("--dies-at", type=int, help="the materialization of a day, counted from 1")
    options = parser.parse_args()
    if options.dies_at:
        at_tagged_event(options.dies_at, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with batched_events(), open_instance(options.folder) as instance:
        run(instance, *OF_DAYS)
        run(instance, "report", **({"waits_for": options.waits_for} if options.waits_for else {}))


if __name__ == "__main__":
    main()
