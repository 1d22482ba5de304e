"""Flicker: how many customers changed segment since the snapshot before, and how many back to where they came from.

What moved them (they themselves, or the model) is told by `segments.transitions`.
"""

from datetime import date

import duckdb

from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.snapshots.latest import date_before

BACK_WITHIN_DAYS = 62
"""Who is back in a segment after so many days has flickered: two months, whichever they are."""

FLICKER = f"""
WITH assigned AS (
    SELECT as_of, customer_id, segment_id
    FROM {of_model(CUSTOMER_SEGMENTS)}
    WHERE as_of >= DATE '{{as_of}}' - {BACK_WITHIN_DAYS} AND as_of <= DATE '{{as_of}}'
        OR as_of = DATE '{{previous}}'
),
changed AS (
    SELECT now.customer_id, now.segment_id, now.segment_id <> before.segment_id AS has_changed
    FROM (FROM assigned WHERE as_of = DATE '{{as_of}}') AS now
    JOIN (FROM assigned WHERE as_of = DATE '{{previous}}') AS before USING (customer_id)
),
earlier AS (
    SELECT DISTINCT customer_id, segment_id
    FROM assigned
    WHERE as_of < DATE '{{previous}}' AND as_of >= DATE '{{as_of}}' - {BACK_WITHIN_DAYS}
)
SELECT
    AVG(CAST(has_changed AS DOUBLE)) AS changed_share,
    AVG(CAST(has_changed AND earlier.segment_id IS NOT NULL AS DOUBLE)) AS flipped_share,
    COUNT(*) AS customers
FROM changed
LEFT JOIN earlier ON earlier.customer_id = changed.customer_id AND earlier.segment_id = changed.segment_id
"""


def read_flicker(con: duckdb.DuckDBPyConnection, as_of: date) -> tuple[float, float, int] | None:
    """Shares of customers who changed segment, and who changed back, and of how many customers that is.

    Args:
        con: A cursor of the lake.
        as_of: The snapshot.

    Returns:
        Of those who are in the snapshot before, too; None if there is none, or nobody is in both.
    """
    previous = date_before(con, CUSTOMER_SEGMENTS, as_of)
    if previous is None:
        return None
    changed, flipped, customers = con.execute(FLICKER.format(as_of=as_of, previous=previous)).fetchall()[0]
    return (changed, flipped, customers) if customers else None
