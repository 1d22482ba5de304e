"""What the scorer was asked for is made: each request once, several of a date by one run."""

import json
from datetime import date
from typing import Any

import dagster as dg
import pytest
from litestar.testing import TestClient

from segmentation.clock import utc_now
from segmentation.settings import Settings, as_environment
from segmentation.snapshots.requests import record_request
from segmentation.warehouse import Lake
from segmentation.warehouse.ledger import read_entries
from segmentation_assets.automation.on_demand import snapshot_on_demand
from segmentation_assets.automation.requested_snapshots import answer_requests
from segmentation_assets_tests.assets.conftest import AS_OF, END, Graph, defs
from serving.app import create_app

AUTUMN, LATER = date(2024, 10, 9), date(2024, 11, 20)


def _look(graph: Graph, settings: Settings, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance=graph.instance, cursor=cursor)
    return answer_requests(context, settings, utc_now())


def _asked(found: dg.SensorResult | dg.SkipReason) -> list[dict[str, Any]]:
    assert isinstance(found, dg.SensorResult)
    return [request.run_config["ops"]["make_snapshot"]["config"] for request in found.run_requests or []]


def _request(lake: Lake, *wanted: tuple[date, str]) -> None:
    for as_of, name in wanted:
        record_request(lake, as_of, name, utc_now())


def test_each_request_is_answered_once_and_several_of_a_date_by_one_run(
    filled: Graph, lake: Lake, settings: Settings
) -> None:
    assert isinstance(_look(filled, settings), dg.SkipReason)
    _request(lake, (LATER, "key:crm"), (AUTUMN, "key:crm"), (LATER, "key:app"), (LATER, "key:crm"))
    found = _look(filled, settings)
    assert _asked(found) == [
        {"as_of": str(AUTUMN), "asked_by": "REST: key:crm"},
        {"as_of": str(LATER), "asked_by": "REST: key:app, key:crm"},
    ]
    assert isinstance(found, dg.SensorResult)
    assert isinstance(_look(filled, settings, found.cursor), dg.SkipReason)
    _request(lake, (LATER, "key:crm"))
    again = _look(filled, settings, found.cursor)
    assert len(_asked(again)) == 1
    assert isinstance(again, dg.SensorResult)
    keys = [request.run_key for result in (found, again) for request in result.run_requests or []]
    assert len(set(keys)) == 3, "Dagster runs a key once"


def test_a_date_that_is_there_or_out_of_reach_is_left_alone_and_holds_up_no_other(
    filled: Graph, lake: Lake, settings: Settings
) -> None:
    _request(lake, (END, "key:crm"), (date(2025, 6, 1), "key:crm"))
    found = _look(filled, settings)
    assert _asked(found) == []
    assert isinstance(found, dg.SensorResult)
    assert found.cursor == "2"
    _request(lake, (AUTUMN, "key:crm"))
    assert [each["as_of"] for each in _asked(_look(filled, settings, found.cursor))] == [str(AUTUMN)]


def test_requests_wait_while_a_snapshot_is_being_made(filled: Graph, lake: Lake, settings: Settings) -> None:
    _request(lake, (AUTUMN, "key:crm"))
    run = filled.instance.create_run_for_job(
        snapshot_on_demand,
        run_config={"ops": {"make_snapshot": {"config": {"as_of": str(LATER)}}}},
        status=dg.DagsterRunStatus.STARTED,
    )
    skipped = _look(filled, settings)
    assert isinstance(skipped, dg.SkipReason)
    assert run.run_id in str(skipped.skip_message)
    filled.instance.report_run_canceled(run)
    assert len(_asked(_look(filled, settings))) == 1


def test_a_folder_without_a_lake_is_no_error(settings: Settings, instance: dg.DagsterInstance) -> None:
    assert isinstance(_look(Graph(instance, {}), settings), dg.SkipReason)


def test_the_sensor_is_on() -> None:
    sensor = defs.resolve_sensor_def("requested_snapshots")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.job_name == snapshot_on_demand.name


def test_a_request_over_rest_becomes_a_snapshot_that_says_who_asked(
    filled: Graph, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    with TestClient(create_app(settings.model_copy(update={"auth": "off"}))) as scorer:
        asked = scorer.post("/v1/snapshots", json={"as_of": str(AUTUMN)})
        assert asked.status_code == 202, asked.text
        found = _look(filled, settings)
        assert isinstance(found, dg.SensorResult)
        (request,) = found.run_requests or []
        done = snapshot_on_demand.execute_in_process(
            run_config=json.loads(json.dumps(request.run_config)), tags=dict(request.tags), instance=filled.instance
        )
        assert done.success
        told = scorer.get(asked.headers["location"]).raise_for_status().json()
        again = scorer.post("/v1/snapshots", json={"as_of": str(AUTUMN)})
    assert told["asked_by"] == "REST: anybody, on demand"
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        entries = [entry for entry in read_entries(con) if entry.as_of == AUTUMN]
    assert all(entry.is_requested for entry in entries), "it stays when old dates become fewer"
    assert {each["table"] for each in told["tables"]} == {entry.table_name for entry in entries}
    assert told["state"] == "current", told["reasons"]
    assert again.status_code == 200
    assert str(AUTUMN) < AS_OF
