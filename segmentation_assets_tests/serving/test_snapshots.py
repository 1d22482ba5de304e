"""The ledger over REST: what there is, as the command tells it, and asking for a date that there isn't."""

import json
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import duckdb
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from typer.testing import CliRunner

from segmentation.cli.app import app
from segmentation.metadata.table import Table
from segmentation.metadata.tables.segments import SEGMENT_PROFILES
from segmentation.settings import Settings, as_environment
from segmentation.snapshots.code import SNAPSHOT_TABLES, code_version_of
from segmentation.snapshots.requests import SnapshotRequest, read_requests
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf, read_entries, record
from segmentation_assets_tests.serving.asking import KINDS, Kind, asking
from segmentation_assets_tests.testing.running_scorer import environment_of, running_scorer
from segmentation_assets_tests.testing.shop import CREDENTIALS, JULY, JUNE, KEY, change, problem, reach
from serving.app import create_app

Client = TestClient[Litestar]


def _requests(settings: Settings) -> list[SnapshotRequest]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return read_requests(con)


def _put_on_record(lake: Lake, table: Table, made_of: MadeOf, con: duckdb.DuckDBPyConnection) -> None:
    record(con, [table], JULY, made_of, Commit("test"), lake.clock())


def _told_by_command(settings: Settings, *arguments: str) -> Any:
    done = CliRunner().invoke(app, ["snapshots", *arguments, "--json"], env=as_environment(settings))
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def _naive(facts: Any) -> Any:
    """Facts with times as the command has them: in UTC, without saying so."""
    if isinstance(facts, list):
        return [_naive(each) for each in facts]
    if isinstance(facts, dict):
        return {
            name: str(datetime.fromisoformat(value).replace(tzinfo=None)) if name == "made_at" else _naive(value)
            for name, value in facts.items()
        }
    return facts


def test_the_list_is_what_the_command_says(client: Client, shop_settings: Settings) -> None:
    told = client.get("/v1/snapshots").raise_for_status().json()
    assert told["coverage"]["newest_as_of"] == told["coverage"]["latest"] == str(JULY)
    assert told["coverage"]["sources"][0]["source"] == "shop"
    assert [each["as_of"] for each in told["snapshots"]] == [str(JUNE), str(JULY)]
    assert all(datetime.fromisoformat(each["made_at"]).tzinfo for each in told["snapshots"])
    assert _naive(told) == _naive(_told_by_command(shop_settings, "list"))


def test_a_date_is_told_table_by_table_as_the_command_does(client: Client, shop_settings: Settings) -> None:
    told = client.get(f"/v1/snapshots/{JULY}").raise_for_status().json()
    expected = _told_by_command(shop_settings, "show", str(JULY))
    for table in expected["tables"]:
        assert table.pop("as_of") == str(JULY), "which is said once here"
    assert _naive(told) == _naive(expected)
    assert {each["table"] for each in told["tables"]} >= {"features.customer_features", "segments.segment_profiles"}


def test_a_date_without_a_snapshot_is_not_found_and_those_there_are_named(client: Client) -> None:
    refused = client.get("/v1/snapshots/2024-06-15")
    assert refused.status_code == 404
    told = problem(refused)
    assert (told["type"], str(JULY) in told["detail"]) == ("urn:problem-type:unknown-snapshot", True)
    assert client.get("/v1/snapshots/yesterday").status_code in {400, 404}


def test_a_request_is_taken_down_with_who_asked(own_client: Client, own_settings: Settings) -> None:
    with Lake(own_settings) as lake:
        reach(lake, date(2024, 5, 2))  # so that there are days before the date
    answered = own_client.post("/v1/snapshots", json={"as_of": "2024-06-15"})
    assert answered.status_code == 202
    assert answered.headers["location"] == "/v1/snapshots/2024-06-15"
    told = answered.json()
    assert (told["as_of"], told["request_id"], told["requested_by"]) == ("2024-06-15", 1, "key:test 0123456789ab")
    again = own_client.post("/v1/snapshots", json={"as_of": "2024-06-15"}).json()
    assert again["request_id"] == 2
    first, second = _requests(own_settings)
    assert (first.as_of, first.requested_by) == (date(2024, 6, 15), "key:test 0123456789ab")
    assert datetime.fromisoformat(told["requested_at"]) == first.requested_at.replace(tzinfo=UTC)
    assert second.request_id == 2


