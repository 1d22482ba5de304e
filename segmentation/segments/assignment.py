"""Assignment: every customer of a snapshot gets the champion's segment."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import polars as pl

from segmentation.errors import ArtefactError
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.registry import ModelVersion, load_champion
from segmentation.modeling.snapshots import read_matrix
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
        matrix = read_matrix(con, as_of, champion.artefact.feature_names)
        assigned = pl.concat(list(_assigned(champion, matrix.customer_ids, matrix.values)))
        con.register("assigned", assigned)
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM assigned")
        lake.transaction(con, commit, lambda c: replace_snapshot(c, CUSTOMER_SEGMENTS, as_of, "temp.staged"))
    return champion, len(assigned)


def _assigned(champion: ModelVersion, customer_ids: pl.Series, values: Floats) -> Iterator[pl.DataFrame]:
    evaluator = Evaluator(champion.artefact)
    segments = champion.artefact.segments
    ids = np.array([segment.id for segment in segments], dtype=np.int32)
    names = np.array([segment.name for segment in segments])
    for start in range(0, len(values), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        result = evaluator.assign(values[chunk])
        if np.isnan(result.distance).any():
            row = start + int(np.isnan(result.distance).argmax())
            raise ArtefactError(
                f"Customer {customer_ids[row]!r} lacks a feature that model {champion.version} has no rule for; "
                "materialize the features again, or train a new model."
            )
        yield pl.DataFrame(
            {
                "customer_id": customer_ids[chunk],
                "segment_id": ids[result.segment],
                "segment_name": names[result.segment],
                "runner_up_id": ids[result.runner_up],
                "distance": result.distance,
                "runner_up_distance": result.runner_up_distance,
                "confidence": result.confidence,
                "model_version": np.full(len(result.segment), champion.version, dtype=np.int32),
            }
        )
