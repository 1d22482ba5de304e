"""Partitions: days of raw data, and the monthly dates as of which customers are looked at.

They begin where the data begins: `SEGMENTATION_PARTITIONS_START`, else the first day that was ingested, else, as long
as there is none, before any line that the platform accepts. So whatever a first file brings has its partitions in a
user interface that is running already. Runs build the graph anew and know the first day of that moment.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import dagster as dg

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation_assets.dagster_internals.names import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

EARLIEST_DAY = date(1970, 1, 1)
"""Lines of before are rejected (`plausible` in segmentation/sources/rules/macros.sql)."""

WITH_THE_DATE_BEFORE = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
)
"""From an `as_of` date to itself and the one before."""


@dataclass(frozen=True)
class Partitions:
    """How the graph is partitioned.

    Attributes:
        days: One partition per day (UTC) from the first day to yesterday.
        as_of: One per first day of a month after the first day and up to the current month. The key is the date
            `as_of` which features look back: `2026-01-01` sees December 2025 and before.
        look_back: From an `as_of` date to the days whose lines it looks back on.
    """

    days: dg.DailyPartitionsDefinition
    as_of: dg.MonthlyPartitionsDefinition
    look_back: dg.TimeWindowPartitionMapping


def build_partitions(settings: Settings, first_day: date | None) -> Partitions:
    """Partitions for data that begins on a day; None if there is none yet."""
    start = start_of_days(settings, first_day)
    first_as_of = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return Partitions(
        days=dg.DailyPartitionsDefinition(start.isoformat(), fmt="%Y-%m-%d"),
        as_of=dg.MonthlyPartitionsDefinition(first_as_of.isoformat(), fmt="%Y-%m-%d", end_offset=1),
        look_back=dg.TimeWindowPartitionMapping(
            start_offset=-_lookback_months(settings), end_offset=-1, allow_nonexistent_upstream_partitions=True
        ),
    )


def start_of_days(settings: Settings, first_day: date | None) -> date:
    """The day on which partitions begin."""
    return settings.partitions_start or first_day or EARLIEST_DAY


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
    start, yesterday = settings.partitions_start or EARLIEST_DAY, now.date() - timedelta(days=1)
    oldest, newest = max(first, start), min(last, yesterday)
    if newest < oldest:
        raise SegmentationError(
            f"The data covers {first} to {last}, but days can be loaded from {start} to {yesterday} only. "
            "Check its dates, or SEGMENTATION_PARTITIONS_START."
        )
    return oldest, newest


def _lookback_months(settings: Settings) -> int:
    """How many months of days an `as_of` date may look back on; a century without a limit."""
    return 1200 if settings.lookback_days is None else -(-settings.lookback_days // 31)
