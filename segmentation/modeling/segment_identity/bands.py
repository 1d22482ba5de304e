"""Figures that names fall back on where no word tells two segments apart: "3 to 5 orders", "orders of 120+"."""

import math
from collections.abc import Callable, Iterator, Sequence

import duckdb

from segmentation.metadata.features import BY_NAME
from segmentation.metadata.vocabulary import BANDS, Band
from segmentation.modeling.segment_identity.truth import Shares, shares

QUANTILES = (0.1, 0.25, 0.75, 0.9)
"""Of a segment's customers; most of them lie between the outer ones, and beyond or below the inner ones."""

SMALLEST, LARGEST = 0.01, 1e15
"""Figures that people can read."""


def find_bands(con: duckdb.DuckDBPyConnection, segments: Sequence[int]) -> Shares:
    """Bands in which most customers of a segment lie, and how many customers of the others do.

    Args:
        con: A connection on which `truth.prepare` has measured the customers.
        segments: Ids of the segments that need them.
    """
    columns = ", ".join(f"quantile_cont({feature}, {list(QUANTILES)})" for feature in BANDS)
    rows = con.execute(f"SELECT segment_id, {columns} FROM temp.measured GROUP BY segment_id ORDER BY 1").fetchall()
    found = [
        band
        for segment_id, *quantiles in rows
        if segment_id in segments
        for feature, bounds in zip(BANDS, quantiles, strict=True)
        if bounds is not None
        for band in _bands(feature, bounds)
    ]
    return shares(con, list(dict.fromkeys(found)))


def _bands(feature: str, bounds: Sequence[float]) -> Iterator[Band]:
    finest = 1.0 if BY_NAME[feature].type == "BIGINT" or BY_NAME[feature].unit == "days" else 0.0
    outer_low, low, high, outer_high = bounds
    spans = (
        (_rounded(outer_low, math.floor, finest), _rounded(outer_high, math.ceil, finest)),
        (None, _rounded(high, math.ceil, finest)),
        (_rounded(low, math.floor, finest), None),
    )
    for least, most in spans:
        is_readable = all(b is None or b == 0 or SMALLEST <= abs(b) <= LARGEST for b in (least, most))
        if is_readable and least != most:
            yield Band(feature, least, most)


def _rounded(value: float, towards: Callable[[float], int], finest: float) -> float:
    """To two significant digits in the given direction, in steps that are no finer than asked for."""
    if value == 0:
        return 0.0
    step = max(finest, 10.0 ** (math.floor(math.log10(abs(value))) - 1))
    rounded = towards(value / step) * step
    return round(rounded, max(0, -math.floor(math.log10(step))))
