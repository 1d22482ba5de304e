"""Monitoring: how far customers have gone from those of the training, and how well the champion still divides them."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

import dagster as dg

from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.monitoring.drift import cause_of
from segmentation.monitoring.evaluation import Evaluation, evaluate_snapshots, write_evaluation
from segmentation.monitoring.quality import MEANINGS
from segmentation.progress import Progress
from segmentation.warehouse.ledger import recorded_model
from segmentation_assets.assets.declaring import declare, table_spec
from segmentation_assets.assets.segments import ModelConfig
from segmentation_assets.automation.conditions import WHEN_SOUND
from segmentation_assets.keys import CUSTOMER_FEATURES_KEY, CUSTOMER_SEGMENTS_KEY, table_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.partitions import Partitions
from segmentation_assets.progress import reporter
from segmentation_assets.resources import WarehouseResource, commit_of
from segmentation_assets.row_counts import report_by_partition, report_snapshots

SHOWN = 15


def build_monitoring_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Drift and quality of a snapshot, which one run measures together."""
    deps, kinds = [CUSTOMER_FEATURES_KEY, CUSTOMER_SEGMENTS_KEY], ["ducklake", "scipy"]
    specs = [table_spec(table, deps, kinds, condition=WHEN_SOUND) for table in (FEATURE_DRIFT, MODEL_QUALITY)]
    return [declare(monitoring, *specs, partitions=partitions.as_of)]


def monitoring(
    context: dg.AssetExecutionContext, config: ModelConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Judge the snapshots of the run's dates by the champion."""
    report = reporter(context, "Judging drift and quality")
    dates = [date.fromisoformat(key) for key in context.partition_keys]
    for as_of, found in _evaluations(warehouse, dates, report, keeps_model=config.keep_model):
        key = str(as_of)
        write_evaluation(warehouse.lake, as_of, found, commit_of(context, "monitoring/feature_drift", as_of=key))
        report_by_partition(context, FEATURE_DRIFT, {key: _of_drift(found)})
        report_by_partition(context, MODEL_QUALITY, {key: _of_quality(found)})
    with warehouse.get_connection() as con:
        report_snapshots(context, con, FEATURE_DRIFT, MODEL_QUALITY)
        for table in (FEATURE_DRIFT, MODEL_QUALITY):
            yield dg.MaterializeResult(asset_key=table_key(table))


def _evaluations(
    warehouse: WarehouseResource, dates: Sequence[date], report: Progress, *, keeps_model: bool
) -> Iterator[tuple[date, Evaluation]]:
    """The evaluations of dates, by the champion or by the model that each was judged by before."""
    with warehouse.get_connection() as con:
        models = {each: recorded_model(con, FEATURE_DRIFT, each) if keeps_model else None for each in dates}
    for version, group in groupby(dates, key=models.__getitem__):
        yield from evaluate_snapshots(warehouse.lake, list(group), report, version)


def _of_drift(found: Evaluation) -> dict[str, object]:
    return {
        **_of_model(found),
        "learned_from_dates": found.earlier_dates + 1,
        "drifting_features": len({row.feature for row in found.drift if row.is_drifting}),
        "cause": cause_of(found.drift) or "none: nothing drifts",
        "nearest_to_threshold": dg.MetadataValue.md(_drift(found)),
    }


def _of_quality(found: Evaluation) -> dict[str, object]:
    return {
        **_of_model(found),
        "degraded": ", ".join(row.metric for row in found.quality if row.is_degraded) or "none",
        "figures": dg.MetadataValue.md(_quality(found)),
    }


def _of_model(found: Evaluation) -> dict[str, object]:
    return {"model_version": found.version, "trained_as_of": str(found.trained_as_of)}


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
