"""Runs contenders in turn, each in a process of its own, and judges all answers in the same way."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from benchmarks.features.measuring import Usage
from benchmarks.training.contenders import BY_NAME, Labels
from benchmarks.training.points import CHUNK_ROWS, open_points
from segmentation.modeling.artefact import Floats

Announce = Callable[[str], None]
SAME = 1e-6
"""Labels are of the nearest centroids if they make the inertia larger by no more than this, relative."""


@dataclass(frozen=True)
class Figures:
    """What a fit took and what it is worth.

    Attributes:
        usage: Of fitting and labelling together.
        fit_cpu_s: Of `usage.cpu_s`, that of fitting alone; scikit-learn's full fit labels as it fits.
        peak_own_mb: Largest memory without the mapped points, which the system can drop.
        inertia: Sum of squared distances of everybody to the nearest centroid.
        labelled_inertia: … to the centroid of their label.
    """

    usage: Usage
    fit_cpu_s: float
    peak_own_mb: float
    inertia: float
    labelled_inertia: float


@dataclass(frozen=True)
class Outcome:
    """What came of a contender with a seed.

    Attributes:
        contender: Its name.
        customers: Number of points.
        seed: Of its sample and starts.
        figures: None if it did not run.
        note: Why it did not run, or what is wrong with its answer; empty if all is well.
        is_comparable: False if it failed, or labelled by something else than the nearest centroid.
    """

    contender: str
    customers: int
    seed: int
    figures: Figures | None
    note: str = ""
    is_comparable: bool = True


def run(path: Path, turns: Sequence[tuple[str, int]], scratch: Path, announce: Announce) -> list[Outcome]:
    """Run contenders, each with a seed, in the order of their turns."""
    customers = len(open_points(path))
    float(open_points(path).sum())  # read once, so that nobody pays for a cold disk
    outcomes = []
    for name, seed in turns:
        reason = BY_NAME[name].reason_not_to_run(customers)
        outcome = (
            Outcome(name, customers, seed, None, f"not run: {reason}")
            if reason
            else _run_once(name, customers, path, seed, scratch)
        )
        announce(f"  {name}, seed {seed}: {_in_words(outcome)}")
        outcomes.append(outcome)
    return outcomes


def inertias(points: Floats, centroids: Floats, labels: Labels) -> tuple[float, float]:
    """Sums of squared distances to the nearest centroids, and to those of the labels."""
    least, labelled = 0.0, 0.0
    for start in range(0, len(points), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        squared = cdist(points[chunk], centroids, "sqeuclidean")
        least += float(squared.min(axis=1).sum())
        labelled += float(np.take_along_axis(squared, labels[chunk, np.newaxis].astype(np.int64), axis=1).sum())
    return least, labelled


def _run_once(name: str, customers: int, path: Path, seed: int, scratch: Path) -> Outcome:
    answer = scratch / "answer.npz"
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.training.worker", name, str(path), str(seed), str(answer)],
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        lines = process.stderr.strip().splitlines()
        why = f"failed with {process.returncode}: {lines[-1] if lines else 'no message (out of memory?)'}"
        return Outcome(name, customers, seed, None, why, is_comparable=False)
    measured = json.loads(process.stdout.splitlines()[-1])
    with np.load(answer) as found:
        least, labelled = inertias(open_points(path), found["centroids"], found["labels"])
    answer.unlink()
    usage = Usage(**measured["usage"])
    figures = Figures(usage, measured["fit_cpu_s"], measured["peak_own_mb"], least, labelled)
    if labelled > least * (1 + SAME):
        return Outcome(name, customers, seed, figures, "labels are not of the nearest centroids", is_comparable=False)
    return Outcome(name, customers, seed, figures)


def _in_words(outcome: Outcome) -> str:
    if outcome.figures is None:
        return outcome.note
    usage = outcome.figures.usage
    return f"{usage.wall_s:.2f} s, {usage.cpu_s:.2f} s CPU, inertia {outcome.figures.inertia:.8g} {outcome.note}"
