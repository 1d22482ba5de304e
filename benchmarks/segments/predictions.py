"""Predictions out of time: whether totals, chances and intervals came true, beside `lifetimes` and the last period.

At each date a model is fitted to what was known then, and judged by the 90 days after it. The oracles are MBG/NBD as
`lifetimes` fits it, and "the same as in the 90 days before". `--plots FOLDER` draws pictures.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.reporting import Target
from benchmarks.segments.parts import PLOTS, Part, table_of
from benchmarks.segments.shops import Shop
from segmentation.features.windows import window_of
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.forward import auc
from segmentation.modeling.plots.calibration import calibration_plot
from segmentation.predictions.backtest import bins_of
from segmentation.predictions.evaluation import QUARTER, predict
from segmentation.predictions.fitting.fit import fit_predictions
from segmentation.predictions.fitting.spreads import coverage
from segmentation.predictions.inputs import Inputs
from segmentation.predictions.purchases import Purchases, read_purchases

SHOPS = ("uci", "cj", "cdnow", "syn7")
QUICK_DATES = 3
COVERAGE, TOLERANCE = 0.9, 0.02
SPAN = f"SELECT CAST(MIN(ordered_at) AS DATE), CAST(MAX(ordered_at) AS DATE) FROM {TRANSACTIONS.name}"


@dataclass(frozen=True)
class Case:
    """What one contender said of the customers of a date, and what came."""

    shop: str
    as_of: date
    contender: str
    expected: Floats
    chance: Floats
    orders: Floats
    is_calibrated: bool
    held: Mapping[str, float]

    def row(self) -> dict[str, object]:
        """For the table."""
        best = np.argsort(-self.expected, kind="stable")[: max(1, len(self.expected) // 10)]
        total = float(self.orders.sum())
        return {
            "case": f"{self.shop} {self.as_of}",
            "contender": self.contender,
            "customers": len(self.orders),
            "AUC of returning": auc(self.chance, self.orders > 0),
            "decile lift": float(self.orders[best].mean() / self.orders.mean()),
            "orders expected / came": float(self.expected.sum() / total),
            **self.held,
        }


def run(shops: Sequence[Shop], quick: bool) -> Part:
    """Judge predictions at every month whose next 90 days are in the data."""
    cases = [case for shop in shops if shop.recipe.name in SHOPS for case in _cases(shop, quick)]
    rows = [case.row() for case in cases]
    summaries = _summaries(cases)
    tables = [table_of("Predictions, out of time", rows), table_of("Over all dates", summaries)]
    return Part(tables, [*rows, *summaries], _targets(summaries))


def _cases(shop: Shop, quick: bool) -> list[Case]:
    with shop.lake.cursor() as con:
        first, last = con.execute(SPAN).fetchall()[0]
        everything = read_purchases(con, window_of(last + timedelta(days=1), None), most_customers=10**9)
    purchases = replace(everything, lookback_days=shop.lake.settings.lookback_days)
    dates = [
        each
        for each in shop.recipe.months
        if each - first >= timedelta(days=QUARTER) and each + timedelta(days=QUARTER - 2) <= last
    ]
    return [case for each in dates[-QUICK_DATES if quick else 0 :] for case in _of_date(shop, purchases, each)]


def _of_date(shop: Shop, purchases: Purchases, as_of: date) -> list[Case]:
    model, _ = fit_predictions(purchases, as_of)
    known = purchases.known(as_of)
    found = predict(model, np.column_stack(known.inputs))
    then = purchases.followed(as_of, QUARTER, known.customers)
    held = {
        f"{name} intervals held": coverage(
            found[f"expected_{name}_90d_low"], found[f"expected_{name}_90d_high"], getattr(then, name)
        )
        for name in ("orders", "revenue")
    }
    held["revenue expected / came"] = float(found["expected_revenue_90d"].sum() / then.revenue.sum())
    chance = 1.0 - found["no_order_90d_probability"]
    _draw(shop.recipe.name, as_of, chance, found["expected_orders_90d"], then.orders)
    name, is_calibrated = shop.recipe.name, bool(model.calibrated_on)
    ours = Case(name, as_of, "ours", found["expected_orders_90d"], chance, then.orders, is_calibrated, held)
    before = known.inputs.orders_90d
    same = Case(name, as_of, "same as last period", before, before, then.orders, is_calibrated, {})
    theirs, living = _lifetimes(known.inputs)
    oracle = Case(name, as_of, "lifetimes (MBG/NBD)", theirs, living, then.orders, is_calibrated, {})
    return [ours, oracle, same]


def _lifetimes(inputs: Inputs) -> tuple[Floats, Floats]:
    """Orders expected in 90 days by `lifetimes`, which also rank who returns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import ModifiedBetaGeoFitter

        histories = (inputs.repeats, inputs.last / 7.0, inputs.tenure_days / 7.0)  # in weeks it converges
        fitter = ModifiedBetaGeoFitter(penalizer_coef=0.001).fit(*histories)
        found = np.asarray(
            fitter.conditional_expected_number_of_purchases_up_to_time(QUARTER / 7.0, *histories), dtype=np.float64
        )
    return found, found


def _summaries(cases: Sequence[Case]) -> list[dict[str, object]]:
    """Means over dates; intervals over all customers of the dates that past ones could calibrate."""
    frame = pl.DataFrame(
        [
            {**case.row(), "shop": case.shop, "is_calibrated": case.is_calibrated, "off": _off(case.row())}
            for case in cases
        ],
        infer_schema_length=None,
    )
    found: list[dict[str, object]] = []
    for (shop, contender), part in frame.group_by("shop", "contender", maintain_order=True):
        known = part.filter("is_calibrated")
        row: dict[str, object] = {
            "case": f"{shop}, all dates",
            "contender": contender,
            "dates": len(part),
            "AUC of returning": part["AUC of returning"].mean(),
            "decile lift": part["decile lift"].mean(),
            "totals are off by a factor of (median)": part["off"].median(),
        }
        if contender == "ours" and len(known):
            for name in ("orders", "revenue"):
                column = f"{name} intervals held"
                row[column] = float(np.average(known[column].to_numpy(), weights=known["customers"].to_numpy()))
        found.append(row)
    return found


def _off(row: Mapping[str, object]) -> float:
    ratio = float(str(row["orders expected / came"]))
    return max(ratio, 1.0 / ratio)


def _targets(summaries: Sequence[Mapping[str, object]]) -> list[Target]:
    targets = []
    for row in summaries:
        for column in ("orders intervals held", "revenue intervals held"):
            if column in row:
                share = float(str(row[column]))
                targets.append(
                    Target(f"{row['case']}: {column}", ".88 – .92", share, abs(share - COVERAGE) <= TOLERANCE)
                )
    by_case = {(row["case"], row["contender"]): row for row in summaries}
    for (case, contender), row in by_case.items():
        if contender == "ours":
            other = by_case[case, "lifetimes (MBG/NBD)"]
            ours, theirs = (float(str(each["AUC of returning"])) for each in (row, other))
            targets.append(Target(f"{case}: AUC of returning", f"≥ {theirs:.3f}", ours, ours >= theirs))
    return targets


def _draw(shop: str, as_of: date, chance: Floats, expected: Floats, orders: Floats) -> None:
    folder = os.environ.get(PLOTS)
    if folder:
        image = calibration_plot(
            f"{shop}: predicted as of {as_of}, and what came in 90 days",
            bins_of(chance, (orders > 0).astype(np.float64)),
            bins_of(expected, orders),
            "svg",
        )
        path = Path(folder) / f"{shop}-{as_of}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
