"""One customer with any number of order lines."""

from datetime import date, timedelta

import polars as pl

from segmentation.features.one_customer import COLUMNS
from segmentation.synthetic import generate

AS_OF = date(2026, 1, 1)
DAYS = 365
FEWEST_PER_CUSTOMER = 10
"""Every customer of the synthetic shop has more lines in a year, on average."""


def lines_of_one_customer(count: int) -> list[dict[str, object]]:
    """The first so many lines of a synthetic shop's year, customer by customer, as if all were one customer's.

    Args:
        count: How many.

    Returns:
        Lines in `COLUMNS`, ready for JSON: `ordered_at` is text (UTC).
    """
    customers = 10 + count // FEWEST_PER_CUSTOMER
    shop = generate(customers=customers, start=AS_OF - timedelta(days=DAYS), end=AS_OF).transactions
    lines = shop.sort("customer_id", "ordered_at", "line_id").head(count)
    if lines.height < count:
        raise ValueError(f"{customers} customers have {lines.height} lines only; {count} are wanted.")
    ready = lines.with_columns(pl.lit("one").alias("customer_id"), pl.col("ordered_at").dt.to_string("iso:strict"))
    return ready.select(COLUMNS).to_dicts()
