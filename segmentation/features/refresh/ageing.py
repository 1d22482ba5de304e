"""Ageing: how features of a customer change from one date to a later one while their lines stay the same.

Days up to `as_of` grow by the time between the dates, orders of the last so many days fall out of them, and nothing
else depends on the date. Which features do so, the catalogue says (`Feature.ages`, `Feature.within_days`); here is what
follows from it: the lines that matter between two dates, and the sum that gives the same bits as computing anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from segmentation.features.windows import Window
from segmentation.metadata.features import FEATURES

AGEING = tuple(feature.name for feature in FEATURES if feature.ages)
"""Features that are the days from some moment to `as_of`."""

EDGES = tuple(sorted({feature.within_days for feature in FEATURES if feature.within_days is not None}))
"""Days before `as_of` at which an order stops counting for some feature."""

LONGEST_DAYS = 25_000
"""Up to here a number of days tells its microseconds exactly: a quotient and a product are each off by at most 2^-53 of
themselves, which is less than half a microsecond below 2^51 of them, 26,062 days."""

AGED = "CAST(CAST(round({name} * 86400e6) AS BIGINT) + {shift} AS DOUBLE) / 86400e6"


@dataclass(frozen=True)
class Span:
    """Moments (UTC) from `start` up to, not including, `end`."""

    start: datetime
    end: datetime


def aged(name: str, earlier: Window, later: Window) -> str:
    """SQL of an ageing feature as of a later date, from its column as of an earlier one, of at most `LONGEST_DAYS`."""
    shift = (later.ends_at - earlier.ends_at) // timedelta(microseconds=1)
    return AGED.format(name=name, shift=shift)


def spans_that_matter(earlier: Window, later: Window) -> list[Span]:
    """Where lines lie that make other features than ageing ones change from one date to a later one, in order.

    Those that enter or leave the window, and those that cross an edge of `EDGES`. An order happens at one of its lines.

    Args:
        earlier: The window of the earlier date.
        later: The one of the later date, in the same zone, and of the same length.
    """
    moved = [(earlier.starts_at, later.starts_at), (earlier.ends_at, later.ends_at)]
    for days in EDGES:
        back = timedelta(days=days)
        moved.append((earlier.ends_at - back, later.ends_at - back))
    return _united([Span(start, end) for start, end in moved if start < end and end > earlier.starts_at])


def entering_and_leaving(earlier: Window, later: Window) -> list[Span]:
    """Where lines lie that are in one of the two windows only, in order."""
    spans = [Span(earlier.starts_at, later.starts_at), Span(earlier.ends_at, later.ends_at)]
    return [span for span in spans if span.start < span.end]


def _united(spans: Sequence[Span]) -> list[Span]:
    """The same moments in spans that don't touch each other, in order."""
    united: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start):
        if united and span.start <= united[-1].end:
            united[-1] = Span(united[-1].start, max(united[-1].end, span.end))
        else:
            united.append(span)
    return united
