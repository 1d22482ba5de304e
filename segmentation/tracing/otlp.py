"""Traces by OpenTelemetry: whether they are wanted, and where they go.

OpenTelemetry's own variables say both, as everywhere; none of its modules is imported unless they do.
"""

import logging
import os
import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

import segmentation
from segmentation.errors import SegmentationError

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
BETWEEN_COMPLAINTS_S = 60.0


def wants_traces(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an endpoint for traces is set, and tracing isn't switched off beside it.

    Raises:
        SegmentationError: One is set, but OpenTelemetry isn't installed, or another protocol than ours is asked for.
    """
    endpoint = next((name for name in ENDPOINTS if environ.get(name)), None)
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    if endpoint is None or is_off:
        return False
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), SPOKEN)
    if protocol != SPOKEN:
        raise SegmentationError(f"Traces can't be sent by {protocol}: set OTEL_EXPORTER_OTLP_PROTOCOL={SPOKEN}.")
    if not _is_installed():
        raise SegmentationError(
            f"{endpoint} is set, but OpenTelemetry isn't installed: pip install 'segmentation-platform[otel]'."
        )
    return True


def _is_installed() -> bool:
    try:
        return find_spec(EXPORTER) is not None
    except ModuleNotFoundError:
        return False


def resource_of(service: str) -> "Resource":
    """What spans say of where they come from; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    ours = {"service.name": service, "service.version": segmentation.__version__}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def open_exporter() -> "SpanExporter":
    """What sends spans to the endpoint; while that can't be reached, it says so once a minute."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    logger = logging.getLogger(EXPORTER)
    if not any(isinstance(each, Sparing) for each in logger.filters):
        logger.addFilter(Sparing())
    return OTLPSpanExporter()


class Sparing(logging.Filter):
    """Lets a complaint through now and then, and as a warning: a lost trace is no failure."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -BETWEEN_COMPLAINTS_S

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged."""
        now = time.monotonic()
        if now - self._last < BETWEEN_COMPLAINTS_S:
            return False
        self._last = now
        record.levelno, record.levelname = min((record.levelno, record.levelname), (logging.WARNING, "WARNING"))
        return True
