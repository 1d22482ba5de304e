"""How many customers of each segment a word is true of, and of how many elsewhere. Counted in SQL, nothing sampled.

What the words claim is in `segmentation.metadata.vocabulary`; which of them make a name is decided in `naming`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np
import polars as pl

from segmentation.metadata.features import BY_NAME
from segmentation.metadata.vocabulary import NAMED_FROM, QUANTILES, Claim
from segmentation.modeling.artefact import Floats, Ints

TRUE_SHARE = 0.6
"""A word is true of a segment if it is true of this share of its members, and of a smaller one elsewhere."""

WITHIN_RHYTHM = 0.25
"""Of a segment that is called cooling or lapsed, at most this share ordered within their expected gap, or their own
mean gap if that is longer."""

SEGMENT_WEIGHT = 20
"""The median gap of a segment counts with its repeat customers, that of the shop with so many."""

LEAST_REPEATERS, LEAST_REPEATING_SHARE = 20, 0.05
"""With fewer customers who came again, a shop has no usual gap, and nobody is called active, cooling or lapsed."""

THRESHOLD_ROWS = 1_000_000
"""Percentiles of a larger snapshot are those of about so many of its customers."""


def _percentiles() -> str:
    """Of all customers, a column each; a measure's are taken together, which halves the memory."""
    return ", ".join(
        f"quantile_cont({measure}, {[percent / 100 for percent in percents]})[{place}] AS {measure}_p{percent}"
        for measure, percents in QUANTILES.items()
        for place, percent in enumerate(percents, start=1)
    )


OWN_GAP = "(tenure_days - recency_days) / NULLIF(order_count - 1, 0)"

SHOP = f"""
CREATE OR REPLACE TEMP TABLE shop AS
SELECT
    {_percentiles()},
    CASE
        WHEN COUNT(*) FILTER (order_count >= 2) >= GREATEST({LEAST_REPEATERS}, {LEAST_REPEATING_SHARE} * COUNT(*))
            THEN MEDIAN({OWN_GAP})
    END AS gap_days
FROM temp.customers
WHERE CAST(md5_number_lower(customer_id) % $every AS INTEGER) = 0
"""

GAPS = f"""
CREATE OR REPLACE TEMP TABLE segment_gaps AS
SELECT
    segment_id,
    (COALESCE(MEDIAN({OWN_GAP}), 0) * COUNT({OWN_GAP}) + ANY_VALUE(shop.gap_days) * {SEGMENT_WEIGHT})
        / (COUNT({OWN_GAP}) + {SEGMENT_WEIGHT}) AS gap_days
FROM temp.customers, temp.shop
GROUP BY segment_id
"""

MEASURED = """
CREATE OR REPLACE TEMP VIEW measured AS
SELECT customers.*, (tenure_days - recency_days + gap_days) / order_count AS expected_gap_days
FROM temp.customers
JOIN temp.segment_gaps USING (segment_id)
"""
"""The expected gap is the mean of a customer's own gaps and one gap that is usual in their segment."""

COUNTS = """
SELECT
    segment_id,
    COUNT(*),
    COUNT(*) FILTER (recency_days <= GREATEST(expected_gap_days, {own_gap})),
    {counts}
FROM temp.measured, temp.shop
GROUP BY segment_id
ORDER BY segment_id
"""


TYPICAL = """
SELECT segment_id, {columns}
FROM temp.measured
GROUP BY GROUPING SETS ((segment_id), ())
ORDER BY segment_id NULLS FIRST
"""
"""Rounded, since sums of doubles in any order differ in their last bits."""


@dataclass(frozen=True)
class Shares:
    """How far claims hold, by segment.

    Attributes:
        claims: The claims, w of them.
        segments: Ids of the segments that have customers, k of them, ascending.
        sizes: Length k; their customers.
        inside: Shape (k, w); share of a segment's customers of whom a claim is true.
        elsewhere: Shape (k, w); the same of all other customers, 0 if there are none.
        within_rhythm: Length k; share of customers who ordered within their expected or their own mean gap.
        leans: Shape (k, w); by how much a segment's typical value of a claim's feature lies on the claimed side of
            everybody's, on the feature's transform scale; 0 for claims of neither more nor less.
    """

    claims: tuple[Claim, ...]
    segments: tuple[int, ...]
    sizes: Ints
    inside: Floats
    elsewhere: Floats
    within_rhythm: Floats
    leans: Floats

    def of(self, segment_id: int, claim: Claim) -> tuple[float, float]:
        """Share inside of a segment and elsewhere."""
        row, column = self.segments.index(segment_id), self.claims.index(claim)
        return float(self.inside[row, column]), float(self.elsewhere[row, column])

    def is_true(self, segment_id: int, claim: Claim) -> bool:
        """Whether a claim may be made of a segment."""
        inside, elsewhere = self.of(segment_id, claim)
        return self.holds(segment_id, claim) and inside >= TRUE_SHARE and inside > elsewhere

    def holds(self, segment_id: int, claim: Claim) -> bool:
        """Whether nothing speaks against a claim, however many customers it is true of."""
        row = self.segments.index(segment_id)
        is_in_rhythm = float(self.within_rhythm[row]) > WITHIN_RHYTHM
        return float(self.leans[row, self.claims.index(claim)]) >= 0 and not (claim.is_away and is_in_rhythm)


