"""Bulk scoring: an Arrow IPC stream of features in, one of segments out, a part at a time.

Whatever a stream claims, its cost is bounded by its size: compressed buffers are refused before they are expanded, and
so are more rows than the settings allow.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

import numpy as np
import pyarrow as pa

from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.nearest import Assignment
from serving.api.bodies import shortened, unknown_feature
from serving.api.limits import too_many
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.metrics import Metrics
from serving.services.possible_features import refuse_impossible
from serving.services.scoring import lacks_features

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
ID = "customer_id"
MAX_BATCHES = 10_000
"""Record batches in a stream: each costs as much as thousands of rows."""

PART_ROWS = 65_536
"""Rows that are evaluated at a time, so that memory beyond the stream stays small."""

UNREADABLE = (
    pa.ArrowException,
    ArithmeticError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    ValueError,
    struct.error,
)
"""What reading a stream may raise, depending on what is wrong with it."""

PATHS_TO_COMPRESSION = {"record batch": (2, 3), "dictionary": (2, 1, 3)}
"""By kind of message, the fields that lead from it to how its buffers are compressed (Message.fbs of the format)."""


def score(champion: Champion, body: bytes, max_rows: int, metrics: Metrics) -> bytes:
    """Score the customers of a stream.

    Args:
        champion: The model.
        body: An Arrow IPC stream with a column per feature (numbers or booleans; null or NaN where missing) and
            perhaps `customer_id` (text).
        max_rows: Most customers that it may have.
        metrics: Counts what is scored.

    Returns:
        An Arrow IPC stream with `customer_id` if it was given, `segment_id`, `segment_name`, `distance`,
        `runner_up_id`, `runner_up_name`, `confidence`, `is_low_confidence` and `model_version`, in the same order.

    Raises:
        ProblemError: It is no such stream (400), or has too many rows (413).
    """
    with stream_errors():  # what is wrong inside a column may show only when it is used
        schema = schema_of(body)
        _check_columns(schema)
        batches = batches_of(body, None, max_rows, "customers", "SEGMENTATION_MAX_ARROW_ROWS")
        table = pa.Table.from_batches(batches, schema)
        refuse_impossible(table, PART_ROWS)
        return _score(champion, table, metrics)


def _score(champion: Champion, table: pa.Table, metrics: Metrics) -> bytes:
    scores = _scores(champion, table, metrics)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, scores.schema) as writer:
        writer.write_table(scores)
    return bytes(sink.getvalue())


def schema_of(body: bytes) -> pa.Schema:
    """The columns of a stream, if it isn't compressed.

    Raises:
        ProblemError: It is (400). What is wrong with it otherwise, `stream_errors` tells.
    """
    _refuse_compression(body)
    with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
        return reader.schema


def batches_of(
    body: bytes, columns: Sequence[int] | None, max_rows: int, what: str, setting: str
) -> Iterator[pa.RecordBatch]:
    """The valid record batches of a stream, at least one row.

    Args:
        body: The stream, not compressed.
        columns: Those that are decoded; None: all.
        max_rows: Most rows that it may have.
        what: What the rows are, for errors.
        setting: The variable that limits them.

    Raises:
        ProblemError: It is empty, or has too many batches (400), or too many rows (413).
    """
    options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=False)
    rows = 0
    with pa.ipc.open_stream(pa.py_buffer(body), options=options) as reader:
        for number, batch in enumerate(reader, start=1):
            rows += batch.num_rows
            if rows > max_rows:
                raise too_many(f"{what}, or more,", rows, max_rows, setting)
            if number > MAX_BATCHES:
                detail = f"The stream has more than {MAX_BATCHES} record batches; put more rows into each."
                raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
            batch.validate(full=True)
            yield batch
    if not rows:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"The stream has no {what}.")


@contextmanager
def stream_errors() -> Iterator[None]:
    """Say of a stream that can't be read, or of a value in it that can't be had, that it is the client's fault."""
    try:
        yield
    except UNREADABLE as error:
        detail = f"The body is no Arrow IPC stream: {shortened(str(error))}."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "malformed-body", detail) from error


