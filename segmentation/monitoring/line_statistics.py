"""What is odd about the order lines of a month, against the months before: that data went bad, not customers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import numpy as np

from segmentation.metadata.features import Feature
from segmentation.metadata.tables.raw import REJECTED, TRANSACTIONS
from segmentation.shop_calendar import UNIVERSAL, first_moment
from segmentation.warehouse.shop_time import shop_time_macro

LEAST_SPREAD = 0.01
SPREADS = 6.0
LEAST_CHANGE = 0.1
LEAST_OF_NONE = 0.99
"""For figures that are 1 where nothing is there: usually there must be five or so, else none is no wonder."""

NORMAL_MAD = 1.4826
"""Standard deviations in a median absolute deviation of a normal distribution."""

PRICE_JUMP = 2.0

# A month by month look: $ends are the dates that snapshots were or would have been taken; $from and $to are the moments
# (UTC) at which these months begin and end in the shop's calendar.
FIGURES = f"""
WITH months AS (
    SELECT month_end, CAST(month_end - INTERVAL 1 MONTH AS DATE) AS month_start, starts_at, ends_at
    FROM (
        SELECT
            unnest($ends::DATE[]) AS month_end,
            unnest($from::TIMESTAMP[]) AS starts_at,
            unnest($to::TIMESTAMP[]) AS ends_at
    )
),
lines AS (
    SELECT month_end, product_id, unit_price, quantity, discount, category, country, channel, ordered_at
    FROM {TRANSACTIONS.name}
    JOIN months ON ordered_at >= starts_at AND ordered_at < ends_at
),
shares AS (
    SELECT
        month_end,
        COUNT(*) AS line_count,
        AVG(CAST(category IS NULL AS DOUBLE)) AS missing_category,
        AVG(CAST(channel IS NULL AS DOUBLE)) AS missing_channel,
        EXP(-COUNT(*) FILTER (discount <> 0)) AS no_discounts,
        EXP(-COUNT(*) FILTER (quantity < 0)) AS no_returns,
        1 - COUNT(DISTINCT CAST(shop_time(ordered_at) AS DATE))
            / date_diff('day', any_value(month_end - INTERVAL 1 MONTH), month_end) AS days_without_lines
    FROM lines
    GROUP BY month_end
),
rejects AS (
    SELECT month_end, COUNT(*) AS rejected
    FROM {REJECTED.name}
    JOIN months ON ordered_on >= month_start AND ordered_on < month_end
    GROUP BY month_end
),
prices AS (
    SELECT month_end, product_id, MEDIAN(unit_price) AS price
    FROM lines
    WHERE quantity > 0 AND unit_price > 0
    GROUP BY month_end, product_id
),
jumps AS (
    SELECT
        now.month_end,
        AVG(CAST(GREATEST(now.price / before.price, before.price / now.price) >= {PRICE_JUMP} AS DOUBLE)) AS price_jumps
    FROM prices AS now
    JOIN prices AS before
        ON before.product_id = now.product_id AND before.month_end = CAST(now.month_end - INTERVAL 1 MONTH AS DATE)
    GROUP BY now.month_end
)
SELECT
    month_end,
    COALESCE(rejected, 0) / (COALESCE(rejected, 0) + line_count) AS rejected,
    missing_category,
    missing_channel,
    no_discounts,
    no_returns,
    days_without_lines,
    price_jumps
FROM shares
LEFT JOIN rejects USING (month_end)
LEFT JOIN jumps USING (month_end)
ORDER BY month_end
"""

MEANINGS = {
    "rejected": "share of lines that were rejected",
    "missing_category": "share of lines without a category",
    "missing_channel": "share of lines without a channel",
    "no_discounts": "exp(−lines with a discount): 1 if there is none, and 0.01 with five, so that few say little",
    "no_returns": "exp(−return lines), likewise",
    "days_without_lines": "share of days without a line",
    "price_jumps": f"share of products whose median price is {PRICE_JUMP:.0f} times, or a {PRICE_JUMP:.0f}th of, that "
    "of the month before",
}
"""What the figures of a month are."""


def _is_money(feature: Feature) -> bool:
    return feature.unit.startswith("money")


def _is_of_returns(feature: Feature) -> bool:
    return feature.name.startswith("return")


CONCERNED: dict[str, Callable[[Feature], bool]] = {
    "rejected": lambda _: True,
    "missing_category": lambda feature: "categor" in feature.name,
    "missing_channel": lambda feature: "channel" in feature.name,
    "no_discounts": lambda feature: feature.name == "discount_share",
    "no_returns": lambda feature: _is_of_returns(feature) or feature.name == "net_revenue",
    "days_without_lines": lambda _: True,
    "price_jumps": lambda feature: _is_money(feature) or _is_of_returns(feature),
}
"""Which features depend on what a figure tells of."""


@dataclass(frozen=True)
class OddLines:
    """One figure of a month's lines against the months before.

    Attributes:
        figure: Which, as in `MEANINGS`.
        value: How far it is from its usual value; None where the month doesn't tell.
        threshold: From here on that is odd.
        is_odd: Whether it is.
    """

    figure: str
    value: float | None
    threshold: float
    is_odd: bool

    def concerns(self, feature: Feature) -> bool:
        """Whether a feature depends on what is odd."""
        return CONCERNED[self.figure](feature)


def read_figures(
    con: duckdb.DuckDBPyConnection, ends: Sequence[date], zone: str = UNIVERSAL
) -> dict[date, dict[str, float | None]]:
    """The figures of the months that end with the given dates; months without any line are left out.

    Args:
        con: A cursor of the lake.
        ends: The dates.
        zone: The shop's time zone.
    """
    begins = [first_moment(_month_before(end), zone) for end in ends]
    finishes = [first_moment(end, zone) for end in ends]
    con.execute(f"CREATE OR REPLACE TEMP MACRO {shop_time_macro(zone, min(begins), max(finishes))}")
    rows = con.execute(FIGURES, {"ends": list(ends), "from": begins, "to": finishes}).fetchall()
    return {row[0]: dict(zip(MEANINGS, row[1:], strict=True)) for row in rows}


def _month_before(day: date) -> date:
    """The same day of the month before, or its last one, as SQL has it."""
    last_of_before = day.replace(day=1) - timedelta(days=1)
    return last_of_before.replace(day=min(day.day, last_of_before.day))


def compare(now: dict[str, float | None], before: Sequence[dict[str, float | None]]) -> list[OddLines]:
    """Figures of a month against the median of the months before; odd is what lies far outside of their spread.

    Args:
        now: Figures of the month; empty if it has no line.
        before: Those of earlier months.
    """
    found = []
    for figure in MEANINGS:
        least = LEAST_OF_NONE if figure.startswith("no_") else LEAST_CHANGE
        past = np.array([value for month in before if (value := month.get(figure)) is not None])
        value = now.get(figure)
        if value is None or not past.size:
            found.append(OddLines(figure, None, least, False))
            continue
        usual = float(np.median(past))
        spread = max(NORMAL_MAD * float(np.median(np.abs(past - usual))), LEAST_SPREAD)
        change, threshold = abs(value - usual), max(SPREADS * spread, least)
        found.append(OddLines(figure, change, threshold, change >= threshold))
    return found
