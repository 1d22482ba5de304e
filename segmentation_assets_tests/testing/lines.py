"""Order lines for tests: plain rows, and how they get into a lake without a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import polars as pl

from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.customer_bucket import customer_bucket
from segmentation.warehouse.lake import next_version
from segmentation.warehouse.schema import customer_buckets

DAYS = """
SELECT source, CAST(ordered_at AS DATE) AS ordered_on, COUNT(*) AS line_count_change FROM temp.staged GROUP BY ALL
"""

GONE = """
SELECT source, CAST(ordered_at AS DATE) AS ordered_on, -COUNT(*) AS line_count_change
FROM raw.transactions
WHERE {which}
GROUP BY ALL
"""

INTO_SEGMENTS = "INSERT INTO registry.segments (version, segment_id, segment_name, description)"


@dataclass(frozen=True)
class Line:
    """What of an order line matters to features."""

    customer_id: str
    order_id: str
    product_id: str
    ordered_at: datetime
    quantity: float = 1.0
    amount: float = 10.0
    category: str | None = None
    discount: float = 0.0
    country: str | None = None
    channel: str | None = None


def insert_lines(lake: Lake, lines: Sequence[Line]) -> None:
    """Append lines to `raw.transactions` as a source would."""
    with lake.cursor() as con:
        rows = _rows(lines, customer_buckets(con))
        con.register("rows", rows)
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM raw.transactions LIMIT 0")
        con.execute("INSERT INTO temp.staged BY NAME FROM rows")
        lake.transaction(con, Commit("lines"), _insert)


def delete_lines(lake: Lake, which: str) -> None:
    """Delete lines from `raw.transactions` as a source would, by a condition in SQL."""

    def delete(con: duckdb.DuckDBPyConnection) -> None:
        note_changes(con, GONE.format(which=which), version=next_version(con))
        con.execute(f"DELETE FROM raw.transactions WHERE {which}")

    with lake.cursor() as con:
        lake.transaction(con, Commit("gone"), delete)


def _insert(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO raw.transactions FROM temp.staged")
    note_changes(con, DAYS, version=next_version(con))


def _rows(lines: Sequence[Line], buckets: int) -> pl.DataFrame:
    """The table's columns in its order; one frame, since DuckDB takes a millisecond for each row that is bound."""
    return pl.DataFrame(
        {
            "line_id": [f"{number}" for number in range(len(lines))],
            "order_id": [line.order_id for line in lines],
            "customer_id": [line.customer_id for line in lines],
            "product_id": [line.product_id for line in lines],
            "category": pl.Series([line.category for line in lines], dtype=pl.String),
            "quantity": [float(line.quantity) for line in lines],
            "unit_price": [float(abs(line.amount / line.quantity)) if line.quantity else 0.0 for line in lines],
            "amount": [float(line.amount) for line in lines],
            "discount": [float(line.discount) for line in lines],
            "ordered_at": [line.ordered_at for line in lines],
            "country": pl.Series([line.country for line in lines], dtype=pl.String),
            "channel": pl.Series([line.channel for line in lines], dtype=pl.String),
            "source": ["test"] * len(lines),
            "ingested_at": [datetime(2030, 1, 1)] * len(lines),
            "customer_bucket": [customer_bucket(line.customer_id, buckets) for line in lines],
        }
    )
