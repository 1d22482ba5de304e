"""Checks of features: nobody is missing, and every number is one."""

import dagster as dg

from segmentation.features.engine import TABLES
from segmentation.features.windows import window_of
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation_assets.checks.scope import dates_of
from segmentation_assets.keys import CUSTOMER_FEATURES_KEY, table_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

BUYERS = f"""
SELECT DISTINCT customer_id
FROM {TRANSACTIONS.name}
WHERE quantity > 0 AND ordered_at >= $start AND ordered_at < $as_of
"""


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, additional_deps=[table_key(t) for t in TABLES[:-1]], blocking=True)
def every_buyer_has_one_row(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """The customers of each feature table are exactly those with a purchase in the window, once each."""
    lookback = warehouse.settings().lookback_days
    problems = []
    with warehouse.get_connection() as con:
        for as_of in dates_of(context, con, [table.name for table in TABLES]):
            window = {"start": window_of(as_of, lookback).start, "as_of": as_of}
            con.execute(f"CREATE OR REPLACE TEMP TABLE buyers AS {BUYERS}", window)
            for table in TABLES:
                rows = con.execute(
                    f"SELECT (SELECT COUNT(*) FROM temp.buyers), COUNT(*), COUNT(DISTINCT customer_id), "
                    f"COUNT(*) FILTER (customer_id IN (SELECT customer_id FROM temp.buyers)) "
                    f"FROM {table.name} WHERE as_of = $as_of",
                    {"as_of": as_of},
                ).fetchone()
                if rows is None or len(set(rows)) != 1:
                    problems.append((as_of, table.name, *(rows or ())))
    header = ["as of", "table", "buyers", "rows", "customers", "of them buyers"]
    return dg.AssetCheckResult(
        passed=not problems,
        metadata={"differences": dg.MetadataValue.md(markdown_table(header, problems))},
        description=f"{len(problems)} tables do not hold exactly the buyers" if problems else "everybody, once",
    )


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, blocking=True)
def numbers_are_finite(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No feature is infinite or not a number; unknown is NULL."""
    columns = [c.name for c in CUSTOMER_FEATURES.columns if c.type == "DOUBLE"]
    counted = ", ".join(f"COUNT(*) FILTER (NOT isfinite({name})) AS {name}" for name in columns)
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [table.name for table in TABLES])
        counts = con.execute(
            f"SELECT {counted} FROM {CUSTOMER_FEATURES.name} WHERE list_contains($dates, as_of)",
            {"dates": dates},
        ).fetchone()
    bad = {name: n for name, n in zip(columns, counts or (), strict=True) if n}
    return dg.AssetCheckResult(
        passed=not bad,
        metadata={"not_finite": dg.MetadataValue.json(bad)},
        description=", ".join(f"{name}: {n:,}" for name, n in bad.items()) or "all numbers are finite",
    )


CHECKS = [every_buyer_has_one_row, numbers_are_finite]
