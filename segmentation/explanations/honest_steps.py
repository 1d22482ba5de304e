"""Honest steps: which of the steps that were played people are told, and which are artefacts of the model.

A model is no promise: on paper a returned order may move a customer up, and a third order down. What is told is
monotone in value. How steps are played is `changes`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segmentation.explanations.customer_explanation import Direction
from segmentation.explanations.next_steps import Step


@dataclass(frozen=True)
class Played:
    """A step, and where it leads.

    Attributes:
        step: The step.
        target: Index of the segment; None if no purchase is left in the window.
        distance: How far it moves the customer in model space; None if they drop out.
    """

    step: Step
    target: int | None
    distance: float | None


@dataclass(frozen=True)
class Judged:
    """A step that is told: the least one of its kind that leads there.

    Attributes:
        played: The step.
        direction: Where it leads by value.
        otherwise: Where the customer is if they don't, for a step that keeps them; index of the segment, or None.
    """

    played: Played
    direction: Direction
    otherwise: int | None = None


def honest_steps(
    start: int, played: Sequence[Played], ranks: Sequence[int], fading: Sequence[bool], days: int
) -> tuple[list[Judged], int]:
    """The steps to tell, the smallest first, and how many lead elsewhere on paper only.

    An order leads up if it does so better than waiting as long, to a segment whose name doesn't say that its customers
    are going, and if no larger one nor more of them lead lower. An order that keeps the customer where they are is told
    if they would fall without it. Waiting and returning only lead down; and so that waiting 30 days isn't said to lead
    lower than waiting 90, a wait counts if no longer one leads higher.

    Args:
        start: Index of the segment that the customer is in.
        played: All steps, of each kind the one that asks least first.
        ranks: Per segment, its rank by value; higher is better.
        fading: Per segment, whether its name says that customers are going.
        days: Within how many days orders are placed.
    """
    scale = _Scale(start, played, ranks, fading, days)
    told: dict[tuple[str, int | None], Judged] = {}
    left_out = 0
    for each in played:
        direction = scale.direction(each)
        if direction is not None:
            otherwise = scale.unmoved if direction == "keeps" else None
            told.setdefault((each.step.kind, each.target), Judged(each, direction, otherwise))
        elif each.target != start and not (each.step.kind == "buying" and each.target == scale.unmoved):
            left_out += 1
    ordered = sorted(told.values(), key=lambda one: math.inf if one.played.distance is None else one.played.distance)
    return ordered, left_out


class _Scale:
    """One customer's steps on the scale of value."""

    def __init__(
        self, start: int, played: Sequence[Played], ranks: Sequence[int], fading: Sequence[bool], days: int
    ) -> None:
        self._start, self._played, self._ranks, self._fading = start, played, ranks, fading
        waits = [each.target for each in played if each.step.kind == "waiting" and each.step.asks == (days,)]
        self.unmoved = waits[0] if waits else start

    def direction(self, each: Played) -> Direction | None:
        """Where a step leads; None if that is nowhere, or not honest."""
        worth, start = self._worth(each.target), self._worth(self._start)
        if each.step.kind != "buying":
            return "down" if worth < start and self._is_monotone(each) else None
        if each.target is None or self._fading[each.target] or worth <= self._worth(self.unmoved):
            return None
        if worth < start or not self._is_monotone(each):
            return None
        return "up" if worth > start else "keeps"

    def _is_monotone(self, each: Played) -> bool:
        """Whether no larger order leads lower, or no longer wait higher."""
        sign = 1 if each.step.kind == "buying" else -1
        own = sign * self._worth(each.target)
        return all(sign * self._worth(other.target) >= own for other in self._played if other.step.exceeds(each.step))

    def _worth(self, target: int | None) -> float:
        return -math.inf if target is None else self._ranks[target]
