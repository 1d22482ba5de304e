"""Which contender runs on what, how often, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from benchmarks.features.changes import CHANGES
from benchmarks.features.contenders.registry import BY_NAME, ENTRIES
from benchmarks.features.data import END

DAYS = 731
"""Two years of history, ending at `END`."""
GROWTH_DAYS = (183, 46)
"""Shorter histories: as many lines by more customers."""
SMALL_LINES = 2_000_000
SMALL_ROUNDS = 3
LOOKBACK_DAYS = 365
KINDS = ("compile", "lines", "customers", "snapshots", "refresh")
SNAPSHOTS = (1, 6, 12, 24)
GROWTH_LINES = 10_000_000


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        kind: One of `KINDS`.
        lines: About how many lines the shop has.
        days: In how many days.
        as_ofs: Snapshot dates.
        lookback_days: Days before them that count; None for all.
        contenders: Who takes part.
        rounds: How often; the best counts.
        change: What happens to a lake with a snapshot before, one of `CHANGES`; empty if it has none.
    """

    kind: str
    lines: int
    days: int
    as_ofs: tuple[date, ...]
    lookback_days: int | None
    contenders: tuple[str, ...]
    rounds: int
    change: str = ""


def plan(sizes: Sequence[int], contenders: Sequence[str], kinds: Sequence[str], *, quick: bool) -> list[Case]:
    """The cases of a run.

    Args:
        sizes: Numbers of lines.
        contenders: Who takes part where it can.
        kinds: Of cases.
        quick: Leave out what takes minutes.
    """
    return [case for case in _all(sizes, contenders, quick=quick) if case.kind in kinds and case.contenders]


def all_contenders() -> tuple[str, ...]:
    """The names of all contenders."""
    return tuple(entry.name for entry in ENTRIES)


def default_contenders() -> tuple[str, ...]:
    """The names of those that take part without being asked for."""
    return tuple(entry.name for entry in ENTRIES if entry.is_default)


def months(count: int) -> tuple[date, ...]:
    """The last so many firsts of a month, up to `END`."""
    numbers = range(END.year * 12 + END.month - count, END.year * 12 + END.month)
    return tuple(date(number // 12, number % 12 + 1, 1) for number in numbers)


def _all(sizes: Sequence[int], contenders: Sequence[str], *, quick: bool) -> list[Case]:
    growth = min(GROWTH_LINES, max(sizes))
    cases = [_case("compile", min(sizes), contenders), *(_case("lines", lines, contenders) for lines in sizes)]
    if not quick:
        cases += [_case("customers", growth, contenders, days=days) for days in GROWTH_DAYS]
    cases += [
        _case("snapshots", growth, contenders, as_ofs=months(count), lookback_days=LOOKBACK_DAYS)
        for count in SNAPSHOTS
        if count <= (6 if quick else max(SNAPSHOTS))
    ]
    steps = [(END, ""), *((change.as_of, change.name) for change in CHANGES)]
    return cases + [
        _case("refresh", growth, contenders, as_ofs=(as_of,), lookback_days=LOOKBACK_DAYS, change=name)
        for as_of, name in steps
    ]


def _case(
    kind: str,
    lines: int,
    contenders: Sequence[str],
    *,
    days: int = DAYS,
    as_ofs: tuple[date, ...] = (END,),
    lookback_days: int | None = None,
    change: str = "",
) -> Case:
    own = tuple(name for name in contenders if kind in BY_NAME[name].kinds)
    rounds = SMALL_ROUNDS if lines <= SMALL_LINES and kind == "lines" else 1
    return Case(kind, lines, days, as_ofs, lookback_days, own, rounds, change)
