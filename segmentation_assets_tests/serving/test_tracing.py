"""Requests become spans in a real OTLP receiver, and nothing of it is there unless an endpoint is set."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.tracing import otlp
from segmentation.tracing.otlp import wants_traces
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.collector import attributes_of, resource_of, spans_of
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.running_scorer import environment_of, running_scorer
from segmentation_assets_tests.testing.shop import ScoredCustomer, customer_path, request
from segmentation_assets_tests.testing.waiting import eventually
from segmentation_assets_tests.testing.webhook import Webhook, listening
from serving.app import create_app
from serving.client.calls import Call
from serving.client.outcomes import request_of
from serving.logs import JsonFormatter

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with listening() as hook:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{hook.host}")
        yield hook


@contextmanager
def scorer(settings: Settings) -> Iterator[TestClient[Litestar]]:
    """A scorer of its own; at its end all spans have been sent."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def _asked(collector: Webhook) -> list[Span]:
    """The spans of requests."""
    return [span for span in spans_of(collector) if span.kind == Span.SPAN_KIND_SERVER]


def test_a_request_is_a_span_that_continues_its_callers(
    shop_settings: Settings, collector: Webhook, customers: list[ScoredCustomer]
) -> None:
    with scorer(shop_settings) as client:
        client.post("/v1/score", json=request(customers[:1]), headers=CALLER).raise_for_status()
        client.get(customer_path(customers[0].customer_id), headers=CALLER).raise_for_status()
        client.get("/v1/segments").raise_for_status()
    score, question, stranger = _asked(collector)
    assert [span.name for span in (score, question)] == ["POST /v1/score", "GET /v1/customers/{customer_id}"]
    assert attributes_of(score) == {
        "http.request.method": "POST",
        "url.scheme": "http",
        "http.route": "/v1/score",
        "http.response.status_code": 200,
    }
    assert {(span.trace_id.hex(), span.parent_span_id.hex()) for span in (score, question)} == {(TRACE, PARENT)}
    assert stranger.trace_id.hex() != TRACE
    assert stranger.parent_span_id == b""
    inner = {span.name: span.parent_span_id for span in spans_of(collector) if span not in _asked(collector)}
    assert inner == {"score": score.span_id, "read the lake": stranger.span_id}
    assert resource_of(collector)["service.name"] == "segmentation-scorer"


def test_a_span_names_no_customer_no_key_and_no_body(
    shop_settings: Settings, collector: Webhook, customers: list[ScoredCustomer]
) -> None:
    identity = next(each.customer_id for each in customers if each.customer_id.startswith("C-1"))
    with scorer(shop_settings) as client:
        client.post("/v1/score", json=request(customers[:1])).raise_for_status()
        client.get(f"{customer_path(identity)}?include=segment").raise_for_status()
        client.get(f"/{identity}")
        client.get(customer_path("no-such-customer"))
    sent = b"".join(collector.bodies)
    assert len(_asked(collector)) == 4
    assert not any(secret in sent for secret in (identity.encode(), b"no-such-customer", b"recency_days", b"seg_"))


def test_only_what_the_scorer_fails_at_is_an_error(shop_settings: Settings, collector: Webhook) -> None:
    with scorer(shop_settings.model_copy(update={"request_timeout_s": 0.0001})) as client:
        assert client.get("/v1/segments/1/customers").status_code == 504
    with scorer(shop_settings) as client:
        assert client.get(customer_path("nobody")).status_code == 404
        assert client.get("/health/live").status_code == 200
    late, unknown = _asked(collector)
    assert (late.status.code, unknown.status.code) == (Status.STATUS_CODE_ERROR, Status.STATUS_CODE_UNSET)
    assert attributes_of(late)["error.type"] == "504"
    assert "error.type" not in attributes_of(unknown)


def test_openTelemetrys_own_variables_count(  # noqa: N802
    shop_settings: Settings, collector: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    with scorer(shop_settings) as client:
        client.get("/v1/segments").raise_for_status()
        client.get("/v1/segments", headers=CALLER).raise_for_status()
    assert [span.trace_id.hex() for span in _asked(collector)] == [TRACE]
    assert resource_of(collector)["service.name"] == "ours"


def test_a_collector_that_is_away_disturbs_nobody(
    shop_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{free_port()}/v1/traces")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    with scorer(shop_settings) as client:
        for _ in range(30):
            client.get("/v1/segments").raise_for_status()
        began = time.monotonic()
    assert time.monotonic() - began < 6
    told = [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert told
    assert {record.levelno for record in told} == {logging.WARNING}


def test_without_an_endpoint_opentelemetry_is_not_even_imported(shop_settings: Settings) -> None:
    # But for what Litestar looks at to offer its own plugin.
    code = """
import sys
from segmentation.settings import load_settings
from serving.app import create_app
from serving.middleware.requests import RequestMiddleware
assert isinstance(create_app(load_settings()).asgi_handler, RequestMiddleware)
assert not {"opentelemetry.trace", "opentelemetry.sdk", "opentelemetry.exporter", "requests"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=environment_of(shop_settings))


def test_each_worker_sends_its_spans_before_it_ends(shop_settings: Settings, tmp_path: Path) -> None:
    with listening() as collector:
        environment = environment_of(shop_settings, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{collector.host}")
        with running_scorer(environment, tmp_path / "log", "--workers=2") as scorer:
            for _ in range(10):
                with scorer.client() as client:
                    client.get("/v1/segments", headers=CALLER).raise_for_status()
    assert [span.trace_id.hex() for span in _asked(collector)] == [TRACE] * 10


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_when_traces_are_wanted(environ: dict[str, str], is_wanted: bool) -> None:
    assert wants_traces(environ) is is_wanted


def test_what_lacks_is_said(shop_settings: Settings, collector: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "EXPORTER", "opentelemetry.nowhere.exporter")
    with pytest.raises(SegmentationError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set, but .*\[otel\]"):
        create_app(shop_settings)


def test_a_line_of_the_log_names_the_trace(shop_settings: Settings, collector: Webhook) -> None:
    lines: list[dict[str, Any]] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    access, kept = logging.getLogger("serving.access"), Kept()
    access.addHandler(kept)
    access.setLevel(logging.INFO)
    try:
        with scorer(shop_settings.model_copy(update={"access_log_share": 1.0})) as client:
            client.get("/v1/segments", headers=CALLER).raise_for_status()
    finally:
        access.removeHandler(kept)
        access.setLevel(logging.NOTSET)
    assert lines[-1]["trace_id"] == TRACE
    assert "trace_id" not in lines[0]


def test_the_client_passes_its_callers_trace_on() -> None:
    call: Call[Any] = Call("GET", "/v1/segments", lambda _: None)
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with httpx.Client(base_url="http://scorer") as http:
        with tracer.start_as_current_span("a program's") as span:
            inside = request_of(http, call).headers
        outside = request_of(http, call).headers
    assert inside["traceparent"].split("-")[1] == f"{span.get_span_context().trace_id:032x}"
    assert "traceparent" not in outside
