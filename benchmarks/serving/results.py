"""The outcomes as a table, as rows of JSON and as targets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import Target, at_least
from benchmarks.serving.cases import CASES, MANY, MANY_IN_ARROW, ONE, Case
from benchmarks.serving.contenders import BY_NAME, EMPTY, FLASK, OURS
from benchmarks.serving.running import Outcome, Sample

COLUMNS = (
    ("requests/s", "requests_per_s"),
    ("customers/s", "customers_per_s"),
    ("p50 ms", "p50_ms"),
    ("p99 ms", "p99_ms"),
    ("CPU ms/request", "cpu_ms_per_request"),
    ("CPU µs/customer", "cpu_us_per_customer"),
    ("peak MB", "peak_rss_mb"),
)


@dataclass(frozen=True)
class Figures:
    """What a contender is like in a case; None for what was not measured.

    Attributes:
        wall_s: Length of a round's measurement of throughput.
        cpu_s: CPU of the server's processes meanwhile.
        peak_rss_mb: Their largest memory.
        p50_ms: Latency that half of the requests of a single connection have at most.
        p99_ms: … 99 % of them.
        requests_per_s: Throughput.
        customers_per_s: Throughput.
        cpu_ms_per_request: CPU of the server's processes.
        cpu_us_per_customer: The same by customer.
    """

    wall_s: float | None = None
    cpu_s: float | None = None
    peak_rss_mb: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    requests_per_s: float | None = None
    customers_per_s: float | None = None
    cpu_ms_per_request: float | None = None
    cpu_us_per_customer: float | None = None


def figures(outcome: Outcome) -> Figures:
    """Medians over the rounds, with two exceptions.

    The 99th percentile is that of all rounds together, since a turn has few requests. The peak is the least of the
    rounds', since processes keep memory that a larger case made them take.
    """
    if not outcome.samples:
        return Figures()

    def typical(of: Callable[[Sample], float]) -> float:
        return median(of(sample) for sample in outcome.samples)

    latency = Figures(
        peak_rss_mb=min(sample.peak_rss_mb for sample in outcome.samples),
        p50_ms=typical(lambda sample: 1e3 * float(np.quantile(sample.latencies_s, 0.5))),
        p99_ms=1e3 * float(np.quantile([one for sample in outcome.samples for one in sample.latencies_s], 0.99)),
    )
    if not outcome.case.connections:
        return latency
    requests_per_s = typical(lambda sample: sample.requests / sample.wall_s)
    cpu_s = typical(lambda sample: sample.cpu_s / sample.requests)
    return Figures(
        typical(lambda sample: sample.wall_s),
        typical(lambda sample: sample.cpu_s),
        latency.peak_rss_mb,
        latency.p50_ms,
        latency.p99_ms,
        requests_per_s,
        requests_per_s * outcome.case.batch,
        1e3 * cpu_s,
        1e6 * cpu_s / outcome.case.batch,
    )


def print_table(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One row per case and contender."""
    table = Table("customers", "server", title="Customers scored over HTTP; CPU and memory are the server's")
    for name in (*(title for title, _ in COLUMNS), f"CPU, {FLASK} ÷ it"):
        table.add_column(name, justify="right")
    table.add_column("note", overflow="fold")
    for case in CASES:
        for outcome in (one for one in outcomes if one.case == case):
            found = figures(outcome)
            table.add_row(
                case.name,
                outcome.contender,
                *(_number(getattr(found, key)) for _, key in COLUMNS),
                _number(_saved(outcomes, outcome.contender, case)),
                outcome.note or BY_NAME[outcome.contender].what,
            )
        table.add_section()
    console.print(table)


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """The outcomes for JSON."""
    return [
        {
            "contender": outcome.contender,
            "case": outcome.case.name,
            "batch": outcome.case.batch,
            "media_type": outcome.case.media_type,
            "rounds": len(outcome.samples),
            "latencies": sum(len(sample.latencies_s) for sample in outcome.samples),
            **vars(figures(outcome)),
            "is_right": outcome.is_right,
            "note": outcome.note,
        }
        for outcome in outcomes
    ]


def targets(outcomes: Sequence[Outcome]) -> list[Target]:
    """What the design promises."""
    empty = _times(outcomes, (EMPTY, ONE), (OURS, ONE))
    share = None if empty is None else 100 * empty
    return [
        at_least(f"one score: CPU of {FLASK} against ours", 12, _saved(outcomes, OURS, ONE)),
        at_least(f"one score: our requests per CPU second against {EMPTY}", 45, share, "%"),
        at_least(f"10,000 scores: CPU of {FLASK}'s JSON against our Arrow", 25, _saved(outcomes, OURS, MANY_IN_ARROW)),
    ]


def cpu_per_customer(outcomes: Sequence[Outcome], contender: str, media_type: str) -> list[tuple[int, float]]:
    """Pairs of batch and CPU µs per customer, for those cases where it was measured."""
    return [
        (outcome.case.batch, cpu)
        for outcome in outcomes
        if (outcome.contender, outcome.case.media_type) == (contender, media_type)
        and (cpu := figures(outcome).cpu_us_per_customer) is not None
    ]


def _saved(outcomes: Sequence[Outcome], contender: str, case: Case) -> float | None:
    """How much more CPU Flask takes for as many customers."""
    base = next((one for one in (ONE, MANY) if one.batch == case.batch), case)
    return _times(outcomes, (FLASK, base), (contender, case))


def _times(outcomes: Sequence[Outcome], one: tuple[str, Case], other: tuple[str, Case]) -> float | None:
    """CPU per request of one against another: median of the rounds' ratios, since machines are now fast, now slow."""
    pairs = zip(_cpu_s(outcomes, *one), _cpu_s(outcomes, *other), strict=False)
    ratios = [its / others for its, others in pairs]
    return median(ratios) if ratios else None


def _cpu_s(outcomes: Sequence[Outcome], contender: str, case: Case) -> list[float]:
    found = (outcome.samples for outcome in outcomes if (outcome.contender, outcome.case) == (contender, case))
    return [sample.cpu_s / sample.requests for sample in next(found, ()) if sample.requests]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
