"""The outcomes as a picture; needs matplotlib."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.features.contenders.registry import ENTRIES
from benchmarks.features.results import figures
from benchmarks.features.running import Outcome

COLOURS = {entry.name: f"C{number}" for number, entry in enumerate(ENTRIES)}


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw wall clock, CPU and memory by number of lines, and wall clock by number of snapshots."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    by_wall, by_cpu, by_memory, by_snapshots = figure.subplots(2, 2).flatten()
    for axes, name, label in (
        (by_wall, "wall_s", "wall clock, s"),
        (by_cpu, "cpu_s", "CPU, s"),
        (by_memory, "peak_rss_mb", "peak memory, MB"),
    ):
        for contender in COLOURS:
            _line(axes, contender, figures(outcomes, contender, name).items())
        axes.set(xscale="log", yscale="log", xlabel="lines", ylabel=label)
    for contender in COLOURS:
        points = [
            (len(outcome.case.as_ofs), outcome.usage.wall_s)
            for outcome in outcomes
            if outcome.case.kind == "snapshots" and outcome.contender == contender and outcome.usage
        ]
        _line(by_snapshots, contender, points)
    by_snapshots.set(xlabel="monthly snapshots, written to the lake", ylabel="wall clock, s", ylim=(0, None))
    handles = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    figure.legend(handles=list(handles.values()), loc="outside right upper")
    figure.suptitle("All features of every customer of a synthetic shop")
    figure.savefig(path)


def _line(axes: Axes, contender: str, points: Iterable[tuple[int, float]]) -> None:
    ordered = sorted(points)
    if ordered:
        axes.plot(
            [x for x, _ in ordered], [y for _, y in ordered], marker="o", color=COLOURS[contender], label=contender
        )
    axes.grid(visible=True, alpha=0.3)
