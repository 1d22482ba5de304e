"""Gates of a candidate model: it becomes champion only if it passes them."""

import dagster as dg

from segmentation.errors import SegmentationError
from segmentation.modeling import gates, registry
from segmentation_assets.assets.training import candidate_model
from segmentation_assets.resources import WarehouseResource


@dg.asset_check(asset=candidate_model, blocking=True)
def smallest_segment_is_large_enough(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No segment is too small to act on."""
    return _verdict(warehouse, "smallest_segment")


@dg.asset_check(asset=candidate_model, blocking=True)
def segments_are_separate(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Customers lie nearer to their own segment than to the next one."""
    return _verdict(warehouse, "separation")


def _verdict(warehouse: WarehouseResource, gate: str) -> dg.AssetCheckResult:
    with warehouse.get_connection() as con:
        version = registry.resolve(con, "candidate")
        if version is None:
            raise SegmentationError("There is no candidate model; materialize `training/candidate_model` first.")
        artefact = registry.load(con, version).artefact
    verdict = gates.judge(warehouse.lake, artefact, warehouse.settings())[gate]
    return dg.AssetCheckResult(
        passed=verdict.passed,
        description=verdict.explanation,
        metadata={"measured": verdict.measured, "threshold": verdict.threshold, "version": version},
    )


CHECKS = [smallest_segment_is_large_enough, segments_are_separate]
