"""What can be chosen about a model, as data: the point in the search space that a fit starts from.

Light on purpose: artefacts carry it, so the scorer reads it.
"""

from typing import Literal

import msgspec

from segmentation.metadata.features import GROUPS, Group

Scaling = Literal["standard", "robust"]
Transforms = Literal["catalogue", "identity"]


def _alike() -> dict[Group, float]:
    return dict.fromkeys(GROUPS, 1.0)


class Specification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How customers are laid out in model space, and into how many segments it is divided.

    Model space has *axes of expected futures*, which say what customers will do next (one for what they will spend, a
    few for how they will buy), and *descriptive axes*, which say how they have been buying. All are linear in the
    scaled features.

    Attributes:
        segments: Number of segments, k; fewer come out where `smallest` merges some.
        weights: Per group of features, how much the descriptive axes care; a group with 0 or none has no axes.
        forward_share: Share of the total variance that lies on the axes of expected futures, 0 to 1. 0 where there is
            no history.
        value_weight: Share of their variance that lies on the axis of what is spent; the rest on those of how it is
            bought.
        behaviour_axes: Number of the latter.
        continuity: How much of the predecessor's axes is kept, 0 to 1; at 1 they stay as they are, with the rules that
            lead there, and only centroids are fitted.
        smallest: A cluster with a smaller share of the customers is merged with its neighbours.
        ridge: Strength of the penalty of the regressions that find the axes of expected futures.
        cap: Share of customers at each end of a feature whose values are capped.
        transforms: Those of the catalogue, or none.
        scaling: By mean and standard deviation, or by median and interquartile range.
        components: Principal components of the descriptive axes that are kept; None for all axes as they are.
    """

    segments: int
    weights: dict[Group, float] = msgspec.field(default_factory=_alike)
    forward_share: float = 0.0
    value_weight: float = 1.0
    behaviour_axes: int = 0
    continuity: float = 0.0
    smallest: float = 0.0
    ridge: float = 100.0
    cap: float = 0.005
    transforms: Transforms = "catalogue"
    scaling: Scaling = "standard"
    components: int | None = None

    def parameters(self) -> dict[str, object]:
        """The choices as a flat mapping, for people and for tracking."""
        flat = msgspec.to_builtins(self)
        weights = flat.pop("weights")
        return {**{f"weight_{group}": weights.get(group, 0.0) for group in GROUPS}, **flat}
