"""The calendar of the shop: month, weekday and hour of an order, by its clocks."""

from typing import Any

from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.records import Clock

HOUR = 3_600_000_000
DAY = 86_400_000_000
"""Microseconds."""


@jitable
def set_calendar(order: Any, clock: Clock) -> None:
    """Fill in when an order was placed; the month by Howard Hinnant's `civil_from_days`, with March as month 0."""
    shown = order.ordered_at + offset_at(clock, order.ordered_at)
    day = shown // DAY
    era = (day + 719_468) // 146_097  # of 400 years, from 1 March of the year 0
    day_of_era = (day + 719_468) % 146_097
    year = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    month = (5 * (day_of_era - 365 * year - year // 4 + year // 100) + 2) // 153
    order.month = (era * 400 + year) * 12 + month + 2
    order.weekday = (day + 3) % 7 + 1
    order.hour = shown % DAY // HOUR


@jitable
def offset_at(clock: Clock, moment: int) -> int:
    """The offset that holds at a moment, found by halving."""
    first, last = 0, len(clock.changes)
    while last - first > 1:
        middle = (first + last) // 2
        if moment < clock.changes[middle]:
            last = middle
        else:
            first = middle
    offset: int = clock.offsets[first]
    return offset
