"""Fitting what is expected as of a date, from nothing but what was known then."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import msgspec
import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.predictions.artefact import FORMAT, Outcome, PredictionModel
from segmentation.predictions.evaluation import LEAST, QUARTER, YEAR, Base, base_of, expectations
from segmentation.predictions.fitting.levels import ADDED, combined, dates_of_levels, log_ratio, shrunk_year, trust
from segmentation.predictions.fitting.mbg_nbd import fit_mbg_nbd
from segmentation.predictions.fitting.order_value import fit_order_value
from segmentation.predictions.fitting.past import Past
from segmentation.predictions.fitting.regression import Example, Kind, fit_weights
from segmentation.predictions.fitting.spreads import DEFAULT_SPREAD
from segmentation.predictions.inputs import PREDICTOR_COUNT, Inputs, predictors
from segmentation.predictions.mbg_nbd import expected_orders
from segmentation.predictions.purchases import Followed

MOST_DATES = 8
"""Past dates that regressions learn from."""

MOST_FITTED = 10_000
"""Customers whose histories decide the parameters of MBG/NBD and Gamma-Gamma."""

CAPPED_AT = 0.995
"""Revenue counts up to this quantile of what buyers spent when it is learned who spends more; a wholesaler's counts as
that much."""

LIKELIEST = 0.98
ZEROS = (0.0,) * PREDICTOR_COUNT
NOTHING = Outcome(ZEROS, 0.0, 0.0)


@dataclass
class FittedExpectations:
    """Expectations as of a date, with any share of what regressions add."""

    past: Past
    as_of: date

    @cached_property
    def plain(self) -> PredictionModel:
        """MBG/NBD and Gamma-Gamma alone, without a level."""
        inputs = self.past.known(self.as_of).inputs
        every = max(1, len(inputs.order_count) // MOST_FITTED)
        some = Inputs(*(column[::every] for column in inputs))
        model = PredictionModel(
            format=FORMAT,
            as_of=self.as_of,
            buying=fit_mbg_nbd(some),
            value=fit_order_value(some),
            means=ZEROS,
            scales=(1.0,) * PREDICTOR_COUNT,
            regression_share=0.0,
            orders=NOTHING,
            returning=NOTHING,
            revenue=NOTHING,
            spread_orders_90d=DEFAULT_SPREAD,
            spread_revenue_90d=DEFAULT_SPREAD,
            spread_orders_365d=DEFAULT_SPREAD,
            spread_revenue_365d=DEFAULT_SPREAD,
            calibrated_on=(),
            is_365d_extrapolated=True,
        )
        return _scaled_to(model, inputs)

    @cached_property
    def weights(self) -> dict[str, tuple[float, ...]]:
        """By outcome, what regressions found."""
        dates = self.past.ended(self.as_of, QUARTER, MOST_DATES)
        typical = _typical_value(self.past.known(self.as_of).inputs)
        found = [(self._base(each), self.past.followed(each, QUARTER)) for each in dates]
        outcomes: dict[str, tuple[Kind, Callable[[Base, Followed], tuple[Floats, Floats]]]] = {
            "orders": ("poisson", lambda base, then: (base.orders_90d, then.orders)),
            "returning": ("returning", lambda base, then: (base.rate_90d, (then.orders > 0).astype(np.float64))),
            "revenue": ("poisson", lambda base, then: (base.orders_90d * base.value / typical, _capped(then, typical))),
        }
        return {
            name: tuple(
                fit_weights([_example(base, *pick(base, then)) for base, then in found], PREDICTOR_COUNT, kind).tolist()
            )
            for name, (kind, pick) in outcomes.items()
        }

    def model(self, share: float) -> PredictionModel:
        """The whole, with this share of what regressions add, brought to the level of MBG/NBD times season."""
        bare = msgspec.structs.replace(
            self.plain,
            regression_share=share,
            **{name: Outcome(weights, 0.0, 0.0) for name, weights in self.weights.items()},
        )
        inputs = self.past.known(self.as_of).inputs
        base = base_of(bare, inputs)
        raw = expectations(bare, inputs, base)
        value_90d, value_365d = base.orders_90d * base.value, base.orders_365d * base.value
        quarter, year = self._quarter_levels, self._year_levels
        tilt = share * np.clip(base.predictors @ np.asarray(bare.returning.weights), -4.0, 4.0)
        levels = {
            "orders": (
                quarter["orders"] + _log_total(base.orders_90d, raw.orders_90d),
                year["orders"] + _log_total(base.orders_365d, raw.orders_365d),
            ),
            "revenue": (
                quarter["revenue"] + _log_total(value_90d, raw.revenue_90d),
                year["revenue"] + _log_total(value_365d, raw.revenue_365d),
            ),
            "returning": (
                _rate_level(base.rate_90d, tilt, quarter["returning"]),
                _rate_level(base.rate_365d, tilt, year["returning"]),
            ),
        }
        outcomes = {name: Outcome(self.weights[name], *levels[name]) for name in levels}
        return msgspec.structs.replace(bare, **outcomes)

    @cached_property
    def _quarter_levels(self) -> dict[str, float]:
        season, recent, recent_season = (self._ratios(each, QUARTER) for each in dates_of_levels(self.as_of))
        now, _, before = dates_of_levels(self.as_of)
        trusts = [trust(self.past.purchases.age(each)) for each in (now, before)]
        return {
            name: combined(trusts[0] * season[name], recent[name], trusts[1] * recent_season[name]) for name in season
        }

    @cached_property
    def _year_levels(self) -> dict[str, float]:
        ago = dates_of_levels(self.as_of)[0]
        return {
            name: shrunk_year(found, self.past.purchases.age(ago)) for name, found in self._ratios(ago, YEAR).items()
        }

    def _ratios(self, as_of: date, days: int) -> dict[str, float]:
        """By outcome, the logarithm of what came over what MBG/NBD expected; 0 where it can't be known."""
        if not self.past.is_grown(as_of):
            return dict.fromkeys(("orders", "returning", "revenue"), 0.0)
        base, then = self._base(as_of), self.past.followed(as_of, days)
        orders = base.orders_90d if days == QUARTER else base.orders_365d
        rate = base.rate_90d if days == QUARTER else base.rate_365d
        added = ADDED * _typical_value(self.past.known(as_of).inputs)
        return {
            "orders": log_ratio(float(then.orders.sum()), float(orders.sum()), ADDED),
            "returning": log_ratio(float((then.orders > 0).sum()), float(np.sum(1.0 - np.exp(-rate))), ADDED),
            "revenue": log_ratio(float(then.revenue.sum()), float(np.sum(orders * base.value)), added),
        }

    def _base(self, as_of: date) -> Base:
        inputs = self.past.known(as_of).inputs
        return base_of(_scaled_to(self.plain, inputs), inputs)


