"""What an OTLP collector makes of what is posted to it."""

from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from segmentation_assets_tests.testing.webhook import Webhook


def spans_of(webhook: Webhook) -> list[Span]:
    """All spans that have come, by their beginning."""
    found = [
        span
        for request in _requests(webhook)
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]
    return sorted(found, key=lambda span: span.start_time_unix_nano)


def resource_of(webhook: Webhook) -> dict[str, Any]:
    """What the first spans say of where they come from."""
    return _values(_requests(webhook)[0].resource_spans[0].resource.attributes)


def attributes_of(span: Span) -> dict[str, Any]:
    """A span's attributes as Python has them."""
    return _values(span.attributes)


def _requests(webhook: Webhook) -> list[ExportTraceServiceRequest]:
    return [ExportTraceServiceRequest.FromString(body) for body in webhook.bodies]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)
