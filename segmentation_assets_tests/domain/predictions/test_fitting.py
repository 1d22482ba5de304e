from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from segmentation.errors import ArtefactError
from segmentation.modeling.artefact import Floats
from segmentation.modeling.plots.calibration import calibration_plot
from segmentation.predictions.artefact import PredictionModel
from segmentation.predictions.backtest import bins_of
from segmentation.predictions.evaluation import predict
from segmentation.predictions.fitting.fit import fit_predictions
from segmentation.predictions.fitting.regression import Example, fit_weights
from segmentation.predictions.fitting.spreads import coverage
from segmentation.predictions.inputs import INPUTS
from segmentation.predictions.purchases import Purchases
from segmentation_assets_tests.domain.predictions.shops import (
    AS_OF,
    ODD_SHOPS,
    OPENED,
    drawn_shop,
    moment,
    purchases,
)

AMOUNTS = ("orders_90d", "revenue_90d", "orders_365d", "revenue_365d")


def _predicted(shop: Purchases, as_of: date) -> tuple[PredictionModel, dict[str, Floats]]:
    model = fit_predictions(shop, as_of)[0]
    return model, predict(model, np.column_stack(shop.known(as_of).inputs))


@pytest.mark.parametrize("name", ODD_SHOPS)
def test_every_shop_gets_predictions_that_make_sense(name: str) -> None:
    shop, as_of = ODD_SHOPS[name]
    model, found = _predicted(shop, as_of)
    customers = len(shop.known(as_of).customers)
    assert all(len(column) == customers and not np.isnan(column).any() for column in found.values())
    for amount in AMOUNTS:
        mean, low, high = (found[f"expected_{amount}{end}"] for end in ("", "_low", "_high"))
        assert np.all(np.isfinite(mean))
        assert np.all(mean >= 0)
        assert np.all(low <= high)
        if amount.startswith("orders"):
            assert np.all(low >= 0)
            assert all(np.all(bound == np.floor(bound)) for bound in (low, high))
    none = found["no_order_90d_probability"]
    assert np.all((none >= 0) & (none <= 1))
    assert np.all(found["expected_orders_90d"] >= 1 - none - 1e-9)
    assert np.all(found["expected_orders_365d"] >= found["expected_orders_90d"])
    assert np.all(found["next_order_days"][none < 0.49] <= 90)
    assert np.all(found["next_order_days"][none > 0.51] > 90)
    assert PredictionModel.from_json(model.to_json()) == model


def test_nothing_after_the_date_is_looked_at() -> None:
    shop, as_of = drawn_shop(400, 500), OPENED + timedelta(days=300)
    before = shop.order_days < moment(as_of)
    cut = replace(
        shop,
        order_customers=shop.order_customers[before],
        order_days=shop.order_days[before],
        order_money=shop.order_money[before],
    )
    assert fit_predictions(cut, as_of)[0].to_json() == fit_predictions(shop, as_of)[0].to_json()


def test_intervals_hold_for_nine_in_ten_and_totals_are_right_out_of_time() -> None:
    shop, as_of = drawn_shop(3000, 500), OPENED + timedelta(days=380)
    _, found = _predicted(shop, as_of)
    then = shop.followed(as_of, 90, shop.known(as_of).customers)
    for amount, came in (("orders_90d", then.orders), ("revenue_90d", then.revenue)):
        held = coverage(found[f"expected_{amount}_low"], found[f"expected_{amount}_high"], came)
        assert held == pytest.approx(0.9, abs=0.03)
        assert found[f"expected_{amount}"].sum() == pytest.approx(came.sum(), rel=0.12)
    # Of those with a chance of about so much, about so many come.
    returned, chance = then.orders > 0, 1 - found["no_order_90d_probability"]
    for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1.01)):
        part = (chance >= low) & (chance < high)
        assert returned[part].mean() == pytest.approx(chance[part].mean(), abs=0.08)


def test_a_christmas_that_was_seen_a_year_ago_is_expected_again() -> None:
    """Everybody orders every thirty days, and three times as often in the last quarter of each year."""
    random = np.random.default_rng(3)
    quiet = [(who, float(random.uniform(0, 700)), 20.0) for who in range(400) for _ in range(23)]
    christmas = [
        (who, float(start + random.uniform(0, 90)), 20.0)
        for who in range(400)
        for start in (274, 639)
        for _ in range(6)
    ]
    shop = purchases(quiet + christmas)
    as_of = OPENED + timedelta(days=639)
    known = OPENED + timedelta(days=274)
    for day, right in ((known, False), (as_of, True)):
        _, found = _predicted(shop, day)
        then = shop.followed(day, 90, shop.known(day).customers).orders.sum()
        assert (found["expected_orders_90d"].sum() > 0.85 * then) == right


def test_a_customer_alone_gets_what_they_get_among_others() -> None:
    shop = drawn_shop(300, 400)
    model, whole = _predicted(shop, AS_OF)
    values = np.column_stack(shop.known(AS_OF).inputs)
    for row in (0, 7, len(values) - 1):
        alone = predict(model, values[row : row + 1])
        assert all(alone[name][0] == pytest.approx(whole[name][row], rel=1e-9) for name in whole)


def test_weights_are_where_the_penalised_likelihood_is_flat() -> None:
    random = np.random.default_rng(5)
    seen = random.normal(size=(2000, 3))
    rate = np.exp(0.3 * seen[:, 0] - 0.2 * seen[:, 1] - 1.0)
    count, some = random.poisson(rate).astype(float), (random.random(2000) < 1 - np.exp(-rate)).astype(float)
    for kind, outcome in (("poisson", count), ("returning", some)):
        example = Example(seen, np.zeros(2000), outcome)
        found = fit_weights([example, example], 3, kind)  # type: ignore[arg-type]
        assert found == pytest.approx([0.3, -0.2, 0.0], abs=0.08)
    assert not fit_weights([], 3, "poisson").any()


def test_a_document_that_contradicts_itself_is_refused() -> None:
    model = fit_predictions(drawn_shop(30, 400), AS_OF)[0]
    for text in ("{}", model.to_json().replace('"means":[', '"means":[1.0,'), "[1]"):
        with pytest.raises(ArtefactError):
            PredictionModel.from_json(text)
    assert len(model.means) > len(INPUTS)


def test_a_picture_of_how_predictions_turned_out() -> None:
    shop, as_of = drawn_shop(300, 400), OPENED + timedelta(days=300)
    newest = fit_predictions(shop, as_of)[1][0]
    bins = bins_of(newest.expected_orders, newest.orders)
    assert sum(each.customers for each in bins) == len(newest.orders)
    assert [each.expected for each in bins] == sorted(each.expected for each in bins)
    assert calibration_plot("title", bins, bins).startswith(b"\x89PNG")
    assert b"<svg" in calibration_plot("title", bins, bins, "svg")
