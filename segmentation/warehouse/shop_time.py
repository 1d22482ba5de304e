"""What the clocks of the shop show, in SQL: by Python's rules of time zones, not by DuckDB's edition of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from segmentation.shop_calendar import UNIVERSAL, utc_offsets

MICROSECOND = timedelta(microseconds=1)


def shop_time_macro(zone: str, since: datetime, until: datetime) -> str:
    """The macro `shop_time(moment)` of a zone, right from one moment (UTC) to before another; it ends a `CREATE MACRO`.

    Args:
        zone: Name of a time zone.
        since: The first moment.
        until: The moment after the last one.
    """
    if zone == UNIVERSAL:
        return "shop_time(moment) AS moment"
    ahead = _by_halves(utc_offsets(zone, since, until))
    return f"shop_time(moment) AS make_timestamp(epoch_us(moment) + {ahead})"


def _by_halves(offsets: Sequence[tuple[datetime, timedelta]]) -> str:
    """Microseconds ahead of UTC at `moment`, found by halving: a century of changes takes eight comparisons."""
    if len(offsets) == 1:
        return str(offsets[0][1] // MICROSECOND)
    middle = len(offsets) // 2
    earlier, later = _by_halves(offsets[:middle]), _by_halves(offsets[middle:])
    return f"CASE WHEN moment < TIMESTAMP '{offsets[middle][0]}' THEN {earlier} ELSE {later} END"
