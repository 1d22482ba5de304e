"""Predictions of customers from an artefact, in NumPy; the pipeline and the scorer both ask here."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.predictions.artefact import Outcome, PredictionModel
from segmentation.predictions.inputs import Inputs, inputs_of, predictors, standardised
from segmentation.predictions.intervals import Spread, interval
from segmentation.predictions.mbg_nbd import days_until, expected_orders, none_expected
from segmentation.predictions.order_value import expected_value

QUARTER, YEAR = 90, 365
BLOCK_ROWS = 65_536
LEAST = 1e-9
"""Orders that are expected at least, so that logarithms exist."""
FURTHEST = 4.0
"""Most that regressions add to, or take from, a logarithm."""


class Base(NamedTuple):
    """What MBG/NBD and Gamma-Gamma alone expect of n customers; each of length n.

    Attributes:
        orders_90d: Orders.
        orders_365d: Orders within a year.
        rate_90d: −log of the probability of no order.
        rate_365d: The same within a year.
        value: Net revenue per order.
        predictors: Standardised; shape (n, d).
    """

    orders_90d: Floats
    orders_365d: Floats
    rate_90d: Floats
    rate_365d: Floats
    value: Floats
    predictors: Floats


class Expectations(NamedTuple):
    """What is expected of n customers, without intervals; each of length n.

    Attributes:
        orders_90d: Orders in the next 90 days.
        none_90d: Probability of no order in them.
        revenue_90d: Net revenue in them.
        orders_365d: Orders in the next 365 days.
        none_365d: Probability of no order in them.
        revenue_365d: Net revenue in them.
        next_order_days: By when an order is as likely as not; infinite if not within 365 days.
    """

    orders_90d: Floats
    none_90d: Floats
    revenue_90d: Floats
    orders_365d: Floats
    none_365d: Floats
    revenue_365d: Floats
    next_order_days: Floats


def predict(model: PredictionModel, values: Floats) -> dict[str, Floats]:
    """What to expect of customers.

    Args:
        model: The artefact.
        values: Shape (n, number of `INPUTS`).

    Returns:
        By column of `segments.customer_predictions`, arrays of length n; days instead of the date of the next order,
        infinite where there is none.
    """
    blocks = list(_blocks(model, values))
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _blocks(model: PredictionModel, values: Floats) -> Iterator[dict[str, Floats]]:
    for start in range(0, max(len(values), 1), BLOCK_ROWS):
        inputs = inputs_of(values[start : start + BLOCK_ROWS])
        found = expectations(model, inputs, base_of(model, inputs))
        columns: dict[str, Floats] = {"no_order_90d_probability": found.none_90d}
        for name, none, mean, spread in (
            ("orders_90d", found.none_90d, found.orders_90d, model.spread_orders_90d),
            ("revenue_90d", found.none_90d, found.revenue_90d, model.spread_revenue_90d),
            ("orders_365d", found.none_365d, found.orders_365d, model.spread_orders_365d),
            ("revenue_365d", found.none_365d, found.revenue_365d, model.spread_revenue_365d),
        ):
            columns[f"expected_{name}"] = mean
            low, high = bounds(spread, none, mean, is_count=name.startswith("orders"))
            columns[f"expected_{name}_low"], columns[f"expected_{name}_high"] = low, high
        yield {**columns, "next_order_days": found.next_order_days}


def bounds(
    spread: Spread, none: Floats, mean: Floats, *, is_count: bool, level: float | None = None
) -> tuple[Floats, Floats]:
    """Lower and upper bounds of the intervals around expectations."""
    return interval(spread, none, given_some(none, mean), is_count=is_count, level=level)


def given_some(none: Floats, mean: Floats) -> Floats:
    """Expectations given that there is an order."""
    return np.asarray(mean / np.maximum(1.0 - none, LEAST))


def base_of(model: PredictionModel, inputs: Inputs) -> Base:
    """What the two models expect alone, and what regressions see."""
    facts = (model.buying, inputs.repeats, inputs.last, inputs.tenure_days)
    orders = np.maximum(expected_orders(*facts, QUARTER), LEAST)
    return Base(
        orders,
        np.maximum(expected_orders(*facts, YEAR), orders),
        _rate(none_expected(*facts, QUARTER)),
        _rate(none_expected(*facts, YEAR)),
        expected_value(model.value, inputs.order_count, inputs.mean_value),
        standardised(predictors(inputs, orders), np.asarray(model.means), np.asarray(model.scales)),
    )


def expectations(model: PredictionModel, inputs: Inputs, base: Base) -> Expectations:
    """What regressions and levels make of it."""
    orders, revenue, returning = (
        _adjustment(model, each, base) for each in (model.orders, model.revenue, model.returning)
    )
    orders_90d = base.orders_90d * np.exp(orders + model.orders.level_90d)
    orders_365d = np.maximum(base.orders_365d * np.exp(orders + model.orders.level_365d), orders_90d)
    revenue_90d = base.orders_90d * base.value * np.exp(revenue + model.revenue.level_90d)
    revenue_365d = base.orders_365d * base.value * np.exp(revenue + model.revenue.level_365d)
    rate = base.rate_90d * np.exp(returning + model.returning.level_90d)
    rate_365d = base.rate_365d * np.exp(returning + model.returning.level_365d)
    none_90d, none_365d = (
        np.maximum(np.exp(-rate), 1.0 - orders_90d),
        np.maximum(np.exp(-rate_365d), 1.0 - orders_365d),
    )
    return Expectations(
        orders_90d,
        none_90d,
        revenue_90d,
        orders_365d,
        np.minimum(none_365d, none_90d),
        np.maximum(revenue_365d, revenue_90d),
        _next_order(model, inputs, base, none_90d),
    )


def _adjustment(model: PredictionModel, outcome: Outcome, base: Base) -> Floats:
    found = base.predictors @ np.asarray(outcome.weights)
    return np.asarray(model.regression_share * np.clip(found, -FURTHEST, FURTHEST))


def _next_order(model: PredictionModel, inputs: Inputs, base: Base, none: Floats) -> Floats:
    """Days until an order is as likely as not: MBG/NBD's clock, sped up so that it is right after 90 days."""
    speed = _rate(none) / base.rate_90d
    facts = (model.buying, inputs.repeats, inputs.last, inputs.tenure_days)
    days = days_until(*facts, np.exp(-np.log(2.0) / speed))
    return np.where(days <= YEAR, days, np.inf)


def _rate(none: Floats) -> Floats:
    return np.asarray(-np.log(np.clip(none, 1e-12, 1.0 - LEAST)))
