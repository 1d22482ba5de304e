"""MBG/NBD: how many orders to expect of customers who buy at random and drop out at random (Batislam et al. 2007).

While they live, customers order in a Poisson process whose rates are gamma distributed (shape r, rate alpha); after
each order, the first one included, they drop out with a probability that is beta distributed (a, b). Here it is
evaluated; the parameters are found in `fitting.mbg_nbd`. The probability to be alive is an intermediate quantity that
nobody is shown: of customers with one order it says next to nothing.
"""

import msgspec
import numpy as np

from segmentation.modeling.artefact import Floats

MOST_TERMS = 20_000
RELATIVE_ERROR = 1e-14
SINGULAR = 1e-5
"""a = 1 is a removable singularity of the expectation; parameters nearer to it are moved away by so much."""

LARGEST_EXPONENT = 700.0


class MbgNbd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters; time is in days."""

    r: float
    alpha: float
    a: float
    b: float


def hypergeometric(a: float, b: float, c: Floats, z: Floats) -> Floats:
    """Gauss's 2F1(a, b; c; z) for 0 ≤ z < 1, by its series (Abramowitz & Stegun 1964, 15.1.1).

    Args:
        a: First parameter.
        b: Second parameter.
        c: Third parameter, positive; length n.
        z: Length n.
    """
    term = np.ones(len(c))
    total = term.copy()
    for n in range(MOST_TERMS):
        term = term * z * ((a + n) * (b + n)) / ((c + n) * (n + 1.0))
        total += term
        if not np.any(np.abs(term) > RELATIVE_ERROR * np.abs(total)):
            break
    return total


def alive(model: MbgNbd, repeats: Floats, last: Floats, age: Floats) -> Floats:
    """Probability not to have dropped out.

    Args:
        model: The parameters.
        repeats: Length n; orders after the first one.
        last: Length n; days from the first order to the last one.
        age: Length n; days from the first order to now.
    """
    log_odds = np.log(model.a / (model.b + repeats)) + (model.r + repeats) * np.log(
        (model.alpha + age) / (model.alpha + last)
    )
    return np.asarray(1.0 / (1.0 + np.exp(np.minimum(log_odds, LARGEST_EXPONENT))))


def expected_orders(model: MbgNbd, repeats: Floats, last: Floats, age: Floats, days: float) -> Floats:
    """Orders expected in the next days (Batislam et al. 2007; their 2F1 by Euler's transformation).

    Args:
        model: The parameters.
        repeats: As for `alive`, like the next two.
        last: Days.
        age: Days.
        days: How far to look ahead.
    """
    a = model.a
    if abs(a - 1.0) < SINGULAR:
        a = 1.0 + SINGULAR
    shrunk = (model.alpha + age) / (model.alpha + age + days)
    series = hypergeometric(a + model.b - model.r, a - 1.0, a + model.b + repeats, 1.0 - shrunk)
    of_the_living = (a + model.b + repeats) / (a - 1.0) * (1.0 - shrunk ** (a - 1.0) * series)
    return np.asarray(np.maximum(of_the_living, 0.0) * alive(model, repeats, last, age))


def none_expected(model: MbgNbd, repeats: Floats, last: Floats, age: Floats, days: float) -> Floats:
    """Probability of no order in the next days; arguments as for `expected_orders`."""
    some = -np.expm1((model.r + repeats) * np.log((model.alpha + age) / (model.alpha + age + days)))
    return np.asarray(1.0 - alive(model, repeats, last, age) * some)


def days_until(model: MbgNbd, repeats: Floats, last: Floats, age: Floats, none: Floats) -> Floats:
    """After how many days the probability of no order has fallen to `none`; infinite where it never does.

    The inverse of `none_expected`.
    """
    missing = (1.0 - none) / alive(model, repeats, last, age)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        grown = np.exp(-np.log1p(-np.minimum(missing, 1.0)) / (model.r + repeats))
    return np.where(missing < 1.0, (model.alpha + age) * (grown - 1.0), np.inf)
