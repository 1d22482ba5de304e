"""The outermost layer of the scorer: what every request gets, whatever answers it.

A request id, security headers, a limit on requests in work, figures, and a line in the log for failures
and for a share of the rest. Raw ASGI, since it is on the way of every score.
"""

import logging
import random
import re
from contextvars import ContextVar
from http import HTTPStatus
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from segmentation.settings import Settings
from serving.api.problems import FAILURE, Headers, ProblemError, send_problem
from serving.metrics import Metrics
from serving.middleware.body_budget import BodyBudget, CountedBody

GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
"""Sent unless the answer itself says something else."""

NAMES = frozenset(name for name, _ in HEADERS)

UNLIMITED = ("/health/", "/metrics")
"""Paths that answer however busy the scorer is: whoever watches it must not be told to come back."""

BUSY = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The scorer has all the work it can do; come back.")

FAILED = ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "failure", FAILURE)

NO_ROUTE = "(none)"
OTHER = "(other)"
METHODS = frozenset(HttpMethod)

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is being answered, for logs."""

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""Of the trace that the request belongs to, where traces are wanted."""

access = logging.getLogger("serving.access")
logger = logging.getLogger(__name__)


class RequestMiddleware:
    """ASGI application around all others.

    Attributes:
        in_flight: Requests in work.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._max_in_flight = settings.max_concurrent_requests
        self._log_share = settings.access_log_share
        self._bodies = BodyBudget(settings.max_body_bytes_in_flight)
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        scope["path"] = _path(scope)
        identity = _given_id(scope["headers"]) or b"%024x" % random.getrandbits(96)
        token = request_id.set(identity.decode())
        answer = _Answer(send, identity)
        body = CountedBody(self._bodies, scope, receive)
        started = perf_counter()
        self.in_flight += 1
        try:
            if self.in_flight > self._max_in_flight and not scope["path"].startswith(UNLIMITED):
                await send_problem(scope, answer.send, BUSY)
            else:
                await self._app(scope, body.receive, answer.send)
        except Exception as error:  # what Litestar answers never comes here; what is around it might fail, too
            logger.error("Failed to answer %s", scope.get("path_template", ""), exc_info=error)
            if answer.has_begun:
                raise
            await send_problem(scope, answer.send, FAILED)
        finally:
            self.in_flight -= 1
            body.release()
            self._record(scope, answer, perf_counter() - started)
            request_id.reset(token)

    def _record(self, scope: Any, answer: "_Answer", seconds: float) -> None:
        route = scope.get("path_template") or NO_ROUTE
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._metrics.observe(method, route, answer.status, seconds)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or random.random() < self._log_share:  # noqa: S311
            # The route rather than the path, which may name a customer.
            access.info(
                "%s %s %d",
                method,
                route,
                answer.status,
                extra={
                    "method": method,
                    "route": route,
                    "status": answer.status,
                    "duration_ms": round(seconds * 1000, 3),
                    "caller": getattr(scope.get("user"), "name", None),
                },
            )


class _Answer:
    """Sends an answer, with the headers that every one has, and remembers its status."""

    def __init__(self, send: Send, identity: bytes) -> None:
        self._send = send
        self._identity = identity
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self.has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.has_begun = True
            own = list(message["headers"])
            said = {name for name, _ in own}
            rest = HEADERS if NAMES.isdisjoint(said) else [header for header in HEADERS if header[0] not in said]
            message["headers"] = [*own, *rest, (b"x-request-id", self._identity)]
        await self._send(message)


def _given_id(headers: Headers) -> bytes | None:
    for name, value in headers:
        if name == b"x-request-id":
            return value if GIVEN_ID.fullmatch(value) else None
    return None


def _path(scope: Any) -> str:
    """The path with escaped slashes left escaped, since they are part of a customer's id and not of the route."""
    raw = scope["raw_path"].partition(b"?")[0]
    if b"%2" not in raw:
        return str(scope["path"])
    return unquote(raw.replace(b"%2F", b"%252F").replace(b"%2f", b"%252F").decode("latin-1"))
