"""Feature snapshots as matrices: what models are trained on and evaluated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import polars as pl

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.modeling.artefact import Floats
from segmentation.settings import Settings
from segmentation.snapshots.latest import latest_date


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of n customers.

    Attributes:
        customer_ids: Length n, ascending.
        values: Shape (n, number of features); NaN where missing.
    """

    customer_ids: pl.Series
    values: Floats


def read_matrix(
    con: duckdb.DuckDBPyConnection,
    as_of: date,
    features: Sequence[str],
    *,
    max_rows: int | None = None,
    seed: int = 0,
) -> FeatureMatrix:
    """The given features of the customers of a snapshot.

    Args:
        con: A cursor of the lake, at whatever version.
        as_of: The snapshot date.
        features: Names of the catalogue, in the order of the columns wanted; a name may occur twice.
        max_rows: Of a larger snapshot, about so many customers: the same share of each combination of RFM scores.
        seed: Of that sample.

    Raises:
        NotEnoughDataError: There is no such snapshot.
    """
    columns = ", ".join(f"CAST({name} AS DOUBLE) AS f{index}" for index, name in enumerate(features))
    sampled = "" if max_rows is None else _sample(con, as_of, max_rows, seed)
    frame = con.execute(
        f"SELECT customer_id, {columns} FROM {CUSTOMER_FEATURES.name} "
        f"WHERE as_of = DATE '{as_of}'{sampled} ORDER BY customer_id"
    ).pl()
    if frame.is_empty():
        raise NotEnoughDataError(no_snapshot(con, as_of))
    values = frame.drop("customer_id").fill_null(float("nan")).to_numpy()
    return FeatureMatrix(frame["customer_id"], np.ascontiguousarray(values, dtype=np.float64))


def _sample(con: duckdb.DuckDBPyConnection, as_of: date, max_rows: int, seed: int) -> str:
    """A condition that keeps about `max_rows` customers, by a hash that stays the same in all releases of DuckDB."""
    row = con.execute(f"SELECT COUNT(*) FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}'").fetchone()
    total = row[0] if row else 0
    if total <= max_rows:
        return ""
    return f"""
        AND customer_id IN (
            SELECT customer_id
            FROM {CUSTOMER_FEATURES.name}
            WHERE as_of = DATE '{as_of}'
            QUALIFY ROW_NUMBER() OVER (
                PARTITION BY r_score, f_score, m_score ORDER BY md5_number_lower(customer_id || ':{seed}'), customer_id
            ) <= ROUND(COUNT(*) OVER (PARTITION BY r_score, f_score, m_score) * {max_rows} / {total})
        )"""


def latest_snapshot(con: duckdb.DuckDBPyConnection, settings: Settings) -> date:
    """The newest date with features that is not ahead of the data.

    Raises:
        NotEnoughDataError: There are no features yet.
    """
    found = latest_date(con, CUSTOMER_FEATURES, settings.quiet_days)
    if found is None:
        raise NotEnoughDataError("There are no features yet; materialize `features/customer_features` first.")
    return found


def has_features(con: duckdb.DuckDBPyConnection, as_of: date) -> bool:
    """Whether any customer has features as of a date."""
    found = con.execute(f"SELECT 1 FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}' LIMIT 1").fetchone()
    return found is not None


def no_snapshot(con: duckdb.DuckDBPyConnection, as_of: date) -> str:
    """What to say where a feature snapshot is missing."""
    rows = con.execute(f"SELECT DISTINCT as_of FROM {CUSTOMER_FEATURES.name} ORDER BY as_of DESC LIMIT 5").fetchall()
    there = ", ".join(str(row[0]) for row in rows) or "none"
    return f"There is no feature snapshot as of {as_of} (newest: {there}); materialize `features/*` for that date."
