"""Snapshots that tests write by hand, put on record as if they had been computed."""

from datetime import date, datetime, timedelta

import duckdb

from segmentation.features.engine import TABLES
from segmentation.features.windows import window_of
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.lake import next_version
from segmentation.warehouse.ledger import MadeOf, record


def record_features(lake: Lake, *dates: date) -> None:
    """Let the ledger know features that are there already, and let the data reach their dates.

    Args:
        lake: Its feature tables have the rows, or some of them.
        dates: As of which.
    """
    with lake.cursor() as con:
        lake.transaction(con, Commit("record"), lambda c: _record(c, lake, dates))


def _record(con: duckdb.DuckDBPyConnection, lake: Lake, dates: tuple[date, ...]) -> None:
    version, code = next_version(con), code_version_of(TABLES[0])
    for as_of in dates:
        day = as_of - timedelta(days=1)
        change = f"SELECT 'by hand' AS source, DATE '{day}' AS ordered_on, 1 AS line_count_change"
        note_changes(con, change, version=version)
        start = window_of(as_of, lake.settings.lookback_days).start
        record(con, TABLES, as_of, MadeOf(version, code, window_start=start), Commit("by hand"), datetime(2024, 1, 1))
