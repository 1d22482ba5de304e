"""Memory for the kernel: records, numbers and tallies, as NumPy arrays or as plain objects and lists."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np

from segmentation.features.kernel.arranging import Scratch, table_size
from segmentation.features.kernel.calendar import DAY
from segmentation.features.kernel.records import (
    BASKET,
    GROUP,
    MISSING,
    ORDER,
    RETURN,
    UNSET,
    Lines,
    Tally,
    Work,
)


class Memory(Protocol):
    """Makes records and numbers. What it made before is void once `reuse` is called."""

    def reuse(self) -> None:
        """Let what was made so far be used again."""

    def records(self, kind: np.dtype[np.void], count: int) -> Any:
        """So many records of a kind, with no field written."""

    def numbers(self, count: int, width: int = 8) -> Any:
        """So many integers of at least so many bytes, to be written before they are read."""

    def filled(self, count: int, fill: int, width: int = 8) -> Any:
        """So many integers of one value."""


class Arrays:
    """NumPy arrays, which Numba compiles for. Those of one use serve the next, whose calls come in the same order."""

    def __init__(self) -> None:
        self._made: list[np.ndarray] = []
        self._next = 0

    def reuse(self) -> None:
        """Begin with the first array again."""
        self._next = 0

    def records(self, kind: np.dtype[np.void], count: int) -> Any:
        """A structured array; fields that nobody has written hold `UNSET`, if 64 bits wide."""
        records = self._array(kind, count)
        for name in kind.names or ():
            if kind[name].itemsize == np.int64().itemsize:
                records[name] = UNSET
        return records.view(np.recarray)

    def numbers(self, count: int, width: int = 8) -> Any:
        """An array."""
        return self._array(np.dtype(f"i{width}"), count)

    def filled(self, count: int, fill: int, width: int = 8) -> Any:
        """An array."""
        numbers = self.numbers(count, width)
        numbers[:] = fill
        return numbers

    def _array(self, kind: np.dtype[Any], count: int) -> np.ndarray:
        if self._next == len(self._made):
            self._made.append(np.empty(0, kind))
        if len(self._made[self._next]) < count or self._made[self._next].dtype != kind:
            self._made[self._next] = np.empty(count + count // 8, kind)
        self._next += 1
        return self._made[self._next - 1][:count]


class PlainObjects:
    """Objects and lists, which Python handles about ten times as fast as rows of an array."""

    def reuse(self) -> None:
        """They are made anew each time."""

    def records(self, kind: np.dtype[np.void], count: int) -> Any:
        """Objects; reading a field that nobody has written is an `AttributeError`."""
        plain = _plain_class(kind)
        return [plain() for _ in range(count)]

    def numbers(self, count: int, width: int = 8) -> Any:
        """A list."""
        return self.filled(count, 0, width)

    def filled(self, count: int, fill: int, width: int = 8) -> Any:  # noqa: ARG002
        """A list; its numbers have any width."""
        return [fill] * count


@cache
def _plain_class(kind: np.dtype[np.void]) -> type:
    return type("Record", (), {"__slots__": kind.names})


SHORTEST_MONTH = 28 * DAY


def make_work(memory: Memory, line_count: int, span: int, name_counts: Mapping[str, int]) -> Work:
    """Memory for customers of at most so many lines.

    Args:
        memory: What to make it of.
        line_count: The most lines that one customer has.
        span: Microseconds from the first moment of the windows to the last.
        name_counts: How many names there are of `category`, `country` and `channel`.
    """

    def tally(keys: int) -> Tally:
        groups = memory.records(GROUP, min(keys, line_count))
        return Tally(memory.filled(keys, MISSING, 4), groups, memory.filled(1, 0))

    return Work(
        orders=memory.records(ORDER, line_count),
        returns=memory.records(RETURN, line_count),
        baskets=memory.records(BASKET, line_count),
        order_of=memory.numbers(line_count, 4),
        return_of=memory.numbers(line_count, 4),
        arranged=memory.numbers(line_count),
        latest_basket=memory.numbers(line_count, 4),
        products=tally(line_count),
        categories=tally(name_counts["category"]),
        countries=tally(name_counts["country"]),
        channels=tally(name_counts["channel"]),
        months=tally(span // SHORTEST_MONTH + 4),
        seasons=tally(12),
        weekdays=tally(8),
        hours=tally(24),
    )


def make_lines(memory: Memory, count: int) -> Lines:
    """So many lines to fill in."""
    wide = ("ordered_at", "quantity", "amount", "discount")
    return Lines(**{name: memory.numbers(count, 8 if name in wide else 4) for name in Lines._fields})


def make_scratch(memory: Memory, line_count: int, customer_count: int, most_lines: int) -> Scratch:
    """Memory for `arrange`."""
    return Scratch(
        positions=memory.numbers(line_count),
        places=memory.numbers(customer_count),
        table=memory.numbers(table_size(most_lines), 4),
        keys=memory.numbers(most_lines),
    )
