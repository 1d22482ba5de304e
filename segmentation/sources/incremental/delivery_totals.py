"""What has been delivered in all, by source."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from segmentation.metadata.tables.raw import DELIVERIES

TOTALS = f"""
SELECT source, COUNT(*), CAST(SUM(lines_read) AS BIGINT), CAST(SUM(lines_new) AS BIGINT),
    CAST(SUM(lines_replaced) AS BIGINT), CAST(SUM(lines_repeated) AS BIGINT), CAST(SUM(lines_rejected) AS BIGINT),
    MIN(first_day), MAX(last_day), MAX(received_at)
FROM {DELIVERIES.name}
WHERE source IN (SELECT unnest($sources))
GROUP BY source
ORDER BY source
"""


@dataclass(frozen=True)
class DeliveryTotals:
    """All deliveries of a source.

    Attributes:
        source: Its name.
        deliveries: How many there were.
        lines_read: Lines in them.
        lines_new: Those that the lake hadn't.
        lines_replaced: Those that took the place of others.
        lines_repeated: Those that the lake had already.
        lines_rejected: Those that were refused.
        first_day: Earliest day (UTC) that they changed.
        last_day: Latest one.
        last_at: When the last one came, UTC.
    """

    source: str
    deliveries: int
    lines_read: int
    lines_new: int
    lines_replaced: int
    lines_repeated: int
    lines_rejected: int
    first_day: date | None
    last_day: date | None
    last_at: datetime

    def named(self) -> list[tuple[str, int]]:
        """The counts by name."""
        names = ("deliveries", "lines_read", "lines_new", "lines_replaced", "lines_repeated", "lines_rejected")
        return [(name, getattr(self, name)) for name in names]

    @property
    def counts(self) -> list[int]:
        """The counts, in the order of `named`."""
        return [count for _, count in self.named()]


def read_totals(con: duckdb.DuckDBPyConnection, sources: Sequence[str]) -> list[DeliveryTotals]:
    """What some sources have delivered; those that haven't anything are left out."""
    rows = con.execute(TOTALS, {"sources": list(sources)}).fetchall()
    return [DeliveryTotals(*row) for row in rows]
