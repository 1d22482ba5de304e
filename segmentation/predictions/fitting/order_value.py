"""The most likely parameters of Gamma-Gamma, given the mean values of orders and a weak prior."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln
from threadpoolctl import threadpool_limits

from segmentation.modeling.artefact import Floats
from segmentation.predictions.inputs import Inputs
from segmentation.predictions.order_value import OrderValue

CENTRE = (np.log(4.0), np.log(2.0), 0.0)
"""Logarithms of p, of q − 1 and of v over the shop's mean value, where there is little evidence."""

PRIOR_SPREAD = 1.5
BOUNDS = ((-3.0, 6.0), (-3.0, 5.0), (-5.0, 5.0))


def fit_order_value(inputs: Inputs) -> OrderValue:
    """Find parameters by maximum a posteriori likelihood; in a shop without spend, an order is worth nothing."""
    gross, back = float(np.maximum(inputs.gross_revenue, 0.0).sum()), float(inputs.returned_revenue.sum())
    spending = inputs.mean_value > 0
    if not spending.any() or gross <= 0:
        return OrderValue(1.0, 2.0, 0.0, 1.0)
    orders, mean = inputs.order_count[spending], inputs.mean_value[spending]
    typical = float(mean.mean())

    def loss(logs: Floats) -> float:
        prior = float(np.sum((logs - np.asarray(CENTRE)) ** 2)) / (2 * PRIOR_SPREAD**2)
        return (prior - float(np.sum(_log_likelihood(logs, orders, mean / typical)))) / len(mean)

    with threadpool_limits(limits=1):  # on three numbers, threads only wait for each other
        found = minimize(loss, np.asarray(CENTRE), method="L-BFGS-B", bounds=BOUNDS)
    p, above, v = np.exp(found.x).tolist()
    return OrderValue(p, 1.0 + above, v * typical, max(0.0, 1.0 - back / gross))


def _log_likelihood(logs: Floats, orders: Floats, mean: Floats) -> Floats:
    """Of each customer's mean value (Fader & Hardie 2013, equation 1a)."""
    p, above, v = np.exp(logs)
    q, total = 1.0 + above, p * orders
    shapes = gammaln(total + q) - gammaln(total) - gammaln(q)
    return np.asarray(
        shapes
        + q * np.log(v)
        + (total - 1.0) * np.log(mean)
        + total * np.log(orders)
        - (total + q) * np.log(orders * mean + v)
    )
