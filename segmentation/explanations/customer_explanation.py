"""Why a customer is in their segment and what would move them, as data; `customers` finds it.

It imports no DuckDB, so that the scorer's client can know these types.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal

Direction = Literal["up", "keeps", "down"]
"""Where a step leads by what segments are worth; `keeps`: it leaves the customer where they'd fall from otherwise."""

ReachKind = Literal["up", "keeps", "highest", "nothing", "unknown"]


@dataclass(frozen=True)
class Contribution:
    """How much one feature pulls a customer to their segment rather than to the runner-up.

    Attributes:
        feature: Its name.
        value: The customer's; None where missing.
        segment_typical: The typical value of the customer's segment; None where nobody's is known.
        runner_up_typical: The typical value of the runner-up.
        contribution: Its part of d2² - d1², the squared distances to both centroids; negative where the feature
            speaks for the runner-up.
        sentence: The same in words.
    """

    feature: str
    value: float | None
    segment_typical: float | None
    runner_up_typical: float | None
    contribution: float
    sentence: str


@dataclass(frozen=True)
class Change:
    """A next step that decides in which segment the customer is.

    Attributes:
        step: What happens, in words.
        as_of: When the customer is looked at again.
        segment_id: The segment then; None if no purchase is left in the window, so that they are no customer any more.
        segment_name: Its name.
        distance: How far the step moves the customer in model space; None if they drop out.
        sentence: Step and outcome in words.
        direction: Where it leads by what segments are worth.
    """

    step: str
    as_of: date
    segment_id: int | None
    segment_name: str | None
    distance: float | None
    sentence: str
    direction: Direction


@dataclass(frozen=True)
class Reach:
    """What orders can do for a customer.

    Attributes:
        kind: The best of what is within reach: an order that moves them `up`, one that `keeps` them where they'd fall
            from; or they are in the `highest` segment; or `nothing`; `unknown` if the lake has no purchase of theirs.
        sentence: The same in words.
        left_out: Steps that lead elsewhere on paper only, and aren't told.
    """

    kind: ReachKind
    sentence: str
    left_out: int


@dataclass(frozen=True)
class Outlook:
    """What may happen next to a customer.

    Attributes:
        changes: The honest steps, the smallest first.
        reach: What orders can do.
    """

    changes: tuple[Change, ...]
    reach: Reach


@dataclass(frozen=True)
class CustomerExplanation:
    """Why a customer is where they are, and what would move them.

    Attributes:
        customer_id: The customer.
        as_of: The snapshot.
        model_version: The version that decided.
        segment_id: The segment that they were given.
        segment_name: Its name.
        confidence: Of that assignment.
        nearest_name: The segment that their features are nearest to; another one if hysteresis holds them, or features
            were computed anew since.
        runner_up_name: The next nearest one; for one who is held, the one that is nearer than theirs.
        contributions: How each feature of the model pulls them to their segment (the nearest one, if features were
            computed anew since) rather than to the runner-up, the strongest first.
        changes: The next steps that would move or keep them, the smallest first.
        reach: What orders can do for them.
        held: Why they are held in their segment though another one is nearer; None if it is the nearest.
        expectation: What to expect of them, in a sentence; None where the snapshot has no predictions.
    """

    customer_id: str
    as_of: date
    model_version: int
    segment_id: int
    segment_name: str
    confidence: float
    nearest_name: str
    runner_up_name: str
    contributions: tuple[Contribution, ...]
    changes: tuple[Change, ...]
    reach: Reach
    held: str | None
    expectation: str | None = None
