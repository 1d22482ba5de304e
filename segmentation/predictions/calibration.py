"""Whether predictions came true: those of the newest snapshot whose 90 days have ended, against what followed."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from typing import Literal

import duckdb
import numpy as np

from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.modeling.fitting.outcomes import outcome_span
from segmentation.predictions.backtest import Outturn
from segmentation.predictions.evaluation import QUARTER

Verdict = Literal["calibrated", "off", "untrue"]

COVERAGE = 0.9
OFF, UNTRUE = 0.05, 0.2
"""By how much fewer intervals may hold than `COVERAGE` before it is off, and before it is untrue."""

OFF_RATIO, UNTRUE_RATIO = 1.3, 2.5
"""By which factor totals may be off; a first Christmas is missed by about 1.4."""

STANDARD_ERRORS = 3.0
FEWEST_ORDERS = 100
"""With fewer orders, totals are chance."""

OUTTURN = f"""
WITH followed AS (
    SELECT
        customer_id,
        COUNT(DISTINCT order_id) FILTER (quantity > 0) AS orders,
        CAST(SUM(CAST(amount AS DECIMAL(38, 6))) AS DOUBLE) AS revenue
    FROM {TRANSACTIONS.name}
    WHERE ordered_at >= $start AND ordered_at < $end
    GROUP BY customer_id
)
SELECT
    no_order_90d_probability, expected_orders_90d, expected_revenue_90d,
    CAST(COALESCE(orders, 0) AS DOUBLE) AS orders, COALESCE(revenue, 0) AS revenue,
    COALESCE(orders, 0) BETWEEN expected_orders_90d_low AND expected_orders_90d_high AS orders_held,
    COALESCE(revenue, 0) BETWEEN expected_revenue_90d_low AND expected_revenue_90d_high AS revenue_held
FROM (FROM {CUSTOMER_PREDICTIONS.name} WHERE as_of = DATE '{{as_of}}') AS predicted
LEFT JOIN followed USING (customer_id)
ORDER BY customer_id
"""

ENDED = f"SELECT MAX(as_of) FROM {CUSTOMER_PREDICTIONS.name} WHERE as_of <= $latest"


@dataclass(frozen=True)
class Judged:
    """What is said of predictions that have come due."""

    verdict: Verdict
    reasons: tuple[str, ...]


def read_outturn(con: duckdb.DuckDBPyConnection, as_of: date) -> Outturn | None:
    """How the newest predictions turned out whose 90 days had ended by a date; None if there are none."""
    ((ended,),) = con.execute(ENDED, {"latest": as_of - timedelta(days=QUARTER)}).fetchall()
    if ended is None:
        return None
    rows = con.execute(OUTTURN.format(as_of=ended), outcome_span(con, ended, QUARTER)).fetchnumpy()
    return Outturn(ended, *(np.asarray(column, dtype=np.float64) for column in rows.values()))


def judged(outturn: Outturn) -> Judged:
    """Whether predictions held as they promised, within what a small sample justifies."""
    found = outturn.measures()
    chance = STANDARD_ERRORS * sqrt(COVERAGE * (1 - COVERAGE) / max(found["customers"], 1.0))
    missing = {
        "orders": COVERAGE - found["orders_coverage"] - chance,
        "revenue": COVERAGE - found["revenue_coverage"] - chance,
    }
    off = {f"{name} intervals held for {found[f'{name}_coverage']:.0%}": gap for name, gap in missing.items()}
    reasons = [said for said, gap in off.items() if gap > OFF]
    is_untrue = any(gap > UNTRUE for gap in off.values())
    if found["orders"] >= FEWEST_ORDERS:
        factor = max(found["orders_ratio"], 1 / found["orders_ratio"])
        if factor > OFF_RATIO:
            reasons.append(f"{found['orders_ratio']:.2f} times the orders that came were expected")
        is_untrue = is_untrue or factor > UNTRUE_RATIO
    return Judged("untrue" if is_untrue else "off" if reasons else "calibrated", tuple(reasons))
