"""The client for code that blocks; `coroutines` has its twin."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import date
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
import polars as pl

from serving.api.contract import Member
from serving.client import calls
from serving.client.calls import CHUNK_ROWS, PAGE_ROWS, Call, Frame
from serving.client.outcomes import Outcome, answer_of, headers, is_passing, pause_s, presented_as, request_of

P = ParamSpec("P")
T = TypeVar("T")


def _sent(make: Callable[P, Call[T]]) -> Callable[Concatenate["ScorerClient", P], T]:
    """A method that sends the calls of a function."""

    def method(self: "ScorerClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._send(make(*args, **kwargs))

    return presented_as(method, make)


class ScorerClient:
    """The scorer's operations; a context manager that keeps its connections open.

    Every method raises `ScorerError` if the scorer refuses, and `httpx.TransportError` if it can't be reached.
    """

    score = _sent(calls.score)
    score_transactions = _sent(calls.score_transactions)
    push_transactions = _sent(calls.push_transactions)
    customer = _sent(calls.customer)
    what_if = _sent(calls.what_if)
    segments = _sent(calls.segments)
    segment = _sent(calls.segment)
    transitions = _sent(calls.transitions)
    snapshots = _sent(calls.snapshots)
    snapshot = _sent(calls.snapshot)
    request_snapshot = _sent(calls.request_snapshot)
    models = _sent(calls.models)
    model = _sent(calls.model)
    promote = _sent(calls.promote)
    rollback = _sent(calls.rollback)
    ready = _sent(calls.ready)

    def __init__(
        self,
        address: str,
        key: str,
        *,
        timeout_s: float = 10.0,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Open nothing yet.

        Args:
            address: Of the scorer, such as `http://scorer:8000`.
            key: A key or a token with the scopes that the methods need.
            timeout_s: How long to wait for a connection, and for each part of an answer.
            retries: How often a request is repeated after the first time; 0 for never.
            transport: What sends instead of httpx.
            sleep: Waits some seconds before a repetition.
            jitter: A random number from 0 to 1 that spreads repetitions of many clients.
        """
        self._http = httpx.Client(base_url=address, headers=headers(key), timeout=timeout_s, transport=transport)
        self._retries, self._sleep, self._jitter = retries, sleep, jitter

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def score_frame(self, frame: Frame, *, chunk_rows: int = CHUNK_ROWS) -> pl.DataFrame:
        """The segments of many customers, in their order.

        Args:
            frame: A column per feature, and perhaps `customer_id`; columns that the catalogue lacks aren't sent.
            chunk_rows: Rows that are sent at a time. Chunks may be scored by different versions, should the champion
                change in between; `model_version` tells.
        """
        return pl.concat([self._send(call) for call in calls.score_frame(frame, chunk_rows)])

    def segment_customers(
        self, segment_id: int, as_of: date | None = None, *, page_rows: int = PAGE_ROWS
    ) -> Iterator[Member]:
        """All customers of a segment in one snapshot, in order of their ids; a page is fetched when it is needed."""
        cursor: str | None = None
        while True:
            page = self._send(calls.segment_customers(segment_id, as_of, page_rows, cursor))
            yield from page.customers
            cursor = page.next_cursor
            if cursor is None:
                return

    def _send(self, call: Call[T]) -> T:
        for attempt in range(self._retries + 1):
            outcome = self._once(call)
            if attempt == self._retries or not is_passing(call, outcome):
                break
            self._sleep(pause_s(outcome, attempt, self._jitter()))
        return answer_of(call, outcome)

    def _once(self, call: Call[Any]) -> Outcome:
        try:
            return self._http.send(request_of(self._http, call))
        except httpx.TransportError as error:
            return error
