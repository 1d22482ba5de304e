"""Traces of requests: a span for each, which continues the caller's, and spans for what takes time in it.

Only imported where traces are wanted; without, none of these layers is there. Spans name routes, never paths, and no
customers, keys or bodies.
"""

from http import HTTPStatus
from threading import Thread
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Send
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from segmentation.settings import Settings
from segmentation.tracing.otlp import open_exporter, resource_of
from serving.api.bodies import Language
from serving.live.champion import Champion
from serving.live.reader import LakeReader, Query, T
from serving.metrics import Metrics
from serving.middleware.requests import METHODS, UNLIMITED, trace_id
from serving.services.scoring import Scorer

SERVICE = "segmentation-scorer"
CONTEXT_HEADERS = (b"traceparent", b"tracestate")
UNKNOWN_METHOD = "_OTHER"

LONGEST_CLOSE_S = 3.0
"""How long the end of the scorer waits for a collector to take the last spans."""


class Traces:
    """Makes spans and sends them in the background, a bounded queue at a time."""

    def __init__(self) -> None:
        self._provider = TracerProvider(resource=resource_of(SERVICE), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(open_exporter()))
        self._tracer = self._provider.get_tracer("serving")

    def app(self, app: ASGIApp) -> "TracedApp":
        """An application, with a span for each request."""
        return TracedApp(app, self._tracer)

    def reader(self, settings: Settings) -> "TracedReader":
        """A reader of the lake, with a span for each question."""
        return TracedReader(settings, self._tracer)

    def scorer(self, metrics: Metrics, max_rows: int) -> "TracedScorer":
        """A scorer, with a span for each body."""
        return TracedScorer(metrics, max_rows, self._tracer)

    def close(self) -> None:
        """Send what is left; a collector that doesn't answer is not waited for."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(LONGEST_CLOSE_S)


class TracedApp:
    """ASGI application around all others: a span for each request, but for those of who watches the scorer."""

    def __init__(self, app: ASGIApp, tracer: trace.Tracer) -> None:
        self._app = app
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request within its span."""
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(UNLIMITED):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN_METHOD
        context = self._propagator.extract(
            {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CONTEXT_HEADERS}
        )
        attributes = {"http.request.method": method, "url.scheme": scope["scheme"]}
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self._tracer.start_as_current_span(
            method, context, SpanKind.SERVER, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            token = trace_id.set(trace.format_trace_id(span.get_span_context().trace_id))
            try:
                await self._app(scope, receive, note)
            finally:
                trace_id.reset(token)
                _finish(span, scope, method, status)


def _finish(span: trace.Span, scope: Any, method: str, status: int) -> None:
    route = scope.get("path_template")
    if route:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


class TracedReader(LakeReader):
    """The lake, with a span for each question that a request asks of it."""

    def __init__(self, settings: Settings, tracer: trace.Tracer) -> None:
        super().__init__(settings)
        self._tracer = tracer

    async def read(self, query: Query[T]) -> T:
        """Run a query, as `LakeReader.read`; what the scorer asks for itself has no span."""
        if not trace.get_current_span().get_span_context().is_valid:
            return await super().read(query)
        with _inner(self._tracer, "read the lake"):
            return await super().read(query)


class TracedScorer(Scorer):
    """The scorer, with a span for each body."""

    def __init__(self, metrics: Metrics, max_rows: int, tracer: trace.Tracer) -> None:
        super().__init__(metrics, max_rows)
        self._tracer = tracer

    def at_once(self, champion: Champion, body: bytes, given: Language, wanted: Language) -> bytes:
        """Score a small body, as `Scorer.at_once`."""
        with _inner(self._tracer, "score"):
            return super().at_once(champion, body, given, wanted)

    async def in_slices(self, champion: Champion, body: bytes, given: Language, wanted: Language) -> bytes:
        """Score a large body, as `Scorer.in_slices`."""
        with _inner(self._tracer, "score in slices"):
            return await super().in_slices(champion, body, given, wanted)


def _inner(tracer: trace.Tracer, name: str) -> Any:
    # Without the exception, whose message may quote a body or a row: the request's span has the status.
    return tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)
