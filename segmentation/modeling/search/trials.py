"""What a trial of the search is, and how good: its score, and how far it is from the constraints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from segmentation.modeling import requirements
from segmentation.modeling.specification import Specification
from segmentation.settings import Settings

PER_SEGMENT = 0.05
"""What one more stable segment is worth, in the units of the score."""

CONTINUED = 0.8
"""How much of the predecessor's axes is kept where they are learned anew: the rest is what the last months say."""

SPEND_FLOOR = 0.97
"""Share of what tiers of expected spend tell of later spend that segments have to tell, out of time."""

SPEND_WEIGHT = 3.0
"""What is told of spend counts three times: what is lost of it is lost to everybody who acts on segments."""

TIERS_CEILING = 0.55
"""Adjusted Rand index with tiers of expected spend from which segments are hardly more than those."""

AGREEMENT_FLOOR = 0.8
"""Adjusted Rand index with resamples that a segmentation has to reach."""

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


def foresight(metrics: Mapping[str, float]) -> float:
    """What segments tell of the days to come: of spend as much as tiers of it do at most, and of behaviour."""
    return SPEND_WEIGHT * min(metrics.get("forward_ratio", 0.0), 1.0) + metrics.get("behaviour_lift", 0.0)


def score(metrics: Mapping[str, float]) -> float:
    """What a segmentation is for, as one number; more is better.

    `3 · min(forward_ratio, 1) + behaviour_lift + kept_share + resample_agreement + fixed_silhouette + 0.05 a segment`.
    The ratio compares with tiers of expected spend of the same number, the lift with what can be foretold at all, and
    the silhouette is taken in one space for all: only like is compared with like.
    """
    return (
        foresight(metrics)
        + metrics.get("kept_share", 0.0)
        + metrics["resample_agreement"]
        + metrics["fixed_silhouette"]
        + PER_SEGMENT * metrics["segments"]
    )


def lacks(metrics: Mapping[str, float], settings: Settings) -> dict[str, float]:
    """Per constraint, how much is missing; zero or less where it is kept: what gates ask, and what searches aim at."""
    return {
        **requirements.lacks(metrics, settings),
        "agreement": AGREEMENT_FLOOR - metrics["resample_agreement"],
        "tiers": (metrics.get("tier_agreement", 0.0) if "behaviour_lift" in metrics else 0.0) - TIERS_CEILING,
        "spend": SPEND_FLOOR - metrics.get("forward_ratio", 1.0),
    }
