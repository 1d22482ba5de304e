"""Assignment: every customer of a snapshot gets the champion's segment, and one of each segmentation of one's own."""

from collections.abc import Iterator, Mapping
from datetime import date

import duckdb
import numpy as np
import polars as pl

from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, MODEL, of_model
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.registry import ModelVersion, load, load_champion
from segmentation.segments import names
from segmentation.segments.columns import NOBODY, Before, Hysteresis, lacks_a_feature, segment_columns
from segmentation.segments.own_segments import deciding_definitions, recorded, stage_own_segments
from segmentation.snapshots.code import code_version_of
from segmentation.snapshots.latest import date_before
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf
from segmentation.warehouse.snapshots import write_snapshot

CHUNK_ROWS = 250_000

STAGE = f"""
CREATE OR REPLACE TEMP TABLE staged AS
SELECT *, '{MODEL}' AS segmentation_name, CAST(NULL AS INTEGER) AS segmentation_version
FROM assigned
UNION ALL BY NAME
FROM temp.own_segments
"""


def write_segments(
    lake: Lake,
    as_of: date,
    commit: Commit,
    model_version: int | None = None,
    definition_versions: Mapping[str, int] | None = None,
) -> tuple[ModelVersion, int]:
    """Assign every customer of a snapshot to their segments and replace that snapshot in the lake, in one commit.

    What the snapshot before says of a customer counts (since when a segment is the nearest; with hysteresis, which one
    they are in); so dates go in order.

    Names are tested on the customers assigned: a segment of which a word is no longer true gets another name from
    this snapshot on, with a line in `registry.segment_renamings`.

    Args:
        lake: A writable lake.
        as_of: The snapshot.
        commit: What the lake's commit says about itself.
        model_version: The model that decides; the champion if None.
        definition_versions: The definitions that decide besides, by name; those that are declared if None.

    Returns:
        The model that decided, and how many customers there are.

    Raises:
        SegmentationError: There is no such model, no champion, no such snapshot, or a definition can't be used.
    """
    definitions = deciding_definitions(lake, definition_versions, commit)
    version = lake.version()
    with lake.cursor() as con:
        champion = load_champion(con) if model_version is None else load(con, model_version)
        previous = date_before(con, CUSTOMER_SEGMENTS, as_of)
    made_of = MadeOf(
        version,
        code_version_of(CUSTOMER_SEGMENTS),
        previous_as_of=previous,
        model_version=champion.version,
        segmentations=recorded(definitions),
    )
    if lake.settings.feature_engine == "spark":
        from segmentation.segments import spark  # it needs PyArrow, which is heavy

        return champion, spark.write_segments(lake, as_of, champion, definitions, made_of, commit)
    with lake.cursor() as con:
        matrix = read_matrix(con, as_of, champion.artefact.feature_names)
        before = read_before(con, matrix.customer_ids, previous)
        hysteresis = Hysteresis.of(lake.settings)
        chunks = _assigned(champion, as_of, matrix.customer_ids, matrix.values, before, hysteresis)
        assigned = pl.concat(list(chunks))
        con.register("labelled", assigned)
        called, renamings = names.settle_names(con, "labelled", as_of, champion)
        con.register("assigned", assigned.with_columns(segment_name=pl.col("segment_id").replace_strict(called)))
        stage_own_segments(con, as_of, definitions, "assigned")
        con.execute(STAGE)
        write_snapshot(
            lake,
            con,
            {CUSTOMER_SEGMENTS: "temp.staged"},
            as_of,
            made_of,
            commit,
            also=lambda c: names.record(c, renamings, as_of, champion, commit, lake.clock()),
        )
    return champion, len(assigned)


def read_before(con: duckdb.DuckDBPyConnection, customer_ids: pl.Series, previous: date | None) -> Before:
    """What the snapshot before said of the given customers, in their order."""
    condition = "false" if previous is None else f"as_of = DATE '{previous}'"
    known = con.execute(
        f"SELECT customer_id, segment_id, nearest_id, nearest_since FROM {of_model(CUSTOMER_SEGMENTS)} "
        f"WHERE {condition}"
    ).pl()
    theirs = pl.DataFrame({"customer_id": customer_ids}).join(
        known, on="customer_id", how="left", maintain_order="left"
    )
    return Before(
        theirs["segment_id"].cast(pl.Int64).fill_null(NOBODY).to_numpy(),
        theirs["nearest_id"].cast(pl.Int64).fill_null(NOBODY).to_numpy(),
        theirs["nearest_since"].cast(pl.Date).to_numpy(),
    )


def _assigned(
    champion: ModelVersion,
    as_of: date,
    customer_ids: pl.Series,
    values: Floats,
    before: Before,
    hysteresis: Hysteresis,
) -> Iterator[pl.DataFrame]:
    evaluator = Evaluator(champion.artefact)
    for start in range(0, len(values), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        columns = segment_columns(
            evaluator,
            champion.version,
            values[chunk],
            as_of=as_of,
            before=before.rows(chunk),
            hysteresis=hysteresis,
        )
        missing = np.isnan(columns["distance"])
        if missing.any():
            raise lacks_a_feature(customer_ids[start + int(missing.argmax())], champion.version)
        yield pl.DataFrame(
            {"customer_id": customer_ids[chunk], **columns}, schema_overrides={"segment_name": pl.String}
        )