def _scores(champion: Champion, table: pa.Table, metrics: Metrics) -> pa.Table:
    parts = [_assigned(champion, table, start) for start in range(0, table.num_rows, PART_ROWS)]
    segment, runner_up = (np.concatenate([getattr(part, name) for part in parts]) for name in ("segment", "runner_up"))
    confidence = np.concatenate([part.confidence for part in parts])
    ids = np.array(champion.segment_ids, dtype=np.int32)
    names = pa.array(champion.segment_names, pa.string())
    is_low = confidence < np.array(champion.cutoffs)[segment]
    given, counts = np.unique(ids[segment], return_counts=True)
    metrics.count_segments(dict(zip(given.tolist(), counts.tolist(), strict=True)), int(is_low.sum()))
    columns = {
        "segment_id": pa.array(ids[segment]),
        "segment_name": _named(segment, names),
        "distance": pa.array(np.concatenate([part.distance for part in parts])),
        "runner_up_id": pa.array(ids[runner_up]),
        "runner_up_name": _named(runner_up, names),
        "confidence": pa.array(confidence),
        "is_low_confidence": pa.array(is_low),
        "model_version": pa.array(np.full(table.num_rows, champion.model.version, dtype=np.int32)),
    }
    if ID in table.schema.names:
        columns = {ID: table.column(ID).combine_chunks(), **columns}
    return pa.table(columns)


def _assigned(champion: Champion, table: pa.Table, start: int) -> Assignment:
    values = _values(champion, table.slice(start, PART_ROWS))
    assigned = champion.evaluator.assign(values)
    if np.isnan(assigned.distance).any():
        index = int(np.isnan(assigned.distance).argmax())
        raise lacks_features(f"Row {start + index}", values[index], champion)
    return assigned


def _named(indices: Ints, names: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32)), names)


def _values(champion: Champion, table: pa.Table) -> Floats:
    """Shape (rows, features of the model); NaN where missing."""
    given = set(table.schema.names)
    values = np.full((table.num_rows, len(champion.evaluator.artefact.rules)), np.nan)
    for index, name in enumerate(champion.evaluator.artefact.feature_names):
        if name in given:
            values[:, index] = table.column(name).cast(pa.float64(), safe=False).to_numpy()
    return values


def _check_columns(schema: pa.Schema) -> None:
    names = schema.names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"Column {shortened(twice)!r} occurs twice.")
    for field in schema:
        if field.name == ID:
            fits, wanted = _is_text(field.type), "text"
        elif field.name not in BY_NAME:
            raise unknown_feature(field.name, "The schema")
        elif BY_NAME[field.name].type == "VARCHAR":
            fits, wanted = _is_text(field.type), "text"
        else:
            fits, wanted = _is_number(field.type), "a number or boolean"
        if not fits:
            detail = f"Column {field.name!r} is of type {shortened(str(field.type))}; it must be {wanted}."
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or kind in {pa.bool_(), pa.null()}


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return plain in {pa.string(), pa.large_string(), pa.string_view(), pa.null()}


def _refuse_compression(body: bytes) -> None:
    """A few kilobytes may expand to more than there is memory, and nothing says so beforehand."""
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body)):
        path = PATHS_TO_COMPRESSION.get(message.type)
        if path and _follow(message.metadata.to_pybytes(), path):
            detail = "The stream is compressed; send it as it is (`compression=None`)."
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)


def _follow(metadata: bytes, path: Sequence[int]) -> int:
    """Where the last field of a path is, from table to table of a FlatBuffers message; 0 if one is missing."""
    place = 0
    for index in path:
        (offset,) = struct.unpack_from("<I", metadata, place)
        place = _field(metadata, place + offset, index)
        if not place:
            break
    return place


def _field(data: bytes, table: int, index: int) -> int:
    """Where a FlatBuffers table has a field; 0 if it has none."""
    (back,) = struct.unpack_from("<i", data, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", data, vtable)
    place = 4 + 2 * index
    (offset,) = struct.unpack_from("<H", data, vtable + place) if place < size else (0,)
    return table + offset if offset else 0
