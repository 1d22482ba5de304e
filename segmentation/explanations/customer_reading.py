"""One customer of the lake, explained: reads what is known of them, and asks `customer_explanation`."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np

from segmentation.errors import SegmentationError
from segmentation.explanations.contributions import Change, Contribution
from segmentation.explanations.customers import explain_customer, smallest_change
from segmentation.explanations.sample import read_sample, typical
from segmentation.features.one_customer import COLUMNS, FeatureCalculator
from segmentation.features.records import recorded_scope
from segmentation.features.windows import Window
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.modeling import registry
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.settings import Settings
from segmentation.warehouse.customer_bucket import customer_bucket
from segmentation.warehouse.schema import customer_buckets
from segmentation.warehouse.sql import literal

ASSIGNED = f"""
SELECT as_of, segment_id, segment_name, confidence, model_version
FROM {CUSTOMER_SEGMENTS.name}
WHERE customer_id = $customer_id AND ($as_of IS NULL OR as_of = $as_of)
ORDER BY as_of DESC
LIMIT 1
"""

# Buckets, ids and times are written out, not bound: DuckLake skips files by what it can see when it plans.
LINES = f"""
SELECT {", ".join(COLUMNS)}
FROM {TRANSACTIONS.name}
WHERE customer_bucket = {{bucket}}
    AND customer_id = {{customer_id}}
    AND ordered_at >= TIMESTAMP '{{start}}' AND ordered_at < TIMESTAMP '{{as_of}}'
ORDER BY ordered_at, line_id
"""

TYPICAL_CUSTOMERS = 50_000
"""Customers from whom the typical ones of the segments are taken at most."""


@dataclass(frozen=True)
class CustomerExplanation:
    """Why a customer is where they are, and what would move them.

    Attributes:
        customer_id: The customer.
        as_of: The snapshot.
        model_version: The version that decided.
        segment_id: The segment that they were given.
        segment_name: Its name.
        confidence: Of that assignment.
        nearest_name: The segment that their features are nearest to; another one only if features were computed anew
            since, or something else than distance decided.
        runner_up_name: The next nearest one.
        contributions: How each feature of the model pulls them to the nearest rather than to the runner-up, the
            strongest first.
        changes: The next steps that would move them, the smallest first.
    """

    customer_id: str
    as_of: date
    model_version: int
    segment_id: int
    segment_name: str
    confidence: float
    nearest_name: str
    runner_up_name: str
    contributions: tuple[Contribution, ...]
    changes: tuple[Change, ...]


def read_explanation(
    con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date | None, settings: Settings
) -> CustomerExplanation:
    """Explain the segment that a customer was given.

    Args:
        con: A cursor of the lake; may be read-only.
        customer_id: The customer, as the source names them.
        as_of: The snapshot date; the last one in which they have a segment if None.
        settings: Of the lake.

    Raises:
        SegmentationError: The customer has no segment then, or no features.
    """
    row = con.execute(ASSIGNED, {"customer_id": customer_id, "as_of": as_of}).fetchone()
    if row is None:
        raise SegmentationError(_unknown(con, customer_id, as_of))
    found, segment_id, segment_name, confidence, version = row
    evaluator = Evaluator(registry.load(con, version).artefact)
    segments = evaluator.artefact.segments
    sample = read_sample(con, found, evaluator.artefact.feature_names, TYPICAL_CUSTOMERS)
    features = _features(con, customer_id, found, evaluator.artefact.feature_names)
    nearest = evaluator.assign(features[np.newaxis])
    contributions = explain_customer(evaluator, features, typical(sample, [segment.id for segment in segments]))
    window, home_market = recorded_scope(con, found, settings)
    with FeatureCalculator() as calculator:
        changes = smallest_change(
            calculator,
            evaluator,
            read_lines(con, customer_id, window),
            found,
            lookback_days=window.lookback_days,
            home_market=home_market,
        )
    return CustomerExplanation(
        customer_id,
        found,
        version,
        segment_id,
        segment_name,
        confidence,
        segments[int(nearest.segment[0])].name,
        segments[int(nearest.runner_up[0])].name,
        tuple(contributions),
        tuple(changes),
    )


def _features(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date, names: tuple[str, ...]) -> Floats:
    columns = ", ".join(f"CAST({name} AS DOUBLE)" for name in names)
    row = con.execute(
        f"SELECT {columns} FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of AND customer_id = $customer_id",
        {"as_of": as_of, "customer_id": customer_id},
    ).fetchone()
    if row is None:
        raise SegmentationError(
            f"Customer {customer_id!r} has a segment but no features as of {as_of}; materialize `features/*` and "
            "`segments/*` for that date."
        )
    return np.array(row, dtype=np.float64)


def read_lines(con: duckdb.DuckDBPyConnection, customer_id: str, window: Window) -> list[dict[str, Any]]:
    """A customer's lines in a window, in the columns that features are computed from, in order of time."""
    bucket = customer_bucket(customer_id, customer_buckets(con))
    query = LINES.format(bucket=bucket, customer_id=literal(customer_id), start=window.start, as_of=window.as_of)
    found = con.execute(query)
    return [dict(zip(COLUMNS, row, strict=True)) for row in found.fetchall()]


def _unknown(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date | None) -> str:
    if as_of is not None:
        rows = con.execute(
            f"SELECT as_of FROM {CUSTOMER_SEGMENTS.name} WHERE customer_id = $customer_id ORDER BY as_of",
            {"customer_id": customer_id},
        ).fetchall()
        if rows:
            there = ", ".join(str(row[0]) for row in rows)
            return f"Customer {customer_id!r} has no segment as of {as_of}, only as of {there}."
    return (
        f"No snapshot has a segment for customer {customer_id!r}. They may be misspelt, have no purchase in the "
        "look-back window, or be newer than the latest snapshot."
    )
