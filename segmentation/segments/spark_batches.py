"""What runs on Spark's executors to assign segments: the artefact's NumPy evaluation, batch by batch.

Executors import this module, so that nothing in here, and nothing that it imports, needs DuckDB, the lake or Dagster:
NumPy, PyArrow and msgspec are enough.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from segmentation.modeling.artefact import Artefact, Evaluator
from segmentation.segments.columns import Before, Hysteresis, segment_columns

BEFORE = ("before_segment_id", "before_nearest_id", "before_nearest_since")
"""Columns that tell executors of the snapshot before."""


def assign_batches(
    batches: Iterator[pa.RecordBatch], artefact: str, version: int, hysteresis: Hysteresis
) -> Iterator[pa.RecordBatch]:
    """The model's rows of `segments.customer_segments`, without the name of the segmentation.

    Args:
        batches: Customers, with `as_of`, their features as doubles, and `BEFORE`.
        artefact: The model, as JSON.
        version: Its version.
        hysteresis: What it takes to change segment.
    """
    evaluator = Evaluator(Artefact.from_json(artefact))
    for batch in batches:
        if not batch.num_rows:
            continue
        columns = [batch[name].to_numpy(zero_copy_only=False) for name in evaluator.artefact.feature_names]
        features = np.column_stack(columns).astype(np.float64, copy=False)
        segment_id, nearest_id, nearest_since = (batch[name].to_numpy(zero_copy_only=False) for name in BEFORE)
        assigned = segment_columns(
            evaluator,
            version,
            features,
            as_of=batch["as_of"][0].as_py(),
            before=Before(segment_id, nearest_id, nearest_since.astype("datetime64[D]")),
            hysteresis=hysteresis,
        )
        keys = {name: batch[name] for name in ("as_of", "customer_id")}
        yield pa.RecordBatch.from_pydict({**keys, **assigned})
