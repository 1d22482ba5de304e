"""What the API says about itself, and whether that is true."""

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.metadata.features import FEATURES, modelled

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def document(client: Client) -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = client.get("/schema/openapi.json").json()
    return found


def test_the_request_lists_every_feature_with_its_meaning_and_unit(document: dict[str, Any]) -> None:
    listed = _request_content(document)["schema"]["properties"]["customers"]["items"]["properties"]["features"]
    assert list(listed["properties"]) == [feature.name for feature in FEATURES]
    assert listed["additionalProperties"] is False
    for feature in FEATURES:
        assert listed["properties"][feature.name]["description"] == f"{feature.description} Unit: {feature.unit}."


def test_the_example_of_a_request_scores_and_gives_what_models_use(client: Client, document: dict[str, Any]) -> None:
    [example] = _request_content(document)["examples"].values()
    answer = client.post("/v1/score", json=example["value"])
    assert answer.status_code == 200
    assert set(example["value"]["customers"][0]["features"]) >= {feature.name for feature in modelled()}


def test_the_example_of_an_answer_looks_like_an_answer(client: Client, document: dict[str, Any]) -> None:
    [request] = _request_content(document)["examples"].values()
    [answer] = document["paths"]["/v1/score"]["post"]["responses"]["200"]["content"]["application/json"][
        "examples"
    ].values()
    real = client.post("/v1/score", json=request["value"]).json()
    assert set(answer["value"]) == set(real)
    assert set(answer["value"]["results"][0]) == set(real["results"][0])


def test_every_route_is_documented_with_the_problems_it_may_tell(document: dict[str, Any]) -> None:
    usual = {"200", "400", "401", "403", "503", "504"}
    operations = {
        (method, path): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations == {
        ("post", "/v1/score"): usual | {"406", "409", "413", "415"},
        ("post", "/v1/score/transactions"): usual | {"409", "413", "415"},
        ("post", "/v1/transactions"): usual | {"404", "409", "413", "415", "422"},
        ("get", "/v1/customers/{customer_id}"): usual | {"404", "409"},
        ("post", "/v1/customers/{customer_id}/what-if"): usual | {"404", "413", "415"},
        ("get", "/v1/segments"): usual | {"404"},
        ("get", "/v1/segments/{segment_id}"): usual | {"404"},
        ("get", "/v1/segments/{segment_id}/customers"): usual | {"404"},
        ("get", "/v1/transitions"): usual | {"404"},
        ("get", "/v1/snapshots"): usual | {"409"},
        ("get", "/v1/snapshots/{as_of}"): usual | {"404", "409"},
        ("post", "/v1/snapshots"): usual | {"202", "409", "413", "415", "422"},
        ("get", "/v1/models"): usual,
        ("get", "/v1/models/{version}"): usual | {"404"},
        ("post", "/v1/models/{version}/promote"): usual | {"404", "409", "413", "415"},
        ("post", "/v1/models/{version}/rollback"): usual | {"404", "409", "413", "415"},
        ("get", "/metrics"): usual,
        ("get", "/health/live"): {"200"},
        ("get", "/health/ready"): {"200", "503"},
    }


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
    assert names
    assert names <= set(document["components"]["schemas"])


def test_the_start_page_leads_to_documentation_that_needs_no_other_host(client: Client) -> None:
    page = client.get("/", follow_redirects=True)
    sources = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']([^\"']+)", page.text)

    assert page.url.path == "/schema"
    assert len([source for source in sources if source.startswith("/schema/assets/")]) == 3
    for source in sources:
        assert source == "data:," or client.get(source).status_code == 200
    assert not re.search(r"(?:src|href|url)\s*[=:(]\s*[\"']?(?:https?:)?//", page.text)


@pytest.mark.parametrize(
    ("name", "media_type"), [("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css")]
)
def test_the_files_of_the_page_come_as_what_they_are(client: Client, name: str, media_type: str) -> None:
    assert client.get(f"/schema/assets/{name}").headers["content-type"].startswith(media_type)


def _request_content(document: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = document["paths"]["/v1/score"]["post"]["requestBody"]["content"]["application/json"]
    return content
