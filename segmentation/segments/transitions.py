"""Movement: who changed segment between two snapshots, and whether it was the customer who moved or the model.

A segmentation that the snapshot doesn't have has no movement there: those who were in it are not gone.

A customer whose segment changed together with the model is scored by the former model too, on today's features and with
the same hysteresis: if it would have left them where they were, the model moved them; else they moved themselves. So it
is with definitions.
"""

from datetime import date
from typing import cast

import duckdb
import polars as pl

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, MODEL, SEGMENT_EVENTS, SEGMENT_TRANSITIONS
from segmentation.modeling import registry
from segmentation.modeling.artefact import Evaluator
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.segmentations.versions import DefinitionVersion, versions_of
from segmentation.segments.assignment import read_before
from segmentation.segments.columns import Hysteresis, segment_columns
from segmentation.segments.own_segments import stage_own_segments
from segmentation.snapshots.code import code_version_of
from segmentation.snapshots.latest import date_before
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf
from segmentation.warehouse.snapshots import write_snapshot

MOVES = f"""
CREATE OR REPLACE TEMP TABLE moves AS
WITH assigned AS (
    SELECT segments.*, net_revenue
    FROM {CUSTOMER_SEGMENTS.name} AS segments
    JOIN {CUSTOMER_FEATURES.name} AS features
        ON features.as_of = segments.as_of AND features.customer_id = segments.customer_id
    WHERE segments.as_of IN (DATE '{{as_of}}', {{previous}}) AND segmentation_name IN (
        SELECT segmentation_name FROM {CUSTOMER_SEGMENTS.name} WHERE as_of = DATE '{{as_of}}'
    )
)
SELECT
    COALESCE(now.segmentation_name, before.segmentation_name) AS segmentation_name,
    COALESCE(now.customer_id, before.customer_id) AS customer_id,
    before.segment_id AS from_segment_id,
    before.segment_name AS from_segment_name,
    now.segment_id AS to_segment_id,
    now.segment_name AS to_segment_name,
    before.model_version AS previous_model_version,
    now.model_version,
    before.segmentation_version AS previous_segmentation_version,
    now.segmentation_version,
    COALESCE(now.net_revenue, before.net_revenue) AS net_revenue
FROM (SELECT * FROM assigned WHERE as_of = DATE '{{as_of}}') AS now
FULL JOIN (SELECT * FROM assigned WHERE as_of = {{previous}}) AS before
    ON before.segmentation_name = now.segmentation_name AND before.customer_id = now.customer_id
"""

CAUSE = f"""
CASE
    WHEN from_segment_id IS NULL THEN 'arrived'
    WHEN to_segment_id IS NULL THEN 'gone'
    WHEN from_segment_id = to_segment_id THEN 'stayed'
    WHEN former.segment_id = from_segment_id THEN IF(segmentation_name = '{MODEL}', 'model_moved', 'definition_moved')
    ELSE 'customer_moved'
END
"""

TRANSITIONS = f"""
CREATE OR REPLACE TEMP TABLE transitions AS
SELECT
    CAST({{previous}} AS DATE) AS previous_as_of,
    segmentation_name,
    from_segment_id,
    ANY_VALUE(from_segment_name) AS from_segment_name,
    to_segment_id,
    ANY_VALUE(to_segment_name) AS to_segment_name,
    {CAUSE} AS cause,
    COUNT(*) AS customer_count,
    CAST(SUM(CAST(net_revenue AS DECIMAL(38, 6))) AS DOUBLE) AS revenue,
    MAX(previous_model_version) AS previous_model_version,
    MAX(model_version) AS model_version,
    MAX(previous_segmentation_version) AS previous_segmentation_version,
    MAX(segmentation_version) AS segmentation_version
FROM temp.moves
LEFT JOIN temp.former USING (segmentation_name, customer_id)
GROUP BY segmentation_name, from_segment_id, to_segment_id, cause
ORDER BY
    segmentation_name = '{MODEL}' DESC,
    segmentation_name,
    from_segment_id NULLS FIRST,
    to_segment_id NULLS LAST,
    cause
"""

