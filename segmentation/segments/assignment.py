"""Assignment: every customer of a snapshot gets the champion's segment."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.registry import ModelVersion, load_champion
from segmentation.modeling.snapshots import read_matrix
from segmentation.segments import spark
from segmentation.segments.columns import lacks_a_feature, segment_columns
from segmentation.warehouse import Commit, Lake, replace_snapshot
from segmentation.warehouse.schema import CUSTOMER_SEGMENTS

CHUNK_ROWS = 250_000


def write_segments(lake: Lake, as_of: date, commit: Commit) -> tuple[ModelVersion, int]:
    """Assign every customer of a snapshot to a segment of the champion and replace that snapshot in the lake.

    Returns:
        The model that decided, and how many customers there are.

    Raises:
        SegmentationError: There is no champion, or no such snapshot.
    """
    with lake.cursor() as con:
        champion = load_champion(con)
    if lake.settings.feature_engine == "spark":
        return champion, spark.write_segments(lake, as_of, champion, commit)
    with lake.cursor() as con:
        matrix = read_matrix(con, as_of, champion.artefact.feature_names)
        assigned = pl.concat(list(_assigned(champion, matrix.customer_ids, matrix.values)))
        con.register("assigned", assigned)
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM assigned")
        lake.transaction(con, commit, lambda c: replace_snapshot(c, CUSTOMER_SEGMENTS, as_of, "temp.staged"))
    return champion, len(assigned)


def _assigned(champion: ModelVersion, customer_ids: pl.Series, values: Floats) -> Iterator[pl.DataFrame]:
    evaluator = Evaluator(champion.artefact)
    for start in range(0, len(values), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        columns = segment_columns(evaluator, champion.version, values[chunk])
        missing = np.isnan(columns["distance"])
        if missing.any():
            raise lacks_a_feature(customer_ids[start + int(missing.argmax())], champion.version)
        yield pl.DataFrame({"customer_id": customer_ids[chunk], **columns})
