"""Checks of segments: everybody has one, of the model that serves."""

import dagster as dg

from segmentation.warehouse.schema import CUSTOMER_FEATURES, CUSTOMER_SEGMENTS, SEGMENTS
from segmentation_assets.assets.segments import customer_segments
from segmentation_assets.checks.scope import dates_of
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

DIFFERENCES = f"""
WITH assigned AS (
    SELECT as_of, customer_id, COUNT(*) AS segments, COUNT(named.segment_id) AS named
    FROM {CUSTOMER_SEGMENTS.name} AS assigned
    LEFT JOIN {SEGMENTS.name} AS named
        ON named.version = assigned.model_version AND named.segment_id = assigned.segment_id
    WHERE list_contains($dates, as_of)
    GROUP BY as_of, customer_id
)
SELECT
    COALESCE(features.as_of, assigned.as_of) AS as_of,
    COUNT(*) FILTER (assigned.customer_id IS NULL) AS without_segment,
    COUNT(*) FILTER (features.customer_id IS NULL) AS without_features,
    COUNT(*) FILTER (segments > 1) AS several_segments,
    COUNT(*) FILTER (named = 0) AS unknown_segment
FROM (SELECT as_of, customer_id FROM {CUSTOMER_FEATURES.name} WHERE list_contains($dates, as_of)) AS features
FULL JOIN assigned ON assigned.as_of = features.as_of AND assigned.customer_id = features.customer_id
WHERE assigned.customer_id IS NULL OR features.customer_id IS NULL OR segments > 1 OR named = 0
GROUP BY ALL
ORDER BY as_of
"""


@dg.asset_check(asset=customer_segments, blocking=True)
def every_customer_has_one_segment(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Each customer with features has exactly one segment, one that the model knows."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_SEGMENTS.name])
        differences = con.execute(DIFFERENCES, {"dates": dates}).fetchall()
    header = ["as of", "without segment", "without features", "several segments", "unknown segment"]
    return dg.AssetCheckResult(
        passed=not differences,
        metadata={"differences": dg.MetadataValue.md(markdown_table(header, differences))},
        description=f"{len(differences)} dates have customers without exactly one known segment"
        if differences
        else "everybody has exactly one",
    )


CHECKS = [every_customer_has_one_segment]
