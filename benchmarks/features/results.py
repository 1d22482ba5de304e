"""The outcomes as tables, as rows of JSON and as targets."""

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.features.running import Outcome
from benchmarks.reporting import Target, at_least, at_most

MB_LIMIT = 1024
TITLES = {
    "lines": "Features, all lines, by number of lines",
    "customers": "Features, all lines, by number of customers",
    "snapshots": "Monthly snapshots of a year each, written to the lake",
}


def print_tables(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One table for each thing that grows."""
    for kind, title in TITLES.items():
        own = [outcome for outcome in outcomes if outcome.case.kind == kind]
        if not own:
            continue
        table = Table(title=title, title_justify="left")
        table.add_column("case")
        table.add_column("contender")
        for name in ("wall s", "CPU s", "peak MB", "wall ÷ group-by", "CPU ÷ group-by", "largest difference"):
            table.add_column(name, justify="right")
        table.add_column("note", overflow="fold")
        for outcome in own:
            table.add_row(*_cells(outcome, _group_by(outcomes, outcome)))
        console.print(table)


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """The outcomes for JSON."""
    return [
        {
            "contender": outcome.contender,
            "case": case_name(outcome),
            "kind": outcome.case.kind,
            "lines": outcome.shop.lines,
            "customers": outcome.shop.customers,
            "snapshots": len(outcome.case.as_ofs),
            **(asdict(outcome.usage) if outcome.usage else {"wall_s": None, "cpu_s": None, "peak_rss_mb": None}),
            "largest_difference": outcome.largest_difference,
            "is_equal": outcome.is_equal,
            "note": outcome.note,
        }
        for outcome in outcomes
    ]


def case_name(outcome: Outcome) -> str:
    """What a case is called."""
    shop, case = outcome.shop, outcome.case
    if case.kind == "snapshots":
        return f"{len(case.as_ofs)} × {_millions(shop.lines)} lines"
    return f"{_millions(shop.lines)} lines, {shop.customers:,} customers"


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """What the design promises, as far as these outcomes tell. Ratios are of the largest case that both ran in."""
    return [
        at_most("features against GROUP BY, wall", 25, _ratio(outcomes, "duckdb", "group-by", "wall_s")),
        at_most("features, peak memory", MB_LIMIT, _largest(outcomes, "duckdb", "peak_rss_mb"), "MB"),
        at_most("features against Polars streaming, CPU", 1, _ratio(outcomes, "duckdb", "polars", "cpu_s")),
        at_least("pandas against features, CPU", 5, _ratio(outcomes, "pandas", "duckdb", "cpu_s")),
        *_growth(outcomes),
        at_most("24 monthly snapshots against one, wall", 8, _snapshots(outcomes, 24)),
    ]


def _cells(outcome: Outcome, base: Outcome | None) -> list[str]:
    usage = outcome.usage
    if usage is None:
        return [case_name(outcome), outcome.contender, *[""] * 6, outcome.note]
    floor = base.usage if base and base is not outcome else None
    apart = "" if outcome.largest_difference is None else f"{outcome.largest_difference:.1e}"
    return [
        case_name(outcome),
        outcome.contender,
        f"{usage.wall_s:.2f}",
        f"{usage.cpu_s:.2f}",
        f"{usage.peak_rss_mb:,.0f}",
        f"{usage.wall_s / floor.wall_s:.1f}" if floor else "",
        f"{usage.cpu_s / floor.cpu_s:.1f}" if floor else "",
        apart,
        outcome.note,
    ]


def _group_by(outcomes: Sequence[Outcome], of: Outcome) -> Outcome | None:
    """The plain GROUP BY on the same lines."""
    same = [o for o in outcomes if o.contender == "group-by" and o.shop == of.shop and of.case.kind != "snapshots"]
    return same[0] if same else None


def figures(outcomes: Sequence[Outcome], contender: str, name: str) -> dict[int, float]:
    """A figure of a contender by number of lines."""
    return {
        o.shop.lines: float(getattr(o.usage, name))
        for o in outcomes
        if o.case.kind == "lines" and o.contender == contender and o.usage is not None
    }


def _ratio(outcomes: Sequence[Outcome], one: str, other: str, name: str) -> float | None:
    ones, others = figures(outcomes, one, name), figures(outcomes, other, name)
    both = ones.keys() & others.keys()
    return ones[max(both)] / others[max(both)] if both else None


def _largest(outcomes: Sequence[Outcome], contender: str, name: str) -> float | None:
    found = figures(outcomes, contender, name)
    return found[max(found)] if found else None


def _growth(outcomes: Sequence[Outcome]) -> list[Target]:
    """The largest size against 10 million lines: at most 5 % more than in proportion, in hardly more memory."""
    wall, memory = figures(outcomes, "duckdb", "wall_s"), figures(outcomes, "duckdb", "peak_rss_mb")
    base = next((lines for lines in wall if 8e6 < lines < 12e6), None)
    if base is None or max(wall) == base:
        return [at_most("100 M lines against 10 M, wall", 10.5, None)]
    most = max(wall)
    name = f"{_millions(most)} lines against {_millions(base)}"
    return [
        at_most(f"{name}, wall", round(1.05 * most / base, 2), wall[most] / wall[base]),
        at_most(f"{name}, peak memory", 1.2, memory[most] / memory[base]),
    ]


def _snapshots(outcomes: Sequence[Outcome], count: int) -> float | None:
    wall = {
        len(o.case.as_ofs): o.usage.wall_s
        for o in outcomes
        if o.case.kind == "snapshots" and o.contender == "duckdb-write" and o.usage
    }
    return wall[count] / wall[1] if wall.keys() >= {1, count} else None


def _millions(lines: int) -> str:
    return f"{lines / 1e6:.3g} M"
