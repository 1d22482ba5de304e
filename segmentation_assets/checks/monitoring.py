"""Checks of what monitoring found: they block nothing, and are what people are told."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import duckdb

from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.modeling import registry
from segmentation.monitoring.causes import Cause
from segmentation_assets.checks.scope import dates_of
from segmentation_assets.keys import table_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

DRIFTING = f"""
SELECT as_of, feature, metric, value, threshold
FROM {FEATURE_DRIFT.name}
WHERE is_drifting AND cause = $cause AND model_version = $version AND list_contains($dates, as_of)
ORDER BY as_of, value / threshold DESC, feature, metric
"""

DEGRADED = f"""
SELECT as_of, metric, value, training_value, threshold
FROM {MODEL_QUALITY.name}
WHERE is_degraded AND model_version = $version AND list_contains($dates, as_of)
ORDER BY as_of, metric
"""


@dg.asset_check(asset=table_key(FEATURE_DRIFT), blocking=False)
def data_is_sound(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """The lines of the last month look as they used to; what drifts is not for bad data. Someone has to look."""
    return _drift_check(context, warehouse, "data_quality", dg.AssetCheckSeverity.ERROR, "what is odd with the data")


@dg.asset_check(asset=table_key(FEATURE_DRIFT), blocking=False)
def customers_behave_as_in_training(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """No feature drifts for what customers do; where one does for long, `degraded_model` asks for a new model."""
    return _drift_check(context, warehouse, "behaviour", dg.AssetCheckSeverity.WARN, "how behaviour has changed")


@dg.asset_check(asset=table_key(FEATURE_DRIFT), blocking=False)
def customer_mix_is_as_in_training(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """No feature drifts for there being more or fewer new customers; good to know, and no reason for a new model."""
    return _drift_check(context, warehouse, "mix", dg.AssetCheckSeverity.WARN, "how the mix has changed")


@dg.asset_check(asset=table_key(MODEL_QUALITY), blocking=False)
def model_divides_as_well_as_in_training(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """No figure of the champion is worse than its training, its error and its usual ups and downs allow."""
    with warehouse.get_connection() as con:
        rows = con.execute(DEGRADED, _parameters(context, con, MODEL_QUALITY.name)).fetchall()
    header = ["as of", "figure", "value", "training", "worst that will do"]
    what = ", ".join(f"{metric} is {value:.3g}, {limit:.3g} would do" for _, metric, value, _, limit in rows)
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description=what or "no figure is degraded",
        metadata={"figures": len(rows), "degraded": dg.MetadataValue.md(markdown_table(header, rows))},
    )


def _drift_check(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    cause: Cause,
    severity: dg.AssetCheckSeverity,
    title: str,
) -> dg.AssetCheckResult:
    with warehouse.get_connection() as con:
        parameters = {**_parameters(context, con, FEATURE_DRIFT.name), "cause": cause}
        rows = con.execute(DRIFTING, parameters).fetchall()
    return dg.AssetCheckResult(
        passed=not rows,
        severity=severity,
        description=_described(rows) or "nothing drifts so",
        metadata={
            "features": len({feature for _, feature, *_ in rows}),
            title: dg.MetadataValue.md(markdown_table(["as of", "feature", "metric", "value", "drift from"], rows)),
        },
    )


def _parameters(
    context: dg.AssetCheckExecutionContext, con: duckdb.DuckDBPyConnection, table: str
) -> dict[str, object]:
    return {"dates": dates_of(context, con, [table]), "version": registry.resolve(con, "champion")}


def _described(rows: Sequence[tuple[date, str, str, float, float]]) -> str:
    """The features, the furthest first, each with its furthest measure."""
    furthest: dict[str, str] = {}
    for as_of, feature, metric, value, threshold in rows:
        furthest.setdefault(feature, f"{feature} as of {as_of} ({metric} {value:.3g}, from {threshold:.3g} on)")
    return "; ".join(furthest.values())


CHECKS = [
    data_is_sound,
    customers_behave_as_in_training,
    customer_mix_is_as_in_training,
    model_divides_as_well_as_in_training,
]
