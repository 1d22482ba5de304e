"""When the synthetic shop sells: seasons, weekdays, hours and growth, per archetype.

Activity is kept as a cumulative curve over the window, in years of average activity. Its rise over a stretch
of days says how much happens there, and reading it backwards turns uniform draws into moments.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from segmentation.synthetic.archetypes import ARCHETYPES, Archetype

SECONDS_A_DAY = 86_400
_DAYS_A_YEAR = 365.25
_GROWTH_A_YEAR = 0.06
_BLACK_FRIDAY_WEEK = (1122, 1130)
_BLACK_FRIDAY_LIFT = 1.5
_CHRISTMAS_LULL = (1225, 1231)
_CHRISTMAS_LIFT = 0.45


@dataclass(frozen=True)
class Calendar:
    """The activity of every archetype over a window.

    Attributes:
        start: First day, as days since 1970-01-01.
        days: Number of days.
        activity: Archetypes x (days + 1): activity up to the start of each day, in average years.
    """

    start: int
    days: int
    activity: NDArray[np.float64]

    def reached(self, archetype: NDArray[np.int64], fraction: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the activity up to a fraction of the window, by archetype."""
        reached = np.empty_like(fraction)
        days = np.arange(self.days + 1.0)
        for code, curve in enumerate(self.activity):
            mine = archetype == code
            reached[mine] = np.interp(fraction[mine] * self.days, days, curve)
        return reached

    def moments(self, archetype: NDArray[np.int64], activity: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the moments at which the activity is reached, in seconds since 1970-01-01."""
        position = np.empty_like(activity)
        days = np.arange(self.days + 1.0)
        for code, curve in enumerate(self.activity):
            mine = archetype == code
            position[mine] = np.interp(activity[mine], curve, days)
        day = np.minimum(position.astype(np.int64), self.days - 1)
        return (self.start + day) * SECONDS_A_DAY + time_of_day(archetype, position - day)

    @property
    def end_second(self) -> int:
        """The first second after the window, since 1970-01-01."""
        return (self.start + self.days) * SECONDS_A_DAY


def build_calendar(start: date, end: date, *, seasonality: float = 1.0) -> Calendar:
    """Build the calendar of the window from `start` up to, not including, `end`.

    Args:
        start: First day.
        end: Day after the last one.
        seasonality: How strong the seasons of the year are: 1 as the archetypes say, 0 for none.
    """
    days = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D"))
    shared = _growth(days.size) * _events(days) ** seasonality
    rates = np.stack([shared * _season(kind, days, seasonality) for kind in ARCHETYPES])
    activity = np.concatenate([np.zeros((len(ARCHETYPES), 1)), np.cumsum(rates, axis=1)], axis=1)
    return Calendar(start=int(days[0].astype(np.int64)), days=days.size, activity=activity / _DAYS_A_YEAR)


def time_of_day(archetype: NDArray[np.int64], fraction: NDArray[np.float64]) -> NDArray[np.int64]:
    """Turn fractions of a day's activity into seconds since midnight, by archetype."""
    hour = np.empty_like(fraction)
    for code, kind in enumerate(ARCHETYPES):
        mine = archetype == code
        reach = np.concatenate([[0.0], np.cumsum(kind.rhythm.hours)])
        hour[mine] = np.interp(fraction[mine], reach / reach[-1], np.arange(25.0))
    return np.minimum(hour * 3600, SECONDS_A_DAY - 1).astype(np.int64)


def _growth(days: int) -> NDArray[np.float64]:
    return 1.0 + _GROWTH_A_YEAR * np.arange(days, dtype=np.float64) / _DAYS_A_YEAR


def _events(days: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Lift Black Friday's week, and calm the days from Christmas to New Year."""
    month, day_of_month = _month_and_day(days)
    code = month * 100 + day_of_month
    lift = np.where((code >= _BLACK_FRIDAY_WEEK[0]) & (code <= _BLACK_FRIDAY_WEEK[1]), _BLACK_FRIDAY_LIFT, 1.0)
    return np.where((code >= _CHRISTMAS_LULL[0]) & (code <= _CHRISTMAS_LULL[1]), _CHRISTMAS_LIFT, lift)


def _season(kind: Archetype, days: NDArray[np.datetime64], seasonality: float) -> NDArray[np.float64]:
    month, _ = _month_and_day(days)
    weekday = (days.astype(np.int64) + 3) % 7
    return _relative(kind.season)[month - 1] ** seasonality * _relative(kind.rhythm.weekdays)[weekday]


def _relative(weights: tuple[float, ...]) -> NDArray[np.float64]:
    return np.array(weights, dtype=np.float64) / np.mean(weights)


def _month_and_day(days: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    months = days.astype("datetime64[M]")
    month = months.astype(np.int64) % 12 + 1
    return month, (days - months.astype("datetime64[D]")).astype(np.int64) + 1
