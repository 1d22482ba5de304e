"""Why a customer is in their segment and what would move them, as data; `customers` finds it.

It imports no DuckDB, so that the scorer's client can know these types.
"""

from dataclasses import dataclass
from datetime import date


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
    """A next step after which the customer is in another segment.

    Attributes:
        step: What happens, in words.
        as_of: When the customer is looked at again.
        segment_id: The segment then; None if no purchase is left in the window, so that they are no customer any more.
        segment_name: Its name.
        distance: How far the step moves the customer in model space; None if they drop out.
        sentence: Step and outcome in words.
    """

    step: str
    as_of: date
    segment_id: int | None
    segment_name: str | None
    distance: float | None
    sentence: str


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
        nearest_name: The segment that their features are nearest to; another one only if features were computed anew
            since, or something else than distance decided.
        runner_up_name: The next nearest one.
        contributions: How each feature of the model pulls them to the nearest rather than to the runner-up, the
            strongest first.
        changes: The next steps that would move them, the smallest first.
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
