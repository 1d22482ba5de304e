"""The scalar and aggregate macros that the stages use, as DuckDB defines them.

Sums of doubles depend on the order of their terms, hence on threads, files and engines. The stages add decimals and
integers instead, which is exact, so that a snapshot has the same bytes however often and wherever it is computed.
"""

DUCKDB_MACROS = (
    "micros(moment) AS epoch_us(moment)",
    "days_between(earlier, later) AS CAST(epoch_us(later) - epoch_us(earlier) AS DOUBLE) / 86400000000.0",
    "iso_weekday(moment) AS isodow(moment)",
    "hour_of_day(moment) AS hour(moment)",
    "calendar_month(moment) AS month(moment)",
    "month_number(moment) AS year(moment) * 12 + month(moment)",
    # Money as an integer; finer units would overflow 128 bits when squared.
    "ten_thousandths(money) AS CAST(money * 10000 AS HUGEINT)",
    # Twelve decimals leave room for terms up to 1e26.
    "exact_sum(term) AS CAST(SUM(CAST(term AS DECIMAL(38, 12))) AS DOUBLE)",
    "share(part, whole) AS CASE WHEN whole > 0 THEN CAST(part AS DOUBLE) / whole END",
    # Shannon: H = ln(S) - sum(s ln s) / S, over positive s; clamped since a single term can come out at -1e-16.
    """entropy(spend) AS CASE WHEN exact_sum(CASE WHEN spend > 0 THEN spend END) > 0 THEN GREATEST(
        ln(exact_sum(CASE WHEN spend > 0 THEN spend END))
        - exact_sum(CASE WHEN spend > 0 THEN spend * ln(spend) END)
        / exact_sum(CASE WHEN spend > 0 THEN spend END), 0.0) END""",
    # Sample standard deviation of integers; var = (n sum(x^2) - sum(x)^2) / (n (n - 1)), in 128-bit integers.
    """exact_stddev(x) AS CASE WHEN COUNT(x) >= 2 THEN sqrt(
        CAST(COUNT(x) * SUM(CAST(x AS HUGEINT) * x) - SUM(x) * SUM(x) AS DOUBLE)
        / (CAST(COUNT(x) AS DOUBLE) * (COUNT(x) - 1))) END""",
    # Slope of the least-squares line through integers, in units of y per unit of x.
    """exact_slope(x, y) AS CASE WHEN COUNT(DISTINCT x) >= 2 THEN
        CAST(COUNT(x) * SUM(CAST(x AS HUGEINT) * y) - SUM(CAST(x AS HUGEINT)) * SUM(CAST(y AS HUGEINT)) AS DOUBLE)
        / CAST(COUNT(x) * SUM(CAST(x AS HUGEINT) * x) - SUM(CAST(x AS HUGEINT)) * SUM(CAST(x AS HUGEINT)) AS DOUBLE)
        END""",
)
