"""What can be asked of the scorer, as data: one function per operation makes a `Call`.

Nothing here does I/O, so that both clients, with and without `await`, share all that there is to know about the API.
Their methods have the signatures and the documentation of these functions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from io import BytesIO
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

import msgspec
import numpy as np
import polars as pl

from segmentation.metadata.features import FEATURES
from serving.api.contract import (
    Customer,
    CustomerAnswer,
    DecisionAnswer,
    DecisionRequest,
    Include,
    MembersAnswer,
    ModelAnswer,
    ModelsAnswer,
    Order,
    PushAnswer,
    Ready,
    ScoreAnswer,
    SegmentDetail,
    SegmentsAnswer,
    SnapshotDetail,
    SnapshotRequestAnswer,
    SnapshotRequestBody,
    SnapshotsAnswer,
    Transaction,
    TransactionsAnswer,
    TransitionsAnswer,
    WhatIfAnswer,
)

T = TypeVar("T")

Row = Mapping[str, object]
"""A customer, transaction or order as the API's JSON has it, in place of the struct."""

Query = tuple[tuple[str, str | int | date | None], ...]

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
COLUMNS = ("customer_id", *(feature.name for feature in FEATURES))
CHUNK_ROWS = 50_000
"""Rows of a frame that are sent at a time, with every feature 24 MB. Five times as many take ten times as long: sockets
take large bodies in pieces, and httpcore copies the rest for each."""

PAGE_ROWS = 1_000
"""Customers of a segment that are asked for at a time."""

PUSH_S = 60.0
"""How long a delivery is waited for: the lake may be busy with another commit."""

DECISION_S = 610.0
"""How long a promotion or rollback is waited for: the scorer gives the command ten minutes."""


class Frame(Protocol):
    """A table of Polars, PyArrow, pandas or anybody else who speaks Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table as a stream of record batches."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how to read its answer.

    Attributes:
        method: Of HTTP.
        path: Below the scorer's address, quoted.
        decode: Makes the answer out of its bytes.
        query: Names and values; those that are None are left out.
        body: What is sent, and `kind` its media type.
        is_repeatable: Whether sending it twice does no more than sending it once.
        timeout_s: How long to wait for the answer, where the client's own time doesn't do.
        hint: What an error says besides.
        headers: Of HTTP, besides those that every request has.
    """

    method: Literal["GET", "POST"]
    path: str
    decode: Callable[[bytes], T]
    query: Query = ()
    body: bytes | None = None
    kind: str = JSON
    is_repeatable: bool = True
    timeout_s: float | None = None
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def score(customers: Iterable[Customer | Row], *, predict: bool = False) -> Call[ScoreAnswer]:
    """The segments of customers, in their order; a feature that is NaN or infinite counts as missing.

    With `predict`, what to expect of each, too.
    """
    # JSON rather than MessagePack: the scorer has a short way for small bodies of it.
    return _post(_predicting("/v1/score", predict), {"customers": list(customers)}, ScoreAnswer)


def score_frame(frame: Frame, chunk_rows: int) -> Iterator[Call[pl.DataFrame]]:
    """The segments of many customers, chunk by chunk; one chunk even of an empty frame, which the scorer refuses."""
    table = pl.DataFrame(frame)
    known = table.select([name for name in COLUMNS if name in table.columns])
    for start in range(0, max(known.height, 1), chunk_rows):
        stream = BytesIO()
        known.slice(start, chunk_rows).write_ipc_stream(stream, compression="uncompressed")
        hint = f" Rows count from row {start} of the frame." if start else ""
        yield Call("POST", "/v1/score", pl.read_ipc_stream, body=stream.getvalue(), kind=ARROW, hint=hint)


def score_transactions(
    transactions: Iterable[Transaction | Row], as_of: date | None = None, *, predict: bool = False
) -> Call[TransactionsAnswer]:
    """The segments of the customers in some order lines; those before a day of the shop count, all if it is None.

    With `predict`, what to expect of each, too.
    """
    body = {"transactions": list(transactions), "as_of": as_of}
    return _post(_predicting("/v1/score/transactions", predict), body, TransactionsAnswer)


def push_transactions(
    source: str, transactions: Iterable[Row], *, idempotency_key: str | None = None
) -> Call[PushAnswer]:
    """Deliver order lines to the lake; they are durable when this returns.

    Args:
        source: A source of type push, as the scorer's `sources.yaml` declares it.
        transactions: The lines, in the columns that the source's profile reads.
        idempotency_key: What this delivery is called: sent again with it, it is answered as before. Repeated lines
            change nothing in any case.
    """
    made = _post("/v1/transactions", {"transactions": list(transactions)}, PushAnswer)
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return replace(made, query=(("source", source),), headers=headers, timeout_s=PUSH_S)


