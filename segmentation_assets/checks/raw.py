"""Checks of raw data: the contract of a line, that none is lost or doubled, volume, and known products."""

import dagster as dg

from segmentation.metadata.tables.raw import LOADS, PRODUCTS, REJECTED, SOURCE_FILES, TRANSACTIONS
from segmentation_assets.checks.scope import days_of
from segmentation_assets.keys import PRODUCTS_KEY, TRANSACTIONS_KEY
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import Clock, WarehouseResource

VIOLATIONS = {
    "quantity is zero without a refund, or not finite": "quantity = 0 AND amount >= 0 OR NOT isfinite(quantity)",
    "unit_price is negative or not finite": "unit_price < 0 OR NOT isfinite(unit_price)",
    "amount is not finite": "NOT isfinite(amount)",
    "amount and quantity have different signs": "amount * quantity < 0",
    "discount is negative or not finite": "discount < 0 OR NOT isfinite(discount)",
    "amount or discount is 100 billion or more": "greatest(abs(amount), abs(discount)) >= 1e11",
    "an identifier is empty": "'' IN (line_id, order_id, customer_id, product_id)",
    "ordered_at lies ahead by more than a day": "ordered_at > $now + INTERVAL 1 DAY",
}

TYPES = """
SELECT column_name, data_type
FROM duckdb_columns()
WHERE database_name = 'lake' AND schema_name || '.' || table_name = $table
"""

DUPLICATES = f"""
SELECT COUNT(*) - COUNT(DISTINCT line_id)
FROM {TRANSACTIONS.name}
WHERE line_id IN (SELECT line_id FROM {TRANSACTIONS.name} WHERE ordered_at >= $start AND ordered_at < $end)
"""

RECONCILIATION = f"""
WITH loaded AS (
    -- Rows of tables that lines were joined with have no day; they are no lines.
    SELECT COALESCE(SUM(lines_read), 0) - COALESCE(SUM(lines_accepted) FILTER (ordered_on IS NULL), 0) AS lines_read,
        COALESCE(SUM(lines_joined), 0) AS lines_joined
    FROM {LOADS.name}
    WHERE ordered_on IS NULL OR (ordered_on >= $start AND ordered_on < $end)
),
of_files AS (
    SELECT DISTINCT source FROM {SOURCE_FILES.name}
),
accepted AS (
    SELECT COUNT(*) AS accepted
    FROM {TRANSACTIONS.name} SEMI JOIN of_files USING (source)
    WHERE ordered_at >= $start AND ordered_at < $end
),
rejected AS (
    SELECT COUNT(*) AS rejected
    FROM {REJECTED.name} SEMI JOIN of_files USING (source)
    WHERE ordered_on IS NULL OR (ordered_on >= $start AND ordered_on < $end)
)
SELECT lines_read, accepted, rejected, lines_joined FROM loaded, accepted, rejected
"""

WEEKS = f"""
WITH span AS (
    SELECT GREATEST($start, MIN(ordered_at)::DATE) AS first_day, LEAST($end, MAX(ordered_at)::DATE + 1) AS end_day
    FROM {TRANSACTIONS.name}
),
per_day AS (
    SELECT ordered_at::DATE AS day, COUNT(*) AS lines
    FROM {TRANSACTIONS.name}, span
    WHERE ordered_at >= first_day - 35 AND ordered_at < end_day
    GROUP BY day
),
weeks AS (
    SELECT UNNEST(generate_series(end_day - 7, LEAST(first_day, end_day - 7), INTERVAL (-7) DAY))::DATE AS week_start
    FROM span
),
compared AS (
    SELECT
        week_start,
        COALESCE(SUM(lines) FILTER (day >= week_start AND day < week_start + 7), 0) AS lines,
        COALESCE(SUM(lines) FILTER (day >= week_start - 28 AND day < week_start), 0) / 4 AS usual
    FROM weeks
    LEFT JOIN per_day ON day >= week_start - 28 AND day < week_start + 7
    GROUP BY week_start
)
SELECT week_start, lines, usual
FROM compared, (SELECT MIN(ordered_at)::DATE AS first_line FROM {TRANSACTIONS.name}) AS known
WHERE week_start >= first_line + 28 AND (lines < 0.5 * usual OR lines > 2 * usual)
ORDER BY week_start
"""

