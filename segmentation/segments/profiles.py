"""Profiles: one row per segment of a snapshot, with its size, its share of revenue and its typical customer."""

from datetime import date
from typing import cast

import duckdb
import polars as pl

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, MODEL, SEGMENT_PROFILES, of_model
from segmentation.metadata.vocabulary import WORDS
from segmentation.modeling import registry
from segmentation.modeling.segment_identity.sentences import advise, describe, read_figures
from segmentation.modeling.segment_identity.truth import prepare, shares
from segmentation.segmentations.versions import segment_ids, versions_of
from segmentation.segments.names import with_features
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf
from segmentation.warehouse.snapshots import write_snapshot
from segmentation.warehouse.sql import literal

PROFILE = f"""
WITH profiled AS (
    SELECT
        assigned.as_of,
        assigned.segment_id,
        assigned.segment_name,
        assigned.model_version,
        assigned.segmentation_name,
        assigned.segmentation_version,
        COUNT(*) AS customer_count,
        SUM(CAST(net_revenue AS DECIMAL(38, 6))) AS revenue,
        MEDIAN(recency_days) AS median_recency_days,
        CAST(SUM(order_count) AS DOUBLE) / COUNT(*) AS mean_order_count,
        CAST(SUM(CAST(average_order_value AS DECIMAL(38, 6))) AS DOUBLE) / COUNT(*) AS mean_order_value,
        CAST(SUM(CAST(confidence AS DECIMAL(38, 12))) AS DOUBLE) / COUNT(*) AS mean_confidence,
        CAST(SUM(CAST(expected_orders_90d AS DECIMAL(38, 6))) AS DOUBLE) AS expected_orders_90d,
        CAST(SUM(CAST(expected_revenue_90d AS DECIMAL(38, 6))) AS DOUBLE) AS expected_revenue_90d,
        CAST(SUM(CAST(expected_revenue_365d AS DECIMAL(38, 6))) AS DOUBLE) AS expected_revenue_365d,
        CAST(SUM(CAST(no_order_90d_probability AS DECIMAL(38, 12))) AS DOUBLE) / COUNT(no_order_90d_probability)
            AS mean_no_order_90d_probability
    FROM {CUSTOMER_SEGMENTS.name} AS assigned
    JOIN {CUSTOMER_FEATURES.name} AS features
        ON features.customer_id = assigned.customer_id AND features.as_of = assigned.as_of
    LEFT JOIN {CUSTOMER_PREDICTIONS.name} AS predicted
        ON predicted.customer_id = assigned.customer_id AND predicted.as_of = assigned.as_of
    WHERE assigned.as_of = $as_of
    GROUP BY ALL
)
SELECT
    profiled.* REPLACE (CAST(revenue AS DOUBLE) AS revenue),
    told.description,
    customer_count / SUM(customer_count) OVER of_segmentation AS customer_share,
    CAST(revenue AS DOUBLE) / NULLIF(CAST(SUM(revenue) OVER of_segmentation AS DOUBLE), 0) AS revenue_share,
    CAST(revenue AS DOUBLE) / customer_count AS mean_net_revenue,
    told.advice
FROM profiled
JOIN temp.told USING (segment_id)
WINDOW of_segmentation AS (PARTITION BY segmentation_name)
ORDER BY segmentation_name = '{MODEL}' DESC, segment_id
"""
"""Sums of decimals are exact, so that the same snapshot gives the same bytes."""

DECIDED = f"""
SELECT DISTINCT segmentation_name, segmentation_version
FROM {CUSTOMER_SEGMENTS.name}
WHERE as_of = $as_of
ORDER BY segmentation_name
"""


def write_profiles(lake: Lake, as_of: date, commit: Commit) -> pl.DataFrame:
    """Profile the segments of a snapshot and replace them in the lake.

    Returns:
        The profiles, those of the model first, in the order of their ids.

    Raises:
        NotEnoughDataError: No customer has a segment as of that date.
    """
    version = lake.version()
    with lake.cursor() as con:
        _tell(con, as_of)
        con.execute(f"CREATE OR REPLACE TEMP TABLE profiled AS {PROFILE}", {"as_of": as_of})
        profiles = con.table("temp.profiled").pl()
        if profiles.is_empty():
            raise NotEnoughDataError(
                f"No customer has a segment as of {as_of}; materialize `segments/customer_segments` for that date."
            )
        model = profiles["model_version"].max()
        made_of = MadeOf(version, code_version_of(SEGMENT_PROFILES), model_version=cast("int | None", model))
        write_snapshot(lake, con, {SEGMENT_PROFILES: "temp.profiled"}, as_of, made_of, commit)
    return profiles


def _tell(con: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Sentences about each segment, by its definition or else its customers, as the temporary table `told`."""
    decided = dict(con.execute(DECIDED, {"as_of": as_of}).fetchall())
    own = _of_definitions(con, {name: version for name, version in decided.items() if version is not None})
    rules = _of_stand_in(con, as_of)
    rows = []
    for name in decided:
        for segment_id, description, advice in _of_customers(con, as_of, name):
            said = own.get(segment_id, ("", ""))
            told = f"{rules[segment_id]} {description}" if segment_id in rules else description
            rows.append((segment_id, said[0] or told, said[1] or advice))
    schema = {"segment_id": pl.Int32, "description": pl.String, "advice": pl.String}
    con.register("sentences", pl.DataFrame(rows, schema=schema, orient="row"))
    con.execute("CREATE OR REPLACE TEMP TABLE told AS FROM sentences")


def _of_definitions(con: duckdb.DuckDBPyConnection, decided: dict[str, int]) -> dict[int, tuple[str, str]]:
    """Description and advice that the definitions which decided a snapshot give to their segments, by id."""
    ids = segment_ids(con)
    return {
        ids[version.name, segment.name]: (segment.told, segment.advice or "")
        for version in versions_of(con, decided).values()
        for segment in (version.definition.segments if version.definition else ())
    }


def _of_stand_in(con: duckdb.DuckDBPyConnection, as_of: date) -> dict[int, str]:
    """What the rules of a stand-in say of themselves, by segment; empty where a fitted model decided."""
    decided = f"SELECT DISTINCT model_version FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = DATE '{as_of}'"
    artefacts = [registry.load(con, version).artefact for (version,) in con.execute(decided).fetchall()]
    return {each.id: each.description for a in artefacts if a.provenance.stand_in for each in a.segments}


def _of_customers(con: duckdb.DuckDBPyConnection, as_of: date, segmentation: str) -> list[tuple[int, str, str]]:
    """Id, description and advice of each segment of a segmentation, from its customers."""
    there = (
        f"(FROM {CUSTOMER_SEGMENTS.name} WHERE as_of = DATE '{as_of}' AND segmentation_name = {literal(segmentation)})"
    )
    prepare(con, with_features(there, as_of))
    figures, held = read_figures(con), shares(con, WORDS)
    return [(each, describe(figures, each), advise(figures, held, each)) for each in held.segments]
