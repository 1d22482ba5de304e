"""Gates: what a candidate must show before it may serve, each with its evidence."""

from dataclasses import dataclass

import numpy as np

from segmentation.modeling.artefact import Artefact, Assignment
from segmentation.modeling.build import training_assignment
from segmentation.settings import Settings
from segmentation.warehouse import Lake


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict.

    Attributes:
        passed: Whether the candidate may go on.
        measured: The figure that was judged.
        threshold: What it has to reach.
        explanation: The same in a sentence.
    """

    passed: bool
    measured: float
    threshold: float
    explanation: str


def judge(lake: Lake, artefact: Artefact, settings: Settings) -> dict[str, GateResult]:
    """The verdicts of all gates on a model, by name, from the customers that it was trained on."""
    assignment = training_assignment(lake, artefact)
    return {
        "smallest_segment": smallest_segment(assignment, len(artefact.segments), settings),
        "separation": separation(assignment, settings),
    }


def smallest_segment(assignment: Assignment, segments: int, settings: Settings) -> GateResult:
    """No segment holds less than `min_segment_share` of the customers."""
    shares = np.bincount(assignment.segment, minlength=segments) / max(len(assignment.segment), 1)
    measured, threshold = float(shares.min()), settings.min_segment_share
    return GateResult(
        measured >= threshold,
        measured,
        threshold,
        f"The smallest of {segments} segments holds {measured:.1%} of customers; at least {threshold:.1%} is needed.",
    )


def separation(assignment: Assignment, settings: Settings) -> GateResult:
    """The simplified silhouette (mean of 1 - distance / runner-up distance) reaches `min_separation`."""
    measured, threshold = float(assignment.confidence.mean()), settings.min_separation
    return GateResult(
        measured >= threshold,
        measured,
        threshold,
        f"The simplified silhouette is {measured:.3f}; at least {threshold:.3f} is needed.",
    )
