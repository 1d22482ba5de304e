"""Outcomes: what customers did in the days after a snapshot, so that models can be fitted to it and judged by it.

A segmentation is for acting on: it should tell who will spend, and who will behave how. What is spent is known of
everybody; how somebody buys, only of those who bought. What is learned from outcomes lies in `futures`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from segmentation.features.records import recorded_zone
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.modeling.artefact import Floats, Ints
from segmentation.shop_calendar import first_moment
from segmentation.warehouse.shop_time import shop_time_macro

Booleans = NDArray[np.bool_]

OUTCOMES = f"""
WITH lines AS (
    SELECT
        *,
        quantity > 0 AS is_purchase,
        CAST(amount AS DECIMAL(38, 6)) AS money,
        CAST(quantity AS DECIMAL(38, 6)) AS units
    FROM {TRANSACTIONS.name}
    WHERE ordered_at >= $start AND ordered_at < $end
),
orders AS (
    SELECT customer_id, order_id, dayofweek(shop_time(MIN(ordered_at))) IN (0, 6) AS is_weekend
    FROM lines
    WHERE is_purchase
    GROUP BY customer_id, order_id
),
weekends AS (
    SELECT customer_id, COUNT(*) AS orders, COUNT_IF(is_weekend) AS weekend_orders FROM orders GROUP BY customer_id
)
SELECT
    customer_id,
    CAST(SUM(money) AS DOUBLE) AS spend,
    COALESCE(BOOL_OR(is_purchase), false) AS returned,
    ANY_VALUE(orders) AS orders,
    ANY_VALUE(weekend_orders) AS weekend_orders,
    CAST(SUM(money) FILTER (is_purchase) AS DOUBLE) AS gross,
    CAST(SUM(units) FILTER (is_purchase) AS DOUBLE) AS units,
    COUNT(DISTINCT (order_id, product_id)) FILTER (is_purchase AND product_id IS NOT NULL) AS products,
    CAST(-SUM(money) FILTER (NOT is_purchase) AS DOUBLE) AS sent_back,
    CAST(SUM(CAST(discount AS DECIMAL(38, 6))) FILTER (is_purchase) AS DOUBLE) AS discount
FROM lines
LEFT JOIN weekends USING (customer_id)
GROUP BY customer_id
"""
"""Needs the macro `shop_time`; `outcome_span` makes it, and what is bound. Sums of decimals are exact."""

SHARES = f"""
WITH spent AS (
    SELECT customer_id, {{column}} AS item, SUM(CAST(amount AS DECIMAL(38, 6))) AS money
    FROM {TRANSACTIONS.name}
    WHERE ordered_at >= $start AND ordered_at < $end AND quantity > 0 AND {{column}} IS NOT NULL
    GROUP BY ALL
),
largest AS (SELECT item FROM spent GROUP BY item ORDER BY SUM(money) DESC, item LIMIT $count)
SELECT
    customer_id,
    item,
    CAST(money AS DOUBLE) / CAST(SUM(money) OVER (PARTITION BY customer_id) AS DOUBLE) AS share
FROM spent
QUALIFY item IN (FROM largest) AND SUM(money) OVER (PARTITION BY customer_id) > 0
ORDER BY item, customer_id
"""

SHARED = {"category": 6, "channel": 3}
"""Columns of which the shares of the largest are outcomes, and how many of them."""


@dataclass(frozen=True)
class Outcome:
    """What n customers did in the days after a snapshot; every array has length n.

    Attributes:
        log_spend: log(1 + net spend), 0 for those who spent nothing.
        returned: Whether they bought anything.
        behaviour: How they bought, by name; NaN for those who didn't.
        shares: Share of their spend in each of the shop's largest categories and channels; NaN for those who bought
            nothing.
    """

    log_spend: Floats
    returned: Booleans
    behaviour: Mapping[str, Floats] = field(default_factory=dict)
    shares: Mapping[str, Floats] = field(default_factory=dict)

    def of(self, rows: Ints) -> "Outcome":
        """The same of some of the customers."""
        return Outcome(
            self.log_spend[rows],
            self.returned[rows],
            {name: values[rows] for name, values in self.behaviour.items()},
            {name: values[rows] for name, values in self.shares.items()},
        )


def outcome_span(con: duckdb.DuckDBPyConnection, as_of: date, days: int) -> dict[str, datetime]:
    """What `OUTCOMES` binds: the `days` from `as_of` on, as they begin in the time zone of the snapshot.

    It makes the macro `shop_time` of that zone in the connection.
    """
    zone = recorded_zone(con, as_of)
    start, end = first_moment(as_of, zone), first_moment(as_of + timedelta(days=days), zone)
    con.execute(f"CREATE OR REPLACE TEMP MACRO {shop_time_macro(zone, start, end)}")
    return {"start": start, "end": end}


def read_outcome(con: duckdb.DuckDBPyConnection, as_of: date, days: int, customer_ids: pl.Series) -> Outcome:
    """What the given customers did in the `days` from `as_of` on."""
    span = outcome_span(con, as_of, days)
    customers = pl.DataFrame({"customer_id": customer_ids})
    theirs = customers.join(con.execute(OUTCOMES, span).pl(), on="customer_id", how="left", maintain_order="left")
    returned = theirs["returned"].fill_null(value=False).to_numpy()
    spend = theirs["spend"].fill_null(0.0).to_numpy()
    shares: dict[str, Floats] = {}
    for column, count in SHARED.items():
        found = con.execute(SHARES.format(column=column), {**span, "count": count}).pl()
        shares |= _shares(column, found, customers, returned)
    return Outcome(np.log(1.0 + np.maximum(spend, 0.0)), returned, _behaviour(theirs, returned), shares)


def _behaviour(theirs: pl.DataFrame, returned: Booleans) -> dict[str, Floats]:
    """How those who bought did: sizes as logarithms, shares as roots, so that no customer outweighs all others."""

    def of(name: str) -> Floats:
        return theirs[name].cast(pl.Float64).fill_null(0.0).to_numpy()

    orders, units, gross = of("orders"), of("units"), of("gross")
    measures = {
        "order_value": np.log(1.0 + _ratio(gross, orders)),
        "units_per_order": np.log(1.0 + _ratio(units, orders)),
        "products_per_order": np.log(1.0 + _ratio(of("products"), orders)),
        "unit_price": np.log(1.0 + _ratio(gross, units)),
        "return_rate": np.sqrt(np.clip(_ratio(of("sent_back"), gross), 0.0, 1.0)),
        "discount_share": np.sqrt(np.clip(_ratio(of("discount"), gross + of("discount")), 0.0, 1.0)),
        "weekend_share": _ratio(of("weekend_orders"), orders),
    }
    return {name: np.where(returned, values, np.nan) for name, values in measures.items()}


def _shares(column: str, found: pl.DataFrame, customers: pl.DataFrame, returned: Booleans) -> dict[str, Floats]:
    shares = {}
    for (item,), rows in found.group_by("item", maintain_order=True):
        theirs = customers.join(rows, on="customer_id", how="left", maintain_order="left")["share"]
        shares[f"{column} {item}"] = np.where(returned, theirs.fill_null(0.0).to_numpy(), np.nan)
    return shares


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotients that can't be negative; 0 where there is nothing to divide by."""
    quotient = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return np.asarray(np.maximum(quotient, 0.0), dtype=np.float64)
