"""Whether two contenders' answers are the same, column by column."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from segmentation.metadata.features import FEATURES

TOLERANCE = 1e-9
"""Largest difference of two numbers, relative to the larger, or to 1 where both are smaller."""


@dataclass(frozen=True)
class Difference:
    """How far two answers are apart.

    Attributes:
        largest: Largest relative difference of two numbers.
        column: Where that is; empty if all numbers are the same.
        problems: What makes the answers unequal, in words.
    """

    largest: float
    column: str
    problems: tuple[str, ...]


def compare(expected: Path, found: Path) -> Difference:
    """Compare two Parquet answers, each sorted by customer: text and integers exactly, numbers to the tolerance."""
    one, other = pl.read_parquet(expected), pl.read_parquet(found)
    customers = one["customer_id"].cast(pl.String), other["customer_id"].cast(pl.String)
    if not customers[0].equals(customers[1], check_names=False):
        return Difference(
            float("inf"), "customer_id", (f"{one.height:,} customers against {other.height:,}, or others",)
        )
    largest, column, problems = 0.0, "", []
    for feature in FEATURES:
        name = feature.name
        if feature.type == "DOUBLE":
            apart = _relative(one[name], other[name])
            if apart > largest:
                largest, column = apart, name
            unequal = apart > TOLERANCE
        else:
            unequal = not _same(one[name], other[name], feature.type)
        if unequal:
            problems.append(_problem(one, other, name))
    return Difference(largest, column, tuple(problems))


def _relative(one: pl.Series, other: pl.Series) -> float:
    one, other = (series.cast(pl.Float64).fill_nan(None) for series in (one, other))
    if not one.is_null().equals(other.is_null(), check_names=False):
        return float("inf")
    scale = pl.DataFrame({"a": one.abs(), "b": other.abs()}).select(pl.max_horizontal("a", "b", 1.0)).to_series()
    largest = ((one - other).abs() / scale).max()
    return float(largest) if isinstance(largest, float) else 0.0


def _same(one: pl.Series, other: pl.Series, kind: str) -> bool:
    type_ = {"BIGINT": pl.Int64, "VARCHAR": pl.String, "BOOLEAN": pl.Boolean}[kind]
    one, other = (series.fill_nan(None) if series.dtype.is_float() else series for series in (one, other))
    return one.cast(type_).equals(other.cast(type_), check_names=False)


def _problem(one: pl.DataFrame, other: pl.DataFrame, name: str) -> str:
    both = pl.DataFrame({"customer": one["customer_id"], "one": one[name], "other": other[name]}, strict=False)
    apart = both.filter(pl.col("one").cast(pl.String).ne_missing(pl.col("other").cast(pl.String)))
    return f"{name}: {apart.height:,} customers, such as {apart.head(3).rows()}"
