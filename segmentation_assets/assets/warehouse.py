"""The warehouse itself: its maintenance."""

import dagster as dg

from segmentation.housekeeping import Housekeeping, keep_house
from segmentation_assets.resources import Clock, WarehouseResource

KEY = dg.AssetKey(["warehouse", "maintenance"])
WHOLE = dg.AssetCheckSpec(
    "files_are_whole",
    asset=KEY,
    description="Each file that was due is what its checksum says, and few files are in no commit.",
)


@dg.asset(key=KEY, group_name="warehouse", kinds={"ducklake"}, check_specs=[WHOLE])
def maintenance(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """Verify files that are due, archive old models, let old snapshots of the lake expire, and tidy up its files."""
    run_id = context.run.run_id
    done = keep_house(warehouse.lake, now=clock(), actor=f"run {run_id}", run_id=run_id)
    return dg.MaterializeResult(
        metadata={
            **done.figures(),
            "archived_models": ", ".join(map(str, done.archived)) or "none",
            "protected_snapshots": ", ".join(map(str, done.protected)) or "none",
        },
        check_results=[_judge(done)],
    )


def _judge(done: Housekeeping) -> dg.AssetCheckResult:
    is_damaged = bool(done.maintenance.verification and done.maintenance.verification.damaged)
    return dg.AssetCheckResult(
        check_name=WHOLE.name,
        passed=not done.warnings,
        severity=dg.AssetCheckSeverity.ERROR if is_damaged else dg.AssetCheckSeverity.WARN,
        description="\n".join(done.warnings) or "No damage found.",
    )
