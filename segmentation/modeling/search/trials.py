"""What a trial of the search is, and how good: its score, and how far it is from the constraints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from segmentation.modeling.specification import Specification
from segmentation.settings import Settings

PER_SEGMENT = 0.05
"""What one more stable segment is worth, in the units of the score."""

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One specification and how it did.

    Attributes:
        number: 0, 1, 2, …
        state: `complete`, `pruned` (its forward value was below that of most before it) or `failed`.
        specification: What was tried.
        metrics: Figures by the names of `metrics.MEANINGS`.
        score: What the search maximises; None unless complete.
        shortfall: How far it is from the constraints; 0 if it keeps them all.
        seconds: How long it took.
    """

    number: int
    state: State
    specification: Specification
    metrics: dict[str, float]
    score: float | None
    shortfall: float
    seconds: float

    @property
    def final_score(self) -> float:
        """The score of a complete trial; no other one is ranked."""
        if self.score is None:
            raise ValueError(f"Trial {self.number} is {self.state}, and has no score.")
        return self.score


def score(metrics: Mapping[str, float]) -> float:
    """What a segmentation is for, as one number; more is better.

    `forward_lift + kept_share + resample_agreement + fixed_silhouette / 2 + 0.05 per segment`. The lift compares
    with plain RFM clusters of the same number, and the silhouette is taken in one space for all: only like is compared
    with like.
    """
    return (
        metrics.get("forward_lift", 0.0)
        + metrics.get("kept_share", 0.0)
        + metrics["resample_agreement"]
        + metrics["fixed_silhouette"] / 2
        + PER_SEGMENT * metrics["segments"]
    )


def lacks(metrics: Mapping[str, float], settings: Settings) -> dict[str, float]:
    """Per constraint, how much is missing; zero or less where it is kept."""
    moved = 1.0 - metrics.get("kept_share", 1.0)
    return {
        "movement": moved - settings.max_customers_moved,
        "stability": settings.min_stability - metrics["stability"],
        "smallest_share": settings.min_segment_share - metrics["smallest_share"],
    }
