"""Windows: which lines a snapshot sees."""

from dataclasses import dataclass
from datetime import date, timedelta

EARLIEST = date(1900, 1, 1)


@dataclass(frozen=True)
class Window:
    """The lines of one snapshot: those of the days from `start` up to, not including, `as_of` (UTC)."""

    as_of: date
    start: date

    @property
    def lookback_days(self) -> int | None:
        """Its length; None without a limit."""
        return None if self.start == EARLIEST else (self.as_of - self.start).days


def window_of(as_of: date, lookback_days: int | None) -> Window:
    """The window of a snapshot; without a limit it begins in 1900."""
    return Window(as_of, EARLIEST if lookback_days is None else as_of - timedelta(days=lookback_days))
