"""Gates of a candidate model, as checks with their evidence.

None of them blocks: `training/champion_model` asks them itself and keeps the champion where they stop the candidate, so
that customers have their segments all the same.
"""

from collections.abc import Iterator

import dagster as dg

from segmentation.errors import SegmentationError
from segmentation.modeling import gates, registry
from segmentation.modeling.evidence import gather
from segmentation_assets.keys import CANDIDATE_KEY
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

GATES = {
    "smallest_segment": ("smallest_segment_is_large_enough", "No segment is too small to act on."),
    "separation": ("segments_are_separate", "Customers lie nearer to their own segment than to the next one."),
    "stability": ("segments_are_stable", "Every segment comes back when customers are resampled."),
    "validity": (
        "segments_lie_apart_like_the_champions",
        "The silhouette doesn't fall behind the champion's; only a warning.",
    ),
    "forward_value": (
        "segments_foretell_spend",
        "Segments tell apart what customers spend next, like the best champion's.",
    ),
    "movement": ("few_customers_are_moved", "The model alone moves no more customers and revenue than it gains."),
    "fitted": ("segments_are_fitted", "K-means found the segments; no named rules stand in for it."),
}
"""Per gate, the name and description of its check."""


@dg.multi_asset_check(
    name="gates",
    specs=[
        dg.AssetCheckSpec(name, asset=CANDIDATE_KEY, blocking=False, description=description)
        for name, description in GATES.values()
    ],
)
def gates_of_the_candidate(warehouse: WarehouseResource) -> Iterator[dg.AssetCheckResult]:
    """Measure the candidate once, and let every gate judge it."""
    with warehouse.get_connection() as con:
        version = registry.resolve(con, "candidate")
    if version is None:
        raise SegmentationError("There is no candidate model; materialize `training/candidate_model` first.")
    settings = warehouse.settings()
    evidence = gather(warehouse.lake, version, settings)
    rows = sorted(evidence.stability.items(), key=lambda item: item[1])
    by_segment = {"by_segment": dg.MetadataValue.md(markdown_table(["segment", "Jaccard overlap"], rows))}
    for gate, verdict in gates.evaluate(evidence, settings).items():
        yield dg.AssetCheckResult(
            check_name=GATES[gate][0],
            asset_key=CANDIDATE_KEY,
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR if verdict.effect == "refuses" else dg.AssetCheckSeverity.WARN,
            description=verdict.explanation,
            metadata={
                "measured": verdict.measured,
                "threshold": verdict.threshold,
                "version": version,
                **(by_segment if gate == "stability" else {}),
            },
        )


CHECKS = [gates_of_the_candidate]
