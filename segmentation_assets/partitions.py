"""Partitions: days of raw data, and the dates as of which customers are looked at.

Both end where the data does, so that nothing offers a date ahead of it: days with the last one of any file or delivery,
dates with the last one of the cadence that the data is complete for. Days begin with the data, too
(`SEGMENTATION_PARTITIONS_START`, else the first day of any file); as long as there is none, before any line that the
platform accepts, so that whatever a first file brings has its partitions in a user interface that is running already.
Runs build the graph anew and know the days of that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil

import dagster as dg

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.snapshots.cadence import Cadence, next_date
from segmentation.snapshots.coverage import Coverage
from segmentation_assets.dagster_internals.names import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

WITH_THE_DATE_BEFORE = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
)
"""From an `as_of` date to itself and the one before."""

MOST_DAYS = {"daily": 1, "weekly": 7, "monthly": 31}
"""How many days a step of a cadence takes at most."""

CRON = {"daily": "0 0 * * *", "weekly": "0 0 * * 1", "monthly": "0 0 1 * *"}

CENTURY_DAYS = 36_600


@dataclass(frozen=True)
class Partitions:
    """How the graph is partitioned.

    Attributes:
        days: One partition per day (UTC), from the first to the last of the data, or to yesterday.
        as_of: One per date of the cadence that the data reaches, from the mass of the lines on: a slip of a date years
            before starts none. The key is the date `as_of` which features look back:
            `2026-01-01` sees December 2025 and before.
        look_back: From an `as_of` date to the days whose lines it looks back on.
    """

    days: dg.TimeWindowPartitionsDefinition
    as_of: dg.TimeWindowPartitionsDefinition
    look_back: dg.TimeWindowPartitionMapping


def build_partitions(settings: Settings, coverage: Coverage, cadence: Cadence | None = None) -> Partitions:
    """Partitions for the days that there are.

    Args:
        settings: Of the installation.
        coverage: Which days its data has.
        cadence: Of the dates; the setting if None. With `daily` any date can be asked for.
    """
    start = start_of_days(settings, coverage)
    start_of_dates = start if cadence else settings.partitions_start or coverage.begins_on or start
    cadence = cadence or settings.cadence
    day_after = None if coverage.last_day is None else (max(coverage.last_day, start) + timedelta(days=1)).isoformat()
    return Partitions(
        days=dg.DailyPartitionsDefinition(start.isoformat(), fmt="%Y-%m-%d", end_date=day_after),
        as_of=_dates(cadence, start_of_dates, coverage.until),
        look_back=dg.TimeWindowPartitionMapping(
            start_offset=-ceil((settings.lookback_days or CENTURY_DAYS) / MOST_DAYS[cadence]),
            end_offset=-1,
            allow_nonexistent_upstream_partitions=True,
        ),
    )


def start_of_days(settings: Settings, coverage: Coverage) -> date:
    """The day on which partitions begin."""
    return settings.partitions_start or coverage.first_day or settings.earliest_day


def range_tags(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for the partitions from `first` to `last`, both included, in one run."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def days_to_load(settings: Settings, first: date, last: date, now: datetime) -> tuple[date, date]:
    """The first and last day between two days, both included, that can be loaded: those that are over.

    Args:
        settings: Say where days begin.
        first: First day of the data.
        last: Last day of the data.
        now: The present moment (UTC).

    Raises:
        SegmentationError: There is no such day.
    """
    # Lines of before the earliest plausible day may be there from a time when it was another: they have to go.
    start = settings.partitions_start or min(settings.earliest_day, first)
    yesterday = now.date() - timedelta(days=1)
    oldest, newest = max(first, start), min(last, yesterday)
    if newest < oldest:
        raise SegmentationError(
            f"The data covers {first} to {last}, but days can be loaded from {start} to {yesterday} only. "
            "Check its dates, or SEGMENTATION_PARTITIONS_START."
        )
    return oldest, newest


def spans_to_load(settings: Settings, spans: Sequence[tuple[date, date]], now: datetime) -> list[tuple[date, date]]:
    """Of spans of days the parts that can be loaded, as `days_to_load` has it.

    Raises:
        SegmentationError: There is none.
    """
    found: list[tuple[date, date]] = []
    for first, last in spans:
        try:
            found.append(days_to_load(settings, first, last, now))
        except SegmentationError:
            continue
    return found or [days_to_load(settings, spans[0][0], spans[-1][1], now)]


def _dates(cadence: Cadence, start: date, until: date | None) -> dg.TimeWindowPartitionsDefinition:
    """The dates of a cadence after a day. A window begins with its date, so the last one ends with the date after."""
    first = next_date(cadence, start)
    end = first if until is None or until < first else next_date(cadence, until)
    return dg.TimeWindowPartitionsDefinition(
        start=first.isoformat(), end=end.isoformat(), fmt="%Y-%m-%d", cron_schedule=CRON[cadence], end_offset=1
    )
