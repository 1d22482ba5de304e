"""The warehouse itself: its maintenance."""

import dagster as dg

from segmentation.housekeeping import keep_house
from segmentation_assets.resources import Clock, WarehouseResource

MAINTENANCE_KEY = dg.AssetKey(["warehouse", "maintenance"])


@dg.asset(key=MAINTENANCE_KEY, group_name="warehouse", kinds={"ducklake"})
def maintenance(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """Verify files that are due, archive old models, let old snapshots of the lake expire, and tidy up its files."""
    run_id = context.run.run_id
    done = keep_house(warehouse.lake, now=clock(), actor=f"run {run_id}", run_id=run_id)
    for warning in done.warnings:
        context.log.warning(warning)
    return dg.MaterializeResult(
        metadata={
            **done.figures(),
            "archived_models": ", ".join(map(str, done.archived)) or "none",
            "protected_snapshots": ", ".join(map(str, done.protected)) or "none",
        }
    )
