"""What can be asked about models, and which one serves: promoted and rolled back over REST as by the command."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.shop import problem, promote
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

pytestmark = pytest.mark.takes(20)

Client = TestClient[Litestar]


def test_all_versions_are_listed_newest_first(client: Client, models: dict[int, ModelVersion]) -> None:
    answer = client.get("/v1/models").raise_for_status().json()
    assert [model["version"] for model in answer["models"]] == [2, 1]
    for told in answer["models"]:
        assert told["model_hash"] == models[told["version"]].model_hash
        assert told["segment_count"] == len(models[told["version"]].artefact.segments)


@pytest.mark.parametrize(("asked", "version"), [("1", 1), ("2", 2), ("champion", 1), ("candidate", 2), ("current", 1)])
def test_a_version_is_found_by_number_and_by_alias(client: Client, asked: str, version: int) -> None:
    assert client.get(f"/v1/models/{asked}").raise_for_status().json()["version"] == version


@pytest.mark.parametrize("asked", ["3", "0", "-1", "9" * 30, "nobody", "1.0", "%00"])
def test_a_version_that_never_was_is_not_found(client: Client, asked: str) -> None:
    assert problem(client.get(f"/v1/models/{asked}"))["type"] == "urn:problem-type:unknown-model"


def test_a_person_promotes_over_a_gate_and_rolls_back_and_the_ledger_says_who(
    own_client: Client, own_settings: Settings
) -> None:
    refused = own_client.post("/v1/models/2/promote", json={"reason": "because"})
    assert refused.status_code == 409
    assert "can't become champion" in problem(refused)["detail"]
    assert "needs a reason" in problem(own_client.post("/v1/models/2/promote", json={"override": True}))["detail"]

    done = own_client.post("/v1/models/2/promote", json={"reason": "agreed", "override": True})
    assert done.raise_for_status().json() == {"champion": 2, "is_new": True, "detail": "Model 2 is champion."}
    eventually(lambda: own_client.get("/health/ready").json()["model_version"] == 2)

    other = own_client.post("/v1/models/1/rollback", json={})
    assert "Model 1 isn't champion; 2 is" in problem(other)["detail"]
    back = own_client.post("/v1/models/2/rollback", json={"reason": "worse"})
    assert back.raise_for_status().json()["champion"] == 1
    eventually(lambda: own_client.get("/health/ready").json()["model_version"] == 1)

    ledger = _ledger(own_settings)
    assert [(version, alias, actor) for version, alias, actor, _ in ledger] == [
        (2, "champion", "scorer/key:test 0123456789ab"),
        (2, "rolled_back", "scorer/key:test 0123456789ab"),
        (1, "champion", "scorer/key:test 0123456789ab"),
    ]
    assert "agreed" in ledger[0][3]
    assert "worse" in ledger[1][3]


def test_a_decision_about_a_version_that_never_was_changes_nothing(own_client: Client, own_settings: Settings) -> None:
    refused = own_client.post("/v1/models/99/promote", json={})
    assert refused.status_code == 409
    assert "no model version 99" in problem(refused)["detail"]
    assert own_client.post("/v1/models/2/rollback", json={"override": True, "reason": "x"}).status_code == 400
    assert _ledger(own_settings) == []


def test_a_scorer_that_may_only_read_says_so(shop_settings: Settings) -> None:
    unwritable = shop_settings.model_copy(update={"auth": "off", "catalog": "sqlite:/proc/none/catalog.sqlite"})
    with TestClient(create_app(unwritable)) as client:
        refused = client.post("/v1/models/2/promote", json={})
    assert refused.status_code == 409
    assert problem(refused)["detail"]


def test_the_champion_in_memory_is_told_without_a_lake(own_client: Client, own_settings: Settings) -> None:
    promote(own_settings, 2)
    eventually(lambda: own_client.get("/v1/models/current").json()["version"] == 2)
    (own_settings.home / "catalog.sqlite").write_bytes(b"not a database" * 1000)
    assert own_client.get("/v1/models/current").json()["version"] == 2


def _ledger(settings: Settings) -> list[tuple[Any, ...]]:
    query = """
    SELECT version, alias, actor, reason
    FROM registry.promotions
    WHERE actor LIKE 'scorer/%'
    ORDER BY promotion_id
    """
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).fetchall()
