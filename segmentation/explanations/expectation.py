"""What to expect of a customer, in a sentence."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb

from segmentation.explanations.wording import money, percent
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS
from segmentation.predictions.reading import read_prediction
from segmentation.warehouse.schema import exists


def read_expectation(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date) -> str | None:
    """What a snapshot predicted of a customer, in a sentence; None if it predicted nothing."""
    if not exists(con, CUSTOMER_PREDICTIONS):  # a lake of an older release
        return None
    row = read_prediction(con, customer_id, as_of)
    return None if row is None else expectation_sentence(row)


def expectation_sentence(row: Mapping[str, Any]) -> str:
    """A row of `segments.customer_predictions` as people say it."""
    orders, low, high = (row[f"expected_orders_90d{end}"] for end in ("", "_low", "_high"))
    revenue, least, most = (money(row[f"expected_revenue_90d{end}"]) for end in ("", "_low", "_high"))
    none, day = percent(row["no_order_90d_probability"]), row["next_order_expected_on"]
    when = f"an order is as likely as not by {day}" if day else "an order within a year is less likely than not"
    return (
        f"In the next 90 days: about {orders:.1f} orders ({low:.0f} to {high:.0f}) and {revenue} in revenue "
        f"({least} to {most}), none at all with a probability of {none}; {when}."
    )
