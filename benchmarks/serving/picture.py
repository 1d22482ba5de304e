"""CPU per customer as a picture; needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.serving.contenders import CONTENDERS
from benchmarks.serving.results import cpu_per_customer
from benchmarks.serving.running import Outcome
from benchmarks.serving.wire import ARROW


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draw CPU per customer by customers in a request, a line for each contender and form of its requests."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for number, contender in enumerate(CONTENDERS):
        for media_type in contender.wires:
            points = sorted(cpu_per_customer(outcomes, contender.name, media_type))
            if points:
                is_arrow = media_type == ARROW
                axes.plot(
                    [batch for batch, _ in points],
                    [cpu for _, cpu in points],
                    marker="o",
                    linestyle="--" if is_arrow else "-",
                    color=f"C{number}",
                    label=f"{contender.name}, Arrow" if is_arrow else contender.name,
                )
    axes.set(xscale="log", yscale="log", xlabel="customers in a request", ylabel="CPU of the server per customer, µs")
    axes.set_title("Scoring over HTTP: less is better")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path)
