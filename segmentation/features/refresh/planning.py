"""Planning: per snapshot, which customers are computed from lines, and from which snapshot the others are taken over.

A snapshot of the same date serves late lines, one of an earlier date close by the next date. The result has the same
bytes as if everybody were computed.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from segmentation.features.refresh.bases import Base, find_base
from segmentation.features.refresh.home_markets import HomeMarket, count_home_markets, known_home_market
from segmentation.features.refresh.touched import NOBODY, Touched, find_touched
from segmentation.features.windows import Window

TOUCHED_SHARE = 0.25
"""Above this share of touched customers, everybody is computed anew: reading the rest back would not pay."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How one snapshot is made.

    Attributes:
        window: Its lines.
        home_market: The shop's home market in this window.
        folder: Where the parts of those who are computed are gathered.
        version: The version of the lake that is read.
        base: The snapshot that the others are taken over from; None if everybody is computed.
        touched: The customers to compute, if there is a base.
    """

    window: Window
    home_market: HomeMarket
    folder: Path
    version: int
    base: Base | None = None
    touched: Touched = NOBODY

    @property
    def is_idle(self) -> bool:
        """Whether the snapshot is in the lake as it would come out."""
        return self.base is not None and self.base.window == self.window and not self.touched.count


def make_plans(
    con: duckdb.DuckDBPyConnection,
    version: int,
    windows: Sequence[Window],
    home_market: str | None,
    spool: Path,
    *,
    from_scratch: bool,
) -> list[Plan]:
    """Per window, how its snapshot is made.

    Args:
        con: A cursor of the lake.
        version: The version of the lake to read.
        windows: The snapshots; all are of one time zone.
        home_market: The setting.
        spool: A folder to work in.
        from_scratch: Whether to compute every customer in any case.
    """
    found = [None if from_scratch else _find(con, version, window, spool) for window in windows]
    markets = {
        window: market
        for window, pair in zip(windows, found, strict=True)
        if pair and (market := known_home_market(home_market, pair[0], pair[1].line_count))
    }
    unknown = [window for window in windows if window not in markets]
    markets.update(zip(unknown, count_home_markets(con, version, unknown, home_market), strict=True))
    return [_plan(window, markets[window], version, pair, spool) for window, pair in zip(windows, found, strict=True)]


def _find(con: duckdb.DuckDBPyConnection, version: int, window: Window, spool: Path) -> tuple[Base, Touched] | None:
    """The base of a snapshot, and who is touched; None if there is none, or too many are to make it pay."""
    base = find_base(con, version, window)
    touched = base and find_touched(con, base, window, spool / f"{window.as_of}-touched.parquet")
    if not base or not touched or touched.count > TOUCHED_SHARE * base.row_count:
        return None
    return base, touched


def _plan(window: Window, market: HomeMarket, version: int, pair: tuple[Base, Touched] | None, spool: Path) -> Plan:
    folder = spool / str(window.as_of)
    folder.mkdir()
    plan = Plan(window, market, folder, version)
    if pair is None or pair[0].home_market != market.country:
        logger.info("Features as of %s: everybody is computed", window.as_of)
        return plan
    base, touched = pair
    logger.info(
        "Features as of %s: %d customers are computed, the others are as of %s",
        window.as_of,
        touched.count,
        base.window.as_of,
    )
    return replace(plan, base=base, touched=touched)
