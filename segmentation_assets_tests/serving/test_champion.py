"""How the scorer follows the registry: from nothing to a champion, to the next one, and never to a broken one."""

import logging
import shutil
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.modeling.artefact import Artefact
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation_assets_tests.testing.shop import ScoredCustomer, change, problem, promote, register, request
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

Client = TestClient[Litestar]

PROMOTE_2_UNCHECKED = """
INSERT INTO registry.promotions (promotion_id, alias, version, decided_at, actor, reason)
SELECT MAX(promotion_id) + 1, 'champion', 2, MAX(decided_at), 'test', 'test' FROM registry.promotions
"""


def test_the_scorer_lives_before_there_is_a_lake_and_is_ready_once_there_is_a_champion(
    shop_settings: Settings, empty_lake: Path, tmp_path: Path
) -> None:
    settings = shop_settings.model_copy(
        update={"home": tmp_path / "warehouse", "model_poll_s": 0.05, "auth": "off"}  # there are no keys yet
    )
    with TestClient(create_app(settings)) as client:
        assert client.get("/health/live").json() == {"status": "alive"}
        assert "segmentation_is_ready 0.0\n" in client.get("/metrics").text
        assert problem(client.get("/health/ready"))["type"] == "urn:problem-type:no-champion"
        assert "warehouse" in _reason(client)

        _appear(empty_lake, settings.home)
        eventually(lambda: "no champion model yet" in _reason(client))

        settings.home.rename(tmp_path / "gone")
        _appear(shop_settings.home, settings.home)
        eventually(lambda: client.get("/health/ready").status_code == 200)
        told = {"status": "ready", "model_version": 1, "is_stale": False, "detail": ""}
        assert client.get("/health/ready").json() == told
        eventually(lambda: "segmentation_is_ready 1.0\n" in client.get("/metrics").text)


def test_a_new_champion_and_a_rollback_are_followed(own_client: Client, own_settings: Settings) -> None:
    for version in (2, 1):
        promote(own_settings, version)
        eventually(lambda version=version: _version(own_client) == version)  # type: ignore[misc]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE registry.models SET artefact = replace(artefact, '\"center\":', '\"center\":1') WHERE version = 2",
        "UPDATE registry.models SET artefact = left(artefact, 500) WHERE version = 2",
        "UPDATE registry.models SET artefact = '{}' WHERE version = 2",
        "UPDATE registry.models SET metrics = 'none' WHERE version = 2",
        "DELETE FROM registry.models WHERE version = 2",
    ],
    ids=["another hash", "truncated", "empty", "metrics", "gone"],
)
def test_a_damaged_model_is_refused_and_the_old_one_goes_on_serving(
    own_client: Client,
    own_settings: Settings,
    customers: list[ScoredCustomer],
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    before = own_client.post("/v1/score", json=request(customers)).json()

    change(own_settings, damage)
    with caplog.at_level(logging.ERROR, "serving.live.values"):
        change(own_settings, PROMOTE_2_UNCHECKED)
        eventually(lambda: "The last good one goes on serving" in caplog.text)

    ready = own_client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["model_version"] == 1
    assert ready.json()["is_stale"]
    assert ready.json()["detail"]
    assert own_client.post("/v1/score", json=request(customers)).json() == before


def _of_another_release(artefact: Artefact) -> Artefact:
    first, *rest = artefact.rules
    return msgspec.structs.replace(artefact, rules=(msgspec.structs.replace(first, name="moon_phase"), *rest))


def _of_text(artefact: Artefact) -> Artefact:
    first, *rest = artefact.rules
    return msgspec.structs.replace(artefact, rules=(msgspec.structs.replace(first, name="top_category"), *rest))


def _overflowing(artefact: Artefact) -> Artefact:
    first, *rest = artefact.rules
    return msgspec.structs.replace(artefact, rules=(msgspec.structs.replace(first, scale=1e-300), *rest))


@pytest.mark.parametrize("broken", [_of_another_release, _of_text, _overflowing])
def test_a_model_that_this_scorer_cannot_evaluate_is_refused(
    own_client: Client,
    own_settings: Settings,
    models: dict[int, ModelVersion],
    caplog: pytest.LogCaptureFixture,
    broken: Callable[[Artefact], Artefact],
) -> None:
    version = register(own_settings, broken(models[1].artefact))
    with caplog.at_level(logging.ERROR, "serving.live.values"):
        promote(own_settings, version)
        eventually(lambda: f"Model version {version}" in caplog.text)
    assert _version(own_client) == 1


def test_trouble_is_logged_once_and_over_when_it_is_over(
    own_client: Client, own_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    change(own_settings, "DELETE FROM registry.models WHERE version = 2")
    with caplog.at_level(logging.INFO, "serving.live.values"):
        change(own_settings, PROMOTE_2_UNCHECKED)
        eventually(lambda: "goes on serving" in caplog.text)
        time.sleep(5 * own_settings.model_poll_s)
        promote(own_settings, 1)
        eventually(lambda: "can be read again" in caplog.text)
        assert caplog.text.count("goes on serving") == 1

        change(own_settings, PROMOTE_2_UNCHECKED)
        eventually(lambda: caplog.text.count("goes on serving") == 2)


def test_a_lost_catalogue_stops_reads_but_no_scores_and_is_found_again(
    own_client: Client, own_settings: Settings, customers: list[ScoredCustomer]
) -> None:
    catalogue = own_settings.home / "catalog.sqlite"
    kept = catalogue.read_bytes()
    before = own_client.post("/v1/score", json=request(customers[:1])).json()

    catalogue.write_bytes(b"not a database" * 1000)
    eventually(lambda: own_client.get("/v1/customers/C-20").status_code == 503)

    response = own_client.get("/v1/customers/C-20")
    assert problem(response)["type"] == "urn:problem-type:warehouse-unavailable"
    assert str(own_settings.home) not in response.text
    assert own_client.post("/v1/score", json=request(customers[:1])).json() == before
    assert own_client.get("/health/ready").status_code == 200

    catalogue.write_bytes(kept)
    eventually(lambda: own_client.get("/v1/customers/C-20").status_code == 200)


def _appear(lake: Path, home: Path) -> None:
    """Put a copy of a lake in place at once, as nobody may see half of it."""
    aside = home.with_name("aside")
    shutil.copytree(lake, aside)
    for number in count():
        try:
            aside.rename(home)
        except OSError:  # the scorer has put a local copy of something there meanwhile
            home.rename(home.with_name(f"in the way {number}"))
        else:
            return


def _reason(client: Client) -> str:
    return str(client.get("/health/ready").json().get("detail", ""))


def _version(client: Client) -> int:
    return int(client.get("/health/ready").json()["model_version"])


def test_whatever_goes_wrong_the_watch_goes_on(own_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ValueError("nobody thought of this")

    with monkeypatch.context() as patched:
        patched.setattr("segmentation.warehouse.Lake.version", broken)
        eventually(lambda: own_client.get("/health/ready").json()["is_stale"])
        assert _version(own_client) == 1
    eventually(lambda: not own_client.get("/health/ready").json()["is_stale"])
