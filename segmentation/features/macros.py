"""The scalar functions that the stages use, as DuckDB defines them.

Sums of doubles depend on the order of their terms, hence on threads, files and engines. The stages add decimals,
integers and whole-numbered doubles instead, which is exact, so that a snapshot has the same bytes however often and
wherever it is computed.

`shop_time` is the only one that differs between shops: what the clocks of their time zone showed at a moment.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from segmentation.shop_calendar import UNIVERSAL, utc_offsets

DUCKDB_MACROS = (
    "micros(moment) AS epoch_us(moment)",
    "days_between(earlier, later) AS CAST(epoch_us(later) - epoch_us(earlier) AS DOUBLE) / 86400000000.0",
    "iso_weekday(moment) AS isodow(moment)",
    "hour_of_day(moment) AS hour(moment)",
    "calendar_month(moment) AS month(moment)",
    "month_number(moment) AS year(moment) * 12 + month(moment)",
    # Money and quantities are whole millionths, so that they add up exactly.
    "millionths(x) AS CAST(round(x * 1e6) AS BIGINT)",
    "from_millionths(x) AS CAST(x AS DOUBLE) / 1e6",
    "log_weighted(millionths) AS CAST(millionths AS DOUBLE) / 1e6 * ln(CAST(millionths AS DOUBLE) / 1e6)",
    # 64 bits are faster where they suffice.
    "exact_product(x, y) AS CASE WHEN abs(x) < 3000000000 AND abs(y) < 3000000000 THEN CAST(x * y AS HUGEINT) "
    "ELSE CAST(x AS HUGEINT) * y END",
    # A double in two parts whose sums are exact up to 2^53, whatever their order.
    "whole(x) AS floor(x)",
    "trillionths(x) AS floor((x - floor(x)) * 1e12)",
    "share(part, whole) AS CASE WHEN whole > 0 THEN CAST(part AS DOUBLE) / CAST(whole AS DOUBLE) END",
    # Shannon: H = ln(S) - sum(s ln s) / S, over positive s in millionths; a single term can come out at -1e-16.
    "entropy(s, s_log_s) AS CASE WHEN s > 0 THEN "
    "greatest(ln(CAST(s AS DOUBLE) / 1e6) - s_log_s / (CAST(s AS DOUBLE) / 1e6), 0.0) END",
    # Sample standard deviation of n integers from their sums: var = (n sum(x^2) - sum(x)^2) / (n (n - 1)).
    "sample_deviation(n, x, xx) AS CASE WHEN n >= 2 THEN sqrt(CAST(n * CAST(xx AS HUGEINT) - "
    "CAST(x AS HUGEINT) * CAST(x AS HUGEINT) AS DOUBLE) / (CAST(n AS DOUBLE) * (n - 1))) END",
    # Slope of the least-squares line through n integer points from their sums, in units of y per unit of x.
    "slope(n, x, y, xx, xy) AS CASE WHEN n >= 2 THEN "
    "CAST(n * CAST(xy AS HUGEINT) - CAST(x AS HUGEINT) * CAST(y AS HUGEINT) AS DOUBLE) / "
    "CAST(n * CAST(xx AS HUGEINT) - CAST(x AS HUGEINT) * CAST(x AS HUGEINT) AS DOUBLE) END",
)


def duckdb_shop_time(zone: str, since: datetime, until: datetime) -> str:
    """The macro `shop_time` of a zone, right from one moment (UTC) to before another."""
    if zone == UNIVERSAL:
        return "shop_time(moment) AS moment"
    return f"shop_time(moment) AS make_timestamp(epoch_us(moment) + {micros_ahead(zone, since, until)})"


def micros_ahead(zone: str, since: datetime, until: datetime) -> str:
    """By how many microseconds the clocks of a zone are ahead of UTC at `moment`, in SQL that all engines have."""
    return _by_halves(utc_offsets(zone, since, until))


def _by_halves(offsets: Sequence[tuple[datetime, timedelta]]) -> str:
    """The offset that holds at `moment`, found by halving, so that a century of changes takes eight comparisons."""
    if len(offsets) == 1:
        return str(offsets[0][1] // timedelta(microseconds=1))
    middle = len(offsets) // 2
    earlier, later = _by_halves(offsets[:middle]), _by_halves(offsets[middle:])
    return f"CASE WHEN moment < TIMESTAMP '{offsets[middle][0]}' THEN {earlier} ELSE {later} END"
