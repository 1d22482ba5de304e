"""Customers of a snapshot with their segments, at most so many of them, and what is typical of a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import BY_NAME
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.modeling.artefact import Floats, Ints, apply_transform

SAMPLE_CUSTOMERS = 200_000
"""Figures of a sample of this size are exact to about a percent even for a segment of a fiftieth of it."""

SAMPLE = f"""
SELECT assigned.segment_id, {{columns}}
FROM {of_model(CUSTOMER_SEGMENTS)} AS assigned
JOIN {CUSTOMER_FEATURES.name} AS features
    ON features.customer_id = assigned.customer_id AND features.as_of = assigned.as_of
WHERE assigned.as_of = $as_of AND {{chosen}}
ORDER BY assigned.customer_id
"""

CHOSEN = f"""assigned.customer_id IN (
    SELECT customer_id
    FROM {of_model(CUSTOMER_SEGMENTS)}
    WHERE as_of = $as_of
    ORDER BY md5(customer_id), customer_id
    LIMIT {{limit}}
)
"""
"""As good as random, but the same customers every time."""


@dataclass(frozen=True)
class Sample:
    """n customers of a snapshot, ordered by id, so that sums over them are the same every time.

    Attributes:
        features: Names of d features.
        values: Shape (n, d), NaN where missing.
        segment_ids: Length n.
    """

    features: tuple[str, ...]
    values: Floats
    segment_ids: Ints

    def select(self, features: Sequence[str]) -> "Sample":
        """The same customers with some of the features."""
        columns = [self.features.index(name) for name in features]
        return Sample(tuple(features), self.values[:, columns], self.segment_ids)


def read_sample(
    con: duckdb.DuckDBPyConnection, as_of: date, features: Sequence[str], limit: int = SAMPLE_CUSTOMERS
) -> Sample:
    """Features and segments of the customers of a snapshot, of `limit` of them if there are more.

    Args:
        con: A cursor of the lake.
        as_of: The snapshot date.
        features: Names of numeric or boolean features.
        limit: How many customers at most.

    Raises:
        NotEnoughDataError: No customer has a segment as of that date.
    """
    counted = con.execute(f"SELECT COUNT(*) FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = $as_of", {"as_of": as_of})
    count = counted.fetchall()[0][0]
    if not count:
        raise NotEnoughDataError(
            f"No customer has a segment as of {as_of}; materialize `segments/customer_segments` for that date."
        )
    chosen = CHOSEN.format(limit=limit) if count > limit else "true"
    columns = ", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in features)
    frame = con.execute(SAMPLE.format(columns=columns, chosen=chosen), {"as_of": as_of}).pl()
    values = frame.select(features).fill_null(float("nan")).to_numpy()
    ids = frame["segment_id"].to_numpy().astype(np.int64)
    return Sample(tuple(features), np.ascontiguousarray(values, dtype=np.float64), ids)


def transformed(name: str, values: Floats) -> Floats:
    """Values of a feature on its transform scale, where it has one."""
    transform = BY_NAME[name].transform
    with np.errstate(invalid="ignore"):
        return values if transform is None else apply_transform(transform, values)


def taken_back(name: str, value: float) -> float:
    """A value of the transform scale in the feature's own unit."""
    match BY_NAME[name].transform:
        case "log":
            return float(np.expm1(value))
        case "signed_log":
            return float(np.copysign(np.expm1(abs(value)), value))
        case "sqrt":
            return float(value * value)
        case _:
            return float(value)


def typical(sample: Sample, segment_ids: Sequence[int]) -> Floats:
    """The typical customer of each segment: per feature the mean on its transform scale, taken back.

    On a logarithmic scale that is close to the median, but unlike the median it tells segments apart in features that
    are zero for most.

    Args:
        sample: The customers.
        segment_ids: The segments, in the order wanted.

    Returns:
        Shape (number of segments, number of features); NaN where most have none. A segment without customers gets
        what is typical of everybody.
    """
    groups = [sample.values[sample.segment_ids == segment_id] for segment_id in segment_ids]
    return np.array([_typical(sample.features, group if len(group) else sample.values) for group in groups])


def _typical(features: Sequence[str], values: Floats) -> list[float]:
    return [
        taken_back(name, known_mean(transformed(name, column))) if np.isnan(column).mean() <= 0.5 else float("nan")
        for name, column in zip(features, values.T, strict=True)
    ]


def known_mean(values: Floats) -> float:
    """The mean of the values that are known; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
