"""Snapshots that tests write by hand, put on record as if they had been computed."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

import duckdb

from segmentation.features.windows import window_of
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.lake import next_version
from segmentation.warehouse.ledger import MadeOf, record


def record_by_hand(
    lake: Lake, as_of: date, tables: Sequence[Table] = (CUSTOMER_FEATURES,), model_version: int | None = None
) -> None:
    """Let the ledger know rows that are there already, and let the data reach their date.

    Args:
        lake: The tables have the rows, or some of them.
        as_of: As of which date.
        tables: Which; that of features if left out.
        model_version: The model that decided, or was judged.
    """
    with lake.cursor() as con:
        lake.transaction(
            con, Commit("record"), partial(_record, lake=lake, as_of=as_of, tables=tables, model=model_version)
        )


def _record(
    con: duckdb.DuckDBPyConnection, lake: Lake, as_of: date, tables: Sequence[Table], model: int | None
) -> None:
    version = next_version(con)
    day = as_of - timedelta(days=1)
    change = f"SELECT 'by hand' AS source, DATE '{day}' AS ordered_on, 1 AS line_count_change"
    note_changes(con, change, version=version)
    start = window_of(as_of, lake.settings.lookback_days).start
    for table in tables:
        made_of = MadeOf(
            version,
            code_version_of(table),
            window_start=start if table is CUSTOMER_FEATURES else None,
            model_version=model,
        )
        record(con, [table], as_of, made_of, Commit("by hand"), datetime(2024, 1, 1))
