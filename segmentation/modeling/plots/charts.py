"""Figures of a search and of a model, as PNG images. Pure functions of plain data; matplotlib is imported by them.

They use matplotlib's objects rather than `pyplot`, whose global state is nothing for servers and threads. Colours are
those of Okabe & Ito (2008), which people with any kind of colour vision tell apart; what colour says, text says too.
"""

import io
import textwrap
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from segmentation.modeling.artefact import Floats, Ints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
SEGMENT_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, BLACK)
GREY = "#6B6B6B"
DIVERGING = "PuOr_r"
"""Purple below, orange above the mean: a ColorBrewer scheme that is safe for colour-blind people."""

STRONGEST = 2.0
"""Standard deviations at which the heat map's colours end."""

BACKED = {"facecolor": "white", "edgecolor": "none", "pad": 1}
"""What stands behind a text that a line may cross."""

OUTLINE_POINTS = 500
"""Points that the outline of a segment's silhouettes is drawn with at most."""


def figures_available() -> bool:
    """Whether matplotlib is installed (extra `tracking`)."""
    return find_spec("matplotlib") is not None


def silhouette_plot(silhouettes: Floats, labels: Ints, names: Sequence[str]) -> bytes:
    """How clearly customers belong to their segments: each segment's silhouettes, sorted (Rousseeuw 1987).

    Args:
        silhouettes: Shape (n,), each between -1 and 1.
        labels: Shape (n,), index into `names`.
        names: The segments.

    Returns:
        A PNG image.
    """
    figure, axes = _canvas(8.5, 1.6 + 0.62 * len(names))
    gap = 0.02 * len(silhouettes)
    bottom, middles, captions = 0.0, [], []
    for index, name in enumerate(names):
        own = np.sort(silhouettes[labels == index])
        heights = np.linspace(bottom, bottom + len(own), min(len(own), OUTLINE_POINTS))
        outline = own[np.linspace(0, len(own) - 1, len(heights)).round().astype(np.intp)]
        axes.fill_betweenx(heights, 0, outline, color=SEGMENT_COLOURS[index % len(SEGMENT_COLOURS)], linewidth=0)
        middles.append(bottom + len(own) / 2)
        typical = f"mean {own.mean():.2f}" if len(own) else "nobody"
        captions.append(f"{_wrapped(name, 40)}\n{len(own) / len(silhouettes):.0%} of customers, {typical}")
        bottom += len(own) + gap
    mean = float(silhouettes.mean())
    axes.axvline(mean, color=BLACK, linestyle="--", linewidth=1)
    axes.annotate(
        f"all: {mean:.2f}",
        (mean, 1),
        (3, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=9,
    )
    axes.set_yticks(middles, captions)
    axes.set_ylim(bottom - gap / 2, -gap / 2)
    axes.set_xlim(min(0.0, float(silhouettes.min())), 1)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Silhouette: 1 in the midst of the own segment, 0 on the border to the next")
    _titled(axes, "How clearly customers belong to their segments", pad=18)
    return _png(figure)


def elbow_plot(ks: Sequence[int], inertias: Sequence[float], chosen: int) -> bytes:
    """How much closer centroids come with each further segment.

    Args:
        ks: Numbers of segments that were tried.
        inertias: Mean squared distance to the nearest centroid, one for each of `ks`.
        chosen: Which of `ks` was chosen.

    Returns:
        A PNG image.
    """
    figure, axes = _canvas(7, 4)
    order = np.argsort(ks)
    axes.plot(np.array(ks)[order], np.array(inertias)[order], color=BLUE, marker="o", markersize=6, linewidth=1.8)
    inertia = inertias[list(ks).index(chosen)]
    axes.plot(
        [chosen], [inertia], marker="o", markersize=13, markerfacecolor="none", markeredgecolor=VERMILION, mew=2.2
    )
    axes.annotate(
        f"chosen: {chosen}", (chosen, inertia), (10, 10), textcoords="offset points", color=VERMILION, weight="bold"
    )
    axes.set_xticks(sorted(set(ks)))
    axes.set_ylim(0, max(inertias) * 1.15)
    axes.grid(axis="y", color="#E3E3E3")
    axes.set_xlabel("Number of segments")
    axes.set_ylabel("Inertia (mean squared distance)")
    _titled(axes, "Inertia by number of segments")
    return _png(figure)


def stability_plot(names: Sequence[str], jaccard: Sequence[float], target: float) -> bytes:
    """Which segments come back when the customers are resampled (Hennig 2007).

    Args:
        names: The segments.
        jaccard: Mean Jaccard overlap with the most similar segment of a resample, one for each segment.
        target: What a stable segment reaches.

    Returns:
        A PNG image.
    """
    figure, axes = _canvas(8.5, 1.5 + 0.5 * len(names))
    rows = np.arange(len(names))
    axes.hlines(rows, 0, jaccard, color="#C8C8C8", linewidth=2)
    for row, overlap in zip(rows, jaccard, strict=True):
        is_stable = overlap >= target
        colour, marker = (BLUE, "o") if is_stable else (VERMILION, "X")
        axes.plot([overlap], [row], marker=marker, markersize=10, color=colour)
        caption = f"{overlap:.2f}" if is_stable else f"{overlap:.2f} unstable"
        axes.annotate(caption, (overlap, row), (9, -4), textcoords="offset points", color=colour, bbox=BACKED)
    axes.axvline(target, color=GREY, linestyle="--", linewidth=1)
    axes.annotate(
        f"target {target:.2f}",
        (target, 1),
        (-3, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=GREY,
    )
    axes.set_yticks(rows, [_wrapped(name, 40) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, 1.12)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Jaccard overlap with its like in resamples")
    _titled(axes, "Which segments come back in resamples", pad=18)
    return _png(figure)


def profile_heat_map(segment_names: Sequence[str], feature_names: Sequence[str], standardised_means: Floats) -> bytes:
    """What sets each segment apart: its means, in standard deviations from the mean of all customers.

    Args:
        segment_names: The segments, k of them.
        feature_names: The features, d of them.
        standardised_means: Shape (k, d).

    Returns:
        A PNG image, with a column for each segment.
    """
    figure, axes = _canvas(3.4 + 1.15 * len(segment_names), 1.9 + 0.34 * len(feature_names))
    means = standardised_means.T
    image = axes.imshow(means, cmap=DIVERGING, vmin=-STRONGEST, vmax=STRONGEST, aspect="auto")
    for row, column in np.ndindex(means.shape):
        mean = means[row, column]
        red, green, blue, _ = image.cmap(image.norm(mean))
        ink = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"  # luma of ITU-R BT.601
        axes.text(column, row, f"{mean:+.1f}", ha="center", va="center", color=ink, fontsize=9)
    axes.set_xticks(range(len(segment_names)), [_wrapped(name, 14) for name in segment_names], fontsize=9)
    axes.set_yticks(range(len(feature_names)), feature_names)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(image, ax=axes, extend="both", fraction=0.05, pad=0.03)
    bar.set_label("standard deviations from all customers' mean")
    bar.outline.set_visible(False)
    _titled(axes, "What sets the segments apart", pad=10)
    return _png(figure)


def _canvas(width_in: float, height_in: float) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _titled(axes: "Axes", title: str, pad: float = 10) -> None:
    axes.set_title(title, loc="left", weight="bold", fontsize=12, pad=pad)


def _wrapped(name: str, width: int) -> str:
    """A name in lines, safe from matplotlib's reading `$…$` as a formula."""
    return textwrap.fill(name, width, break_long_words=False).replace("$", r"\$")


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
