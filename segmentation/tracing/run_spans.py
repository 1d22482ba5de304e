"""A trace per pipeline run, made after the fact: plain data in, spans to the collector out.

Only imported where traces are wanted. A run's trace has the run's own id, and its spans have ids that follow from it,
so that a run that is sent twice is the same trace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from segmentation.tracing.otlp import resource_of

SERVICE = "segmentation-runs"

Attributes = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class SpanRecord:
    """A run, or a step of one.

    Attributes:
        name: What it is called.
        begun_at: When it began, seconds since 1970.
        ended_at: When it ended.
        attributes: What else is known of it.
        error: Why it failed; None if it did not.
        steps: Of a run: its steps.
    """

    name: str
    begun_at: float
    ended_at: float
    attributes: Attributes
    error: str | None = None
    steps: tuple["SpanRecord", ...] = field(default=())


def send(run_id: str, run: SpanRecord, exporter: SpanExporter) -> bool:
    """Send the trace of a run; returns whether the collector has it. Sampled as OTEL_TRACES_SAMPLER says."""
    spans = InMemorySpanExporter()
    provider = TracerProvider(resource=resource_of(SERVICE), id_generator=_RunIds(run_id), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    _make(provider.get_tracer("segmentation_assets"), run)
    made = spans.get_finished_spans()
    return not made or exporter.export(made) is SpanExportResult.SUCCESS


def _make(tracer: Tracer, run: SpanRecord) -> None:
    root = tracer.start_span(run.name, attributes=run.attributes, start_time=_ns(run.begun_at))
    inside = set_span_in_context(root)
    for step in run.steps:
        span = tracer.start_span(step.name, inside, attributes=step.attributes, start_time=_ns(step.begun_at))
        _end(span, step)
    _end(root, run)


def _end(span: Span, stretch: SpanRecord) -> None:
    if stretch.error is not None:
        span.set_status(Status(StatusCode.ERROR, stretch.error))
    span.end(_ns(stretch.ended_at))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


class _RunIds(IdGenerator):
    """The ids of one run's spans, in the order in which they are made."""

    def __init__(self, run_id: str) -> None:
        self._run = UUID(run_id)
        self._made = 0

    def generate_trace_id(self) -> int:
        return self._run.int

    def generate_span_id(self) -> int:
        self._made += 1
        return int.from_bytes(sha256(f"{self._run} {self._made}".encode()).digest()[:8], "big")
