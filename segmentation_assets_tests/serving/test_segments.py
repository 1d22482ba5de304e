"""What can be asked about segments: profiles, findings, lineage, members page by page, and who moved."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.explanations.segment_findings import write_explanations
from segmentation.modeling.registry import ModelVersion
from segmentation.segments.transitions import write_transitions
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.shop import JULY, JUNE, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def told(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A copy of the shop with transitions and explanations."""
    settings = shop_settings.model_copy(update={"home": tmp_path_factory.mktemp("told") / "warehouse"})
    shutil.copytree(shop_settings.home, settings.home)
    with Lake(settings) as lake:
        for as_of in (JUNE, JULY):
            write_transitions(lake, as_of, Commit("transitions"))
        write_explanations(lake, JULY, Commit("explanations"))
    return settings


@pytest.fixture(scope="module")
def client(told: Settings) -> Iterator[Client]:
    """The scorer on it."""
    with TestClient(create_app(told)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def test_a_segment_is_told_with_profiles_findings_and_lineage(
    client: Client, told: Settings, models: dict[int, ModelVersion]
) -> None:
    segment = models[1].artefact.segments[0]
    answer = client.get(f"/v1/segments/{segment.id}").raise_for_status().json()
    assert answer["segment_name"] == segment.name
    assert [profile["as_of"] for profile in answer["profiles"]] == [str(JUNE), str(JULY)]
    said = _rows(told, f"SELECT description, advice FROM segments.segment_profiles WHERE segment_id = {segment.id}")
    assert sorted((each["description"], each["advice"]) for each in answer["profiles"]) == sorted(said)
    assert answer["description"] == answer["profiles"][-1]["description"]
    assert all(advice.endswith(".") for _, advice in said)
    found = _rows(told, f"SELECT kind, rank, item FROM segments.segment_explanations WHERE segment_id = {segment.id}")
    assert found
    assert sorted((each["kind"], each["rank"], each["item"]) for each in answer["findings"]) == sorted(found)
    assert answer["lineage"][0] == {
        "model_version": 1,
        "event": "new",
        "segment_name": segment.name,
        "relatives": [],
    }


def test_a_segment_that_the_champion_lacks_is_not_found(client: Client) -> None:
    refused = client.get("/v1/segments/999")
    assert problem(refused)["type"] == "urn:problem-type:unknown-segment"


def test_profiles_of_the_past_are_told_by_date(client: Client) -> None:
    answer = client.get("/v1/segments", params={"as_of": str(JUNE)}).json()
    dates = {segment["profile"]["as_of"] for segment in answer["segments"] if segment["profile"]}
    assert dates == {str(JUNE)}
    refused = client.get("/v1/segments", params={"as_of": "2020-01-01"})
    assert "2024-06-01, 2024-07-01" in problem(refused)["detail"]


@pytest.mark.parametrize("limit", [1, 7, 10_000])
@pytest.mark.parametrize("as_of", [None, JUNE])
def test_pages_together_are_the_whole_segment_in_order(
    client: Client, told: Settings, limit: int, as_of: object
) -> None:
    segment_id = 1
    asked: dict[str, Any] = {"limit": limit, **({"as_of": str(as_of)} if as_of else {})}
    pages = [client.get(f"/v1/segments/{segment_id}/customers", params=asked).raise_for_status().json()]
    while pages[-1]["next_cursor"]:
        cursor = {"limit": limit, "cursor": pages[-1]["next_cursor"]}
        pages.append(client.get(f"/v1/segments/{segment_id}/customers", params=cursor).raise_for_status().json())
    expected = _rows(
        told,
        f"SELECT customer_id, confidence FROM segments.customer_segments WHERE as_of = DATE '{as_of or JULY}' "
        f"AND segment_id = {segment_id} ORDER BY customer_id",
    )
    assert expected
    assert [(each["customer_id"], each["confidence"]) for page in pages for each in page["customers"]] == expected
    assert all(len(page["customers"]) == limit for page in pages[:-1])


@pytest.mark.parametrize("cursor", ["x", "", "WzFd", "WyIyMDI0LTA3LTAxIiwgIlx1MDAwMCJd", "é", "A" * 5000])
def test_a_cursor_of_ones_own_making_is_refused(client: Client, cursor: str) -> None:
    refused = client.get("/v1/segments/1/customers", params={"cursor": cursor})
    assert refused.status_code == 400
    assert problem(refused)["type"] == "urn:problem-type:invalid-cursor"


def test_a_cursor_of_another_date_is_refused(client: Client) -> None:
    page = client.get("/v1/segments/1/customers", params={"limit": 1, "as_of": str(JUNE)}).json()
    asked = {"cursor": page["next_cursor"], "as_of": str(JULY)}
    assert problem(client.get("/v1/segments/1/customers", params=asked))["type"] == "urn:problem-type:invalid-cursor"


def test_members_of_a_segment_that_never_was_are_not_found(client: Client) -> None:
    assert problem(client.get("/v1/segments/999/customers"))["type"] == "urn:problem-type:unknown-segment"


def test_transitions_are_told_with_their_cause(client: Client, told: Settings) -> None:
    answer = client.get("/v1/transitions").raise_for_status().json()
    assert (answer["as_of"], answer["previous_as_of"]) == (str(JULY), str(JUNE))
    expected = _rows(
        told,
        "SELECT from_segment_id, to_segment_id, cause, customer_count FROM segments.segment_transitions "
        f"WHERE as_of = DATE '{JULY}'",
    )
    names = ("from_segment_id", "to_segment_id", "cause", "customer_count")
    assert {tuple(each[name] for name in names) for each in answer["transitions"]} == set(expected)
    first = client.get("/v1/transitions", params={"as_of": str(JUNE)}).json()
    assert first["previous_as_of"] is None
    assert {each["cause"] for each in first["transitions"]} == {"arrived"}


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).fetchall()
