"""Runs become traces in a real OTLP receiver: spans with the times of the event log, errors where steps failed."""

import json
from collections.abc import Iterator
from uuid import UUID

import dagster as dg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from segmentation.errors import SegmentationError, SourceError
from segmentation_assets.automation.run_traces import ENDS, run_traces
from segmentation_assets.cli.runs import QUIET
from segmentation_assets_tests.assets.conftest import defs
from segmentation_assets_tests.testing.collector import attributes_of, resource_of, spans_of
from segmentation_assets_tests.testing.webhook import Webhook, listening


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def lines() -> None: ...


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"), deps=[lines])
def sums(context: dg.AssetExecutionContext) -> None:
    if context.partition_key == "2024-03-02":
        raise SourceError("orders.csv has no column customer_id.")
    if context.partition_key == "2024-03-03":
        raise KeyError("C00000001")


JOB = dg.Definitions(
    assets=[lines, sums], jobs=[dg.define_asset_job("add_up", selection=dg.AssetSelection.assets(lines, sums))]
).resolve_job_def("add_up")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with listening() as hook:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{hook.host}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        yield hook


def _run(instance: dg.DagsterInstance, day: str) -> str:
    partition = f"2024-03-{day}"
    done = JOB.execute_in_process(instance=instance, partition_key=partition, run_config=QUIET, raise_on_error=False)
    return done.run_id


def _tick(instance: dg.DagsterInstance, cursor: str | None) -> tuple[str | None, str]:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    tick = run_traces.evaluate_tick(context)
    return tick.cursor, tick.skip_message or ""


def test_without_an_endpoint_nothing_is_sent(instance: dg.DagsterInstance) -> None:
    cursor, why = _tick(instance, '{"x": 1}')
    assert why == "OTEL_EXPORTER_OTLP_ENDPOINT is not set: runs are not traced."
    assert not cursor


def test_a_run_is_a_trace_with_a_span_for_each_step(instance: dg.DagsterInstance, collector: Webhook) -> None:
    _run(instance, "01")
    cursor, _ = _tick(instance, None)
    run_id = _run(instance, "01")
    cursor, said = _tick(instance, cursor)
    assert (said, _tick(instance, cursor)[1]) == ("1 runs were sent.", "No run has ended.")
    run, first, second = spans_of(collector)
    assert [run.name, first.name, second.name] == ["add_up", "lines", "sums"]
    assert {span.trace_id for span in (run, first, second)} == {UUID(run_id).bytes}
    assert (run.parent_span_id, first.parent_span_id) == (b"", run.span_id)
    assert run.start_time_unix_nano <= first.start_time_unix_nano < first.end_time_unix_nano
    assert first.end_time_unix_nano <= second.start_time_unix_nano < run.end_time_unix_nano
    shared = {"dagster.job": "add_up", "dagster.run_id": run_id, "dagster.partition": "2024-03-01"}
    assert attributes_of(run) == shared
    assert attributes_of(first) == {**shared, "dagster.step": "lines", "dagster.assets": ["lines"]}
    record = instance.get_run_record_by_id(run_id)
    assert record is not None
    assert record.start_time is not None
    assert abs(run.start_time_unix_nano / 1e9 - record.start_time) < 0.001
    assert resource_of(collector)["service.name"] == "segmentation-runs"


@pytest.mark.parametrize(("day", "why"), [("02", "orders.csv has no column customer_id."), ("03", "KeyError: '…'")])
def test_a_failure_says_why_and_names_no_customer(
    instance: dg.DagsterInstance, collector: Webhook, day: str, why: str
) -> None:
    cursor, _ = _tick(instance, None)
    _run(instance, day)
    _tick(instance, cursor)
    run, first, second = spans_of(collector)
    errors = [(span.status.code, span.status.message) for span in (run, first, second)]
    assert errors == [(Status.STATUS_CODE_ERROR, why), (Status.STATUS_CODE_UNSET, ""), (Status.STATUS_CODE_ERROR, why)]
    assert b"C00000001" not in b"".join(collector.bodies)


def test_a_killed_run_has_a_trace_too(instance: dg.DagsterInstance, collector: Webhook) -> None:
    cursor, _ = _tick(instance, None)
    run = dg.DagsterRun("killed", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    instance.report_run_failed(run)
    _tick(instance, cursor)
    (span,) = spans_of(collector)
    assert (span.name, span.status.code, span.status.message) == ("killed", Status.STATUS_CODE_ERROR, "failure")


def test_what_the_collector_did_not_take_is_sent_again_as_the_same_trace(
    instance: dg.DagsterInstance, collector: Webhook
) -> None:
    cursor, _ = _tick(instance, None)
    _run(instance, "01")
    collector.status = 400
    cursor, said = _tick(instance, cursor)
    assert said.startswith("The collector didn't take a run")
    collector.status = 200
    cursor, _ = _tick(instance, cursor)
    assert _tick(instance, cursor)[1] == "No run has ended."
    assert len(collector.bodies) == 1
    _tick(instance, json.dumps({end.value: 0 for end in ENDS}))
    once, again = (ExportTraceServiceRequest.FromString(body) for body in collector.bodies)
    assert once == again


def test_a_protocol_that_is_not_spoken_fails_the_tick(
    instance: dg.DagsterInstance, collector: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(SegmentationError, match="OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"):
        _tick(instance, None)
