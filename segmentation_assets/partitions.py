"""Partitions: days of raw data, and the monthly dates as of which customers are looked at.

They begin where the data begins: `SEGMENTATION_PARTITIONS_START`, else the first day that was ingested.
"""

from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from segmentation.errors import SegmentationError
from segmentation.settings import Settings, load_settings
from segmentation.sources.first_day import first_day

FALLBACK_START = date(2024, 1, 1)
"""Where partitions begin as long as nothing has been ingested."""


def daily(start: date) -> dg.DailyPartitionsDefinition:
    """One partition per day (UTC) from `start` to yesterday."""
    return dg.DailyPartitionsDefinition(start.isoformat(), fmt="%Y-%m-%d")


def monthly(start: date) -> dg.MonthlyPartitionsDefinition:
    """One partition per first day of a month, after `start` and up to the current month.

    The key is the date `as_of` which features look back: `2026-01-01` sees December 2025 and before.
    """
    first_as_of = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return dg.MonthlyPartitionsDefinition(first_as_of.isoformat(), fmt="%Y-%m-%d", end_offset=1)


def start_of_data(settings: Settings) -> date:
    """The day on which partitions begin."""
    return settings.partitions_start or first_day(settings) or FALLBACK_START


def range_tags(first: str, last: str) -> dict[str, str]:
    """Run tags that ask for the partitions from `first` to `last`, both included, in one run."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def lookback_months(settings: Settings) -> int:
    """How many months of days an `as_of` date may look back on; a century without a limit."""
    return 1200 if settings.lookback_days is None else -(-settings.lookback_days // 31)


def days_to_load(first: date, last: date) -> tuple[str, str]:
    """The first and last daily partition between two days, both included.

    Raises:
        SegmentationError: There is no partition between them.
    """
    start, end = DAYS.start.date(), DAYS.get_last_partition_key()
    newest = min(last, date.fromisoformat(end)) if end else date.min
    oldest = max(first, start)
    if newest < oldest:
        raise SegmentationError(
            f"The data covers {first} to {last}, but days can be loaded from {start} to {end or 'yesterday'} only. "
            "Check its dates, or SEGMENTATION_PARTITIONS_START."
        )
    return oldest.isoformat(), newest.isoformat()


_SETTINGS = load_settings()
_START = start_of_data(_SETTINGS)
DAYS = daily(_START)
AS_OF = monthly(_START)

LOOK_BACK = dg.TimeWindowPartitionMapping(
    start_offset=-lookback_months(_SETTINGS), end_offset=-1, allow_nonexistent_upstream_partitions=True
)
"""From an `as_of` date to the days whose lines it looks back on."""