def customer(
    customer_id: str,
    *,
    as_of: date | None = None,
    model: int | None = None,
    fresh: bool = False,
    include: Iterable[Include] | None = None,
) -> Call[CustomerAnswer]:
    """What is known about a customer.

    Args:
        customer_id: Who.
        as_of: The snapshot; the newest one that has them if None.
        model: The version that decides; the one that did if None.
        fresh: Whether to compute from the order lines that the lake has now.
        include: What the answer holds besides the segment; everything if None.
    """
    # An empty list can't be said in a query, and would mean all parts; the segment itself is always there.
    parts = () if include is None else ("segment", *include)
    query: Query = (("as_of", as_of), ("model", model), ("fresh", "true" if fresh else None))
    return _get(f"/v1/customers/{_quoted(customer_id)}", CustomerAnswer, *query, *(("include", part) for part in parts))


def what_if(customer_id: str, orders: Iterable[Order | Row], as_of: date | None = None) -> Call[WhatIfAnswer]:
    """A customer's segment with and without hypothetical orders; tomorrow if `as_of` is None."""
    body = {"orders": list(orders), "as_of": as_of}
    return _post(f"/v1/customers/{_quoted(customer_id)}/what-if", body, WhatIfAnswer)


def segments(as_of: date | None = None, segmentation_name: str | None = None) -> Call[SegmentsAnswer]:
    """The champion's segments, or those of another segmentation, with profiles as of a date or in the last snapshot."""
    return _get("/v1/segments", SegmentsAnswer, ("as_of", as_of), ("segmentation_name", segmentation_name))


def segment(segment_id: int) -> Call[SegmentDetail]:
    """Everything about one of the champion's segments, or one of one's own."""
    return _get(f"/v1/segments/{segment_id}", SegmentDetail)


def segment_customers(segment_id: int, as_of: date | None, page_rows: int, cursor: str | None) -> Call[MembersAnswer]:
    """One page of a segment's customers; `cursor` is None for the first."""
    query = (("as_of", as_of), ("cursor", cursor), ("limit", page_rows))
    return _get(f"/v1/segments/{segment_id}/customers", MembersAnswer, *query)


def transitions(as_of: date | None = None, segmentation_name: str | None = None) -> Call[TransitionsAnswer]:
    """How many customers went from which segment to which since the snapshot before; the model's by default."""
    return _get("/v1/transitions", TransitionsAnswer, ("as_of", as_of), ("segmentation_name", segmentation_name))


def snapshots() -> Call[SnapshotsAnswer]:
    """The dates that customers were looked at as of, whether they are current, and how far the data reaches."""
    return _get("/v1/snapshots", SnapshotsAnswer)


def snapshot(as_of: date) -> Call[SnapshotDetail]:
    """One date, table by table: what each was made of, by whom, and why it isn't current."""
    return _get(f"/v1/snapshots/{as_of}", SnapshotDetail)


def request_snapshot(as_of: date) -> Call[SnapshotRequestAnswer]:
    """Ask for a snapshot of any date that the data reaches; `snapshot` tells when it is there, and current."""
    decode, body = msgspec.json.Decoder(SnapshotRequestAnswer).decode, msgspec.json.encode(SnapshotRequestBody(as_of))
    return Call("POST", "/v1/snapshots", decode, body=body, timeout_s=PUSH_S)


def models() -> Call[ModelsAnswer]:
    """All versions of the model, newest first."""
    return _get("/v1/models", ModelsAnswer)


def model(version: int | str = "current") -> Call[ModelAnswer]:
    """One version of the model, by number or alias; `current` is the one that answers."""
    return _get(f"/v1/models/{_quoted(str(version))}", ModelAnswer)


def promote(version: int, reason: str = "", override: bool = False) -> Call[DecisionAnswer]:
    """Make a version the champion if its gates let it, or in spite of them; may take minutes."""
    return _decision(f"/v1/models/{version}/promote", DecisionRequest(reason, override))


def rollback(version: int, reason: str = "") -> Call[DecisionAnswer]:
    """Take a champion out of service, and put the version back that served before."""
    return _decision(f"/v1/models/{version}/rollback", DecisionRequest(reason))


def ready() -> Call[Ready]:
    """Which version serves, and whether it is stale."""
    return _get("/health/ready", Ready)


def _get(path: str, answer: type[T], *query: tuple[str, str | int | date | None]) -> Call[T]:
    return Call("GET", path, msgspec.json.Decoder(answer).decode, query)


def _predicting(path: str, predict: bool) -> str:
    return f"{path}?predict=true" if predict else path


def _post(path: str, body: Mapping[str, object], answer: type[T]) -> Call[T]:
    return Call("POST", path, msgspec.json.Decoder(answer).decode, body=msgspec.json.encode(body, enc_hook=_plain))


def _decision(path: str, request: DecisionRequest) -> Call[DecisionAnswer]:
    decode, body = msgspec.json.Decoder(DecisionAnswer).decode, msgspec.json.encode(request)
    return Call("POST", path, decode, body=body, is_repeatable=False, timeout_s=DECISION_S)


def _plain(value: Any) -> object:
    """What msgspec can't encode by itself: mappings other than dicts, and NumPy's numbers."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError


def _quoted(identity: str) -> str:
    """An id as one step of a path; dots alone would lead elsewhere."""
    return identity.replace(".", "%2E") if identity in {".", ".."} else quote(identity, safe="")
