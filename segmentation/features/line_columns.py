"""Order lines as Arrow, and what the kernel takes of them: numbers for texts, and texts for numbers again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segmentation.features.kernel.arranging import Codes, Columns, Runs
from segmentation.features.kernel.records import MISSING
from segmentation.features.kernels import Kernel

NAMES = ("category", "country", "channel")
"""The columns of names: few different ones, that features may show."""

Resolve = Callable[[str, Sequence[int]], Mapping[int, str | None]]
"""Looks up the texts of some 64-bit hashes in a column of names."""


class KnownNames:
    """Texts by their hashes, as they are met; threads share it."""

    def __init__(self) -> None:
        self._texts: dict[str, dict[int, str | None]] = {name: {} for name in NAMES}
        self._lock = Lock()

    def texts(self, column: str, keys: Sequence[int], resolve: Resolve) -> list[str | None]:
        """The texts of some hashes; those that nobody has met are resolved."""
        with self._lock:
            known = self._texts[column]
            unknown = [key for key in keys if key not in known]
            if unknown:
                known.update(resolve(column, unknown))
            return [known[key] for key in keys]


@dataclass(frozen=True)
class LineColumns:
    """What the kernel takes of some lines.

    Attributes:
        customers: The customers in alphabetical order.
        runs: Whose the lines are.
        columns: The lines.
        codes: Of the names in them.
        names: By column of names, the names in alphabetical order: a code is a place among them.
    """

    customers: pa.Array
    runs: Runs
    columns: Columns
    codes: Codes
    names: Mapping[str, pa.Array]

    @property
    def line_count(self) -> int:
        """How many lines there are."""
        return len(self.columns.order_id)


def read_columns(kernel: Kernel, lines: pa.Table, known: KnownNames, resolve: Resolve) -> LineColumns:
    """Lines as the kernel takes them.

    Args:
        kernel: Which kernel.
        lines: Columns of the transaction contract with 64-bit hashes for `order_id`, `product_id` and `NAMES`; nothing
            is NULL.
        known: Texts of names that were met before.
        resolve: Looks up others.
    """
    customers, runs = _customers(kernel, lines["customer_id"])
    numbers, codes, names = {}, [], {}
    for name in NAMES:
        numbered, keys = kernel.functions.number_names(kernel.column(_as_numpy(lines[name])))
        ranks, names[name] = _ranks(known.texts(name, [int(key) for key in keys], resolve))
        numbers[name] = kernel.column(numbered)
        codes.append(kernel.column(ranks))
    others = {name: kernel.column(_as_numpy(lines[name])) for name in Columns._fields if name not in NAMES}
    return LineColumns(customers, runs, Columns(**numbers, **others), Codes(*codes), names)


def read_text_columns(kernel: Kernel, lines: pa.Table) -> LineColumns:
    """Lines as `read_columns` takes them, but with the texts of `NAMES`: a key is a place among a column's texts."""
    texts: dict[str, list[str | None]] = {}
    for name in NAMES:
        encoded: Any = _one_array(lines[name]).dictionary_encode("encode")
        texts[name] = encoded.dictionary.to_pylist()
        lines = lines.set_column(lines.column_names.index(name), name, encoded.indices.cast(pa.int64()))

    def resolve(column: str, keys: Sequence[int]) -> dict[int, str | None]:
        return {key: texts[column][key] for key in keys}

    return read_columns(kernel, lines, KnownNames(), resolve)


def _customers(kernel: Kernel, ids: pa.ChunkedArray) -> tuple[pa.Array, Runs]:
    """The customers in order, and the runs of their lines: of a file of the lake each customer has one."""
    texts: Any = _one_array(ids)
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    firsts = kernel.functions.find_runs(kernel.column(bounds), kernel.column(np.frombuffer(data, np.uint8)))
    found = texts.take(pa.array(firsts)).dictionary_encode()
    order = pc.sort_indices(found.dictionary)
    rank = _inverse(np.asarray(order))[np.asarray(found.indices)]
    return found.dictionary.take(order), Runs(kernel.column(firsts), kernel.column(rank))


def _ranks(texts: Sequence[str | None]) -> tuple[np.ndarray, pa.Array]:
    """The place of each text among them in alphabetical order, `MISSING` for None; and the texts in that order."""
    ordered = sorted(text for text in texts if text is not None)
    places = {text: place for place, text in enumerate(ordered)}
    ranks = [MISSING if text is None else places[text] for text in texts]
    return np.array(ranks, np.int32), pa.array(ordered, pa.string())


def _inverse(order: np.ndarray) -> np.ndarray:
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def _as_numpy(column: pa.ChunkedArray) -> np.ndarray:
    """A column as 64-bit numbers, hashes and times as signed integers."""
    values: Any = _one_array(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us")).view(pa.int64())
    numbers: np.ndarray = values.to_numpy(zero_copy_only=False)
    return numbers.view(np.int64) if numbers.dtype == np.uint64 else numbers


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, which it mostly is."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