UNKNOWN_PRODUCTS = f"""
SELECT lines.product_id, COUNT(*) AS lines
FROM {TRANSACTIONS.name} AS lines
ANTI JOIN {PRODUCTS.name} AS products ON products.product_id = lines.product_id
GROUP BY lines.product_id
ORDER BY lines DESC, lines.product_id
"""


@dg.asset_check(asset=TRANSACTIONS_KEY, blocking=True)
def keeps_the_contract(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource, clock: Clock
) -> dg.AssetCheckResult:
    """Every line has the declared types and values in range."""
    counted = ", ".join(f"COUNT(*) FILTER (WHERE {condition})" for condition in VIOLATIONS.values())
    with warehouse.get_connection() as con:
        found = con.execute(
            f"SELECT {counted} FROM {TRANSACTIONS.name} WHERE ordered_at >= $start AND ordered_at < $end",
            {**days_of(context).parameters, "now": clock()},
        ).fetchone()
        types = dict(con.execute(TYPES, {"table": TRANSACTIONS.name}).fetchall())
    violations = {name: n for name, n in zip(VIOLATIONS, found or (), strict=True) if n}
    wrong = {c.name: types.get(c.name, "missing") for c in TRANSACTIONS.columns if types.get(c.name) != c.type}
    return dg.AssetCheckResult(
        passed=not violations and not wrong,
        metadata={
            "violations": dg.MetadataValue.json(violations),
            "wrong_types": dg.MetadataValue.json(wrong),
        },
        description="; ".join(f"{n:,} lines: {name}" for name, n in violations.items()) or "all lines are in range",
    )


@dg.asset_check(asset=TRANSACTIONS_KEY, blocking=True)
def line_ids_are_unique(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No line of the run's days occurs twice, on whatever day."""
    with warehouse.get_connection() as con:
        row = con.execute(DUPLICATES, days_of(context).parameters).fetchone()
    duplicates = row[0] if row else 0
    return dg.AssetCheckResult(
        passed=duplicates == 0, metadata={"duplicates": duplicates}, description=f"{duplicates:,} lines too many"
    )


@dg.asset_check(asset=TRANSACTIONS_KEY, blocking=True)
def accepted_and_rejected_add_up(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Lines of files add up: those accepted and rejected are those that were read. Other sources have own checks."""
    with warehouse.get_connection() as con:
        row = con.execute(RECONCILIATION, days_of(context).parameters).fetchone()
    read, accepted, rejected, joined = (int(n) for n in row or (0, 0, 0, 0))
    told = f"; quotations joined {joined:,} physical lines to others" if joined else ""
    return dg.AssetCheckResult(
        passed=read == accepted + rejected,
        metadata={"lines_read": read, "accepted": accepted, "rejected": rejected, "lines_joined": joined},
        description=f"{read:,} lines read, {accepted:,} accepted, {rejected:,} rejected{told}",
    )


@dg.asset_check(asset=TRANSACTIONS_KEY)
def volume_is_usual(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Each week has between half and twice the lines of a usual week, the mean of the four before it."""
    with warehouse.get_connection() as con:
        weeks = con.execute(WEEKS, days_of(context).parameters).fetchall()
    rows = [(start, f"{lines:,.0f}", f"{usual:,.0f}") for start, lines, usual in weeks]
    return dg.AssetCheckResult(
        passed=not weeks,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unusual_weeks": dg.MetadataValue.md(markdown_table(["week from", "lines", "usual"], rows))},
        description=f"{len(weeks)} unusual weeks" if weeks else "every week is usual",
    )


@dg.asset_check(asset=PRODUCTS_KEY, additional_deps=[TRANSACTIONS_KEY])
def lines_name_known_products(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Every product that was sold is in the product list."""
    with warehouse.get_connection() as con:
        unknown = con.execute(UNKNOWN_PRODUCTS).fetchall()
    return dg.AssetCheckResult(
        passed=not unknown,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "unknown_products": len(unknown),
            "lines": sum(lines for _, lines in unknown),
            "most_frequent": dg.MetadataValue.md(markdown_table(["product", "lines"], unknown[:10])),
        },
        description=f"{len(unknown)} products that were sold are not in the list",
    )


CHECKS = [
    keeps_the_contract,
    line_ids_are_unique,
    accepted_and_rejected_add_up,
    volume_is_usual,
    lines_name_known_products,
]
