"""Feature snapshots as matrices: what models are trained on and evaluated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from segmentation.errors import NotEnoughDataError
from segmentation.modeling.artefact import Floats
from segmentation.warehouse.schema import CUSTOMER_FEATURES


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of n customers.

    Attributes:
        customer_ids: Length n, ascending.
        values: Shape (n, number of features); NaN where missing.
    """

    customer_ids: pl.Series
    values: Floats


def read_matrix(con: duckdb.DuckDBPyConnection, as_of: date, features: Sequence[str]) -> FeatureMatrix:
    """The given features of every customer of a snapshot.

    Args:
        con: A cursor of the lake, at whatever version.
        as_of: The snapshot date.
        features: Names of the catalogue, in the order of the columns wanted.

    Raises:
        NotEnoughDataError: There is no such snapshot.
    """
    columns = ", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in features)
    frame = con.execute(
        f"SELECT customer_id, {columns} FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of ORDER BY customer_id",
        {"as_of": as_of},
    ).pl()
    if frame.is_empty():
        raise NotEnoughDataError(no_snapshot(con, as_of))
    values = frame.select(pl.col(features).fill_null(float("nan"))).to_numpy()
    return FeatureMatrix(frame["customer_id"], np.ascontiguousarray(values, dtype=np.float64))


def latest_snapshot(con: duckdb.DuckDBPyConnection) -> date:
    """The newest snapshot date.

    Raises:
        NotEnoughDataError: There are no features yet.
    """
    row = con.execute(f"SELECT MAX(as_of) FROM {CUSTOMER_FEATURES.name}").fetchone()
    if row is None or row[0] is None:
        raise NotEnoughDataError("There are no features yet; materialize `features/customer_features` first.")
    found: date = row[0]
    return found


def no_snapshot(con: duckdb.DuckDBPyConnection, as_of: date) -> str:
    """What to say where a feature snapshot is missing."""
    rows = con.execute(f"SELECT DISTINCT as_of FROM {CUSTOMER_FEATURES.name} ORDER BY as_of DESC LIMIT 5").fetchall()
    there = ", ".join(str(row[0]) for row in rows) or "none"
    return f"There is no feature snapshot as of {as_of} (newest: {there}); materialize `features/*` for that date."