def prepare(con: duckdb.DuckDBPyConnection, relation: str) -> None:
    """Measure the customers of a relation, so that `shares` and `figures` can be asked.

    Leaves the temporary tables `shop` and `segment_gaps` and the views `customers` and `measured` on the connection.

    Args:
        con: Any connection.
        relation: With `customer_id`, `segment_id` and the features of `NAMED_FROM`, a row per customer.
    """
    features = ", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in NAMED_FROM)
    con.execute(
        "CREATE OR REPLACE TEMP VIEW customers AS "
        f"SELECT *, gross_revenue / NULLIF(units_purchased, 0) AS unit_price "
        f"FROM (SELECT customer_id, segment_id, {features} FROM {relation})"
    )
    total = int(con.execute("SELECT COUNT(*) FROM temp.customers").fetchall()[0][0])
    con.execute(SHOP, {"every": max(1, total // THRESHOLD_ROWS)})
    con.execute(GAPS)
    con.execute(MEASURED)


def shares(con: duckdb.DuckDBPyConnection, claims: Sequence[Claim]) -> Shares:
    """How far claims hold in each segment of what was prepared."""
    counts = ", ".join(f"COUNT(*) FILTER ({claim.condition})" for claim in claims)
    rows = con.execute(COUNTS.format(own_gap=OWN_GAP, counts=counts)).fetchall()
    table = np.array([row[1:] for row in rows], dtype=np.int64).reshape(len(rows), len(claims) + 2)
    sizes, within, true = table[:, 0], table[:, 1], table[:, 2:]
    others = sizes.sum() - sizes
    return Shares(
        claims=tuple(claims),
        segments=tuple(int(row[0]) for row in rows),
        sizes=sizes,
        inside=true / sizes[:, None],
        elsewhere=(true.sum(axis=0) - true) / np.maximum(others, 1)[:, None],
        within_rhythm=within / sizes,
        leans=_leans(con, claims, len(rows)),
    )


def _leans(con: duckdb.DuckDBPyConnection, claims: Sequence[Claim], segments: int) -> Floats:
    """By how much each segment's typical value lies on the side that a claim says; shape (segments, claims)."""
    features = sorted({claim.feature for claim in claims if claim.sign})
    if not features:
        return np.zeros((segments, len(claims)))
    columns = ", ".join(f"ROUND(AVG({_transformed(name)}), 9)" for name in features)
    rows = con.execute(TYPICAL.format(columns=columns)).fetchall()
    table = np.array([row[1:] for row in rows], dtype=np.float64)
    ahead = np.nan_to_num(table[1:] - table[0])
    zero = np.zeros(segments)
    return np.column_stack([c.sign * ahead[:, features.index(c.feature)] if c.sign else zero for c in claims])


def _transformed(feature: str) -> str:
    """A feature on its transform scale in SQL, as explanations show what is typical."""
    match BY_NAME[feature].transform:
        case "log":
            return f"LN(1 + GREATEST({feature}, 0))"
        case "signed_log":
            return f"SIGN({feature}) * LN(1 + ABS({feature}))"
        case "sqrt":
            return f"SQRT(GREATEST({feature}, 0))"
        case _:
            return feature


@contextmanager
def prepared(values: Floats, labels: Ints) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own on which the customers of a matrix are prepared.

    Args:
        values: Shape (n, number of `NAMED_FROM`), NaN where missing.
        labels: Length n; the segment of each customer.
    """
    columns = {name: values[:, index] for index, name in enumerate(NAMED_FROM)}
    frame = pl.DataFrame({"segment_id": labels, **columns}).fill_nan(None).with_row_index("customer_id")
    with duckdb.connect(":memory:") as con:
        con.register("given", frame.with_columns(pl.col("customer_id").cast(pl.String)).to_arrow())
        con.execute("CREATE TEMP TABLE given_customers AS FROM given")
        prepare(con, "temp.given_customers")
        yield con
