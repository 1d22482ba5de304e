"""Spans: days that are loaded together. Those that lie years apart are loaded apart, and nothing is planned between."""

from collections.abc import Iterable
from datetime import date, timedelta

LONGEST_GAP = timedelta(days=366)
"""Of days without lines inside a span: planning so many costs as much as a run of its own."""

Span = tuple[date, date]
"""First and last day, both included."""


def spans_of(days: Iterable[date]) -> tuple[Span, ...]:
    """The spans of days, in order."""
    return joined((day, day) for day in set(days))


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans with those made one that overlap or have a small gap between them, in order."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first - found[-1][1] <= LONGEST_GAP:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)
