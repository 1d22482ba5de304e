"""Expected futures: what each feature announces of the days to come, learned from customers of earlier dates.

One ridge regression an outcome (Hoerl & Kennard 1970). What is spent is said by one axis, on which more of what is
good never counts against a customer; how people buy, by several. What can't be foretold is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from threadpoolctl import threadpool_limits

from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.forward import LEAST_KNOWN
from segmentation.modeling.fitting.outcomes import Outcome

Block = Literal["value", "behaviour", "share"]

FORETOLD = 0.02
"""An outcome of which less of the variance is foretold is left out: its axis would be noise."""

SPEND = "log_spend"


@dataclass(frozen=True)
class Future:
    """What the features announce of one outcome.

    Attributes:
        name: The outcome.
        block: What it belongs to: what is spent, how it is bought, or a share of a category or channel.
        coefficients: Per scaled feature, of the outcome in standard deviations.
        foretold: Share of its variance that is foretold, by generalised cross-validation.
    """

    name: str
    block: Block
    coefficients: Mapping[str, float]
    foretold: float


@dataclass(frozen=True)
class Lesson:
    """Customers of an earlier date and what became of them.

    Attributes:
        names: Of the d features that vary.
        scaled: Shape (n, d).
        outcome: Of the same n customers.
    """

    names: tuple[str, ...]
    scaled: Floats
    outcome: Outcome


def learn_futures(lessons: Sequence[Lesson], ridge: float) -> tuple[Future, ...]:
    """What can be foretold, learned from all lessons together.

    Args:
        lessons: One a date; features and outcomes that a date doesn't know are left out there.
        ridge: Penalty on the sum of squared coefficients.

    Returns:
        Outcomes that can be foretold, what is spent first.
    """
    names = tuple(dict.fromkeys(name for lesson in lessons for name in lesson.names))
    scaled = np.concatenate([_with_all(lesson, names) for lesson in lessons]) if lessons else np.empty((0, 0))
    found = []
    for name, block, values in _outcomes([lesson.outcome for lesson in lessons]):
        known = ~np.isnan(values)
        if known.sum() < LEAST_KNOWN or not np.ptp(values[known]) > 0:
            continue
        target = (values[known] - values[known].mean()) / values[known].std()
        signs = [BY_NAME[each].value_sign if block == "value" else None for each in names]
        weights, foretold = ridge_regression(scaled[known], target, ridge, signs, repeated=len(lessons))
        if foretold >= FORETOLD:
            found.append(Future(name, block, dict(zip(names, weights.tolist(), strict=True)), foretold))
    return tuple(found)


def ridge_regression(
    scaled: Floats, target: Floats, ridge: float, signs: Sequence[int | None], *, repeated: int = 1
) -> tuple[Floats, float]:
    """Ridge regression, some coefficients of which may only have one sign.

    Args:
        scaled: Shape (n, d).
        target: Length n, with mean 0.
        ridge: Penalty on the sum of squared coefficients; per customer it is ridge / n.
        signs: Length d; 1 or -1 where a coefficient may not be negative or not be positive.
        repeated: How often each customer is among the rows, on average: so many rows tell no more than one.

    Returns:
        Length d; and the share of the target's variance that it foretells, by generalised cross-validation
        (Golub, Heath & Wahba 1979): 0 at worst.
    """
    centred = scaled - scaled.mean(axis=0)
    with threadpool_limits(limits=1):  # threads add up in any order
        gram, moments = centred.T @ centred, centred.T @ target
    penalised = gram + ridge * np.eye(len(gram))
    weights = np.linalg.solve(penalised, moments)
    bounds = np.array([[0.0 if sign == 1 else -np.inf, 0.0 if sign == -1 else np.inf] for sign in signs]).T
    if ((weights < bounds[0]) | (weights > bounds[1])).any():
        weights = _bounded(penalised, moments, bounds)
    left = float(np.mean((target - centred @ weights) ** 2))
    freedom = float(np.trace(np.linalg.solve(penalised, gram))) * repeated / len(target)
    if freedom >= 1:
        return weights, 0.0
    return weights, max(0.0, 1.0 - left / (1.0 - freedom) ** 2 / float(np.mean(target**2)))


def _bounded(penalised: Floats, moments: Floats, bounds: Floats) -> Floats:
    """The same minimum within bounds (Stark & Parker 1995)."""
    from scipy.optimize import lsq_linear  # SciPy is heavy, and only who fits needs it

    root = np.linalg.cholesky(penalised)
    found = lsq_linear(root.T, np.linalg.solve(root, moments), bounds=(bounds[0], bounds[1]), method="bvls")
    return np.clip(np.asarray(found.x, dtype=np.float64), bounds[0], bounds[1])


def _with_all(lesson: Lesson, names: Sequence[str]) -> Floats:
    """The lesson's features in the order of `names`; those that don't vary there are 0, their mean."""
    columns = [lesson.names.index(name) if name in lesson.names else None for name in names]
    padded = np.zeros((len(lesson.scaled), len(names)))
    for to, column in enumerate(columns):
        if column is not None:
            padded[:, to] = lesson.scaled[:, column]
    return padded


def _outcomes(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, Block, Floats]]:
    """Each outcome that any date knows, over the customers of all dates; NaN where it isn't known."""
    if not outcomes:
        return
    yield SPEND, "value", np.concatenate([outcome.log_spend for outcome in outcomes])
    yield from _known("behaviour", [(outcome.behaviour, len(outcome.log_spend)) for outcome in outcomes])
    yield from _known("share", [(outcome.shares, len(outcome.log_spend)) for outcome in outcomes])


def _known(block: Block, dates: Sequence[tuple[Mapping[str, Floats], int]]) -> Iterator[tuple[str, Block, Floats]]:
    for name in dict.fromkeys(name for known, _ in dates for name in known):
        values = [known[name] if name in known else np.full(count, np.nan) for known, count in dates]
        yield name, block, np.concatenate(values)
