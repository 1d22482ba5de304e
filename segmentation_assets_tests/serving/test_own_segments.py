"""What can be asked about segmentations of one's own, and that those who don't ask are answered as ever."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.segments.transitions import write_transitions
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.shop import JULY, JUNE, customer_path, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

Client = TestClient[Litestar]
DECLARED = """
segmentations:
  spend:
    segments:
      - {name: rich, when: net_revenue > 500, advice: Call them.}
      - {name: nobody, when: net_revenue < 0}
    otherwise: everybody
  rfm: {bundled: rfm_quintiles}
"""


@pytest.fixture(scope="module")
def told(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the shop with two segmentations of its own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "segmentations.yaml").write_text(DECLARED)
    settings = shop_settings.model_copy(
        update={"home": folder / "warehouse", "segmentations": folder / "segmentations.yaml"}
    )
    shutil.copytree(shop_settings.home, settings.home)
    with Lake(settings) as lake:
        for as_of in (JUNE, JULY):
            write_segments(lake, as_of, Commit("segments"))
            write_profiles(lake, as_of, Commit("profiles"))
            write_transitions(lake, as_of, Commit("transitions"))
    return settings


@pytest.fixture(scope="module")
def own(told: Settings) -> Iterator[Client]:
    """The scorer on it, in a place without the file."""
    with TestClient(create_app(told.model_copy(update={"segmentations": told.home / "nothing.yaml"}))) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize(
    "path", ["/v1/segments", f"/v1/segments?as_of={JUNE}", "/v1/segments/1", "/v1/segments/1/customers"]
)
def test_the_model_answers_as_without_them(own: Client, client: Client, path: str) -> None:
    assert own.get(path).raise_for_status().json() == client.get(path).raise_for_status().json()


def test_a_customer_has_a_segment_of_each(own: Client, client: Client, told: Settings) -> None:
    [(customer,)] = _rows(
        told,
        "SELECT MIN(customer_id) FROM segments.customer_segments "
        f"WHERE as_of = DATE '{JULY}' AND segment_name = 'rich' AND customer_id LIKE 'C-%'",
    )
    answer = own.get(customer_path(customer)).raise_for_status().json()
    memberships = {each["segmentation_name"]: each for each in answer.pop("segmentations")}
    assert set(memberships) == {"rfm", "spend"}
    assert memberships["spend"]["segment_name"] == "rich"
    plain = client.get(customer_path(customer)).raise_for_status().json()
    assert plain.pop("segmentations") == []
    assert {key: answer[key] for key in plain if key != "moves"} == {k: v for k, v in plain.items() if k != "moves"}
    assert "segmentations" not in own.get(customer_path(customer), params={"include": "segment"}).json()


def test_segments_are_told_with_conditions_profiles_and_members(own: Client, told: Settings) -> None:
    answer = own.get("/v1/segments", params={"segmentation_name": "spend"}).raise_for_status().json()
    assert (answer["segmentation_name"], answer["segmentation_version"], answer["model_version"]) == ("spend", 1, None)
    rich, nobody, everybody = answer["segments"]
    assert (rich["condition"], rich["advice"]) == ("net_revenue > 500", "Call them.")
    assert nobody["profile"] is None
    assert "condition" not in everybody
    assert rich["profile"]["customer_share"] + everybody["profile"]["customer_share"] == pytest.approx(1)
    detail = own.get(f"/v1/segments/{rich['segment_id']}").raise_for_status().json()
    assert [each["as_of"] for each in detail["profiles"]] == [str(JUNE), str(JULY)]
    assert detail["segmentation_name"] == "spend"
    page = own.get(f"/v1/segments/{rich['segment_id']}/customers", params={"limit": 10_000}).raise_for_status().json()
    expected = _rows(
        told,
        "SELECT customer_id FROM features.customer_features "
        f"WHERE as_of = DATE '{JULY}' AND net_revenue > 500 ORDER BY customer_id",
    )
    assert [(each["customer_id"],) for each in page["customers"]] == expected
    before = (
        own.get("/v1/segments", params={"segmentation_name": "spend", "as_of": str(JUNE)}).raise_for_status().json()
    )
    assert before["segments"][0]["profile"] == detail["profiles"][0]


def test_movement_is_of_the_segmentation_that_is_asked_for(own: Client, told: Settings) -> None:
    for name in ("model", "spend", "rfm"):
        answer = own.get("/v1/transitions", params={"segmentation_name": name}).raise_for_status().json()
        assert answer["segmentation_name"] == name
        query = f"FROM segments.segment_transitions WHERE as_of = DATE '{JULY}' AND segmentation_name = '{name}'"
        assert len(answer["transitions"]) == len(_rows(told, query)) > 0
    default = own.get("/v1/transitions").json()
    assert default == own.get("/v1/transitions", params={"segmentation_name": "model"}).json()


@pytest.mark.parametrize("path", ["/v1/segments", "/v1/transitions"])
@pytest.mark.parametrize("name", ["nix", "Spend", "x' OR 'a' = 'a"])
def test_an_unknown_one_is_told_with_those_that_there_are(own: Client, path: str, name: str) -> None:
    refused = own.get(path, params={"segmentation_name": name})
    assert refused.status_code == 404
    told = problem(refused)
    assert told["type"] == "urn:problem-type:unknown-segmentation"
    assert "model, rfm, spend" in told["detail"]


def test_a_date_without_them_is_unknown(own: Client) -> None:
    refused = own.get("/v1/segments", params={"segmentation_name": "spend", "as_of": "2020-01-01"})
    assert (refused.status_code, problem(refused)["type"]) == (404, "urn:problem-type:unknown-snapshot")
