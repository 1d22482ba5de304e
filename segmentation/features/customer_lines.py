"""A customer's own order lines, as the lake has them: what `one_customer` computes features from."""

import duckdb

from segmentation.features.one_customer import COLUMNS, OrderLine
from segmentation.features.windows import Window
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.warehouse.customer_bucket import customer_bucket
from segmentation.warehouse.schema import customer_buckets
from segmentation.warehouse.sql import literal

# Buckets, ids and times are written out, not bound: DuckLake skips files by what it can see when it plans.
LINES_IN_WINDOW = f"""
SELECT {", ".join(COLUMNS)}
FROM {TRANSACTIONS.name}
WHERE customer_bucket = {{bucket}}
    AND customer_id = {{customer_id}}
    AND ordered_at >= TIMESTAMP '{{start}}' AND ordered_at < TIMESTAMP '{{as_of}}'
ORDER BY ordered_at, line_id
"""


def read_customer_lines(con: duckdb.DuckDBPyConnection, customer_id: str, window: Window) -> list[OrderLine]:
    """A customer's lines in a window, in the columns that features are computed from, in order of time.

    Args:
        con: A cursor of the lake; may be read-only.
        customer_id: The customer, as the source names them.
        window: The days.
    """
    bucket = customer_bucket(customer_id, customer_buckets(con))
    query = LINES_IN_WINDOW.format(
        bucket=bucket, customer_id=literal(customer_id), start=window.starts_at, as_of=window.ends_at
    )
    return [dict(zip(COLUMNS, row, strict=True)) for row in con.execute(query).fetchall()]
