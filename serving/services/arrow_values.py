"""A column of Arrow as values of Python, whatever is in it: a cell that Python has no value for becomes None.

Whether it has one is decided on the numbers that Arrow holds, before there is any object: dates beyond the year 9999,
times beyond a day, durations and decimals without bounds, time zones that don't exist.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]

EPOCH = date(1970, 1, 1)
FIRST_DAY = (date.min - EPOCH).days
LAST_DAY = (date.max - EPOCH).days
DAY_S = 86_400
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
MAX_INT64 = 2**63 - 1
MAX_SCALE = 100
"""Digits before or behind the point that a decimal may have: written out, 1E+1000000000 is a gigabyte."""


class UnusableTypeError(Exception):
    """A column is of a type that no cell of a line can have."""


class ExpandedTooFarError(Exception):
    """Values that are stored once and used often come to more bytes than may be."""


@dataclass(frozen=True)
class Values:
    """Values of a column.

    Attributes:
        cells: Of each row; None where it is null or can't be had.
        is_lost: Length of `cells`: where there is a value that can't be had.
    """

    cells: list[Any]
    is_lost: Mask


class Expansion:
    """Bytes that values may come to where they are stored once and used often, in all columns together."""

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, size: int) -> None:
        """Take some.

        Raises:
            ExpandedTooFarError: There aren't so many left.
        """
        self._left -= size
        if self._left < 0:
            raise ExpandedTooFarError


def values_of(array: pa.Array, expansion: Expansion) -> Values:
    """The values of an array.

    Args:
        array: Valid as a whole.
        expansion: What is left of the bytes that values may come to.

    Raises:
        UnusableTypeError: It is of lists, structs or the like.
        ExpandedTooFarError: Its values come to too many bytes.
    """
    kind, types = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return values_of(array.storage, expansion)
    if types.is_dictionary(kind):
        return _taken(values_of(array.dictionary, expansion), array.indices, array.dictionary, expansion)
    if types.is_run_end_encoded(kind):
        return _taken(values_of(array.values, expansion), _runs(array), array.values, expansion)
    if types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind) or types.is_duration(kind):
        return _temporal(array)
    if types.is_decimal(kind):
        return _all_lost(array) if abs(kind.scale) > MAX_SCALE else _plain(array)
    if types.is_nested(kind) or types.is_union(kind):
        raise UnusableTypeError
    if types.is_string_view(kind) or types.is_binary_view(kind):
        expansion.spend(int(_sizes(array).sum()))
    return _plain(array)


def _plain(array: pa.Array) -> Values:
    try:
        return Values(array.to_pylist(), np.zeros(len(array), np.bool_))
    except NotImplementedError as error:  # pyarrow's own types that it has no values for
        raise UnusableTypeError from error


def _all_lost(array: pa.Array) -> Values:
    return Values([None] * len(array), _mask(pc.is_valid(array)))


def _temporal(array: pa.Array) -> Values:
    """In microseconds, or days, as far as Python counts; moments with a zone in UTC, which is how Arrow holds them."""
    kind = array.type
    if pa.types.is_timestamp(kind) and kind.tz is not None and not _is_zone(kind.tz):
        return _all_lost(array)
    first, last, target = _bounds(kind)
    counts = array.cast(pa.int32() if kind.bit_width == 32 else pa.int64()).cast(pa.int64())
    fits = pc.and_(pc.greater_equal(counts, first), pc.less_equal(counts, last))
    kept = pc.if_else(fits, counts, pa.scalar(None, pa.int64()))
    narrow = kept.cast(pa.int32()) if kind.bit_width == 32 else kept
    cells = narrow.cast(kind).cast(target, safe=False).to_pylist()
    return Values(cells, _mask(pc.fill_null(pc.invert(fits), False)))


def _bounds(kind: pa.DataType) -> tuple[int, int, pa.DataType]:
    """Least and greatest number of a temporal type that Python has a value for, and a type that it is converted by."""
    if pa.types.is_date32(kind):
        return FIRST_DAY, LAST_DAY, kind
    if pa.types.is_date64(kind):
        return FIRST_DAY * DAY_S * 1000, (LAST_DAY + 1) * DAY_S * 1000 - 1, pa.date32()
    unit = PER_SECOND[kind.unit]
    if pa.types.is_time(kind):
        return 0, DAY_S * unit - 1, pa.time64("us")
    if pa.types.is_duration(kind):
        most = MAX_INT64 // max(1, PER_SECOND["us"] // unit)
        return -most, most, pa.duration("us")
    first = max(FIRST_DAY * DAY_S * unit, -MAX_INT64)
    last = min((LAST_DAY + 1) * DAY_S * unit - 1, MAX_INT64)
    return first, last, pa.timestamp("us", None if kind.tz is None else "UTC")


def _is_zone(name: str) -> bool:
    try:
        pa.lib.string_to_tzinfo(name)
    except (ValueError, LookupError, OSError, pa.ArrowException):
        return False
    return True


def _runs(array: pa.Array) -> pa.Array:
    """Which of the values of a run-end encoded array each row has."""
    ends = np.clip(array.run_ends.to_numpy() - array.offset, 0, len(array))
    return pa.array(np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0)))


def _taken(values: Values, indices: pa.Array, stored: pa.Array, expansion: Expansion) -> Values:
    """The value of each row from values that are stored once."""
    places = pc.fill_null(indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    is_there = places >= 0
    expansion.spend(int(_sizes(stored)[places[is_there]].sum()))
    is_lost = np.zeros(len(places), np.bool_)
    is_lost[is_there] = values.is_lost[places[is_there]]
    return Values([values.cells[place] if place >= 0 else None for place in places.tolist()], is_lost)


def _sizes(array: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each value; those of fixed width have that."""
    kind, types = array.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _sizes(array.storage)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        views = np.frombuffer(array.buffers()[1] or b"", np.int32).reshape(-1, 4)
        lengths = views[array.offset : array.offset + len(array), 0].astype(np.int64)
        return np.where(_mask(pc.is_valid(array)), lengths, 0)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        lengths = pc.fill_null(pc.binary_length(array), 0).cast(pa.int64())
        return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)
    width = kind.byte_width if types.is_fixed_size_binary(kind) else 16
    return np.full(len(array), width, np.int64)


def _mask(array: pa.Array) -> Mask:
    return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)
