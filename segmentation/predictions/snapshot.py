"""Predictions of a snapshot: the model is fitted to what was known then, and says what to expect of each customer."""

import json
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from segmentation.features.records import recorded_scope
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.modeling.artefact import Floats
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.predictions.artefact import PredictionModel
from segmentation.predictions.backtest import Outturn
from segmentation.predictions.evaluation import predict
from segmentation.predictions.inputs import INPUTS
from segmentation.predictions.purchases import first_day_read, read_purchases
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf
from segmentation.warehouse.snapshots import write_snapshot


@dataclass(frozen=True)
class WrittenPredictions:
    """What was written.

    Attributes:
        model: The artefact.
        predicted: The table's rows, but for the date.
        past: How models of the past dates would have done, the newest first.
    """

    model: PredictionModel
    predicted: pl.DataFrame
    past: list[Outturn]


def write_predictions(lake: Lake, as_of: date, commit: Commit) -> WrittenPredictions:
    """Fit a model of predictions as of a snapshot, predict every customer, and replace both in the lake.

    Args:
        lake: A writable lake.
        as_of: The snapshot; its features have to be there.
        commit: What the lake's commit says about itself.

    Raises:
        NotEnoughDataError: There is no such snapshot.
    """
    from segmentation.predictions.fitting.fit import fit_predictions  # SciPy is heavy, and only who fits needs it

    version = lake.version()
    with lake.cursor() as con:
        matrix = read_matrix(con, as_of, INPUTS)
        window, _ = recorded_scope(con, as_of, lake.settings)
        model, past = fit_predictions(read_purchases(con, window), as_of)
        predicted = _frame(model, matrix.customer_ids, matrix.values)
        _stage(con, model, predicted, past)
        made_of = MadeOf(
            version,
            code_version_of(CUSTOMER_PREDICTIONS),
            window_start=first_day_read(window),
            timezone=window.zone,
        )
        relations = {CUSTOMER_PREDICTIONS: "temp.predicted", PREDICTION_MODELS: "temp.prediction_model"}
        write_snapshot(lake, con, relations, as_of, made_of, commit)
    return WrittenPredictions(model, predicted, past)


def _frame(model: PredictionModel, customer_ids: pl.Series, values: Floats) -> pl.DataFrame:
    found = predict(model, values)
    days = found.pop("next_order_days")
    start = np.datetime64(model.as_of, "D")
    whole = np.where(np.isfinite(days), np.floor(np.where(np.isfinite(days), days, 0.0)), 0.0).astype(np.int64)
    on = pl.Series(start + whole.astype("timedelta64[D]"))
    columns = {"customer_id": customer_ids, **found}
    return pl.DataFrame(columns).with_columns(
        next_order_expected_on=pl.when(pl.Series(np.isfinite(days))).then(on.cast(pl.Date)),
        is_365d_extrapolated=pl.lit(model.is_365d_extrapolated),
    )


def _stage(
    con: duckdb.DuckDBPyConnection, model: PredictionModel, predicted: pl.DataFrame, past: list[Outturn]
) -> None:
    con.register("predicted_rows", predicted)
    con.execute("CREATE OR REPLACE TEMP TABLE predicted AS FROM predicted_rows")
    con.unregister("predicted_rows")
    metrics = {str(each.as_of): each.measures() for each in past}
    con.execute(
        "CREATE OR REPLACE TEMP TABLE prediction_model AS "
        "SELECT $hash AS model_hash, $artefact AS artefact, $metrics AS metrics",
        {"hash": model.hash(), "artefact": model.to_json(), "metrics": json.dumps(metrics, sort_keys=True)},
    )