def test_nothing_is_requested_where_all_is_there_and_current(own_client: Client, own_settings: Settings) -> None:
    assert own_client.post("/v1/snapshots", json={"as_of": str(JULY)}).status_code == 202, "movement is missing"
    with Lake(own_settings) as lake, lake.cursor() as con:
        there = {entry.table_name for entry in read_entries(con) if entry.as_of == JULY}
        missing = [table for table in SNAPSHOT_TABLES if table.name not in there]
        for table in [*missing, SEGMENT_PROFILES]:  # which follow predictions
            made_of = MadeOf(lake.version(), code_version_of(table), model_version=1, previous_as_of=JUNE)
            lake.transaction(con, Commit("test"), partial(_put_on_record, lake, table, made_of))
    answered = own_client.post("/v1/snapshots", json={"as_of": str(JULY)})
    assert answered.status_code == 200, answered.text
    assert answered.json()["request_id"] is None
    assert "current" in answered.json()["detail"]
    assert len(_requests(own_settings)) == 1


@pytest.mark.parametrize(
    ("as_of", "kind", "named"),
    [
        ("2024-07-02", "ahead-of-the-data", str(JULY)),
        ("2999-01-01", "ahead-of-the-data", str(JULY)),
        ("2024-06-30", "before-the-data", str(JULY)),
    ],
)
def test_a_date_that_the_data_does_not_reach_is_refused_with_the_one_it_does(
    client: Client, shop_settings: Settings, as_of: str, kind: str, named: str
) -> None:
    refused = client.post("/v1/snapshots", json={"as_of": as_of})
    assert refused.status_code == 422
    told = problem(refused)
    assert told["type"] == f"urn:problem-type:{kind}"
    assert named in told["detail"]
    assert not _requests(shop_settings)


@pytest.mark.parametrize("body", [{}, {"as_of": "soon"}, {"as_of": "2024-06-15", "who": "me"}, {"as_of": None}, []])
def test_a_body_that_is_none_is_refused(client: Client, body: Any) -> None:
    assert problem(client.post("/v1/snapshots", json=body))["type"] == "urn:problem-type:invalid-request"


def test_without_a_champion_nothing_is_requested(own_settings: Settings) -> None:
    change(own_settings, "DELETE FROM registry.promotions")
    with TestClient(create_app(own_settings)) as client:
        client.headers.update(CREDENTIALS)
        refused = client.post("/v1/snapshots", json={"as_of": str(JULY)})
    assert problem(refused)["type"] == "urn:problem-type:no-champion"


def test_a_lake_of_before_the_ledger_says_what_to_do(own_client: Client, own_settings: Settings) -> None:
    change(own_settings, "DROP TABLE registry.snapshots")
    refused = own_client.get("/v1/snapshots")
    assert (refused.status_code, problem(refused)["type"]) == (409, "urn:problem-type:outdated-lake")
    assert "materialize" in problem(refused)["detail"]


@pytest.mark.parametrize("kind", KINDS)
def test_clients_ask_for_a_snapshot_and_about_it(own_settings: Settings, kind: Kind, tmp_path: Any) -> None:
    with Lake(own_settings) as lake:
        reach(lake, date(2024, 5, 2))
    with running_scorer(environment_of(own_settings), tmp_path / "scorer.log", "--workers", "1") as scorer:
        ask = asking(kind, scorer.address, KEY)
        requested = ask("request_snapshot", date(2024, 6, 15))
        assert (requested.request_id, requested.as_of) == (1, date(2024, 6, 15))
        assert ask("snapshots").coverage.latest == JULY
        assert ask("snapshot", JUNE).customers == 150
    assert [each.request_id for each in _requests(own_settings)] == [1]
