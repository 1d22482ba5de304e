"""The home market of a window: the setting, else the country with the most lines, counted only where it may differ.

Counting reads every line of the window. A base says by how many lines its home market leads at least; while no more
lines than that have come, gone or changed, it is the home market still.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from segmentation.features.refresh.bases import Base
from segmentation.features.windows import Window
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.warehouse.shop_time import shop_time_macro

COUNTRIES = f"""
SELECT country, {{day}} AS day, COUNT(*) AS line_count
FROM {TRANSACTIONS.name} AT (VERSION => {{version}})
WHERE country IS NOT NULL AND ordered_at >= TIMESTAMP '{{start}}' AND ordered_at < TIMESTAMP '{{end}}'
GROUP BY ALL
"""

SHOP_DAY = "CAST(shop_time(ordered_at) AS DATE)"

FIRST_TWO = """
SELECT country, SUM(line_count) AS lines
FROM temp.countries
WHERE day >= $start AND day < $as_of
GROUP BY country
ORDER BY lines DESC, country
LIMIT 2
"""


@dataclass(frozen=True)
class HomeMarket:
    """A shop's home market in a window.

    Attributes:
        country: None if no line has one.
        lead: By at least how many lines it leads before the next country; None if it was set.
    """

    country: str | None
    lead: int | None


def known_home_market(setting: str | None, base: Base, line_count: int) -> HomeMarket | None:
    """The home market of a window as far as it can be told without counting.

    Args:
        setting: The home market, if somebody set it.
        base: The snapshot that the one of the window is to be made from.
        line_count: How many lines are in only one of the two windows, or changed since.
    """
    if setting:
        return HomeMarket(setting, None)
    lead = base.home_market_lead
    if lead is None or (line_count and lead <= line_count):
        return None
    return HomeMarket(base.home_market, lead - line_count)


def count_home_markets(
    con: duckdb.DuckDBPyConnection, version: int, windows: Sequence[Window], setting: str | None
) -> list[HomeMarket]:
    """Per window, the home market: the setting, else the country with the most lines; of several, the first by name.

    Args:
        con: A cursor of the lake.
        version: The version of the lake.
        windows: The windows, all of one time zone. They are counted in one pass over the lines.
        setting: The home market, if somebody set it.
    """
    if setting or not windows:
        return [HomeMarket(setting, None) for _ in windows]
    start, end = min(window.starts_at for window in windows), max(window.ends_at for window in windows)
    con.execute(f"CREATE OR REPLACE TEMP MACRO {shop_time_macro(windows[0].zone, start, end)}")
    day = SHOP_DAY if len(windows) > 1 else f"DATE '{windows[0].start}'"
    counted = COUNTRIES.format(day=day, version=version, start=start, end=end)
    con.execute(f"CREATE OR REPLACE TEMP TABLE countries AS {counted}")
    return [_first(con, window) for window in windows]


def _first(con: duckdb.DuckDBPyConnection, window: Window) -> HomeMarket:
    found = con.execute(FIRST_TWO, {"start": window.start, "as_of": window.as_of}).fetchall()
    counts = [int(lines) for _, lines in found] + [0, 0]
    return HomeMarket(found[0][0] if found else None, counts[0] - counts[1])