def _scaled_to(model: PredictionModel, inputs: Inputs) -> PredictionModel:
    """The model with predictors standardised among these customers."""
    facts = (model.buying, inputs.repeats, inputs.last, inputs.tenure_days)
    if not len(inputs.repeats):
        return model
    raw = predictors(inputs, np.maximum(expected_orders(*facts, QUARTER), LEAST))
    spread = raw.std(axis=0)
    scales = np.where(spread > 1e-9, spread, 1.0)
    return msgspec.structs.replace(model, means=tuple(raw.mean(axis=0).tolist()), scales=tuple(scales.tolist()))


def _example(base: Base, expected: Floats, outcome: Floats) -> Example:
    return Example(base.predictors, np.log(np.maximum(expected, LEAST)), outcome)


def _typical_value(inputs: Inputs) -> float:
    """Money per order in the whole shop; 1 where there is none."""
    return float(np.maximum(inputs.gross_revenue, 0.0).sum() / max(inputs.order_count.sum(), 1.0)) or 1.0


def _capped(then: Followed, typical: float) -> Floats:
    """Revenue in typical orders, not negative, without the largest."""
    revenue = np.maximum(then.revenue, 0.0)
    spent = revenue[revenue > 0]
    cap = float(np.quantile(spent, CAPPED_AT)) if len(spent) else 0.0
    return np.asarray(np.minimum(revenue, cap) / typical)


def _log_total(wanted: Floats, found: Floats) -> float:
    """What has to be added to logarithms so that the total is as wanted."""
    total, there = float(wanted.sum()), float(found.sum())
    return float(np.log(total / there)) if total > 0 and there > 0 else 0.0


def _rate_level(rate: Floats, tilt: Floats, level: float) -> float:
    """What has to be added to logarithms of rates so that exp(level) times as many return as MBG/NBD expects."""
    wanted = min(float(np.sum(1.0 - np.exp(-rate))) * float(np.exp(level)), LIKELIEST * len(rate))
    low, high = -8.0, 8.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sum(1.0 - np.exp(-rate * np.exp(tilt + middle))) < wanted else (low, middle)
    return (low + high) / 2
