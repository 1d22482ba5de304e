"""How much there is in all: season, and how the shop has been doing, as the ratio of what came to what was expected.

A year ago, the same window was expected by the same models; what came of it, as a multiple of that, is the season's
factor. It counts the more, the older the shop was then: a young one differs from its later self for other reasons.
Less its own season, the newest window that has ended says how the shop does.
"""

from datetime import date, timedelta

import numpy as np

from segmentation.predictions.evaluation import QUARTER, YEAR

GROWN_UP_DAYS = 150.0
"""At this age of the shop, what happened a year ago counts half."""

RECENT_SHARE = 0.25
"""How much of the newest ended window's surprise is taken to last."""

FURTHEST = float(np.log(3.0))
ADDED = 5.0
"""Orders added to what came and to what was expected, so that few of them say little."""


def log_ratio(came: float, expected: float, added: float) -> float:
    """Logarithm of what came over what was expected."""
    return float(np.log((max(came, 0.0) + added) / (expected + added))) if expected + added > 0 else 0.0


def trust(age: float) -> float:
    """How much a shop of an age in days tells about its later self, from 0 to 1."""
    return age**2 / (age**2 + GROWN_UP_DAYS**2) if age > 0 else 0.0


def dates_of_levels(as_of: date) -> tuple[date, date, date]:
    """A year ago; the newest date whose window has ended; a year before that."""
    return (
        as_of - timedelta(days=YEAR),
        as_of - timedelta(days=QUARTER),
        as_of - timedelta(days=QUARTER + YEAR),
    )


def combined(season: float, recent: float, recent_season: float) -> float:
    """The level of the next 90 days from (trusted) logarithms of ratios at `dates_of_levels`."""
    return float(np.clip(season + RECENT_SHARE * (recent - recent_season), -FURTHEST, FURTHEST))


def shrunk_year(ratio: float, age: float) -> float:
    """The level of the next 365 days from the logarithm of the ratio of the last ones."""
    return float(np.clip(RECENT_SHARE * trust(age) * ratio, -FURTHEST, FURTHEST))
