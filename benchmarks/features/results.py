"""The outcomes as tables, as rows of JSON and as targets."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.features.changes import CHANGES
from benchmarks.features.measuring import Usage
from benchmarks.features.running import Outcome
from benchmarks.reporting import Target, at_least, at_most

MB_LIMIT = 1024
OURS = ("duckdb", "duckdb-write")
TITLES = {
    "compile": "Compiling the features' kernel without a cache",
    "lines": "Features, all lines, by number of lines",
    "customers": "Features, all lines, by number of customers",
    "snapshots": "Monthly snapshots of a year each, written to the lake",
    "refresh": "A snapshot of a year, when the lake has one already",
}
BASES = {"lines": "GROUP BY", "customers": "GROUP BY", "snapshots": "one", "refresh": "from scratch"}
"""By kind of case, what its ratios are to."""


def print_tables(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One table for each thing that grows."""
    for kind, title in TITLES.items():
        own = [outcome for outcome in outcomes if outcome.case.kind == kind]
        if not own:
            continue
        table = Table(title=title, title_justify="left")
        table.add_column("case")
        table.add_column("contender")
        base = BASES.get(kind, "–")
        for name in ("wall s", "CPU s", "peak MB", f"wall ÷ {base}", f"CPU ÷ {base}", "largest difference"):
            table.add_column(name, justify="right")
        table.add_column("note", overflow="fold")
        for outcome in own:
            table.add_row(*_cells(outcome, _base(outcomes, outcome)))
        console.print(table)


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """The outcomes for JSON."""
    return [_row(outcome, _base(outcomes, outcome)) for outcome in outcomes]


def _row(outcome: Outcome, base: Usage | None) -> dict[str, object]:
    usage = outcome.usage
    return {
        "contender": outcome.contender,
        "case": case_name(outcome),
        "kind": outcome.case.kind,
        "lines": outcome.shop.lines,
        "customers": outcome.shop.customers,
        "snapshots": len(outcome.case.as_ofs),
        **(asdict(usage) if usage else {"wall_s": None, "cpu_s": None, "peak_rss_mb": None}),
        "cpu_ratio": usage.cpu_s / base.cpu_s if usage and base else None,
        "largest_difference": outcome.largest_difference,
        "is_equal": outcome.is_equal,
        "note": outcome.note,
    }


def case_name(outcome: Outcome) -> str:
    """What a case is called."""
    shop, case = outcome.shop, outcome.case
    match case.kind:
        case "compile":
            return "cold compile"
        case "snapshots":
            return f"{len(case.as_ofs)} × {millions(shop.lines)} lines"
        case "refresh":
            return f"{millions(shop.lines)} lines, {case.change or 'from scratch'}"
        case _:
            return f"{millions(shop.lines)} lines, {shop.customers:,} customers"


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """What the design promises, as far as these outcomes tell; of several sizes, the worst counts."""
    memory = [mb for name in OURS for mb in figures(outcomes, name, "peak_rss_mb").values()]
    pandas = [1 / ratio for ratio in _ratios(outcomes, "duckdb", "pandas")]
    return [
        at_most("features against GROUP BY (dream: 20), CPU", 30, _worst(_ratios(outcomes, "duckdb", "group-by"))),
        at_most("features against Polars streaming, CPU", 0.5, _worst(_ratios(outcomes, "duckdb", "polars"))),
        at_least("vectorised pandas against features, CPU", 4, min(pandas, default=None)),
        at_most("features, peak memory", MB_LIMIT, _worst(memory), "MB"),
        *_growth(outcomes),
        at_most("24 monthly snapshots against one, CPU", 8, _snapshots(outcomes, 24)),
        *(at_most(f"{c.name}, against from scratch, CPU", c.most, _refresh(outcomes, c.name)) for c in CHANGES),
    ]


