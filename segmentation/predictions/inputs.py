"""What predictions are made from: nine features of the catalogue, and the predictors that come of them.

They are those that can be had of any past day from the lines alone (see `purchases`), so that a model can be judged at
dates without a snapshot.
"""

from typing import NamedTuple

import numpy as np

from segmentation.modeling.artefact import Floats

FURTHEST = 5.0
"""Standard deviations beyond which a predictor counts as so many."""


class Inputs(NamedTuple):
    """Features of n customers, by their names in the catalogue; each of length n."""

    recency_days: Floats
    tenure_days: Floats
    order_count: Floats
    orders_30d: Floats
    orders_90d: Floats
    orders_365d: Floats
    gross_revenue: Floats
    returned_revenue: Floats
    revenue_90d: Floats

    @property
    def repeats(self) -> Floats:
        """Orders after the first one."""
        return self.order_count - 1.0

    @property
    def last(self) -> Floats:
        """Days from the first order to the last one."""
        return np.maximum(self.tenure_days - self.recency_days, 0.0)

    @property
    def mean_value(self) -> Floats:
        """Money per order."""
        return np.maximum(self.gross_revenue, 0.0) / self.order_count


INPUTS = Inputs._fields


def inputs_of(values: Floats) -> Inputs:
    """The columns of a matrix of shape (n, number of `INPUTS`)."""
    return Inputs(*np.ascontiguousarray(values.T))


def predictors(inputs: Inputs, expected: Floats) -> Floats:
    """What regressions see; shape (n, d).

    Args:
        inputs: Of n customers.
        expected: Length n; orders that MBG/NBD expects, positive.
    """
    gap = np.where(inputs.repeats > 0, inputs.last / np.maximum(inputs.repeats, 1.0), inputs.tenure_days)
    returned = np.clip(inputs.returned_revenue / np.maximum(inputs.gross_revenue, 1e-9), 0.0, 1.0)
    return np.column_stack(
        [
            np.log(expected),
            np.log(1.0 + inputs.recency_days),
            np.log(inputs.order_count),
            np.sqrt(inputs.tenure_days),
            np.log(1.0 + inputs.orders_30d),
            np.log(1.0 + inputs.orders_90d),
            np.log(1.0 + inputs.orders_365d),
            np.log(1.0 + inputs.mean_value),
            np.log(1.0 + np.maximum(inputs.revenue_90d, 0.0)),
            np.log((1.0 + inputs.recency_days) / (1.0 + gap)),
            np.sqrt(returned),
            np.where(inputs.repeats > 0, 0.0, 1.0),
        ]
    )


PREDICTOR_COUNT = 12


def standardised(raw: Floats, means: Floats, scales: Floats) -> Floats:
    """Predictors in standard deviations from the mean, within `FURTHEST`."""
    return np.clip((raw - means) / scales, -FURTHEST, FURTHEST)
