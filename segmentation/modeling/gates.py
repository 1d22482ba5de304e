"""Gates: what a model must show before it may serve, and what it must gain for whom it moves.

Gates and search share one list of what any model must show (`requirements`). What compares with the champion is weighed
here: a model may move a few customers for nothing, and more the more it gains. One that gains too little is passed
over, which is nobody's fault; one that isn't fit to serve is refused. While no model serves, or a stand-in does, gates
only warn: a shop whose customers are hard to tell apart has segments all the same.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from segmentation.modeling.evidence import Comparison, Evidence
from segmentation.modeling.requirements import (
    FORWARD_VALUE,
    MOVEMENT,
    SEPARATION,
    SMALLEST_SEGMENT,
    STABILITY,
    Requirement,
)
from segmentation.settings import Settings

LEAST_VALUE = 0.05
"""Of a champion that foretells next to nothing, a gain relative to that would be anything."""

VALUE_WEIGHT = 0.6
"""What later spend counts in a gain; later behaviour has the rest."""

Effect = Literal["refuses", "passes over", "warns"]
"""What comes of a gate that isn't passed."""


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict.

    Attributes:
        passed: Whether there is nothing against the candidate.
        measured: The figure that was judged.
        threshold: What it has to reach, or may not exceed.
        explanation: The same in a sentence.
        effect: What comes of it if it isn't passed: the candidate is refused; or it is passed over, since it isn't
            worth the change; or a warning.
    """

    passed: bool
    measured: float
    threshold: float
    explanation: str
    effect: Effect = "refuses"

    @property
    def refuses(self) -> bool:
        """Whether the candidate is not fit to serve."""
        return not self.passed and self.effect == "refuses"

    @property
    def stops(self) -> bool:
        """Whether the candidate may not go on by itself."""
        return not self.passed and self.effect != "warns"


RULES = "Named rules divide customers as they say, however few are in a segment."


def evaluate(evidence: Evidence, settings: Settings) -> dict[str, GateResult]:
    """The verdicts of all gates, by name; where no fitted model serves yet, they only warn."""
    verdicts = {
        SMALLEST_SEGMENT.name: smallest_segment(evidence, settings),
        SEPARATION.name: separation(evidence, settings),
        STABILITY.name: stability(evidence, settings),
        "validity": validity(evidence, settings),
        FORWARD_VALUE.name: forward_value(evidence, settings),
        MOVEMENT: movement(evidence, settings),
        "fitted": fitted(evidence),
    }
    if evidence.is_first or (evidence.comparison and evidence.comparison.is_stand_in):
        return {name: replace(verdict, effect="warns") for name, verdict in verdicts.items()}
    if evidence.stand_in:  # it doesn't take over, whatever the others say
        only = {name: replace(verdict, effect="warns") for name, verdict in verdicts.items()}
        return {**only, "fitted": verdicts["fitted"]}
    return verdicts


def gain(evidence: Evidence) -> float:
    """How much more the model's segments tell of later spend and behaviour than the champion's, relative to that.

    The weighed mean of both (`VALUE_WEIGHT`); 0 where there is nothing to compare.
    """
    compared = evidence.comparison
    if compared is None:
        return 0.0
    pairs = (
        (VALUE_WEIGHT, evidence.forward, compared.forward),
        (1 - VALUE_WEIGHT, evidence.behaviour, compared.behaviour),
    )
    gains = [
        (weight, (own - its) / max(its, LEAST_VALUE))
        for weight, own, its in pairs
        if own is not None and its is not None
    ]
    total = sum(weight for weight, _ in gains)
    return sum(weight * each for weight, each in gains) / total if total else 0.0


def smallest_segment(evidence: Evidence, settings: Settings) -> GateResult:
    """No segment holds less than `min_segment_share` of the customers."""
    text = f"The smallest of {len(evidence.stability)} segments holds {evidence.smallest:.1%} of customers"
    return _at_least(SMALLEST_SEGMENT, evidence.smallest, evidence, settings, text, "{:.1%}")


def separation(evidence: Evidence, settings: Settings) -> GateResult:
    """The simplified silhouette (mean of 1 - distance / runner-up distance) reaches `min_separation`."""
    text = f"The simplified silhouette is {evidence.separation:.3f}"
    return _at_least(SEPARATION, evidence.separation, evidence, settings, text, "{:.3f}")


def stability(evidence: Evidence, settings: Settings) -> GateResult:
    """In bootstrap resamples every segment overlaps with its like by at least `min_stability`."""
    weakest = min(evidence.stability, key=lambda name: evidence.stability[name])
    measured = evidence.stability[weakest]
    text = (
        f"In bootstrap resamples the weakest segment, {weakest!r}, overlaps by {measured:.2f} (Jaccard) with its like"
    )
    return _at_least(STABILITY, measured, evidence, settings, text, "{:.2f}")


def validity(evidence: Evidence, settings: Settings) -> GateResult:
    """Segments lie apart as well as the champion's, but for `max_validity_loss`; it is no aim, so it only warns."""
    measured = evidence.silhouette
    if evidence.comparison is None:
        return _nothing_to_compare(measured, f"The silhouette in the fixed space is {measured:.3f}")
    threshold = evidence.comparison.silhouette - settings.max_validity_loss
    return GateResult(
        measured >= threshold,
        measured,
        threshold,
        f"The silhouette in the fixed space is {measured:.3f}, that of champion {evidence.comparison.champion} "
        f"{evidence.comparison.silhouette:.3f}; more than {settings.max_validity_loss:.3f} less is a warning.",
        "warns",
    )


