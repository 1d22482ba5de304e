"""Segments: who is in which, what each looks like, and what sets it apart."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from segmentation.explanations.segment_findings import write_explanations
from segmentation.explanations.segments import SegmentExplanation, read_segments
from segmentation.metadata.table import Table
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    MODEL,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
)
from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.segments.transitions import write_transitions
from segmentation.warehouse.ledger import Deciders, recorded_deciders
from segmentation_assets.assets.declaring import Dependency, declare, table_spec
from segmentation_assets.automation.conditions import WHEN_SOUND
from segmentation_assets.keys import (
    CHAMPION_KEY,
    CUSTOMER_FEATURES_KEY,
    CUSTOMER_PREDICTIONS_KEY,
    CUSTOMER_SEGMENTS_KEY,
    PREDICTION_MODELS_KEY,
    PRODUCTS_KEY,
    SEGMENT_PROFILES_KEY,
    table_key,
)
from segmentation_assets.metadata import markdown_table, preview
from segmentation_assets.partitions import WITH_THE_DATE_BEFORE, Partitions
from segmentation_assets.resources import WarehouseResource, commit_of
from segmentation_assets.row_counts import report_by_partition, report_snapshots


def build_segment_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """Assignment, profiles, movement and explanations of a snapshot."""
    then_and_now = dg.AssetDep(CUSTOMER_SEGMENTS_KEY, partition_mapping=WITH_THE_DATE_BEFORE)
    explained = [CUSTOMER_SEGMENTS_KEY, SEGMENT_PROFILES_KEY, PRODUCTS_KEY]
    declarations: list[tuple[Callable[..., Any], list[dg.AssetSpec]]] = [
        (customer_segments, [_spec(CUSTOMER_SEGMENTS, [CUSTOMER_FEATURES_KEY, PREDICTION_MODELS_KEY, CHAMPION_KEY])]),
        (segment_profiles, [_spec(SEGMENT_PROFILES, [CUSTOMER_SEGMENTS_KEY, CUSTOMER_PREDICTIONS_KEY], "sql")]),
        (segment_movement, [_spec(table, [then_and_now], "sql") for table in (SEGMENT_TRANSITIONS, SEGMENT_EVENTS)]),
        (segment_explanations, [_spec(SEGMENT_EXPLANATIONS, explained, "scikitlearn")]),
    ]
    return [declare(compute, *specs, partitions=partitions.as_of) for compute, specs in declarations]


def _spec(table: Table, deps: Sequence[Dependency], *kinds: str) -> dg.AssetSpec:
    return table_spec(table, deps, ["ducklake", *kinds], condition=WHEN_SOUND)


class ModelConfig(dg.Config):
    """Which model decides."""

    keep_model: bool = Field(
        False,
        description="Whether a date that has segments keeps the model and the definitions that decided them; else the "
        "champion does, and what is declared now.",
    )


def customer_segments(
    context: dg.AssetExecutionContext, config: ModelConfig, warehouse: WarehouseResource
) -> dg.MaterializeResult[None]:
    """Give every customer of the run's dates the champion's segment, and one of each segmentation of one's own."""
    for key in context.partition_keys:
        commit, as_of = commit_of(context, "segments/customer_segments", as_of=key), date.fromisoformat(key)
        with warehouse.get_connection() as con:
            kept = recorded_deciders(con, CUSTOMER_SEGMENTS, as_of) if config.keep_model else Deciders()
        write_segments(warehouse.lake, as_of, commit, kept.model_version, kept.definitions)
    with warehouse.get_connection() as con:
        report_snapshots(context, con, CUSTOMER_SEGMENTS)
        rows = preview(con, CUSTOMER_SEGMENTS, f"as_of = DATE '{key}'")
    report_by_partition(context, CUSTOMER_SEGMENTS, {key: {"preview": rows}})
    return dg.MaterializeResult()


