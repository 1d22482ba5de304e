"""Fitting the model of a snapshot's predictions: expectations, then intervals by how wrong they were at past dates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.predictions.artefact import PredictionModel
from segmentation.predictions.backtest import Outturn
from segmentation.predictions.evaluation import QUARTER, YEAR, Expectations, base_of, bounds, expectations
from segmentation.predictions.fitting.expectations import FittedExpectations
from segmentation.predictions.fitting.past import Past
from segmentation.predictions.fitting.spreads import DEFAULT_SPREAD, learn_spread
from segmentation.predictions.intervals import Spread
from segmentation.predictions.purchases import Followed, Purchases

SHARES = (1.0, 0.5, 0.0)
"""What is tried of regressions: all they found, half of it, MBG/NBD alone; of equals the first."""

MOST_DATES = 4
"""Past dates that intervals are calibrated on."""

LEAST_AGE = 60.0
"""For so many days there have to have been orders before a date that calibrates intervals."""


@dataclass(frozen=True)
class Backtest:
    """What would have been predicted as of a past date, and what came.

    Attributes:
        as_of: The date.
        found: Expectations from a model that knew nothing of the time after it.
        then: What followed.
    """

    as_of: date
    found: Expectations
    then: Followed


def fit_predictions(purchases: Purchases, as_of: date) -> tuple[PredictionModel, list[Outturn]]:
    """Fit a model to what was known as of a date.

    Args:
        purchases: Orders and returns; only those before the date are looked at.
        as_of: The date; somebody has to have bought in its window.

    Returns:
        The model, and how its like would have done at the past dates that it was calibrated on, the newest first;
        intervals are those of the model itself.
    """
    past = Past(purchases)
    dates = past.ended(as_of, QUARTER, MOST_DATES, LEAST_AGE)
    fitted = [FittedExpectations(past, each) for each in dates]
    share = _best_share(past, fitted)
    tests = [_backtest(past, each, share, QUARTER) for each in fitted]
    model = FittedExpectations(past, as_of).model(share)
    model = msgspec.structs.replace(
        model,
        spread_orders_90d=_spread_of_orders(tests, QUARTER),
        spread_revenue_90d=_spread_of_revenue(tests, QUARTER),
        calibrated_on=tuple(dates),
    )
    turned_out = [_turned_out(model, each) for each in tests]
    year_ago = as_of - timedelta(days=YEAR)
    if past.is_grown(year_ago, LEAST_AGE):
        year = [_backtest(past, FittedExpectations(past, year_ago), share, YEAR)]
        return msgspec.structs.replace(
            model,
            spread_orders_365d=_spread_of_orders(year, YEAR),
            spread_revenue_365d=_spread_of_revenue(year, YEAR),
            is_365d_extrapolated=False,
        ), turned_out
    return msgspec.structs.replace(
        model, spread_orders_365d=model.spread_orders_90d, spread_revenue_365d=model.spread_revenue_90d
    ), turned_out


def _turned_out(model: PredictionModel, test: Backtest) -> Outturn:
    none, came = test.found.none_90d, test.then
    held = [
        (outcome >= low) & (outcome <= high)
        for outcome, (low, high) in (
            (came.orders, bounds(model.spread_orders_90d, none, test.found.orders_90d, is_count=True)),
            (came.revenue, bounds(model.spread_revenue_90d, none, test.found.revenue_90d, is_count=False)),
        )
    ]
    return Outturn(
        test.as_of,
        none,
        test.found.orders_90d,
        test.found.revenue_90d,
        came.orders,
        came.revenue,
        *(each.astype(np.float64) for each in held),
    )


def _best_share(past: Past, fitted: Sequence[FittedExpectations]) -> float:
    """The share of regressions with the smallest deviance at past dates, totals set right."""
    if not fitted:
        return SHARES[0]
    losses = [sum(_shape_deviance(_backtest(past, each, share, QUARTER)) for each in fitted) for share in SHARES]
    return SHARES[int(np.argmin(losses))]


def _shape_deviance(test: Backtest) -> float:
    """Poisson deviance per customer of orders, expectations scaled to the right total."""
    total = float(test.then.orders.sum())
    if total <= 0:
        return 0.0
    expected = np.maximum(test.found.orders_90d * (total / float(test.found.orders_90d.sum())), 1e-6)
    came = test.then.orders
    logs = np.where(came > 0, came * np.log(np.maximum(came, 1.0) / expected), 0.0)
    return float(2.0 * np.mean(logs - (came - expected)))


def _backtest(past: Past, fitted: FittedExpectations, share: float, days: int) -> Backtest:
    model, inputs = fitted.model(share), past.known(fitted.as_of).inputs
    return Backtest(
        fitted.as_of, expectations(model, inputs, base_of(model, inputs)), past.followed(fitted.as_of, days)
    )


def _spread_of_orders(tests: Sequence[Backtest], days: int) -> Spread:
    if not tests:
        return DEFAULT_SPREAD
    none, orders, _, came, _ = _pooled(tests, days)
    return learn_spread(none, orders, came, came, is_count=True)


def _spread_of_revenue(tests: Sequence[Backtest], days: int) -> Spread:
    if not tests:
        return DEFAULT_SPREAD
    none, _, revenue, came, spent = _pooled(tests, days)
    return learn_spread(none, revenue, spent, came, is_count=False)


def _pooled(tests: Sequence[Backtest], days: int) -> list[Floats]:
    def of_year(found: Expectations) -> tuple[Floats, ...]:
        return (found.none_365d, found.orders_365d, found.revenue_365d)

    def of_quarter(found: Expectations) -> tuple[Floats, ...]:
        return (found.none_90d, found.orders_90d, found.revenue_90d)

    pick = of_quarter if days == QUARTER else of_year
    rows = [(*pick(each.found), each.then.orders, each.then.revenue) for each in tests]
    return [np.concatenate(columns) for columns in zip(*rows, strict=True)]
