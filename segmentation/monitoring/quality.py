"""Model quality: whether the champion divides the customers of a date as well as those that it was trained on.

A figure is degraded where it is worse than on the training data by more than its error, its ups and downs on earlier
dates, and what matters at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.forward import eta_squared
from segmentation.modeling.fitting.metrics import SILHOUETTE_ROWS, fixed_silhouette, smallest_share
from segmentation.modeling.fitting.outcomes import Outcome
from segmentation.modeling.nearest import Assignment
from segmentation.monitoring.thresholds import prediction_factor

MEANINGS = {
    "fixed_silhouette": "mean silhouette in the space of all features scaled as at the training (Rousseeuw 1987)",
    "simplified_silhouette": "mean confidence: 1 − distance / distance to the runner-up (Hruschka, de Castro & "
    "Campello 2004)",
    "confidence_p10": "a tenth of the customers have less confidence",
    "confidence_p50": "half of the customers have less confidence",
    "low_confidence_share": "share of customers below their segment's cut-off",
    "held_share": "share of customers whom hysteresis keeps in a segment that is not the nearest",
    "changed_share": "share of customers who have another segment than in the snapshot before",
    "flipped_share": "share of customers who changed back to a segment that they had within 62 days",
    "smallest_share": "share of customers in the smallest segment",
    "forward_eta_squared": "share of the variance of log spend in the days after a date that lies between segments, of "
    "the newest date whose days have passed (Fisher 1925)",
}
"""What each figure is, and where it comes from."""

WORSE: dict[str, Literal["lower", "higher"]] = {
    "fixed_silhouette": "lower",
    "simplified_silhouette": "lower",
    "low_confidence_share": "higher",
    "held_share": "higher",
    "forward_eta_squared": "lower",
}
"""In which direction a figure is worse; others are only reported."""

LEAST_LOSS = {
    "fixed_silhouette": 0.05,
    "simplified_silhouette": 0.03,
    "low_confidence_share": 0.05,
    "held_share": 0.15,
    "forward_eta_squared": 0.05,
}
"""A smaller loss matters to nobody."""

ERRORS = 3.0
"""Standard errors beyond which a difference is none of chance."""


@dataclass(frozen=True)
class QualityMetric:
    """One figure of a date.

    Attributes:
        value: The figure.
        error: Its standard error, since other customers might have been there.
    """

    value: float
    error: float


@dataclass(frozen=True)
class Quality:
    """One figure beside that of the training; a row of `monitoring.model_quality`.

    Attributes:
        metric: Which, as in `MEANINGS`.
        value: On the date; None where its customers don't allow it.
        training_value: On the training data; None likewise.
        threshold: The worst that will do; None for a figure that is only reported.
        is_degraded: Whether it is worse.
    """

    metric: str
    value: float | None
    training_value: float | None
    threshold: float | None
    is_degraded: bool


def measure(
    assignment: Assignment, cutoffs: Floats, fixed: Floats, seed: int, *, held_share: float | None = None
) -> dict[str, QualityMetric]:
    """The figures of a date, but for forward value.

    Args:
        assignment: Of its n customers, by the model.
        cutoffs: Per segment, the confidence below which a customer is marked.
        fixed: Shape (n, d), the same customers in the space that the training fixed.
        seed: Of the sample that the silhouette is taken of.
        held_share: Share of customers whom hysteresis holds; None if unknown.
    """
    count, confidence = len(assignment.segment), assignment.confidence
    low = float((confidence < cutoffs[assignment.segment]).mean())
    found = {
        "fixed_silhouette": QualityMetric(
            fixed_silhouette(fixed, assignment.segment, seed), 0.5 / np.sqrt(min(count, SILHOUETTE_ROWS))
        ),
        "simplified_silhouette": QualityMetric(float(confidence.mean()), float(confidence.std() / np.sqrt(count))),
        "confidence_p10": QualityMetric(float(np.quantile(confidence, 0.1)), 0.0),
        "confidence_p50": QualityMetric(float(np.quantile(confidence, 0.5)), 0.0),
        "low_confidence_share": QualityMetric(low, _error_of_share(low, count)),
        "smallest_share": QualityMetric(smallest_share(assignment.segment, len(cutoffs)), 0.0),
    }
    if held_share is not None:
        found["held_share"] = QualityMetric(held_share, _error_of_share(held_share, count))
    return found


def flicker_figures(flicker: tuple[float, float, int] | None) -> dict[str, QualityMetric]:
    """The figures of `flicker.read_flicker`."""
    if flicker is None:
        return {}
    *shares, count = flicker
    return {
        name: QualityMetric(share, _error_of_share(share, count))
        for name, share in zip(("changed_share", "flipped_share"), shares, strict=True)
    }


def forward_figure(outcome: Outcome, assignment: Assignment) -> QualityMetric:
    """What segments said about the spend that followed; the error of η² after Olkin & Finn (1995)."""
    value = eta_squared(outcome.log_spend, assignment.segment)
    return QualityMetric(value, float(2 * np.sqrt(value) * (1 - value) / np.sqrt(len(outcome.log_spend))))


def measure_quality(
    training: dict[str, QualityMetric], now: dict[str, QualityMetric], earlier: Sequence[dict[str, QualityMetric]]
) -> list[Quality]:
    """Compare the figures of a date with those of the training.

    Args:
        training: On the customers that the model was trained on.
        now: On the date.
        earlier: On dates before the training, by the same model: how much a figure goes up and down by itself.

    Returns:
        A row for each of `MEANINGS`.
    """
    return [_compare(metric, training.get(metric), now.get(metric), earlier) for metric in MEANINGS]


def _compare(
    metric: str, training: QualityMetric | None, now: QualityMetric | None, earlier: Sequence[dict[str, QualityMetric]]
) -> Quality:
    value = None if now is None else now.value
    if training is None or metric not in WORSE:
        return Quality(metric, value, None if training is None else training.value, None, False)
    past = [figure.value for each in earlier if (figure := each.get(metric)) is not None]
    chance = np.hypot(training.error, now.error if now else 0.0)
    swing = float(np.std([training.value, *past])) * prediction_factor(len(past) + 1) if past else 0.0
    loss = max(LEAST_LOSS[metric], ERRORS * float(np.hypot(chance, swing)))
    if WORSE[metric] == "lower":
        threshold = training.value - loss
        return Quality(metric, value, training.value, threshold, value is not None and value < threshold)
    threshold = training.value + loss
    return Quality(metric, value, training.value, threshold, value is not None and value > threshold)


def _error_of_share(share: float, count: int) -> float:
    return float(np.sqrt(max(share * (1 - share), 1 / count) / count))
