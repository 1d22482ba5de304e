"""The outcomes as a table, as rows of JSON and as targets."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.reporting import Target, at_most
from benchmarks.training.contenders import BY_NAME, FULL, OURS
from benchmarks.training.running import Figures, Outcome

FIGURES = (
    ("wall s", "wall_s"),
    ("CPU s", "cpu_s"),
    ("… of it to fit", "fit_cpu_s"),
    ("peak MB", "peak_rss_mb"),
    ("without points", "peak_own_mb"),
)


def print_table(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One row per size and contender: medians over the seeds, and the inertia of the worst and the best."""
    table = Table("customers", "contender", "threads", title="Eight segments and everybody's label")
    for name in (*(title for title, _ in FIGURES), f"wall ÷ {FULL}", "CPU ÷ …", "inertia − 1, worst seed", "best"):
        table.add_column(name, justify="right")
    table.add_column("note", overflow="fold")
    for customers, name, own in _grouped(outcomes):
        contender, notes = BY_NAME[name], "; ".join(sorted({outcome.note for outcome in own} - {""}))
        cells = [_typical(own, key) for _, key in FIGURES]
        apart = [_excess(outcome, outcomes) for outcome in own if outcome.figures]
        table.add_row(
            f"{customers:,}",
            name,
            str(contender.threads or "all"),
            *("" if cell is None else f"{cell:,.2f}" if cell < 1000 else f"{cell:,.0f}" for cell in cells),
            *(_as_ratio(outcomes, customers, name, key) for key in ("wall_s", "cpu_s")),
            *((f"{max(apart):.4%}", f"{min(apart):.4%}") if apart else ("", "")),
            "; ".join(filter(None, [contender.what, notes])),
        )
    console.print(table)


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """The outcomes for JSON, one for each seed."""
    nothing = {"wall_s": None, "cpu_s": None, "peak_rss_mb": None}
    return [
        {
            "contender": outcome.contender,
            "case": f"{outcome.customers:,} customers",
            "customers": outcome.customers,
            "seed": outcome.seed,
            **(asdict(outcome.figures.usage) if outcome.figures else nothing),
            "fit_cpu_s": outcome.figures.fit_cpu_s if outcome.figures else None,
            "peak_own_mb": outcome.figures.peak_own_mb if outcome.figures else None,
            "inertia": outcome.figures.inertia if outcome.figures else None,
            "inertia_ratio": 1 + _excess(outcome, outcomes) if outcome.figures else None,
            "is_comparable": outcome.is_comparable,
            "note": outcome.note,
        }
        for outcome in outcomes
    ]


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """What the design promises, at the largest size where we and the full fit ran; the worst seed counts."""
    sizes = [{o.customers for o in outcomes if o.contender == name and o.figures is not None} for name in (OURS, FULL)]
    both = sizes[0] & sizes[1]
    if not both:
        return [at_most("training against a full scikit-learn fit", 0.15, None)]
    most = max(both)
    excess = [_excess(o, outcomes) for o in outcomes if o.contender == OURS and o.customers == most and o.figures]
    what, against = f"{most:,} customers, fit and labels", "against a full scikit-learn fit"
    return [
        at_most(f"{what} {against}, wall", 0.15, _ratio(outcomes, most, OURS, "wall_s")),
        at_most(f"{what} {against}, CPU", 0.15, _ratio(outcomes, most, OURS, "cpu_s")),
        at_most(f"the fit alone {against}, CPU", 0.15, _ratio(outcomes, most, OURS, "fit_cpu_s")),
        at_most("inertia above the best known", 0.1, 100 * max(excess), "%"),
    ]


def _grouped(outcomes: Sequence[Outcome]) -> Iterator[tuple[int, str, list[Outcome]]]:
    for customers, name in dict.fromkeys((outcome.customers, outcome.contender) for outcome in outcomes):
        yield customers, name, [o for o in outcomes if (o.customers, o.contender) == (customers, name)]


def _excess(outcome: Outcome, outcomes: Sequence[Outcome]) -> float:
    """How far the inertia is above the best of all contenders and seeds, relative."""
    best = min(_inertias(outcomes, outcome.customers))
    return max(_inertias([outcome], outcome.customers)) / best - 1


def _inertias(outcomes: Sequence[Outcome], customers: int) -> list[float]:
    return [o.figures.inertia for o in outcomes if o.customers == customers and o.figures is not None]


def _typical(outcomes: Sequence[Outcome], key: str) -> float | None:
    found = [_figure(outcome.figures, key) for outcome in outcomes if outcome.figures is not None]
    return median(found) if found else None


def _figure(figures: Figures, key: str) -> float:
    return float(getattr(figures if hasattr(figures, key) else figures.usage, key))


def _ratio(outcomes: Sequence[Outcome], customers: int, name: str, key: str) -> float | None:
    one, base = (
        _typical([o for o in outcomes if (o.customers, o.contender) == (customers, who)], key) for who in (name, FULL)
    )
    return one / base if one is not None and base is not None else None


def _as_ratio(outcomes: Sequence[Outcome], customers: int, name: str, key: str) -> str:
    ratio = _ratio(outcomes, customers, name, key)
    return "" if ratio is None else f"{ratio:.3f}"
