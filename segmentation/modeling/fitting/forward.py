"""Forward value: how well segments tell apart what customers do next.

A segmentation is for acting on, so it is judged by the days after its date: by what customers spend in them, and by
whether they come back at all. What decides (the axis) is learned at an earlier date than the one it is judged at.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from segmentation.features.records import recorded_zone
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.modeling.artefact import Floats, Ints
from segmentation.shop_calendar import first_moment

Booleans = NDArray[np.bool_]

OUTCOMES = f"""
SELECT
    customer_id,
    CAST(SUM(CAST(amount AS DECIMAL(38, 6))) AS DOUBLE) AS spend,
    COALESCE(BOOL_OR(quantity > 0), false) AS returned
FROM {TRANSACTIONS.name}
WHERE ordered_at >= $start AND ordered_at < $end
GROUP BY customer_id
"""


@dataclass(frozen=True)
class Outcome:
    """What n customers did in the days after a snapshot.

    Attributes:
        log_spend: Length n; log(1 + net spend), 0 for those who spent nothing.
        returned: Length n; whether they bought anything.
    """

    log_spend: Floats
    returned: Booleans


def outcome_span(con: duckdb.DuckDBPyConnection, as_of: date, days: int) -> dict[str, datetime]:
    """What `OUTCOMES` binds: the `days` from `as_of` on, as they begin in the time zone of the snapshot."""
    zone = recorded_zone(con, as_of)
    return {"start": first_moment(as_of, zone), "end": first_moment(as_of + timedelta(days=days), zone)}


def read_outcome(con: duckdb.DuckDBPyConnection, as_of: date, days: int, customer_ids: pl.Series) -> Outcome:
    """What the given customers did in the `days` from `as_of` on."""
    found = con.execute(OUTCOMES, outcome_span(con, as_of, days)).pl()
    theirs = pl.DataFrame({"customer_id": customer_ids}).join(
        found, on="customer_id", how="left", maintain_order="left"
    )
    spend = theirs["spend"].fill_null(0.0).to_numpy()
    return Outcome(np.log(1.0 + np.maximum(spend, 0.0)), theirs["returned"].fill_null(value=False).to_numpy())


def forward_coefficients(scaled: Floats, outcome: Outcome, ridge: float) -> Floats:
    """Ridge regression of the log spend to come on scaled features (Hoerl & Kennard 1970).

    Args:
        scaled: Shape (n, d).
        outcome: Of the same n customers.
        ridge: Penalty on the sum of squared coefficients; per customer it is ridge / n.

    Returns:
        Length d.
    """
    centred = scaled - scaled.mean(axis=0)
    target = outcome.log_spend - outcome.log_spend.mean()
    gram = centred.T @ centred + ridge * np.eye(centred.shape[1])
    return np.asarray(np.linalg.solve(gram, centred.T @ target), dtype=np.float64)


def eta_squared(values: Floats, labels: Ints) -> float:
    """Share of the variance of `values` that lies between groups (Fisher 1925); 0 if they do not vary."""
    total = float(np.sum((values - values.mean()) ** 2))
    if total <= 0:
        return 0.0
    counts = np.bincount(labels)
    sums = np.bincount(labels, weights=values)
    filled = counts > 0
    between = float(np.sum(counts[filled] * (sums[filled] / counts[filled] - values.mean()) ** 2))
    return between / total


def auc(scores: Floats, positives: Booleans) -> float:
    """Probability that a random positive scores above a random negative, ties counting half (Mann & Whitney 1947).

    0.5 where one of the two kinds is missing.
    """
    n_positive = int(positives.sum())
    n_negative = len(positives) - n_positive
    if not n_positive or not n_negative:
        return 0.5
    from scipy.stats import rankdata  # SciPy is heavy, and only who fits needs it

    ranks = rankdata(scores)
    return float((ranks[positives].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