def segment_profiles(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Profile the segments of the run's dates."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/segment_profiles", as_of=key)
        profiles = write_profiles(warehouse.lake, date.fromisoformat(key), commit)
        report_by_partition(context, SEGMENT_PROFILES, {key: _of_profiles(profiles)})
    with warehouse.get_connection() as con:
        report_snapshots(context, con, SEGMENT_PROFILES)
    return dg.MaterializeResult()


def _of_profiles(profiles: pl.DataFrame) -> dict[str, object]:
    columns = ["segmentation_name", "segment_id", "segment_name", "customer_count", "customer_share", "revenue_share"]
    columns.append("mean_net_revenue")
    told = ["segment_name", "description", "advice"]
    descriptions = markdown_table(["segment", "description", "what to do"], profiles.select(told).rows())
    return {
        "profiles": dg.MetadataValue.md(markdown_table(columns, profiles.select(columns).rows())),
        "descriptions": dg.MetadataValue.md(descriptions),
    }


def segment_movement(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Who changed segment since the snapshot before, and whether it was the customer or the model that moved."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/segment_transitions", as_of=key)
        moves = write_transitions(warehouse.lake, date.fromisoformat(key), commit)
        report_by_partition(context, SEGMENT_TRANSITIONS, {key: _of_transitions(moves)})
        report_by_partition(context, SEGMENT_EVENTS, {key: _of_events(moves)})
    with warehouse.get_connection() as con:
        report_snapshots(context, con, SEGMENT_TRANSITIONS, SEGMENT_EVENTS)
        for table in (SEGMENT_TRANSITIONS, SEGMENT_EVENTS):
            yield dg.MaterializeResult(asset_key=table_key(table))


def _of_transitions(moves: pl.DataFrame) -> dict[str, object]:
    """How many customers of the model's segments by cause, and all moves, largest first."""
    causes = (
        moves.filter(pl.col("segmentation_name") == MODEL)
        .group_by("cause")
        .agg(pl.col("customer_count").sum())
        .sort("cause")
    )
    columns = ["segmentation_name", "from_segment_name", "to_segment_name", "cause", "customer_count", "revenue"]
    moved = _moved(moves).select(columns).sort("customer_count", descending=True)
    return {**dict(causes.iter_rows()), "moves": dg.MetadataValue.md(markdown_table(columns, moved.rows()))}


def _of_events(moves: pl.DataFrame) -> dict[str, object]:
    moved = _moved(moves)
    sides = {"entered": "to_segment_id", "left": "from_segment_id"}
    return {
        side: int(moved.filter(moved[column].is_not_null())["customer_count"].sum()) for side, column in sides.items()
    }


def _moved(moves: pl.DataFrame) -> pl.DataFrame:
    return moves.filter(moves["cause"] != "stayed")


def segment_explanations(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Find out what sets the segments of the run's dates apart."""
    for key in context.partition_keys:
        commit = commit_of(context, "segments/segment_explanations", as_of=key)
        write_explanations(warehouse.lake, date.fromisoformat(key), commit)
    with warehouse.get_connection() as con:
        report_snapshots(context, con, SEGMENT_EXPLANATIONS)
        pages = read_segments(con, date.fromisoformat(key))
    metadata = {f"segment_{page.segment_id}": dg.MetadataValue.md(_page(page)) for page in pages}
    report_by_partition(context, SEGMENT_EXPLANATIONS, {key: metadata})
    return dg.MaterializeResult()


def _page(segment: SegmentExplanation) -> str:
    """What is known of a segment, as Markdown."""
    parts = [f"## {segment.segment_name}", f"{segment.headline}. {segment.description}"]
    if segment.advice:
        parts.append(f"**What to do with them:** {segment.advice}")
    for title, sentences in segment.sections():
        parts += [f"### {title}", "\n".join(f"- {sentence}" for sentence in sentences)]
    return "\n\n".join(parts)
