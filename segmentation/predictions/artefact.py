"""The artefact of predictions: one JSON document from features to expectations. How it is evaluated: `evaluation`."""

import hashlib
from datetime import date
from typing import Literal, Self

import msgspec

from segmentation.errors import ArtefactError
from segmentation.predictions.inputs import PREDICTOR_COUNT
from segmentation.predictions.intervals import QUANTILES, Spread
from segmentation.predictions.mbg_nbd import MbgNbd
from segmentation.predictions.order_value import OrderValue

FORMAT: Literal[1] = 1
Row = tuple[float, ...]


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one outcome differs from what MBG/NBD expects.

    Attributes:
        weights: Per standardised predictor, on a logarithmic scale.
        level_90d: Added for the next 90 days: season, and how the shop has been doing.
        level_365d: Added for the next 365 days.
    """

    weights: Row
    level_90d: float
    level_365d: float


class PredictionModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that predictions of one snapshot are made from.

    Attributes:
        format: Version of this document's layout.
        as_of: The snapshot; nothing from then on was looked at.
        buying: Parameters of MBG/NBD.
        value: Parameters of Gamma-Gamma.
        means: Of the predictors, among the customers of the snapshot.
        scales: Their standard deviations.
        regression_share: 0: MBG/NBD alone; 1: with all that the regressions found; 0.5: half of it.
        orders: Number of orders.
        returning: Whether there is an order, on the complementary log-log scale.
        revenue: Net revenue.
        spread_orders_90d: How far numbers of orders lie around expectations; the next three alike.
        spread_revenue_90d: Net revenue.
        spread_orders_365d: Orders within a year.
        spread_revenue_365d: Net revenue within a year.
        calibrated_on: The past dates that intervals were calibrated on; none in a shop too young for that.
        is_365d_extrapolated: Whether no window of 365 days has ended that could be learned from.
    """

    format: Literal[1]
    as_of: date
    buying: MbgNbd
    value: OrderValue
    means: Row
    scales: Row
    regression_share: float
    orders: Outcome
    returning: Outcome
    revenue: Outcome
    spread_orders_90d: Spread
    spread_revenue_90d: Spread
    spread_orders_365d: Spread
    spread_revenue_365d: Spread
    calibrated_on: tuple[date, ...]
    is_365d_extrapolated: bool

    def to_json(self) -> str:
        """The document as canonical JSON."""
        return msgspec.json.encode(self, order="sorted").decode()

    def hash(self) -> str:
        """SHA-256 of the document."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read and check a document.

        Raises:
            ArtefactError: It is none, or contradicts itself.
        """
        try:
            model = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ArtefactError(f"This is no model of predictions: {error}.") from error
        rows = (model.means, model.scales, *(each.weights for each in (model.orders, model.returning, model.revenue)))
        spreads = (model.spread_orders_90d, model.spread_revenue_90d, model.spread_orders_365d)
        if any(len(row) != PREDICTOR_COUNT for row in rows):
            raise ArtefactError(f"A model of predictions needs {PREDICTOR_COUNT} weights per outcome.")
        for spread in (*spreads, model.spread_revenue_365d):
            if len(spread.sizes) != len(spread.ratios) or any(len(row) != len(QUANTILES) for row in spread.ratios):
                raise ArtefactError("The intervals of a model of predictions contradict themselves.")
        return model
