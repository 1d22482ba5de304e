"""Monitoring: how far customers have gone from those of the training, and how well the champion still divides them."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.monitoring.drift import cause_of
from segmentation.monitoring.evaluation import Evaluation, evaluate_snapshot, write_evaluation
from segmentation.monitoring.quality import MEANINGS
from segmentation_assets.assets.features import key_of
from segmentation_assets.assets.segments import customer_segments
from segmentation_assets.automation.conditions import WHEN_SOUND
from segmentation_assets.metadata import column_metadata, markdown_table
from segmentation_assets.partitions import AS_OF
from segmentation_assets.progress import reporter
from segmentation_assets.resources import WarehouseResource, commit_of

GROUP = "monitoring"
SHOWN = 15


@dg.multi_asset(
    name="monitoring",
    specs=[
        dg.AssetSpec(
            key_of(table),
            deps=[key_of(CUSTOMER_FEATURES), customer_segments],
            group_name=GROUP,
            automation_condition=WHEN_SOUND,
            kinds={"ducklake", "scipy"},
            description=table.comment,
            metadata=column_metadata(table),
        )
        for table in (FEATURE_DRIFT, MODEL_QUALITY)
    ],
    partitions_def=AS_OF,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def monitoring(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[None]]:
    """Judge the snapshots of the run's dates by the champion."""
    report = reporter(context, "Judging drift and quality")
    for key in context.partition_keys:
        as_of = date.fromisoformat(key)
        judged = evaluate_snapshot(warehouse.lake, as_of, report)
        write_evaluation(warehouse.lake, as_of, judged, commit_of(context, "monitoring/feature_drift", as_of=key))
    about: dict[str, dg.RawMetadataValue] = {
        "model_version": judged.version,
        "trained_as_of": str(judged.trained_as_of),
    }
    yield dg.MaterializeResult(
        asset_key=key_of(FEATURE_DRIFT),
        metadata={
            "dagster/partition_row_count": len(judged.drift),
            **about,
            "learned_from_dates": judged.earlier_dates + 1,
            "drifting_features": len({row.feature for row in judged.drift if row.is_drifting}),
            "cause": cause_of(judged.drift) or "none: nothing drifts",
            "nearest_to_threshold": dg.MetadataValue.md(_drift(judged)),
        },
    )
    yield dg.MaterializeResult(
        asset_key=key_of(MODEL_QUALITY),
        metadata={
            "dagster/partition_row_count": len(judged.quality),
            **about,
            "degraded": ", ".join(row.metric for row in judged.quality if row.is_degraded) or "none",
            "figures": dg.MetadataValue.md(_quality(judged)),
        },
    )


def _drift(judged: Evaluation) -> str:
    """What drifts, or is nearest to it, with a bar that is full at the threshold."""
    known = [(row.value / row.threshold, row) for row in judged.drift if row.value is not None]
    ranked = sorted(known, key=lambda each: (-each[0], each[1].feature, each[1].metric))[:SHOWN]
    rows = [
        (row.feature, row.metric, row.value, row.threshold, "█" * min(round(10 * share), 20), row.cause)
        for share, row in ranked
    ]
    return markdown_table(["feature", "metric", "value", "threshold", "", "cause"], rows)


def _quality(judged: Evaluation) -> str:
    rows = [
        (
            row.metric,
            row.value,
            row.training_value,
            row.threshold,
            "yes" if row.is_degraded else "",
            MEANINGS[row.metric],
        )
        for row in judged.quality
    ]
    return markdown_table(["figure", "value", "training", "worst that will do", "degraded", "what it is"], rows)