def _cells(outcome: Outcome, base: Usage | None) -> list[str]:
    usage = outcome.usage
    if usage is None:
        return [case_name(outcome), outcome.contender, *[""] * 6, outcome.note]
    apart = "" if outcome.largest_difference is None else f"{outcome.largest_difference:.1e}"
    return [
        case_name(outcome),
        outcome.contender,
        f"{usage.wall_s:.2f}",
        f"{usage.cpu_s:.2f}",
        f"{usage.peak_rss_mb:,.0f}",
        f"{usage.wall_s / base.wall_s:.3g}" if base else "",
        f"{usage.cpu_s / base.cpu_s:.3g}" if base else "",
        apart,
        outcome.note,
    ]


def _base(outcomes: Sequence[Outcome], of: Outcome) -> Usage | None:
    """What an outcome is compared with: by kind, the plain GROUP BY, one snapshot or the snapshot from scratch."""
    for other in outcomes:
        if other.shop != of.shop or other is of:
            continue
        if of.case.kind in ("lines", "customers"):
            is_base = other.contender == "group-by"
        else:
            is_first = len(other.case.as_ofs) == 1 and not other.case.change
            is_base = (other.contender, other.case.kind) == (of.contender, of.case.kind) and is_first
        if is_base:
            return other.usage
    return None


def figures(outcomes: Sequence[Outcome], contender: str, name: str) -> dict[int, float]:
    """A figure of a contender by number of lines."""
    return {
        o.shop.lines: float(getattr(o.usage, name))
        for o in outcomes
        if o.case.kind == "lines" and o.contender == contender and o.usage is not None
    }


def _ratios(outcomes: Sequence[Outcome], one: str, other: str) -> list[float]:
    """The CPU of a contender for that of another, at each size that both ran at."""
    ones, others = figures(outcomes, one, "cpu_s"), figures(outcomes, other, "cpu_s")
    return [ones[lines] / others[lines] for lines in ones.keys() & others.keys()]


def _worst(found: Iterable[float]) -> float | None:
    return max(found, default=None)


def _growth(outcomes: Sequence[Outcome]) -> list[Target]:
    """The largest size against 10 million lines: at most 5 % more than in proportion, in hardly more memory."""
    of_ours = {name: figures(outcomes, "duckdb", name) for name in ("wall_s", "cpu_s", "peak_rss_mb")}
    base = next((lines for lines in of_ours["wall_s"] if 8e6 < lines < 12e6), None)
    most = max(of_ours["wall_s"], default=None)
    if base is None or most is None or most == base:
        return [at_most("100 M lines against 10 M, wall", 10.5, None)]
    name, limit = f"{millions(most)} lines against {millions(base)}", round(1.05 * most / base, 2)
    growth = {figure: values[most] / values[base] for figure, values in of_ours.items()}
    return [
        at_most(f"{name}, wall", limit, growth["wall_s"]),
        at_most(f"{name}, CPU", limit, growth["cpu_s"]),
        at_most(f"{name}, peak memory", 1.2, growth["peak_rss_mb"]),
    ]


def _snapshots(outcomes: Sequence[Outcome], count: int) -> float | None:
    found = [o for o in outcomes if o.case.kind == "snapshots" and len(o.case.as_ofs) == count]
    return _cpu_ratio(outcomes, [o for o in found if o.contender == "duckdb-write"])


def _refresh(outcomes: Sequence[Outcome], change: str) -> float | None:
    return _cpu_ratio(outcomes, [o for o in outcomes if o.case.change == change])


def _cpu_ratio(outcomes: Sequence[Outcome], found: Sequence[Outcome]) -> float | None:
    """The CPU of the only outcome, if there is one, for that of its base."""
    base = _base(outcomes, found[0]) if found else None
    return found[0].usage.cpu_s / base.cpu_s if base and found[0].usage else None


def millions(lines: int) -> str:
    """A number of lines in words."""
    return f"{lines / 1e6:.3g} M"
