"""Order lines for tests: plain rows, and how they get into a lake without a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.customer_bucket import customer_bucket
from segmentation.warehouse.schema import customer_buckets

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
        buckets = customer_buckets(con)
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM raw.transactions LIMIT 0")
        rows = [
            (
                f"{number}",
                line.order_id,
                line.customer_id,
                line.product_id,
                line.category,
                line.quantity,
                abs(line.amount / line.quantity),
                line.amount,
                line.discount,
                line.ordered_at,
                line.country,
                line.channel,
                "test",
                datetime(2030, 1, 1),
                customer_bucket(line.customer_id, buckets),
            )
            for number, line in enumerate(lines)
        ]
        if rows:
            con.executemany(f"INSERT INTO temp.staged VALUES ({', '.join('?' * 15)})", rows)
        lake.transaction(con, Commit("lines"), lambda c: c.execute("INSERT INTO raw.transactions FROM temp.staged"))
