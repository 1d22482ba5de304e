"""How far a source has been read, in the lake: read, and moved on within the commit that writes its lines."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from segmentation.metadata.tables.raw import POSITIONS
from segmentation.sources.incremental.deliveries import Delivery, StalePositionsError

READ_POSITIONS = f"""
SELECT channel, arg_max(position, revision), max(revision), count(*)
FROM {POSITIONS.name}
WHERE source = $source
GROUP BY channel
"""

# Rows are added, and deleted all at once when they have become many: single deletions would leave files that no
# maintenance clears away.
INSERT_POSITIONS = f"""
INSERT INTO {POSITIONS.name}
SELECT $source, unnest($channels), unnest($positions), $revision, CAST($now AS TIMESTAMP)
"""

DELETE_POSITIONS = f"DELETE FROM {POSITIONS.name} WHERE source = $source"

MOST_POSITIONS = 2_000
"""Rows of a source, after which only the last one of each channel stays."""


@dataclass(frozen=True)
class Reached:
    """How far a source has been read, by the rows that say so."""

    positions: dict[str, str]
    revision: int
    row_count: int


def reached(con: duckdb.DuckDBPyConnection, source: str) -> Reached:
    """How far a source has been read."""
    rows = con.execute(READ_POSITIONS, {"source": source}).fetchall()
    positions = {channel: position for channel, position, _, _ in rows}
    return Reached(positions, max((row[2] for row in rows), default=0), sum(row[3] for row in rows))


def advance(con: duckdb.DuckDBPyConnection, delivery: Delivery, now: datetime) -> None:
    """Note how far a delivery brings the reading of its source.

    Raises:
        StalePositionsError: Somebody else has read it on meanwhile.
    """
    if delivery.advance is None or not delivery.advance.after:
        return
    before, after = delivery.advance.before, dict(delivery.advance.after)
    known = reached(con, delivery.source)
    if any(known.positions.get(channel) != before.get(channel) for channel in after):
        raise StalePositionsError
    if known.row_count >= MOST_POSITIONS:
        con.execute(DELETE_POSITIONS, {"source": delivery.source})
        after = known.positions | after
    con.execute(
        INSERT_POSITIONS,
        {
            "source": delivery.source,
            "channels": list(after),
            "positions": list(after.values()),
            "revision": known.revision + 1,
            "now": now,
        },
    )
