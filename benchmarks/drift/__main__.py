"""Drift detection where the truth is known: how often it speaks up, how often for nothing, and whether it says why.

Run `python -m benchmarks.drift [--quick] [--json FILE]`. Each run makes a shop with 13 monthly snapshots until the
training, changes it in one way, and judges a later snapshot. The contender is what most do: the PSI of each feature
over deciles of the training data, drift from 0.2 on.
"""

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from benchmarks.drift.shop import FEATURES, HISTORY, TRAINED, Change, figures, orders, population, space
from benchmarks.reporting import Target, at_least, at_most, machine, print_targets, write_json
from segmentation.monitoring.drift import Past, Sensitivity, cause_of, measure_drift
from segmentation.monitoring.line_statistics import compare

FOLK_PSI = 0.2
SEGMENTS = 5


@dataclass(frozen=True)
class Scenario:
    """A change, and what should be said of it.

    Attributes:
        name: What happens.
        change: To the shop.
        cause: What it should be called; None where nothing should be found.
        customers: Active ones, about.
        history: Months before the training whose snapshots are there.
        is_faint: Whether it is so small that it may be missed: such a one has no target.
    """

    name: str
    change: Change
    cause: str | None = None
    customers: int = 3_000
    history: Sequence[int] = tuple(range(1, HISTORY))
    is_faint: bool = False


SCENARIOS = (
    Scenario("nothing", Change()),
    Scenario("nothing, among 150 customers", Change(), customers=150),
    Scenario("nothing, and two earlier snapshots only", Change(), history=(3, 6)),
    Scenario("seasonal: orders swing by half over the year, as ever", Change(season=0.5)),
    Scenario("one feature: discounts go up by half", Change(discount=1.5), "behaviour"),
    Scenario("one feature: discounts go up by 15 %", Change(discount=1.15), "behaviour", is_faint=True),
    Scenario("behaviour: 40 % fewer orders per customer", Change(rate=0.6), "behaviour"),
    Scenario("behaviour: 15 % fewer orders per customer", Change(rate=0.85), "behaviour", is_faint=True),
    Scenario("gradual: 10 % fewer orders each month, for six", Change(monthly_rate=0.9, after=6), "behaviour"),
    Scenario("mix: three times as many new customers", Change(arrivals=3.0), "mix"),
    Scenario("mix: half as many new customers again", Change(arrivals=1.5), "mix", is_faint=True),
    Scenario("quality: a fifth of the products priced in pence for a month", Change(pence=0.2), "data_quality"),
    Scenario("quality: 60 % of lines without category for a month", Change(lost_categories=0.6), "data_quality"),
)


@dataclass(frozen=True)
class Outcome:
    """What was said of one run.

    Attributes:
        found: Whether anything drifts.
        cause: What it was called.
        folk: Whether any PSI reached 0.2.
        seconds: That judging took, of CPU.
    """

    found: bool
    cause: str | None
    folk: bool
    seconds: float


def one(scenario: Scenario, seed: int) -> Outcome:
    """Make a shop, judge it."""
    made = orders(scenario.customers, scenario.change, seed)
    reference = population(made, TRAINED)
    with threadpool_limits(limits=1):
        centroids = KMeans(SEGMENTS, n_init=1, random_state=seed).fit(space(reference.values)).cluster_centers_
    reference = population(made, TRAINED, centroids)
    last = TRAINED + scenario.change.after
    past = [population(made, TRAINED - months, centroids) for months in scenario.history]
    current = population(made, last, centroids)
    lines = compare(figures(made, last), [figures(made, month) for month in range(TRAINED - HISTORY + 1, TRAINED + 1)])
    began = time.process_time()
    found = measure_drift(FEATURES, SEGMENTS, reference, current, Past(past), lines, Sensitivity(seed=seed))
    took = time.process_time() - began
    psi = [each.value for each in found if each.metric == "psi" and each.value is not None]
    return Outcome(any(each.is_drifting for each in found), cause_of(found), max(psi) >= FOLK_PSI, took)


def main() -> None:
    """Run all scenarios, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 runs of each scenario instead of 200")
    parser.add_argument("--runs", type=int, help="runs of each scenario")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    chosen = parser.parse_args()
    runs = chosen.runs or (20 if chosen.quick else 200)
    console = Console(width=120)
    table = Table("scenario", "found", "plain PSI 0.2", "called right", "CPU s", title=f"{runs} seeded runs of each")
    targets: list[Target] = []
    results: list[dict[str, object]] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for scenario in track(SCENARIOS, console=Console(stderr=True)):
            outcomes = list(pool.map(one, [scenario] * runs, range(runs)))
            found, folk, right, seconds = _rates(scenario, outcomes)
            table.add_row(
                scenario.name, f"{found:.1%}", f"{folk:.1%}", "" if right is None else f"{right:.1%}", f"{seconds:.2f}"
            )
            targets += _targets(scenario, found, right)
            for contender, rate in (("learned thresholds", found), ("plain PSI 0.2", folk)):
                results.append(
                    {"contender": contender, "case": scenario.name, "rate": rate, "called_right": right, "runs": runs}
                )
    described = machine(("numpy", "scipy"))
    console.print(table)
    print_targets(console, targets)
    console.print(described)
    if chosen.json:
        write_json(chosen.json, described, results, targets)


def _rates(scenario: Scenario, outcomes: Sequence[Outcome]) -> tuple[float, float, float | None, float]:
    found = [each for each in outcomes if each.found]
    right = None
    if scenario.cause is not None and found:
        right = sum(each.cause == scenario.cause for each in found) / len(found)
    return (
        len(found) / len(outcomes),
        sum(each.folk for each in outcomes) / len(outcomes),
        right,
        float(np.mean([each.seconds for each in outcomes])),
    )


def _targets(scenario: Scenario, found: float, right: float | None) -> list[Target]:
    if scenario.is_faint:
        return []
    if scenario.cause is None:
        return [at_most(f"false alarms, {scenario.name}", 0.1, found, "")]
    return [
        at_least(f"found, {scenario.name}", 0.9, found, ""),
        at_least(f"called {scenario.cause}", 0.9, right, ""),
    ]


if __name__ == "__main__":
    main()
