"""A connection with limits: uvicorn's protocol, which sets none on heads, their time, or the number of connections.

It builds on uvicorn's own parts (`cycle`, `flow`, `pipeline`); a test of each limit runs against a real process, so a
release of uvicorn that changes them is noticed.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.api.contract import Problem
from serving.api.problems import MEDIA_TYPE, ProblemError
from serving.connections.table import ConnectionTable, Phase

logger = logging.getLogger(__name__)

MALFORMED = ProblemError(HTTPStatus.BAD_REQUEST, "malformed-request", "This is no HTTP/1.1 request.")
FULL = ProblemError(
    HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The scorer has all the connections it can have; come back."
)


class LimitedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, table: ConnectionTable, **options: Any) -> None:
        super().__init__(**options)
        self._table = table
        self._limits = table.limits
        self._phase: Phase | None = None
        self._unparsed = 0  # bytes since the last that meant something
        self._is_refused = False
        self._unsent = 0

    # What uvicorn's loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room."""
        super().connection_made(transport)
        self._table.start(self.loop)
        self._enter(Phase.HEAD)
        if not self._table.make_room(self):
            self._refuse(FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._enter(None)
        self._table.is_read(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what comes after a refusal is thrown away."""
        if self._is_refused:
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > self._limits.head_bytes:
            self._refuse_head(f"{self._limits.head_bytes} bytes (SEGMENTATION_MAX_HEAD_BYTES)")

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        super().pause_writing()
        self._table.is_unread(self, self.loop.time())

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._table.is_read(self)

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        if self._is_refused:
            return
        super().on_header(name, value)
        if len(self.headers) > self._limits.headers:
            self._refuse_head(f"{self._limits.headers} headers (SEGMENTATION_MAX_HEADERS)")

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        if self._is_refused:
            return
        if self._unparsed > self._limits.head_bytes and self._head_bytes() > self._limits.head_bytes:
            self._refuse_head(f"{self._limits.head_bytes} bytes (SEGMENTATION_MAX_HEAD_BYTES)")
            return
        super().on_headers_complete()
        self._unparsed = 0
        self._enter(Phase.BODY)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._is_refused:
            self._unparsed = 0
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the answer, or for the next request if this one was answered before it was complete."""
        if self._is_refused:
            return
        super().on_message_complete()
        self._unparsed = 0
        self._enter(Phase.IDLE if self.cycle.response_complete else Phase.ANSWER)

    # What uvicorn calls when a request is answered, or is none

    def on_response_complete(self) -> None:
        """Wait for what comes next; what still comes of a request that is answered has little time."""
        super().on_response_complete()
        if self._phase is None or self._is_refused:
            return
        if self.transport.is_closing():
            self._enter(Phase.LEAVING)
        elif not self.cycle.response_complete:  # the next one has come meanwhile
            self._enter(Phase.BODY if self.cycle.more_body else Phase.ANSWER)
        elif self._phase is Phase.BODY:
            self._enter(Phase.LEAVING)
        else:
            self._enter(Phase.HEAD if self._unparsed else Phase.IDLE)

    def timeout_keep_alive_handler(self) -> None:
        """Close what is of no use any more."""
        super().timeout_keep_alive_handler()
        if self._phase is not None:
            self._enter(Phase.LEAVING)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuse what is no HTTP, unless it was refused for what it is."""
        if not self._is_refused:
            self._refuse(MALFORMED)

    # What the table calls

    def expire(self, phase: Phase) -> None:
        """End what has waited too long."""
        match phase:
            case Phase.HEAD if self._unparsed:
                self._refuse(_late("head", self._limits.head_timeout_s, "SEGMENTATION_HEAD_TIMEOUT_S"))
            case Phase.BODY:
                self._refuse(_late("body", self._limits.body_timeout_s, "SEGMENTATION_REQUEST_TIMEOUT_S"))
            case Phase.LEAVING if self._is_being_read():
                self._enter(Phase.LEAVING)
            case Phase.LEAVING:
                self.cut()
            case _:
                self.transport.close()
                self._enter(Phase.LEAVING)

    def stall(self) -> None:
        """Cut it unless the client has read something."""
        if self._is_being_read():
            self._table.is_unread(self, self.loop.time())
        else:
            self.cut()

    def cut(self) -> None:
        """End it at once."""
        self._enter(None)
        self.transport.abort()

    def _is_being_read(self) -> bool:
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return 0 < self._unsent != before

    def _enter(self, phase: Phase | None) -> None:
        self._table.move(self, self._phase, phase, self.loop.time())
        self._phase = phase

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_head(self, most: str) -> None:
        detail = f"The head of a request may have {most}."
        self._refuse(ProblemError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", detail))

    def _refuse(self, problem: ProblemError) -> None:
        """Say what is wrong, unless an answer has begun, and take nothing any more."""
        self._is_refused = True
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        cycle: Any = self.cycle  # None before the first request
        has_begun = False
        if cycle is not None and not cycle.response_complete:
            has_begun = cycle.response_started
            cycle.disconnected = True
            cycle.message_event.set()
        if has_begun or self.transport.is_closing():
            self.cut()
            return
        self.transport.write(_raw(problem, self.server_state.default_headers))
        self.transport.write_eof()
        self.flow.resume_reading()  # bytes that nobody reads would make the system throw the answer away
        self._enter(Phase.LEAVING)


def _late(what: str, timeout_s: float, setting: str) -> ProblemError:
    detail = f"The {what} of the request did not come within {timeout_s:g} s ({setting})."
    return ProblemError(HTTPStatus.REQUEST_TIMEOUT, "timeout", detail)


def _raw(problem: ProblemError, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = msgspec.json.encode(Problem(problem.type, problem.title, problem.status, problem.detail, ""))
    own = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close", **problem.headers}
    lines = [b"%b: %b\r\n" % header for header in headers]
    lines += [f"{name}: {value}\r\n".encode() for name, value in own.items()]
    return b"".join([STATUS_LINE[problem.status], *lines, b"\r\n", body])
