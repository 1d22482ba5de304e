"""Columns of every type that Arrow has, with values that nobody sends: for tests that send them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

EXTREMES = (0, 1, -1, 7, 2**15, -(2**15), 2**31 - 1, -(2**31), 2**40, -(2**40), 2**62, 2**63 - 1, -(2**63))
TEXTS = ("", "a", "7", "2024-06-20", "nan", "-Infinity", "1e400", "9" * 400, "\0", "🙂", " ", "'", "99999-01-01")
ZONES = ("UTC", "Europe/Berlin", "+07:30", "Mars/Base", "+99:99", "../../etc/passwd", "a" * 1000)
UNITS = ("s", "ms", "us", "ns")

FIXED: tuple[pa.DataType, ...] = (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp(unit) for unit in UNITS),
    *(pa.timestamp(unit, zone) for unit in ("s", "ns") for zone in ZONES),
    *(pa.duration(unit) for unit in UNITS),
    *(pa.decimal32(9, 2), pa.decimal64(18, 2), pa.decimal128(38, 0), pa.decimal256(76, 10)),
    *(pa.decimal128(5, 2**30), pa.decimal128(5, -(2**30)), pa.decimal128(38, 100)),
    *(pa.month_day_nano_interval(), pa.binary(16), pa.binary(0)),
)
"""Types whose values are so many bits each, whatever they are."""

TEXTUAL: tuple[pa.DataType, ...] = (
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()),
)


def fixed(kind: pa.DataType, numbers: Sequence[int | None]) -> pa.Array:
    """An array whose values have just these bits, as far as there is room for them."""
    width = -(-kind.bit_width // 8)
    data = b"".join((number or 0).to_bytes(40, "little", signed=True)[:width] for number in numbers)
    valid = sum((number is not None) << at for at, number in enumerate(numbers)).to_bytes(
        -(-len(numbers) // 8), "little"
    )
    return pa.Array.from_buffers(kind, len(numbers), [pa.py_buffer(valid), pa.py_buffer(data)])


def textual(kind: pa.DataType, texts: Sequence[str | None]) -> pa.Array:
    """An array of texts, or of their bytes."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.array(texts, kind)
    return pa.array([None if text is None else text.encode() for text in texts], kind)


def _run_ends(array: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(array) + 1), pa.int32()), array)


def _union(array: pa.Array) -> pa.Array:
    return pa.UnionArray.from_sparse(pa.array([0] * len(array), pa.int8()), [array])


def _list(array: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(range(len(array) + 1), pa.int32()), array)


def _list_view(array: pa.Array) -> pa.Array:
    rows = len(array)
    return pa.ListViewArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([rows] * rows, pa.int32()), array)


def _bytes_of(array: pa.Array, size: int) -> pa.Array:
    return fixed(pa.binary(size), list(range(len(array))))


WRAPPINGS: Mapping[str, Callable[[pa.Array], pa.Array]] = {
    "plain": lambda array: array,
    "dictionary": lambda array: pa.DictionaryArray.from_arrays(pa.array(range(len(array)), pa.int32()), array),
    "run ends": _run_ends,
    "list": _list,
    "list view": _list_view,
    "fixed list": lambda array: pa.FixedSizeListArray.from_arrays(array, 1),
    "struct": lambda array: pa.StructArray.from_arrays([array], names=["a"]),
    "union": _union,
    "opaque": lambda array: pa.ExtensionArray.from_storage(pa.opaque(array.type, "odd", "nobody"), array),
}
"""What an array may be put into."""

OTHERS: Mapping[str, Callable[[int], pa.Array]] = {
    "null": lambda rows: pa.nulls(rows),
    "boolean": lambda rows: pa.array([True, None, False][:rows] + [True] * (rows - 3)),
    "uuid": lambda rows: pa.array([uuid.UUID(int=7).bytes] * rows, pa.uuid()),
    "json": lambda rows: pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{"] * rows)),
    "boolean of 8 bits": lambda rows: pa.ExtensionArray.from_storage(pa.bool8(), pa.array([2] * rows, pa.int8())),
    "map": lambda rows: pa.array([[("a", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
    "struct of nothing": lambda rows: pa.array([{}] * rows, pa.struct([])),
    "lists of nulls": lambda rows: pa.array([[None] * 9] * rows, pa.list_(pa.null())),
}


@st.composite
def columns(draw: Any, rows: int) -> pa.Array:
    """A column of any type, any values."""
    if draw(st.integers(0, 9)) == 0:
        return OTHERS[draw(st.sampled_from(sorted(OTHERS)))](rows)
    kind = draw(st.sampled_from((*FIXED, *TEXTUAL)))
    if kind in TEXTUAL:
        texts = st.none() | st.sampled_from(TEXTS) | st.text(max_size=6)
        array = textual(kind, draw(st.lists(texts, min_size=rows, max_size=rows)))
    else:
        numbers = st.none() | st.sampled_from(EXTREMES) | st.integers(-(2**63), 2**63 - 1)
        array = fixed(kind, draw(st.lists(numbers, min_size=rows, max_size=rows)))
    try:
        return WRAPPINGS[draw(st.sampled_from(["plain", "plain", *WRAPPINGS]))](array)
    except pa.ArrowInvalid:  # not even Arrow wraps any value
        return array


def every_column() -> dict[str, pa.Array]:
    """A column of each type, and of each wrapping, by a name for it; their values are extremes."""
    rows = len(EXTREMES)
    texts: list[str | None] = [*TEXTS[: rows - 1], None]
    plain = {str(kind)[:60]: fixed(kind, [*EXTREMES[: rows - 1], None]) for kind in FIXED}
    plain |= {str(kind): textual(kind, texts) for kind in TEXTUAL}
    wrapped = {
        f"{name} of {kind}": wrap(plain[kind])
        for name, wrap in WRAPPINGS.items()
        for kind in ("date32[day]", "string", "timestamp[s]")
        if name != "plain"
    }
    return plain | wrapped | {name: make(rows) for name, make in OTHERS.items()}


def stream(columns: Mapping[str, pa.Array]) -> bytes:
    """An Arrow IPC stream of one batch."""
    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())
