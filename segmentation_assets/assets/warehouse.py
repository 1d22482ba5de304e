"""The warehouse itself: its maintenance."""

import dagster as dg

from segmentation.housekeeping import keep_house
from segmentation_assets.resources import Clock, WarehouseResource


@dg.asset(key=["warehouse", "maintenance"], group_name="warehouse", kinds={"ducklake"})
def maintenance(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """Archive old models, let old snapshots of the lake expire, flush and merge its files, and delete unneeded ones."""
    run_id = context.run.run_id
    done = keep_house(warehouse.lake, now=clock(), actor=f"run {run_id}", run_id=run_id)
    return dg.MaterializeResult(
        metadata={
            **done.figures(),
            "archived_models": ", ".join(map(str, done.archived)) or "none",
            "protected_snapshots": ", ".join(map(str, done.protected)) or "none",
        }
    )
