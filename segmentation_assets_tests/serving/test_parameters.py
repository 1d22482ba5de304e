"""A parameter outside of its range is refused with what is allowed."""

import re

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation_assets_tests.testing.shop import problem

Client = TestClient[Litestar]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        *[
            (f"/v1/segments/1/customers?limit={limit}", "`limit` must be a whole number from 1 to 10000")
            for limit in ("0", "-1", "10001", "x", "", "1.5", "9" * 30, "%00")
        ],
        *[
            (f"/v1/customers/C-20?model={model}", "`model` must be a whole number from 1 to")
            for model in ("0", "x", 2**31)
        ],
        ("/v1/customers/C-20?fresh=maybe", "`fresh` must be true or false"),
        ("/v1/customers/C-20?include=nothing", "`include` must be one of segment, segmentations, features, history"),
        *[
            (f"{path}?as_of={as_of}", "`as_of` must be a date such as")
            for as_of in ("x", "2024-13-01", "0", "")
            for path in ("/v1/customers/C-20", "/v1/segments", "/v1/segments/1/customers", "/v1/transitions")
        ],
        ("/v1/segments/99999999999", "`segment_id` must be a whole number from 0 to"),
    ],
)
def test_what_is_allowed_is_told(client: Client, path: str, allowed: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert allowed in problem(answer)["detail"]


def test_all_that_is_wrong_is_told_at_once(client: Client) -> None:
    detail = problem(client.get("/v1/segments/1/customers?limit=0&as_of=x"))["detail"]
    assert re.search("`limit` must be", detail)
    assert re.search("`as_of` must be", detail)


def test_a_missing_parameter_is_named(client: Client) -> None:
    answer = client.post("/v1/transactions", json={"transactions": [{}]})
    assert answer.status_code == 400
    assert "'source'" in problem(answer)["detail"]


def test_every_number_that_a_query_takes_has_bounds(client: Client) -> None:
    document = client.get("/schema/openapi.json").json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    parameters = [each for operation in operations for each in operation.get("parameters", []) if each["in"] == "query"]
    numbers = [
        each["schema"] | kind  # limits of what may be left out are beside the alternatives
        for each in parameters
        for kind in (each["schema"].get("oneOf") or [each["schema"]])
        if kind.get("type") in {"integer", "number"}
    ]
    assert len(numbers) >= 2
    assert all({"minimum", "maximum"} <= kind.keys() for kind in numbers)
