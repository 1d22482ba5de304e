"""Windows: which lines a snapshot sees."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from segmentation.shop_calendar import UNIVERSAL, first_moment

EARLIEST = date(1900, 1, 1)


@dataclass(frozen=True)
class Window:
    """The lines of one snapshot: those of the days from `start` up to, not including, `as_of`.

    Attributes:
        as_of: The date of the snapshot.
        start: The first day that counts.
        zone: The time zone in which days begin.
    """

    as_of: date
    start: date
    zone: str = UNIVERSAL

    @property
    def starts_at(self) -> datetime:
        """The first moment (UTC) that counts."""
        return first_moment(self.start, self.zone)

    @property
    def ends_at(self) -> datetime:
        """The first moment (UTC) that doesn't count any more."""
        return first_moment(self.as_of, self.zone)

    @property
    def lookback_days(self) -> int | None:
        """Its length; None without a limit."""
        return None if self.start == EARLIEST else (self.as_of - self.start).days


def window_of(as_of: date, lookback_days: int | None, zone: str = UNIVERSAL) -> Window:
    """The window of a snapshot; without a limit it begins in 1900."""
    return Window(as_of, EARLIEST if lookback_days is None else as_of - timedelta(days=lookback_days), zone)
