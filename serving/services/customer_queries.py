"""What the lake knows about one customer: SQL, and rows made plain data. How it is answered is `customers`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import duckdb

from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, IS_OF_MODEL, SEGMENT_PROFILES, of_model
from segmentation.predictions.reading import COLUMNS as PREDICTED_COLUMNS
from segmentation.settings import Settings
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse.partition_files import partition_files
from segmentation.warehouse.schema import exists
from segmentation.warehouse.sql import literal
from serving.api.contract import Features, Membership, Prediction
from serving.live.values import LiveValue

# Ids and dates are written out, not bound: DuckLake skips files by what it can see when it plans.
ASSIGNMENT = """
SELECT
    as_of, segment_id, segment_name, distance, runner_up_id, runner_up_distance, confidence, is_low_confidence,
    model_version, nearest_id, nearest_since
FROM {relation}
WHERE customer_id = {customer_id} AND {condition}
ORDER BY as_of DESC
LIMIT 1
"""

FEATURE_ROW = f"""
SELECT {", ".join(feature.name for feature in FEATURES)}
FROM {{relation}}
WHERE customer_id = {{customer_id}} AND {{condition}}
"""

PREDICTION = f"""
SELECT {", ".join(PREDICTED_COLUMNS)}
FROM {{relation}}
WHERE customer_id = {{customer_id}} AND {{condition}}
"""

HISTORY = f"""
SELECT as_of, segment_id, segment_name, confidence, model_version
FROM {of_model(CUSTOMER_SEGMENTS)}
WHERE customer_id = {{customer_id}}
ORDER BY as_of
"""


@dataclass(frozen=True)
class SnapshotRelations:
    """The newest snapshot of segments, and what to select it from: its files where possible, else the tables."""

    as_of: date
    segments: str
    features: str
    predictions: str | None = None


class NewestSnapshot(LiveValue[SnapshotRelations | None, SnapshotRelations | None]):
    """The newest snapshot of segments that the data reaches; None in a lake without any."""

    def __init__(self, settings: Settings) -> None:
        self.read = partial(_read_newest, quiet_days=settings.quiet_days)
        super().__init__("newest snapshot", self.read, lambda found: found, follows_lines=True)


def read_assignment(
    con: duckdb.DuckDBPyConnection, newest: SnapshotRelations | None, customer_id: str, as_of: date | None
) -> dict[str, Any] | None:
    """A customer's segment in a snapshot; if `as_of` is None, in the last one that has them, up to the newest."""
    if newest is not None and as_of in (None, newest.as_of):
        row = _read_row(con, ASSIGNMENT, (newest.segments, of_model(CUSTOMER_SEGMENTS)), customer_id, _on(newest.as_of))
        if row is not None or as_of is not None:
            return row
    if as_of is None:
        condition = f"as_of <= DATE '{newest.as_of}'" if newest else "false"
        return _read_row(con, ASSIGNMENT, (of_model(CUSTOMER_SEGMENTS),), customer_id, condition)
    return _read_row(con, ASSIGNMENT, (of_model(CUSTOMER_SEGMENTS),), customer_id, _on(as_of))


def read_features(
    con: duckdb.DuckDBPyConnection, newest: SnapshotRelations | None, customer_id: str, as_of: date
) -> Features | None:
    """A customer's features in a snapshot."""
    files = [newest.features] if newest is not None and newest.as_of == as_of else []
    row = _read_row(con, FEATURE_ROW, (*files, CUSTOMER_FEATURES.name), customer_id, _on(as_of))
    return Features(**row) if row else None


def read_stored_prediction(
    con: duckdb.DuckDBPyConnection, newest: SnapshotRelations | None, customer_id: str, as_of: date
) -> Prediction | None:
    """What a snapshot predicted of a customer; None if it predicted nothing."""
    is_newest = newest is not None and newest.as_of == as_of
    relations = [newest.predictions] if newest is not None and is_newest and newest.predictions else []
    if not relations and not exists(con, CUSTOMER_PREDICTIONS):  # a lake of an older release
        return None
    row = _read_row(con, PREDICTION, (*relations, CUSTOMER_PREDICTIONS.name), customer_id, _on(as_of))
    return Prediction(**row) if row else None


def read_history(con: duckdb.DuckDBPyConnection, customer_id: str) -> tuple[Membership, ...]:
    """The segments that a customer was given, by snapshot."""
    rows = con.execute(HISTORY.format(customer_id=literal(customer_id))).fetchall()
    return tuple(Membership(*row) for row in rows)


def _read_row(
    con: duckdb.DuckDBPyConnection, query: str, relations: Sequence[str], customer_id: str, condition: str
) -> dict[str, Any] | None:
    """The customer's row in the first of some relations that can be read."""
    relation, *others = relations
    try:
        found = con.execute(query.format(relation=relation, customer_id=literal(customer_id), condition=condition))
        values = found.fetchone()
    except duckdb.IOException:  # files of a snapshot that was replaced meanwhile, and cleaned up
        if not others:
            raise
        return _read_row(con, query, others, customer_id, condition)
    return dict(zip((column[0] for column in found.description), values, strict=True)) if values else None


def _on(as_of: date) -> str:
    return f"as_of = DATE '{as_of}'"


def _read_newest(con: duckdb.DuckDBPyConnection, quiet_days: int) -> SnapshotRelations | None:
    as_of = latest_date(con, SEGMENT_PROFILES, quiet_days)
    if as_of is None:
        return None
    segments = partition_files(con, CUSTOMER_SEGMENTS, as_of)
    return SnapshotRelations(
        as_of,
        f"(FROM {segments} WHERE {IS_OF_MODEL})" if segments else of_model(CUSTOMER_SEGMENTS),
        partition_files(con, CUSTOMER_FEATURES, as_of) or CUSTOMER_FEATURES.name,
        partition_files(con, CUSTOMER_PREDICTIONS, as_of) if exists(con, CUSTOMER_PREDICTIONS) else None,
    )
