"""Checks of segments: everybody has one of each segmentation, and each of the model's is explained."""

from collections.abc import Sequence

import dagster as dg

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.registry import SEGMENTATION_SEGMENTS, SEGMENTS
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    MODEL,
    SEGMENT_EXPLANATIONS,
    SEGMENT_TRANSITIONS,
    of_model,
)
from segmentation.segments.names import WordTruth, read_truth
from segmentation_assets.checks.scope import dates_of
from segmentation_assets.keys import CUSTOMER_SEGMENTS_KEY, SEGMENT_EXPLANATIONS_KEY, table_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

DIFFERENCES = f"""
WITH assigned AS (
    SELECT
        as_of,
        assigned.segmentation_name,
        customer_id,
        COUNT(*) AS segments,
        COUNT(COALESCE(named.segment_id, own.segment_id)) AS named
    FROM {CUSTOMER_SEGMENTS.name} AS assigned
    LEFT JOIN {SEGMENTS.name} AS named
        ON named.version = assigned.model_version AND named.segment_id = assigned.segment_id
    LEFT JOIN {SEGMENTATION_SEGMENTS.name} AS own
        ON own.segmentation_name = assigned.segmentation_name AND own.segment_id = assigned.segment_id
    WHERE list_contains($dates, as_of)
    GROUP BY as_of, assigned.segmentation_name, customer_id
),
segmented AS (SELECT DISTINCT as_of, segmentation_name FROM assigned),
expected AS (
    SELECT as_of, COALESCE(segmentation_name, '{MODEL}') AS segmentation_name, customer_id
    FROM (FROM {CUSTOMER_FEATURES.name} WHERE list_contains($dates, as_of)) AS features
    LEFT JOIN segmented USING (as_of)
)
SELECT
    as_of,
    segmentation_name,
    COUNT(*) FILTER (assigned.customer_id IS NULL) AS without_segment,
    COUNT(*) FILTER (expected.customer_id IS NULL) AS without_features,
    COUNT(*) FILTER (segments > 1) AS several_segments,
    COUNT(*) FILTER (named = 0) AS unknown_segment
FROM expected
FULL JOIN assigned USING (as_of, segmentation_name, customer_id)
WHERE assigned.customer_id IS NULL OR expected.customer_id IS NULL OR segments > 1 OR named = 0
GROUP BY as_of, segmentation_name
ORDER BY as_of, segmentation_name
"""

STALE = f"""
WITH mix AS (
    SELECT
        assigned.as_of,
        assigned.segment_id,
        assigned.segment_name,
        assigned.model_version,
        rfm_segment AS item,
        CAST(COUNT(*) AS DOUBLE) / SUM(COUNT(*)) OVER (PARTITION BY assigned.as_of, assigned.segment_id) AS value
    FROM {of_model(CUSTOMER_SEGMENTS)} AS assigned
    JOIN {CUSTOMER_FEATURES.name} AS features
        ON features.customer_id = assigned.customer_id AND features.as_of = assigned.as_of
    WHERE list_contains($dates, assigned.as_of)
    GROUP BY assigned.as_of, assigned.segment_id, assigned.segment_name, assigned.model_version, rfm_segment
    QUALIFY rfm_segment IS NOT NULL
),
explained AS (
    SELECT as_of, segment_id, segment_name, model_version, item, value
    FROM {SEGMENT_EXPLANATIONS.name}
    WHERE kind = 'rfm' AND list_contains($dates, as_of)
)
SELECT
    as_of,
    segment_id,
    segment_name,
    model_version,
    CASE
        WHEN BOOL_AND(explained.value IS NULL) THEN 'not explained'
        WHEN BOOL_AND(mix.value IS NULL) THEN 'has no customers'
        ELSE 'other customers were explained'
    END AS problem
FROM mix
FULL JOIN explained USING (as_of, segment_id, segment_name, model_version, item)
GROUP BY ALL
HAVING BOOL_OR(mix.value IS DISTINCT FROM explained.value)
ORDER BY ALL
"""
"""The RFM mix is the part of an explanation that is counted, not sampled, so it says whose customers were explained."""


