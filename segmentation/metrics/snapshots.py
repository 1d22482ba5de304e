"""What the lake tells Prometheus of its snapshots: how many are current, what they take, how far the data reaches."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import get_args

import duckdb

from segmentation.metadata.tables.raw import CHANGED_DAYS, DELIVERIES, LOADS, SOURCE_FILES
from segmentation.metadata.tables.registry import PROMOTIONS, SNAPSHOTS
from segmentation.metrics.cache import MarkerCache
from segmentation.metrics.ducklake_catalog import CatalogState
from segmentation.metrics.families import MetricFamily, by_one, single, timestamp
from segmentation.settings import Settings
from segmentation.snapshots.code import SNAPSHOT_TABLES
from segmentation.snapshots.coverage import Coverage
from segmentation.snapshots.report import LedgerReport, read_report
from segmentation.snapshots.states import State

JUDGED_BY = tuple(table.name for table in (SNAPSHOTS, CHANGED_DAYS, PROMOTIONS, LOADS, SOURCE_FILES, DELIVERIES))
"""The tables that states and coverage are read from."""


def snapshot_families(
    con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache, settings: Settings, now: datetime
) -> Iterator[MetricFamily]:
    """Everything about snapshots; no samples of states and coverage in a lake of before the ledger.

    Args:
        con: A cursor of the lake.
        state: Of its catalog.
        memory: Of earlier looks; the ledger is judged again when it or its inputs have changed, and each day.
        settings: Of the lake.
        now: The present moment (UTC).
    """
    marker = (now.date(), state.marker(*JUDGED_BY))
    report = None
    if all(name in state.tables for name in JUDGED_BY):
        report = memory.recall("ledger", marker, lambda: read_report(con, settings, now))
    states = {each: float(report.count(each)) for each in get_args(State)} if report else {}
    yield by_one("segmentation_snapshots", "Dates that have snapshots, by state.", "state", states.items())
    sizes = [state.tables[table.name].size_bytes for table in SNAPSHOT_TABLES if table.name in state.tables]
    yield single("segmentation_snapshot_bytes", "Size of the Parquet files of all snapshots.", sum(sizes))
    yield single(
        "segmentation_newest_current_snapshot_timestamp_seconds",
        "The newest date with segments that is current.",
        timestamp(_newest_current(report) if report else None),
    )
    yield from _coverage(report.coverage if report else Coverage())


def _newest_current(report: LedgerReport) -> date | None:
    segmented = [each for each in report.dates if each.model_version is not None and each.state == "current"]
    return max((each.as_of for each in segmented), default=None)


def _coverage(coverage: Coverage) -> Iterator[MetricFamily]:
    yield single(
        "segmentation_data_complete_until_timestamp_seconds",
        "The beginning of the first day that may still get lines: the newest date that snapshots can be made of.",
        timestamp(coverage.until),
    )
    yield by_one(
        "segmentation_source_complete_until_timestamp_seconds",
        "The same of one source.",
        "source",
        [(each.source, timestamp(each.until)) for each in coverage.sources],
    )
    yield by_one(
        "segmentation_source_is_late",
        "1 if other sources reach further.",
        "source",
        [(each.source, float(each.is_late)) for each in coverage.sources],
    )
