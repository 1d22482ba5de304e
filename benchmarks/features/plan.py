"""Which contender runs on what, how often, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from benchmarks.features.contenders.registry import BY_NAME, ENTRIES
from benchmarks.features.data import END

DAYS = 731
"""Two years of history, ending at `END`."""
GROWTH_DAYS = (183, 46)
"""Shorter histories: as many lines by more customers."""
SMALL_LINES = 2_000_000
SMALL_ROUNDS = 3
LOOKBACK_DAYS = 365
KINDS = ("lines", "customers", "snapshots")
SNAPSHOTS = (1, 6, 12, 24)
GROWTH_LINES = 10_000_000


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes:
        kind: One of `KINDS`: what grows.
        lines: About how many lines the shop has.
        days: In how many days.
        as_ofs: Snapshot dates, the last of them `END`.
        lookback_days: Days before them that count; None for all.
        contenders: Who takes part.
        rounds: How often; the best counts.
    """

    kind: str
    lines: int
    days: int
    as_ofs: tuple[date, ...]
    lookback_days: int | None
    contenders: tuple[str, ...]
    rounds: int


def plan(sizes: Sequence[int], contenders: Sequence[str], kinds: Sequence[str], *, quick: bool) -> list[Case]:
    """The cases of a run.

    Args:
        sizes: Numbers of lines.
        contenders: Who takes part where it can.
        kinds: What grows.
        quick: Leave out what takes minutes.
    """
    return [case for case in _all(sizes, contenders, quick=quick) if case.kind in kinds and case.contenders]


def all_contenders() -> tuple[str, ...]:
    """The names of all contenders."""
    return tuple(entry.name for entry in ENTRIES)


def months(count: int) -> tuple[date, ...]:
    """The last so many firsts of a month, up to `END`."""
    numbers = range(END.year * 12 + END.month - count, END.year * 12 + END.month)
    return tuple(date(number // 12, number % 12 + 1, 1) for number in numbers)


def _all(sizes: Sequence[int], contenders: Sequence[str], *, quick: bool) -> list[Case]:
    everybody = [name for name in contenders if not (quick and name == "pandas-lambdas")]
    cases = [_case("lines", lines, DAYS, everybody) for lines in sizes]
    growth = min(GROWTH_LINES, max(sizes))
    if not quick:
        named = [n for n in ("group-by", "duckdb", "polars", "polars-buckets") if n in contenders]
        cases += [_case("customers", growth, days, named) for days in GROWTH_DAYS]
    writers = [name for name in contenders if BY_NAME[name].writes]
    return cases + [
        _case("snapshots", growth, DAYS, writers, months(count), LOOKBACK_DAYS)
        for count in SNAPSHOTS
        if count <= (6 if quick else max(SNAPSHOTS))
    ]


def _case(
    kind: str,
    lines: int,
    days: int,
    contenders: Sequence[str],
    as_ofs: tuple[date, ...] = (END,),
    lookback_days: int | None = None,
) -> Case:
    rounds = SMALL_ROUNDS if lines <= SMALL_LINES and kind == "lines" else 1
    return Case(kind, lines, days, as_ofs, lookback_days, tuple(contenders), rounds)