@dg.asset_check(asset=CUSTOMER_SEGMENTS_KEY, blocking=True)
def every_customer_has_one_segment(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Each customer with features has exactly one segment of each segmentation, one that is known."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_SEGMENTS.name])
        differences = con.execute(DIFFERENCES, {"dates": dates}).fetchall()
    header = ["as of", "segmentation", "without segment", "without features", "several segments", "unknown segment"]
    return dg.AssetCheckResult(
        passed=not differences,
        metadata={"differences": dg.MetadataValue.md(markdown_table(header, differences))},
        description=f"{len(differences)} dates have customers without exactly one known segment"
        if differences
        else "everybody has exactly one",
    )


UNBALANCED = f"""
WITH counted AS (
    SELECT as_of, segmentation_name, to_segment_id AS segment_id, SUM(customer_count) AS customers
    FROM {SEGMENT_TRANSITIONS.name}
    WHERE list_contains($dates, as_of) AND to_segment_id IS NOT NULL
    GROUP BY ALL
    UNION ALL
    SELECT previous_as_of, segmentation_name, from_segment_id, SUM(customer_count)
    FROM {SEGMENT_TRANSITIONS.name}
    WHERE list_contains($dates, as_of) AND from_segment_id IS NOT NULL
    GROUP BY ALL
), assigned AS (
    SELECT as_of, segmentation_name, segment_id, COUNT(*) AS customers
    FROM {CUSTOMER_SEGMENTS.name}
    SEMI JOIN counted USING (as_of, segmentation_name)
    GROUP BY ALL
)
SELECT as_of, segmentation_name, segment_id, counted.customers AS counted, assigned.customers AS assigned
FROM counted
FULL JOIN assigned USING (as_of, segmentation_name, segment_id)
WHERE counted.customers IS DISTINCT FROM assigned.customers
ORDER BY as_of, segmentation_name, segment_id
"""
"""Segments whose customers, by the transitions out of and into them, are not those that were assigned."""


@dg.asset_check(asset=table_key(SEGMENT_TRANSITIONS), blocking=True)
def transitions_add_up(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Who came into each segment, and who was in it before, are exactly the customers that were assigned."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [SEGMENT_TRANSITIONS.name])
        rows = con.execute(UNBALANCED, {"dates": dates}).fetchall()
    header = ["as of", "segmentation", "segment", "by transitions", "assigned"]
    return dg.AssetCheckResult(
        passed=not rows,
        metadata={"differences": dg.MetadataValue.md(markdown_table(header, rows))},
        description=f"{len(rows)} segments do not add up" if rows else "every transition adds up",
    )


@dg.asset_check(asset=SEGMENT_EXPLANATIONS_KEY, blocking=False)
def explanations_are_of_these_segments(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Each segment with customers is explained as the customers have it now: by name, model and RFM mix."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_SEGMENTS.name, SEGMENT_EXPLANATIONS.name])
        stale = con.execute(STALE, {"dates": dates}).fetchall()
    header = ["as of", "segment", "name", "model", "what is wrong"]
    return dg.AssetCheckResult(
        passed=not stale,
        metadata={"stale": dg.MetadataValue.md(markdown_table(header, stale))},
        description=f"{len(stale)} segments have no explanation, or one of other customers" if stale else "all are",
    )


@dg.asset_check(asset=CUSTOMER_SEGMENTS_KEY, blocking=False)
def names_are_true(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Each word of a segment's name is true of at least 60 % of its customers, and of more than elsewhere."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_SEGMENTS.name])
        found = [(as_of, each) for as_of in dates for each in read_truth(con, as_of)]
    untrue = [each for _, each in found if not each.is_true]
    rows = [
        (as_of, w.segment_id, w.segment_name, w.word, f"{w.inside:.0%}", f"{w.elsewhere:.0%}", _verdict(w))
        for as_of, w in found
    ]
    header = ["as of", "segment", "name", "word", "of its customers", "elsewhere", ""]
    return dg.AssetCheckResult(
        passed=not untrue,
        severity=dg.AssetCheckSeverity.WARN if all(w.is_given for w in untrue) else dg.AssetCheckSeverity.ERROR,
        metadata={"words": dg.MetadataValue.md(markdown_table(header, rows))},
        description=_told(untrue),
    )


def _verdict(word: WordTruth) -> str:
    return "true" if word.is_true else "untrue; a person named it so" if word.is_given else "untrue"


def _told(untrue: Sequence[WordTruth]) -> str:
    if not untrue:
        return "every word of every name is"
    first = untrue[0]
    command = f"; `segmentation models rename {first.segment_id} NAME` names it anew" if first.is_given else ""
    return (
        f"{len(untrue)} words are not: segment {first.segment_id} is called {first.segment_name!r}, and {first.word} "
        f"is true of {first.inside:.0%} of its customers{command}"
    )


CHECKS = [every_customer_has_one_segment, names_are_true, transitions_add_up, explanations_are_of_these_segments]
