"""What to expect of customers: as the newest snapshot's model of predictions says it of any features."""

from collections.abc import Sequence
from datetime import date, timedelta
from http import HTTPStatus

import duckdb
import numpy as np

from segmentation.metadata.tables.predictions import PREDICTION_MODELS
from segmentation.predictions.artefact import PredictionModel
from segmentation.predictions.evaluation import predict
from segmentation.predictions.inputs import INPUTS
from segmentation.predictions.reading import read_newest_model
from segmentation.warehouse.schema import exists
from serving.api.contract import Features, Prediction
from serving.api.problems import ProblemError
from serving.live.values import LiveValue


class LivePredictions(LiveValue[PredictionModel | None, PredictionModel | None]):
    """The model of the newest predictions; None in a lake without any."""

    def __init__(self) -> None:
        super().__init__("model of predictions", _read, lambda found: found)

    def required(self) -> PredictionModel:
        """The model.

        Raises:
            ProblemError: There is none (409).
        """
        if self.value is None:
            raise ProblemError(
                HTTPStatus.CONFLICT,
                "no-predictions",
                "The lake has no predictions yet; `segmentation materialize` makes them.",
            )
        return self.value


def predictions_of(model: PredictionModel, customers: Sequence[Features], as_of: date) -> list[Prediction | None]:
    """What to expect of customers from a day on; None of those who lack a feature that it takes.

    Args:
        model: What says so.
        customers: Their features.
        as_of: The day from which on the next order is dated.
    """
    rows = [[getattr(each, name) for name in INPUTS] for each in customers]
    known = [index for index, row in enumerate(rows) if None not in row and row[INPUTS.index("order_count")] > 0]
    answers: list[Prediction | None] = [None] * len(customers)
    if known:
        found = predict(model, np.array([rows[index] for index in known], dtype=np.float64))
        days = found.pop("next_order_days").tolist()
        columns = {name: column.tolist() for name, column in found.items()}
        for place, index in enumerate(known):
            answers[index] = Prediction(
                **{name: column[place] for name, column in columns.items()},
                next_order_expected_on=_day(as_of, days[place]),
                is_365d_extrapolated=model.is_365d_extrapolated,
            )
    return answers


def _day(as_of: date, days: float) -> date | None:
    return None if days == float("inf") else as_of + timedelta(days=int(days))


def _read(con: duckdb.DuckDBPyConnection) -> PredictionModel | None:
    """None, too, in a lake of a release that made none."""
    return read_newest_model(con) if exists(con, PREDICTION_MODELS) else None