def forward_value(evidence: Evidence, settings: Settings) -> GateResult:
    """Segments tell later spend apart, hardly worse than those of the best champion ever.

    Compared with the present champion alone, small losses would add up from model to model.
    """
    if evidence.forward is None:
        return GateResult(True, 0.0, 0.0, "Lines don't reach back far enough to judge forward value.")
    measured, threshold = evidence.forward, FORWARD_VALUE.least(settings)
    text = f"Segments hold {measured:.1%} of the variance of the next {settings.forward_days} days' spend"
    best = evidence.comparison.best if evidence.comparison else None
    if best is None:
        return GateResult(measured >= threshold, measured, threshold, f"{text}; at least {threshold:.1%} is needed.")
    floor = best.forward * (1 - settings.max_forward_loss)
    if best.forward >= threshold:
        floor = max(floor, threshold)
    return GateResult(
        measured >= floor,
        measured,
        floor,
        f"{text}, those of model {best.version}, the best champion there was, {best.forward:.1%}; at least {floor:.1%} "
        "is needed.",
    )


def movement(evidence: Evidence, settings: Settings) -> GateResult:
    """The model moves no more customers and revenue than its gain is worth, and never more than `movement_limit`.

    With no gain it may move `max_customers_moved` and `max_revenue_moved`; each percent that it gains allows one more
    of a hundred customers, each that it loses one less.
    """
    compared = evidence.comparison
    if compared is None:
        return _nothing_to_compare(0.0, "Nobody is moved")
    customers, revenue = (
        min(max(allowed + gain(evidence), 0.0), settings.movement_limit)
        for allowed in (settings.max_customers_moved, settings.max_revenue_moved)
    )
    is_absurd = max(compared.customers_moved, compared.revenue_moved) > settings.movement_limit
    return GateResult(
        compared.customers_moved <= customers and compared.revenue_moved <= revenue,
        compared.customers_moved,
        customers,
        f"{_moved(compared)}; {_worth(gain(evidence))}, for which at most {customers:.1%} and {revenue:.1%} may be"
        + (f", and never more than {settings.movement_limit:.0%}." if is_absurd else "."),
        "refuses" if is_absurd else "passes over",
    )


def fitted(evidence: Evidence) -> GateResult:
    """K-means was fitted; named rules don't take over from a model that was."""
    if not evidence.stand_in:
        return GateResult(True, 1.0, 1.0, "The segments were found by K-means.")
    text = f"Named RFM rules stand in for K-means: {evidence.stand_in}"
    return GateResult(False, 0.0, 1.0, text, "passes over")


def as_json(verdicts: Mapping[str, GateResult]) -> str:
    """Verdicts as the ledger keeps them."""
    return json.dumps({name: asdict(verdict) for name, verdict in verdicts.items()}, sort_keys=True)


def _moved(compared: Comparison) -> str:
    return (
        f"The model alone would move {compared.customers_moved:.1%} of customers with {compared.revenue_moved:.1%} of "
        f"net revenue to another segment than champion {compared.champion} has them in"
    )


def _worth(gained: float) -> str:
    if round(gained, 3) == 0:
        return "it tells as much of later spend and behaviour as that one"
    return f"it tells {abs(gained):.1%} {'more' if gained > 0 else 'less'} of later spend and behaviour than that one"


def _at_least(
    requirement: Requirement, measured: float, evidence: Evidence, settings: Settings, text: str, shown: str
) -> GateResult:
    """What is required, but hardly more than the champion shows on the same customers; `shown` formats a figure."""
    least = requirement.least(settings)
    if evidence.stand_in:
        return GateResult(True, measured, least, RULES)
    champions = evidence.comparison.figures.get(requirement.name, least) if evidence.comparison else least
    if evidence.comparison is None or champions >= least:
        needed = f"{text}; at least {shown.format(least)} is needed."
        return GateResult(measured >= least, measured, least, needed)
    floor = champions * (1 - settings.max_forward_loss)
    champion = f"champion {evidence.comparison.champion}'s {shown.format(champions)}"
    needed = f"{text}, {champion}; at least {shown.format(floor)} is needed."
    return GateResult(measured >= floor, measured, floor, needed, "passes over")


def _nothing_to_compare(measured: float, text: str) -> GateResult:
    return GateResult(True, measured, measured, f"{text}; there is no other champion to compare with.")
