"""The latest snapshot is the same to all who ask: one that is dropped, or ahead of the data, is nobody's latest."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.explanations.customers import read_explanation
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings
from segmentation.snapshots.dropping import drop_snapshots
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.shop import JULY, JUNE, change, customer_path, problem, reach
from segmentation_assets_tests.testing.waiting import eventually

Client = TestClient[Litestar]

IN_BOTH, ONLY_IN_JULY = "C-200", "C-100"


def _drop(settings: Settings) -> None:
    with Lake(settings) as lake:
        drop_snapshots(lake, [JULY], Commit("drop"), even_in_use=True)


def _lose_lines(settings: Settings) -> None:
    """Lines go that were there, and what remains reaches June only."""
    with Lake(settings) as lake:
        reach(lake, JUNE)
        reach(lake, JULY, -1)


def _customer(client: Client, customer_id: str = IN_BOTH) -> Any:
    return client.get(customer_path(customer_id), params={"include": "segment"})


def _latest_of_scorer(client: Client) -> set[str]:
    segments = client.get("/v1/segments").raise_for_status().json()["segments"]
    return {
        _customer(client).raise_for_status().json()["as_of"],
        client.get("/v1/transitions").raise_for_status().json()["as_of"],
        client.get("/v1/segments/1/customers").raise_for_status().json()["as_of"],
        *(each["profile"]["as_of"] for each in segments),
    }


def _latest_of_explanation(settings: Settings) -> date:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return read_explanation(con, IN_BOTH, None, settings).as_of


def _max_as_of(settings: Settings) -> date:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        found: date = con.execute("SELECT max(as_of) FROM segments.customer_segments").fetchall()[0][0]
    return found


@pytest.mark.parametrize("lose", [_drop, _lose_lines])
def test_all_agree_on_the_latest_date_also_when_it_goes(
    own_client: Client, own_settings: Settings, lose: Callable[[Settings], None]
) -> None:
    assert _latest_of_scorer(own_client) == {str(JULY)}
    assert _latest_of_explanation(own_settings) == JULY
    lose(own_settings)
    assert _latest_of_explanation(own_settings) == JUNE
    eventually(lambda: _customer(own_client).json()["as_of"] == str(JUNE))
    assert _latest_of_scorer(own_client) == {str(JUNE)}
    assert problem(_customer(own_client, ONLY_IN_JULY))["type"] == "urn:problem-type:unknown-customer"


def test_a_dropped_date_is_gone_from_sql_in_the_commit_that_drops_it(own_settings: Settings) -> None:
    with Lake(own_settings) as lake:
        before = lake.version()
        _drop(own_settings)
        assert lake.version() == before + 1
    assert _max_as_of(own_settings) == JUNE


def test_a_date_that_is_ahead_is_answered_when_it_is_asked_for(own_client: Client, own_settings: Settings) -> None:
    _lose_lines(own_settings)
    eventually(lambda: _customer(own_client).json()["as_of"] == str(JUNE))
    asked = own_client.get(customer_path(ONLY_IN_JULY), params={"include": "segment", "as_of": str(JULY)})
    assert asked.raise_for_status().json()["as_of"] == str(JULY)
    assert _max_as_of(own_settings) == JULY


def test_a_lake_in_which_every_snapshot_is_ahead_has_no_latest(own_client: Client, own_settings: Settings) -> None:
    with Lake(own_settings) as lake:
        reach(lake, JULY, -1)
    eventually(lambda: _customer(own_client).status_code == 404)
    assert "which the data doesn't reach" in problem(_customer(own_client))["detail"]
    assert problem(own_client.get("/v1/transitions"))["type"] == "urn:problem-type:unknown-snapshot"
    segments = own_client.get("/v1/segments").raise_for_status().json()["segments"]
    assert {each["profile"] for each in segments} == {None}


@pytest.mark.parametrize("table", ["registry.snapshots", "raw.changed_days"])
def test_a_lake_of_before_the_ledger_is_read_all_the_same(own_settings: Settings, table: str) -> None:
    change(own_settings, f"DROP TABLE {table}")
    with Lake(own_settings, read_only=True) as lake, lake.cursor() as con:
        con.begin()
        assert latest_date(con, CUSTOMER_SEGMENTS, 0) == JULY
        assert latest_date(con, CUSTOMER_SEGMENTS, 0, until=date(2024, 6, 30), model_version=1) == JUNE
        assert latest_date(con, CUSTOMER_SEGMENTS, 0, model_version=9) is None
