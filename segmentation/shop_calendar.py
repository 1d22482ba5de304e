"""The shop's calendar: when its days begin, and what its clocks show at a moment.

Pure functions of a zone's name and of moments in UTC, without a zone, as the lake has them. Which zone the shop is in,
`segmentation.warehouse.shop_zone` finds. SQL gets its rules from here too, so that all engines have the same ones,
whatever edition of the time zone database each of them brings along.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

UNIVERSAL = "UTC"
"""The zone of those that name none."""

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder of zones, no path at all, an unknown zone
        return False
    return True


def first_moment(day: date, zone: str) -> datetime:
    """The moment (UTC) at which a day begins: midnight, or, where clocks skip that, the first moment after it.

    Args:
        day: In the calendar of the zone.
        zone: Name of a time zone. Where clocks show midnight twice, the first one counts.

    Raises:
        OverflowError: That is before or after all time.
    """
    midnight = datetime.combine(day, time())
    if zone == UNIVERSAL:
        return midnight
    # In a gap, the zone's rules of before it (fold 0) give a moment after it, and those of after it one before it.
    after, before = (_in_utc(midnight.replace(tzinfo=ZoneInfo(zone), fold=fold)) for fold in (0, 1))
    return after if local_time(after, zone) == midnight else _change_between(before, after, zone)


def local_time(moment: datetime, zone: str) -> datetime:
    """What clocks show at a moment (UTC)."""
    if zone == UNIVERSAL:
        return moment
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def moment_of(shown: datetime, zone: str) -> datetime:
    """The moment (UTC) at which clocks show a time: the first of two, and of times that they skip the one after it."""
    return shown if zone == UNIVERSAL else _in_utc(shown.replace(tzinfo=ZoneInfo(zone), fold=0))


def local_day(moment: datetime, zone: str) -> date:
    """The day that it is at a moment (UTC)."""
    return local_time(moment, zone).date()


@cache
def utc_offsets(zone: str, since: datetime, until: datetime) -> tuple[tuple[datetime, timedelta], ...]:
    """By how much clocks are ahead of UTC, from each change on.

    Args:
        zone: Name of a time zone.
        since: The first moment (UTC); the first offset is the one of then.
        until: The moment before which changes are told.

    Returns:
        The moments (UTC) in order, each with the offset from then on.
    """
    found = [(since, _offset(since, zone))]
    earlier = since
    while zone != UNIVERSAL and earlier < until:
        later = min(earlier + DAY, until)
        if _offset(later, zone) != found[-1][1]:
            change = _change_between(earlier, later, zone)
            found.append((change, _offset(change, zone)))
        earlier = later
    return tuple(found)


def _change_between(before: datetime, after: datetime, zone: str) -> datetime:
    """The first moment of another offset than before, to the second; there is one change between two moments."""
    while after - before > SECOND:
        middle = before + ((after - before) // 2 // SECOND or 1) * SECOND
        if _offset(middle, zone) == _offset(before, zone):
            before = middle
        else:
            after = middle
    return after


def _offset(moment: datetime, zone: str) -> timedelta:
    return local_time(moment, zone) - moment


def _in_utc(local: datetime) -> datetime:
    return local.astimezone(UTC).replace(tzinfo=None)
