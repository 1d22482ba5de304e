"""Predictions in a lake: of everybody, by what was known then, and how they turned out."""

import json
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from segmentation.clock import utc_now
from segmentation.explanations.expectation import read_expectation
from segmentation.features.windows import window_of
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.predictions.calibration import judged, read_outturn
from segmentation.predictions.evaluation import predict
from segmentation.predictions.inputs import INPUTS
from segmentation.predictions.purchases import read_purchases
from segmentation.predictions.reading import read_prediction_model
from segmentation.predictions.snapshot import write_predictions
from segmentation.settings import Settings
from segmentation.snapshots.states import read_standings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.predicted_shop import NOW, THEN, predicted_shop

PREDICTED = "FROM segments.customer_predictions WHERE as_of = $as_of ORDER BY customer_id"
LEDGER = """
SELECT written_version
FROM registry.snapshots
WHERE table_name = 'segments.customer_predictions' AND as_of = $as_of
"""
LATE = """
INSERT INTO raw.changed_days BY NAME
SELECT 'late' AS source, $day AS ordered_on, 1 AS line_count_change, MAX(written_version) + 1 AS lake_version
FROM registry.snapshots
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path) -> Path:
    return predicted_shop(tmp_path_factory, empty_lake)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Iterator[Lake]:
    shutil.copytree(home, tmp_path / "shop")
    with Lake(Settings(home=tmp_path / "shop")) as lake:
        yield lake


def test_what_is_known_of_a_day_are_the_features_of_its_snapshot(shop: Lake) -> None:
    with shop.cursor() as con:
        for as_of in (THEN, NOW):
            purchases = read_purchases(con, window_of(NOW, 365))
            known = np.column_stack(purchases.known(as_of).inputs)
            features = read_matrix(con, as_of, INPUTS).values
            assert known == pytest.approx(features, rel=1e-9, abs=1e-9)


def test_everybody_has_a_prediction_that_the_artefact_gives_again(shop: Lake) -> None:
    with shop.cursor() as con:
        rows = con.execute(PREDICTED, {"as_of": NOW}).pl()
        matrix = read_matrix(con, NOW, INPUTS)
        model = read_prediction_model(con, NOW)
        metrics = con.execute("SELECT metrics FROM segments.prediction_models WHERE as_of = $d", {"d": NOW}).fetchone()
    assert rows["customer_id"].to_list() == matrix.customer_ids.to_list()
    assert model is not None
    again = predict(model, matrix.values)
    for name, column in again.items():
        if name != "next_order_days":
            assert rows[name].to_numpy() == pytest.approx(column, rel=1e-12)
    days = rows["next_order_expected_on"].to_list()
    assert [day is None for day in days] == np.isinf(again["next_order_days"]).tolist()
    assert all(NOW <= day <= NOW + timedelta(days=365) for day in days if day is not None)
    assert metrics is not None
    assert set(json.loads(metrics[0])) == {str(day) for day in model.calibrated_on}


def test_the_same_lake_gives_the_same_bytes_and_writes_nothing(shop: Lake) -> None:
    with shop.cursor() as con:
        before = con.execute(PREDICTED, {"as_of": NOW}).pl()
        written = con.execute(LEDGER, {"as_of": NOW}).fetchone()
    write_predictions(shop, NOW, Commit("again"))
    with shop.cursor() as con:
        assert con.execute(PREDICTED, {"as_of": NOW}).pl().equals(before)
        assert con.execute(LEDGER, {"as_of": NOW}).fetchone() == written


def test_predictions_are_compared_with_what_followed(shop: Lake) -> None:
    with shop.cursor() as con:
        assert read_outturn(con, THEN) is None
        outturn = read_outturn(con, NOW)
        predicted = con.execute(PREDICTED, {"as_of": THEN}).pl()
        orders = con.execute(
            "SELECT customer_id, COUNT(DISTINCT order_id) AS came FROM raw.transactions "
            "WHERE quantity > 0 AND ordered_at >= $start AND ordered_at < $end GROUP BY customer_id",
            {"start": datetime(2024, 3, 1), "end": datetime(2024, 5, 30)},
        ).pl()
    assert outturn is not None
    assert outturn.as_of == THEN
    came = predicted.join(orders, on="customer_id", how="left").sort("customer_id")["came"].fill_null(0)
    assert outturn.orders.tolist() == came.to_list()
    low, high = predicted["expected_orders_90d_low"], predicted["expected_orders_90d_high"]
    assert outturn.measures()["orders_coverage"] == ((came >= low) & (came <= high)).mean()
    assert judged(outturn).verdict in ("calibrated", "off")


def test_predictions_that_were_far_off_are_called_untrue(shop: Lake) -> None:
    def spoil(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(
            "UPDATE segments.customer_predictions SET expected_orders_90d = 9 * expected_orders_90d + 9, "
            "expected_orders_90d_low = 200, expected_orders_90d_high = 300"
        )

    with shop.cursor() as con:
        shop.transaction(con, Commit("spoil"), spoil)
        outturn = read_outturn(con, NOW)
    assert outturn is not None
    found = judged(outturn)
    assert found.verdict == "untrue"
    assert "intervals held for 0%" in found.reasons[0]


def test_lines_of_the_past_that_change_make_predictions_stale(shop: Lake) -> None:
    def states() -> dict[tuple[str, date], str]:
        with shop.cursor() as con:
            found = read_standings(con, shop.settings, utc_now())
        return {(each.entry.table_name.partition(".")[2], each.entry.as_of): each.state for each in found}

    assert set(states().values()) == {"current"}
    with shop.cursor() as con:  # before the window of June's features, but June's predictions learn from it
        shop.transaction(con, Commit("late line"), lambda c: c.execute(LATE, {"day": date(2023, 2, 1)}))
    found = states()
    assert found["customer_features", NOW] == "current"
    assert found["customer_predictions", NOW] == found["prediction_models", NOW] == "stale"


def test_a_prediction_is_said_in_a_sentence(shop: Lake) -> None:
    with shop.cursor() as con:
        row = con.execute(PREDICTED, {"as_of": NOW}).pl().row(0, named=True)
        said = read_expectation(con, row["customer_id"], NOW)
        assert read_expectation(con, "nobody", NOW) is None
    assert said is not None
    assert f"about {row['expected_orders_90d']:.1f} orders" in said
    assert (str(row["next_order_expected_on"]) in said) == (row["next_order_expected_on"] is not None)
