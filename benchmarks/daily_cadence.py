"""Sixty days with a snapshot a day, by the daemon's own automation in fast motion: what does a day cost, what stays?

Run `python -m benchmarks.daily_cadence [--days N] [--customers N] [--json FILE]`. Then old dates are thinned out, and
the cadence becomes weekly and monthly. After each, movement has to add up over all dates.
"""

import argparse
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import Target, at_most, machine, print_targets, write_json
from segmentation.clock import utc_now
from segmentation.housekeeping import keep_house
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.report import read_report
from segmentation.warehouse import Lake
from segmentation_assets.cli import steps
from segmentation_assets_tests.testing.fast_motion import (
    Day,
    live,
    materialization_counts,
    open_shop,
    unequal_movement,
)

START, FIRST_DAY = date(2024, 1, 1), date(2024, 6, 3)
"""Days before the second date are loaded at once; a model is trained on them."""

AFTERWARDS = 31
"""Days after those of the daily cadence: eight by week, the others by month."""

ENVIRONMENT = {
    "SEGMENTATION_TRACKING_URI": "off",
    "SEGMENTATION_CUSTOMER_BUCKETS": "2",
    "SEGMENTATION_THREADS": "1",
    "SEGMENTATION_MIN_STABILITY": "0.5",
    "SEGMENTATION_SEARCH_TRIALS": "5",
    "SEGMENTATION_KEEP_DAILY_DAYS": "14",
    "SEGMENTATION_KEEP_WEEKLY_DAYS": "35",
}


def main() -> None:
    """Live the days, print the figures, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--customers", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    console = Console()
    described = machine(["dagster", "duckdb", "scikit-learn"])
    console.print(described)
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        os.environ.update(ENVIRONMENT, SEGMENTATION_HOME=f"{folder}/warehouse")
        days, targets = measure(console, instance, arguments.days, arguments.customers)
    print_targets(console, targets)
    if arguments.json:
        write_json(arguments.json, described, [{**asdict(day), "day": str(day.day)} for day in days], targets)


def measure(
    console: Console, instance: dg.DagsterInstance, count: int, customers: int
) -> tuple[list[Day], list[Target]]:
    """Live so many days and those afterwards."""
    settings = _with_cadence("daily")
    days = [FIRST_DAY + timedelta(days=number) for number in range(count + AFTERWARDS)]
    shop = open_shop(settings, customers=customers, start=START, first_day=FIRST_DAY, end=days[-1] + timedelta(days=1))
    lived = [*_told(console, live(shop, settings, instance, days[:count], days[count]))]
    made = {str(day + timedelta(days=1)) for day in days[:count]}
    counts = materialization_counts(instance, "segments/customer_segments")
    asked_for = FIRST_DAY + timedelta(days=count // 4)
    steps.materialize(None, str(asked_for), None, lambda *_: None, settings=settings)
    targets = [
        Target("days with one snapshot", f"= {count}", sum(counts[day] == 1 for day in made), set(counts) == made),
        _adds_up("over all days", settings),
    ]
    with Lake(settings) as lake:
        house = keep_house(lake, now=datetime.combine(days[count], datetime.min.time()), actor="benchmark")
    left = _dates(settings)
    console.print(f"{len(house.thinned)} dates went, {len(left)} stay: {', '.join(map(str, left))}")
    kept = {FIRST_DAY, asked_for} <= set(left)
    targets += [
        Target("dates of models and of people", "stay", float(kept), kept),
        _adds_up("after thinning", settings),
    ]
    later = days[count:]
    end = days[-1] + timedelta(days=1)
    for cadence, of_cadence, until in (("weekly", later[:8], later[8]), ("monthly", later[8:], end)):
        settings, before = _with_cadence(cadence), _dates(settings)
        found = [
            asked for day in _told(console, live(shop, settings, instance, of_cadence, until)) for asked in day.made
        ]
        lost = set(before) - set(_dates(settings))
        console.print(f"{cadence}: {found}")
        targets += [at_most(f"dates lost by the cadence {cadence}", 0, len(lost), ""), _adds_up(cadence, settings)]
    targets.append(at_most("snapshots not current at the end", 0, len(_not_current(settings, days[-1])), ""))
    return lived, targets


def _with_cadence(cadence: str) -> Settings:
    os.environ["SEGMENTATION_CADENCE"] = cadence
    return load_settings()


def _told(console: Console, days: Iterable[Day]) -> list[Day]:
    table = Table("day", "lines", "snapshots", "load s", "snapshot s", "kB")
    found = []
    for day in days:
        found.append(day)
        made = ", ".join(first if first == last else f"{first}…{last}" for first, last in day.made)
        figures = (f"{day.load_s:.2f}", f"{day.snapshot_s:.2f}", f"{day.byte_count / 1000:.0f}")
        table.add_row(str(day.day), str(day.line_count), made, *figures)
    console.print(table)
    return found


def _adds_up(when: str, settings: Settings) -> Target:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return at_most(f"movement that doesn't add up, {when}", 0, len(unequal_movement(con)), "")


def _dates(settings: Settings) -> list[date]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        report = read_report(con, settings, utc_now())
    return [each.as_of for each in report.dates if each.model_version]


def _not_current(settings: Settings, last: date) -> list[date]:
    now = datetime.combine(last + timedelta(days=1), datetime.min.time())
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return [each.as_of for each in read_report(con, settings, now).dates if each.state != "current"]


if __name__ == "__main__":
    main()
