"""The most likely parameters of MBG/NBD, given histories and a weak prior."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, digamma, expit, gammaln
from threadpoolctl import threadpool_limits

from segmentation.modeling.artefact import Floats
from segmentation.predictions.inputs import Inputs
from segmentation.predictions.mbg_nbd import MbgNbd

PRIOR = MbgNbd(r=1.0, alpha=60.0, a=0.7, b=2.0)
"""What is taken for granted of a shop without customers; their evidence outweighs it from some tens of them on."""

PRIOR_SPREAD = 0.4
"""Standard deviation of the logarithms of parameters around it. It holds a shop of a few weeks, whose lines can't tell
pausing from dropping out."""

STARTS = (PRIOR, MbgNbd(r=0.4, alpha=10.0, a=0.3, b=3.0))
BOUNDS = ((-6.0, 6.0), (-3.0, 9.0), (-6.0, 6.0), (-6.0, 6.0))


def fit_mbg_nbd(inputs: Inputs) -> MbgNbd:
    """Find parameters by maximum a posteriori likelihood, from fixed starts; the prior's where nobody has bought."""
    if not len(inputs.repeats):
        return PRIOR
    centre = np.log(_row(PRIOR))

    def loss(logs: Floats) -> tuple[float, Floats]:
        away = logs - centre
        model = MbgNbd(*np.exp(logs).tolist())
        history = (inputs.repeats, inputs.last, inputs.tenure_days)
        value = float(np.sum(away**2)) / (2 * PRIOR_SPREAD**2) - float(np.sum(log_likelihood(model, *history)))
        slope = away / PRIOR_SPREAD**2 - gradient(model, *history)
        return value / len(inputs.repeats), slope / len(inputs.repeats)

    with threadpool_limits(limits=1):  # on four numbers, threads only wait for each other
        found = [minimize(loss, np.log(_row(start)), jac=True, method="L-BFGS-B", bounds=BOUNDS) for start in STARTS]
    best = min(found, key=lambda each: float(each.fun))
    return MbgNbd(*np.exp(best.x).tolist())


def log_likelihood(model: MbgNbd, repeats: Floats, last: Floats, age: Floats) -> Floats:
    """Of each history (Batislam et al. 2007, equation 5), less what depends on no parameter."""
    r, alpha, a, b = _row(model)
    shape = r + repeats
    buying = gammaln(shape) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
    living = betaln(a, b + repeats + 1.0) - shape * np.log(alpha + age)
    gone = betaln(a + 1.0, b + repeats) - shape * np.log(alpha + last)
    return np.asarray(buying + np.logaddexp(living, gone))


def gradient(model: MbgNbd, repeats: Floats, last: Floats, age: Floats) -> Floats:
    """Derivatives of the sum of `log_likelihood` by the logarithms of r, alpha, a and b; length 4."""
    r, alpha, a, b = _row(model)
    shape = r + repeats
    living = betaln(a, b + repeats + 1.0) - shape * np.log(alpha + age)
    gone = betaln(a + 1.0, b + repeats) - shape * np.log(alpha + last)
    alive = expit(living - gone)
    dead, total = 1.0 - alive, digamma(a + b + repeats + 1.0)
    by_r = digamma(shape) - digamma(r) + np.log(alpha) - alive * np.log(alpha + age) - dead * np.log(alpha + last)
    by_alpha = r / alpha - shape * (alive / (alpha + age) + dead / (alpha + last))
    by_a = digamma(a + b) - digamma(a) + alive * digamma(a) + dead * digamma(a + 1.0) - total
    by_b = digamma(a + b) - digamma(b) + alive * digamma(b + repeats + 1.0) + dead * digamma(b + repeats) - total
    return np.array([float(np.sum(each)) for each in (r * by_r, alpha * by_alpha, a * by_a, b * by_b)])


def _row(model: MbgNbd) -> tuple[float, float, float, float]:
    return (model.r, model.alpha, model.a, model.b)
