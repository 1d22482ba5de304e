"""Models of predictions and predictions of single customers, as the lake has them. Needs neither SciPy nor Polars."""

from datetime import date
from typing import Any

import duckdb

from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.predictions.artefact import PredictionModel

COLUMNS = tuple(name for name in CUSTOMER_PREDICTIONS.column_names if name not in ("as_of", "customer_id"))


def read_prediction_model(con: duckdb.DuckDBPyConnection, as_of: date) -> PredictionModel | None:
    """The model of a snapshot's predictions, if it has one."""
    row = con.execute(f"SELECT artefact FROM {PREDICTION_MODELS.name} WHERE as_of = DATE '{as_of}'").fetchone()
    return PredictionModel.from_json(row[0]) if row else None


def read_newest_model(con: duckdb.DuckDBPyConnection) -> PredictionModel | None:
    """The model of the newest predictions; None in a lake without any."""
    row = con.execute(f"SELECT artefact FROM {PREDICTION_MODELS.name} ORDER BY as_of DESC LIMIT 1").fetchone()
    return PredictionModel.from_json(row[0]) if row else None


def read_prediction(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date) -> dict[str, Any] | None:
    """What was predicted of a customer as of a date, by column; None if there is nothing."""
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM {CUSTOMER_PREDICTIONS.name} "
        f"WHERE as_of = DATE '{as_of}' AND customer_id = $customer_id"
    )
    row = con.execute(query, {"customer_id": customer_id}).fetchone()
    return dict(zip(COLUMNS, row, strict=True)) if row else None
