"""Customers as the bodies of requests, and the bodies of answers as scores."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks.serving.shop import Customers
from segmentation.modeling.artefact import Floats, Ints

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class Scores:
    """What a server found, or what it should have.

    Attributes:
        segment_ids: Length n.
        distances: Length n, to the segments' centroids; None if the server does not tell.
    """

    segment_ids: Ints
    distances: Floats | None


@dataclass(frozen=True)
class Wire:
    """A form of requests and answers.

    Attributes:
        media_type: Of both.
        body: Customers to a body.
        scores: A body to scores, given the segments' ids by index of their centroids; None if there are none.
    """

    media_type: str
    body: Callable[[Customers], bytes]
    scores: Callable[[bytes, Ints], Scores] | None


def _records(customers: Customers) -> bytes:
    """`{"customers": [{"customer_id": …, "features": {…}}, …]}`."""
    records = [
        {"customer_id": who, "features": dict(zip(customers.features, values, strict=True))}
        for who, values in zip(customers.ids, _with_none(customers), strict=True)
    ]
    return msgspec.json.encode({"customers": records})


def _scores_of_records(body: bytes, _: Ints) -> Scores:
    results = msgspec.json.decode(body)["results"]
    return Scores(
        np.array([result["segment_id"] for result in results], dtype=np.int64),
        np.array([result["distance"] for result in results], dtype=np.float64),
    )


def _split_frame(customers: Customers) -> bytes:
    """What MLflow calls `dataframe_split`."""
    return msgspec.json.encode({"dataframe_split": {"columns": customers.features, "data": _with_none(customers)}})


def _scores_of_predictions(body: bytes, ids: Ints) -> Scores:
    return Scores(ids[np.array(msgspec.json.decode(body)["predictions"], dtype=np.int64)], None)


def _stream(customers: Customers) -> bytes:
    """An Arrow IPC stream with a column for each feature and the ids."""
    columns = {name: pa.array(customers.values[:, i], from_pandas=True) for i, name in enumerate(customers.features)}
    return _written(pa.table({"customer_id": pa.array(customers.ids, pa.string()), **columns}))


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _scores_of_stream(body: bytes, _: Ints) -> Scores:
    table = pa.ipc.open_stream(body).read_all()
    return Scores(
        table["segment_id"].to_numpy().astype(np.int64), table["distance"].to_numpy().astype(np.float64, copy=False)
    )


def _with_none(customers: Customers) -> list[list[float | None]]:
    return [[None if value != value else value for value in row] for row in customers.values.tolist()]


RECORDS = Wire(JSON, _records, _scores_of_records)
SPLIT_FRAME = Wire(JSON, _split_frame, _scores_of_predictions)
STREAM = Wire(ARROW, _stream, _scores_of_stream)
NOTHING = Wire(JSON, lambda _: b"", None)
IGNORED = Wire(JSON, _records, None)


def http_request(method: str, path: str, wire: Wire, body: bytes, key: str = "") -> bytes:
    """A whole request, with a key if there is one."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Accept: {wire.media_type}",
        *([f"Authorization: Bearer {key}"] if key else []),
        *([f"Content-Type: {wire.media_type}", f"Content-Length: {len(body)}"] if body else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