EVENTS = f"""
CREATE OR REPLACE TEMP TABLE events AS
WITH moved AS (
    SELECT moves.*, {CAUSE} AS cause
    FROM temp.moves
    LEFT JOIN temp.former USING (segmentation_name, customer_id)
    WHERE from_segment_id IS DISTINCT FROM to_segment_id
)
SELECT
    customer_id,
    'left' AS event,
    from_segment_id AS segment_id,
    from_segment_name AS segment_name,
    to_segment_id AS other_segment_id,
    cause,
    model_version,
    segmentation_name,
    segmentation_version
FROM moved
WHERE from_segment_id IS NOT NULL
UNION ALL
SELECT
    customer_id,
    'entered',
    to_segment_id,
    to_segment_name,
    from_segment_id,
    cause,
    model_version,
    segmentation_name,
    segmentation_version
FROM moved
WHERE to_segment_id IS NOT NULL
ORDER BY customer_id, segment_id, event
"""


FORMER = f"""
CREATE OR REPLACE TEMP TABLE former AS
SELECT '{MODEL}' AS segmentation_name, customer_id, segment_id
FROM scored
UNION ALL
SELECT segmentation_name, customer_id, segment_id
FROM temp.own_segments
"""
"""What the former model, and former definitions, would say today."""

REDEFINED = """
SELECT DISTINCT segmentation_name, previous_segmentation_version
FROM temp.moves
WHERE from_segment_id <> to_segment_id AND previous_segmentation_version <> segmentation_version
"""


def write_transitions(lake: Lake, as_of: date, commit: Commit) -> pl.DataFrame:
    """Compare the segments of a snapshot with those of the one before, and replace its transitions and events.

    The first snapshot has none before it: everybody has `arrived` there.

    Returns:
        The transitions, without their date.

    Raises:
        NotEnoughDataError: No customer has a segment as of that date.
    """
    version = lake.version()
    with lake.cursor() as con:
        previous = date_before(con, CUSTOMER_SEGMENTS, as_of)
        dates = {"as_of": as_of, "previous": "NULL" if previous is None else f"DATE '{previous}'"}
        con.execute(MOVES.format(**dates))
        if con.execute("SELECT 1 FROM temp.moves WHERE to_segment_id IS NOT NULL LIMIT 1").fetchone() is None:
            raise NotEnoughDataError(
                f"No customer has a segment as of {as_of}; materialize `segments/customer_segments` for that date."
            )
        con.register("scored", _former_segments(con, as_of, previous, Hysteresis.of(lake.settings)))
        stage_own_segments(con, as_of, _former_definitions(con))
        con.execute(FORMER)
        con.execute(TRANSITIONS.format(**dates))
        con.execute(EVENTS)
        moves = con.table("temp.transitions").pl()
        model = moves["model_version"].max()
        code = code_version_of(SEGMENT_TRANSITIONS)
        made_of = MadeOf(version, code, previous_as_of=previous, model_version=cast("int", model))
        relations = {SEGMENT_TRANSITIONS: "temp.transitions", SEGMENT_EVENTS: "temp.events"}
        write_snapshot(lake, con, relations, as_of, made_of, commit)
        return moves


def _former_definitions(con: duckdb.DuckDBPyConnection) -> dict[str, DefinitionVersion]:
    """Of segmentations that were defined otherwise in the snapshot before, the definitions of then."""
    return versions_of(con, dict(con.execute(REDEFINED).fetchall()))


def _former_segments(
    con: duckdb.DuckDBPyConnection, as_of: date, previous: date | None, hysteresis: Hysteresis
) -> pl.DataFrame:
    """What the former model would say today of the customers who changed segment together with the model."""
    changed = con.execute(
        "SELECT customer_id, previous_model_version FROM temp.moves WHERE from_segment_id <> to_segment_id "
        "AND previous_model_version <> model_version ORDER BY customer_id"
    ).pl()
    if changed.is_empty():
        return pl.DataFrame(schema={"customer_id": pl.String, "segment_id": pl.Int32})
    version = int(changed["previous_model_version"][0])
    evaluator = Evaluator(registry.load(con, version).artefact)
    matrix = read_matrix(con, as_of, evaluator.artefact.feature_names)
    rows = matrix.customer_ids.is_in(changed["customer_id"].to_list())
    customer_ids, values = matrix.customer_ids.filter(rows), matrix.values[rows.to_numpy()]
    before = read_before(con, customer_ids, previous)
    found = segment_columns(evaluator, version, values, as_of=as_of, before=before, hysteresis=hysteresis)
    return pl.DataFrame({"customer_id": customer_ids, "segment_id": found["segment_id"]})
