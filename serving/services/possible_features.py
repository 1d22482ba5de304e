"""Which values a feature can't have, in columns of Arrow; rows are told by their decoders (`api.contract`)."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segmentation.metadata.features import BY_NAME, Feature
from segmentation.modeling.artefact import Floats
from serving.api.bodies import impossible_feature
from serving.api.contract import PYTHON_TYPES, bounds_of


def refuse_impossible(table: pa.Table, part_rows: int) -> None:
    """Refuse the first value that its feature can't have, as the decoders of rows do.

    Args:
        table: Columns of features, numbers or booleans; null or NaN where missing, and infinite at the end of a range.
        part_rows: Rows that are looked at together.

    Raises:
        ProblemError: There is one (400).
    """
    for name in table.schema.names:
        feature = BY_NAME.get(name)
        if feature is None or PYTHON_TYPES[feature.type] is not float:
            continue
        for start in range(0, table.num_rows, part_rows):
            part = table.column(name).slice(start, part_rows).cast(pa.float64(), safe=False).to_numpy()
            is_wrong = _is_impossible(feature, part)
            if is_wrong.any():
                raise impossible_feature(name, f"Column {name!r} of row {start + int(is_wrong.argmax())}")


def _is_impossible(feature: Feature, values: Floats) -> npt.NDArray[np.bool_]:
    lowest, highest = bounds_of(feature)
    is_wrong = np.zeros(len(values), np.bool_)
    if lowest is not None:
        is_wrong |= values < lowest
    if highest is not None:
        is_wrong |= values > highest
    if feature.type == "BIGINT":
        is_wrong |= values != np.trunc(values)
    return is_wrong & np.isfinite(values)
