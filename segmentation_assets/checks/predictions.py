"""Checks of predictions: everybody has one that makes sense, and former ones came true."""

import dagster as dg

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS
from segmentation.predictions.calibration import judged, read_outturn
from segmentation_assets.checks.scope import dates_of
from segmentation_assets.keys import CUSTOMER_PREDICTIONS_KEY
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

DIFFERENCES = f"""
WITH predicted AS (
    SELECT
        as_of,
        customer_id,
        COUNT(*) AS predictions,
        BOOL_AND(
            isfinite(expected_orders_365d) AND isfinite(expected_revenue_365d)
            AND no_order_90d_probability BETWEEN 0 AND 1
            AND expected_orders_90d BETWEEN 0 AND expected_orders_365d
            AND expected_orders_90d_low <= expected_orders_90d_high
            AND expected_revenue_90d_low <= expected_revenue_90d_high
        ) AS makes_sense
    FROM {CUSTOMER_PREDICTIONS.name}
    WHERE list_contains($dates, as_of)
    GROUP BY as_of, customer_id
)
SELECT
    COALESCE(features.as_of, predicted.as_of) AS as_of,
    COUNT(*) FILTER (predicted.customer_id IS NULL) AS without_prediction,
    COUNT(*) FILTER (features.customer_id IS NULL) AS without_features,
    COUNT(*) FILTER (predictions > 1) AS several_predictions,
    COUNT(*) FILTER (NOT makes_sense) AS senseless
FROM (SELECT as_of, customer_id FROM {CUSTOMER_FEATURES.name} WHERE list_contains($dates, as_of)) AS features
FULL JOIN predicted ON predicted.as_of = features.as_of AND predicted.customer_id = features.customer_id
WHERE predicted.customer_id IS NULL OR features.customer_id IS NULL OR predictions > 1 OR NOT makes_sense
GROUP BY ALL
ORDER BY as_of
"""


@dg.asset_check(asset=CUSTOMER_PREDICTIONS_KEY, blocking=True)
def every_customer_has_a_prediction(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Each customer with features has exactly one prediction, of numbers that don't contradict each other."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_PREDICTIONS.name])
        rows = con.execute(DIFFERENCES, {"dates": dates}).fetchall()
    header = ["as of", "without prediction", "without features", "several predictions", "senseless"]
    return dg.AssetCheckResult(
        passed=not rows,
        metadata={"differences": dg.MetadataValue.md(markdown_table(header, rows))},
        description=f"{len(rows)} dates have customers without exactly one sound prediction" if rows else "all have",
    )


@dg.asset_check(asset=CUSTOMER_PREDICTIONS_KEY, blocking=True)
def predictions_came_true(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The newest predictions whose 90 days have ended held as promised; it blocks only where they were far off."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_PREDICTIONS.name])
        found = {as_of: read_outturn(con, as_of) for as_of in dates}
    turned_out = {outturn.as_of: outturn for outturn in found.values() if outturn is not None}
    verdicts = {as_of: judged(outturn) for as_of, outturn in turned_out.items()}
    problems = [
        f"as of {day}: {'; '.join(each.reasons)}" for day, each in verdicts.items() if each.verdict != "calibrated"
    ]
    is_untrue = any(each.verdict == "untrue" for each in verdicts.values())
    rows = [[str(day), *outturn.measures().values()] for day, outturn in turned_out.items()]
    header = ["as of", *(next(iter(turned_out.values())).measures() if turned_out else [])]
    return dg.AssetCheckResult(
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR if is_untrue else dg.AssetCheckSeverity.WARN,
        metadata={"turned out": dg.MetadataValue.md(markdown_table(header, rows))},
        description=". ".join(problems) or ("they did" if turned_out else "no prediction is 90 days old yet"),
    )


CHECKS = [every_customer_has_a_prediction, predictions_came_true]
