"""Ridge regressions of counts, money and returning on what MBG/NBD leaves unexplained, pooled over past dates.

Each date has an intercept of its own that is thrown away: what distinguishes customers is learned here, how much there
is in all is a matter of `levels`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from segmentation.modeling.artefact import Floats

RIDGE = 50.0
ITERATIONS = 50
LONGEST_STEP = 0.5
TOLERANCE = 1e-8
LIMIT = 12.0

Kind = Literal["poisson", "returning"]


@dataclass(frozen=True)
class Example:
    """Customers of a past date.

    Attributes:
        predictors: Shape (n, d), standardised.
        offset: Length n; what is expected already, as a logarithm.
        outcome: Length n; what followed. Not negative.
    """

    predictors: Floats
    offset: Floats
    outcome: Floats


def fit_weights(examples: Sequence[Example], width: int, kind: Kind) -> Floats:
    """Weights of predictors by Fisher scoring (McCullagh & Nelder 1989), with a ridge penalty.

    Args:
        examples: By date; those in which nothing followed teach nothing.
        width: Number of predictors.
        kind: `poisson`: the outcome's mean is exp(offset + predictors · weights), also where it is money;
            `returning`: a yes has the probability 1 − exp(−exp(…)).

    Returns:
        Length `width`; zeros where there is nothing to learn from.
    """
    taught = [each for each in examples if each.outcome.sum() > 0 and (kind == "poisson" or each.outcome.mean() < 1)]
    if not taught:
        return np.zeros(width)
    starts = np.array([_start(each) for each in taught])
    weights = np.concatenate([np.zeros(width), starts])
    penalty = np.concatenate([np.full(width, RIDGE), np.full(len(taught), 1e-6)])
    for _ in range(ITERATIONS):
        gradient, information = -penalty * weights, np.diag(penalty)
        for number, each in enumerate(taught):
            _add(gradient, information, weights, width, number, each, kind)
        step = np.linalg.solve(information, gradient)
        step *= min(1.0, LONGEST_STEP / float(np.abs(step).max() or 1.0))
        weights = weights + step
        if float(np.abs(step).max()) < TOLERANCE:
            break
    return weights[:width]


def _start(example: Example) -> float:
    return float(np.log(example.outcome.sum() / np.exp(example.offset).sum()))


def _add(
    gradient: Floats, information: Floats, weights: Floats, width: int, number: int, example: Example, kind: Kind
) -> None:
    """Add a date's part of gradient and Fisher information."""
    linear = example.offset + example.predictors @ weights[:width] + weights[width + number]
    rate = np.exp(np.clip(linear, -LIMIT, LIMIT))
    if kind == "poisson":
        residual, curvature = example.outcome - rate, rate
    else:
        none = np.exp(-rate)
        some = np.maximum(1.0 - none, 1e-12)
        residual = (example.outcome - some) * rate / some
        curvature = rate * rate * none / some + 1e-12
    place = width + number
    gradient[:width] += example.predictors.T @ residual
    gradient[place] += residual.sum()
    information[:width, :width] += (example.predictors * curvature[:, np.newaxis]).T @ example.predictors
    across = example.predictors.T @ curvature
    information[:width, place] += across
    information[place, :width] += across
    information[place, place] += curvature.sum()
