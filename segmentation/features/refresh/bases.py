"""Bases: snapshots on record that another one can be made from, since the same code made them in the same way.

Everything is read as of one version of the lake, ledger and rows alike, so that a base is what its record says.
"""

from dataclasses import dataclass
from datetime import timedelta

import duckdb

from segmentation.features.definitions import code_version
from segmentation.features.windows import Window
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.shop_calendar import UNIVERSAL

FURTHEST = timedelta(days=7)
"""Between further dates so many customers have a line that matters that reading the others back would not pay."""

ON_RECORD = f"""
SELECT as_of, window_start, lake_version, written_version, row_count, home_market, home_market_lead
FROM {SNAPSHOTS.name} AT (VERSION => {{version}})
WHERE table_name = '{CUSTOMER_FEATURES.name}'
    AND as_of BETWEEN $earliest AND $as_of
    AND COALESCE(timezone, '{UNIVERSAL}') = $zone
    AND code_version = $code_version
    AND engine = 'duckdb'
ORDER BY as_of DESC
"""

ROWS = f"SELECT COUNT(*) FROM {CUSTOMER_FEATURES.name} AT (VERSION => {{version}}) WHERE as_of = DATE '{{as_of}}'"


@dataclass(frozen=True)
class Base:
    """A snapshot that is there.

    Attributes:
        window: Its lines.
        read_version: The version of the lake that these were read in.
        written_version: The version of the lake that last changed its rows.
        version: The version of the lake in which its rows are read.
        row_count: Its customers.
        home_market: The home market that it was made with.
        home_market_lead: By at least how many lines it leads; None if it was set, or nobody knows.
    """

    window: Window
    read_version: int
    written_version: int
    version: int
    row_count: int
    home_market: str | None
    home_market_lead: int | None


def find_base(con: duckdb.DuckDBPyConnection, version: int, window: Window) -> Base | None:
    """The snapshot to make another one from: the one of the same date, else the nearest earlier one close by.

    Args:
        con: A cursor of the lake.
        version: The version of the lake to look in.
        window: The lines of the snapshot to make.

    Returns:
        None if there is none that the same code made, in the same time zone and of a window of the same length, or if
        rows of it are missing.
    """
    facts = {
        "earliest": window.as_of - FURTHEST,
        "as_of": window.as_of,
        "zone": window.zone,
        "code_version": code_version(FEATURES),
    }
    for as_of, start, read, written, *rest in con.execute(ON_RECORD.format(version=version), facts).fetchall():
        base = Base(Window(as_of, start, window.zone), read, written, version, *rest)
        if base.window.lookback_days == window.lookback_days and _is_whole(con, base):
            return base
    return None


def _is_whole(con: duckdb.DuckDBPyConnection, base: Base) -> bool:
    query = ROWS.format(version=base.version, as_of=base.window.as_of)
    return con.execute(query).fetchall() == [(base.row_count,)]
