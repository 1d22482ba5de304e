"""Gamma-Gamma: what an order of a customer is worth, shrunk towards the shop (Fader & Hardie 2013).

Here it is evaluated; the parameters are found in `fitting.order_value`.
"""

import msgspec
import numpy as np

from segmentation.modeling.artefact import Floats


class OrderValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters.

    Attributes:
        p: Shape of the values of one customer's orders.
        q: Shape of what differs between customers; above 1.
        v: Scale of what differs, in money.
        net_share: Share of gross revenue that doesn't come back.
    """

    p: float
    q: float
    v: float
    net_share: float


def expected_value(model: OrderValue, orders: Floats, mean: Floats) -> Floats:
    """Net revenue per order expected of customers with so many orders of such a mean value (both of length n)."""
    gross = model.p * (model.v + orders * mean) / (model.p * orders + model.q - 1.0)
    return np.asarray(gross * model.net_share)
