"""Segments: who is in which, what each looks like, and what sets it apart."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import polars as pl

from segmentation.explanations.segment_pages import SegmentExplanation, read_segments
from segmentation.explanations.segments import write_explanations
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
)
from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.segments.transitions import write_transitions
from segmentation_assets.assets.features import key_of
from segmentation_assets.assets.raw import products
from segmentation_assets.assets.training import champion_model
from segmentation_assets.automation.conditions import WHEN_SOUND
from segmentation_assets.metadata import column_metadata, markdown_table, preview
from segmentation_assets.partitions import AS_OF
from segmentation_assets.resources import WarehouseResource, commit_of

GROUP = "segments"

WITH_THE_MONTH_BEFORE = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
)
"""From an `as_of` date to itself and the one before."""


@dg.asset(
    key=["segments", "customer_segments"],
    deps=[key_of(CUSTOMER_FEATURES), champion_model],
    partitions_def=AS_OF,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=WHEN_SOUND,
    group_name=GROUP,
    kinds={"ducklake"},
    description=CUSTOMER_SEGMENTS.comment,
    metadata=column_metadata(CUSTOMER_SEGMENTS),
)
def customer_segments(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Give every customer of the run's dates the champion's segment."""
    versions, count = set(), 0
    for key in context.partition_keys:
        commit = commit_of(context, "segments/customer_segments", as_of=key)
        champion, count = write_segments(warehouse.lake, date.fromisoformat(key), commit)
        versions.add(champion.version)
    with warehouse.get_connection() as con:
        rows = preview(con, CUSTOMER_SEGMENTS, f"as_of = DATE '{context.partition_keys[-1]}'")
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": count,
            "model_version": ", ".join(map(str, sorted(versions))),
            "preview": rows,
        }
    )


@dg.asset(
    key=["segments", "segment_profiles"],
    deps=[customer_segments],
    partitions_def=AS_OF,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=WHEN_SOUND,
    group_name=GROUP,
    kinds={"ducklake", "sql"},
    description=SEGMENT_PROFILES.comment,
    metadata=column_metadata(SEGMENT_PROFILES),
)
def segment_profiles(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Profile the segments of the run's dates."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/segment_profiles", as_of=key)
        profiles = write_profiles(warehouse.lake, date.fromisoformat(key), commit)
    columns = [
        "segment_id",
        "segment_name",
        "customer_count",
        "customer_share",
        "revenue_share",
        "mean_net_revenue",
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(profiles),
            "profiles": dg.MetadataValue.md(markdown_table(columns, profiles.select(columns).rows())),
            "descriptions": dg.MetadataValue.md(
                markdown_table(["segment", "description"], profiles.select("segment_name", "description").rows())
            ),
        }
    )


@dg.multi_asset(
    name="segment_movement",
    specs=[
        dg.AssetSpec(
            key_of(table),
            deps=[dg.AssetDep(customer_segments, partition_mapping=WITH_THE_MONTH_BEFORE)],
            group_name=GROUP,
            automation_condition=WHEN_SOUND,
            kinds={"ducklake", "sql"},
            description=table.comment,
            metadata=column_metadata(table),
        )
        for table in (SEGMENT_TRANSITIONS, SEGMENT_EVENTS)
    ],
    partitions_def=AS_OF,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def segment_movement(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Who changed segment since the snapshot before, and whether it was the customer or the model that moved."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/segment_transitions", as_of=key)
        moves = write_transitions(warehouse.lake, date.fromisoformat(key), commit)
    causes = dict(moves.group_by("cause").agg(pl.col("customer_count").sum()).sort("cause").iter_rows())
    columns = ["from_segment_name", "to_segment_name", "cause", "customer_count", "revenue"]
    moved = moves.filter(pl.col("cause") != "stayed").sort("customer_count", descending=True)
    yield dg.MaterializeResult(
        asset_key=key_of(SEGMENT_TRANSITIONS),
        metadata={
            "dagster/partition_row_count": len(moves),
            **causes,
            "moves": dg.MetadataValue.md(markdown_table(columns, moved.select(columns).rows())),
        },
    )
    entered = int(moved.filter(pl.col("to_segment_id").is_not_null())["customer_count"].sum())
    left = int(moved.filter(pl.col("from_segment_id").is_not_null())["customer_count"].sum())
    yield dg.MaterializeResult(
        asset_key=key_of(SEGMENT_EVENTS),
        metadata={"dagster/partition_row_count": entered + left, "entered": entered, "left": left},
    )


@dg.asset(
    key=["segments", "segment_explanations"],
    deps=[customer_segments, segment_profiles, products],
    partitions_def=AS_OF,
    backfill_policy=dg.BackfillPolicy.single_run(),
    automation_condition=WHEN_SOUND,
    group_name=GROUP,
    kinds={"ducklake", "scikitlearn"},
    description=SEGMENT_EXPLANATIONS.comment,
    metadata=column_metadata(SEGMENT_EXPLANATIONS),
)
def segment_explanations(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Find out what sets the segments of the run's dates apart."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/segment_explanations", as_of=key)
        explained = write_explanations(warehouse.lake, date.fromisoformat(key), commit)
    with warehouse.get_connection() as con:
        pages = read_segments(con, date.fromisoformat(context.partition_keys[-1]))
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(explained),
            **{f"segment_{page.segment_id}": dg.MetadataValue.md(_page(page)) for page in pages},
        }
    )


def _page(segment: SegmentExplanation) -> str:
    """What is known of a segment, as Markdown."""
    parts = [f"## {segment.segment_name}", f"{segment.headline}. {segment.description}"]
    for title, sentences in segment.sections():
        parts += [f"### {title}", "\n".join(f"- {sentence}" for sentence in sentences)]
    return "\n\n".join(parts)
