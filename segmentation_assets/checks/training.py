"""Gates of a candidate model: it becomes champion only if it passes them."""

import dagster as dg

from segmentation.errors import SegmentationError
from segmentation.modeling import gates, registry
from segmentation.modeling.artefact import Assignment
from segmentation.modeling.build import training_assignment
from segmentation_assets.assets.training import candidate_model
from segmentation_assets.resources import WarehouseResource


@dg.asset_check(asset=candidate_model, blocking=True)
def smallest_segment_is_large_enough(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No segment is too small to act on."""
    version, assignment, segments = _candidate(warehouse)
    return _result(gates.smallest_segment(assignment, segments, warehouse.settings()), version)


@dg.asset_check(asset=candidate_model, blocking=True)
def segments_are_separate(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Customers lie nearer to their own segment than to the next one."""
    version, assignment, _ = _candidate(warehouse)
    return _result(gates.separation(assignment, warehouse.settings()), version)


def _candidate(warehouse: WarehouseResource) -> tuple[int, Assignment, int]:
    with warehouse.get_connection() as con:
        version = registry.resolve(con, "candidate")
        if version is None:
            raise SegmentationError("There is no candidate model; materialize `training/candidate_model` first.")
        artefact = registry.load(con, version).artefact
    return version, training_assignment(warehouse.lake, artefact), len(artefact.segments)


def _result(gate: gates.GateResult, version: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=gate.passed,
        description=gate.explanation,
        metadata={"measured": gate.measured, "threshold": gate.threshold, "version": version},
    )


CHECKS = [smallest_segment_is_large_enough, segments_are_separate]
