"""Cadence: the dates as of which snapshots are made by themselves. Any other date can be asked for."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

Cadence = Literal["daily", "weekly", "monthly"]


def dates_between(cadence: Cadence, first_day: date, until: date) -> list[date]:
    """The dates of a cadence after the first day of data, up to `until`, in order."""
    found = []
    current = next_date(cadence, first_day)
    while current <= until:
        found.append(current)
        current = next_date(cadence, current)
    return found


def next_date(cadence: Cadence, day: date) -> date:
    """The first date of a cadence after a day: the next day, Monday, or first of a month."""
    if cadence == "daily":
        return day + timedelta(days=1)
    if cadence == "weekly":
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def last_date(cadence: Cadence, day: date) -> date:
    """The last date of a cadence up to and including a day."""
    if cadence == "daily":
        return day
    if cadence == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1)


def thinned(
    dates: Sequence[date], newest: date, *, keep_daily_days: int, keep_weekly_days: int, kept: Sequence[date] = ()
) -> list[date]:
    """The dates that may go: of old ones, one a week stays, of older ones one a month.

    A week is told by its Monday and a month by its first; where such a date is missing, the first one after it stays.

    Args:
        dates: The dates of snapshots.
        newest: The newest date, from which ages are counted.
        keep_daily_days: Younger ones all stay.
        keep_weekly_days: Of younger ones, one a week stays.
        kept: Dates that stay whatever their age.

    Returns:
        In order.
    """
    gone = []
    taken: set[tuple[Cadence, date]] = set()
    for as_of in sorted(dates):
        age = (newest - as_of).days
        if age < keep_daily_days:
            continue
        cadence: Cadence = "weekly" if age < keep_weekly_days else "monthly"
        slot = (cadence, last_date(cadence, as_of))
        if slot in taken and as_of not in kept:
            gone.append(as_of)
        taken.add(slot)
    return gone
