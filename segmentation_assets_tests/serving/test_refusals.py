"""How the scorer refuses what it can't answer: always as a problem, and never with a 5xx."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from litestar import Litestar, get
from litestar.testing import TestClient

from segmentation.metadata.features import FEATURES
from segmentation.settings import Settings
from segmentation_assets_tests.testing.shop import ScoredCustomer, customer_path, problem, request
from serving.api.bodies import MSGPACK
from serving.app import create_app
from serving.middleware.auth import ACCESS, PUBLIC
from serving.services import arrow

Client = TestClient[Litestar]

JSON = {"content-type": "application/json"}
NAMES = [feature.name for feature in FEATURES]


@pytest.fixture(scope="module")
def bare_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A scorer without a lake that takes small bodies only."""
    settings = Settings(
        home=tmp_path_factory.mktemp("bare") / "none", max_body_bytes=1024, model_poll_s=3600, auth="off"
    )
    app = create_app(settings)
    app.register(_failing)
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


@get("/failing", opt={ACCESS: PUBLIC})
async def _failing() -> None:
    raise RuntimeError("the password is hunter2")


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("12.5", "invalid-request", ["str", "customers[1].features.recency_days"]),
        (True, "invalid-request", ["bool", "customers[1].features.recency_days"]),
        ([1], "invalid-request", ["array", "customers[1].features.recency_days"]),
        ({}, "invalid-request", ["object", "customers[1].features.recency_days"]),
        (None, "missing-feature", ["customers[1].features", "recency_days", "model version 1"]),
    ],
    ids=repr,
)
def test_a_value_that_is_no_number_is_refused_with_its_place(
    client: Client, customers: list[ScoredCustomer], value: object, kind: str, words: list[str]
) -> None:
    body = request(customers[:2])
    body["customers"][1]["features"]["recency_days"] = value
    _assert_refused(client, json.dumps(body), kind, *words)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("NaN", "malformed-body"),
        ("Infinity", "malformed-body"),
        ("1e999", "invalid-request"),
        ("-1e999", "invalid-request"),
        ("1" + "0" * 400, "invalid-request"),
    ],
    ids=lambda value: value[:10],
)
@pytest.mark.parametrize("feature", ["recency_days", "order_count", "gross_revenue"])
def test_numbers_that_are_not_finite_are_refused_wherever_they_stand(
    client: Client, customers: list[ScoredCustomer], number: str, kind: str, feature: str
) -> None:
    body = request(customers[:1])
    body["customers"][0]["features"][feature] = "HERE"
    _assert_refused(client, json.dumps(body).replace('"HERE"', number), kind)


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("order_count", -5, "order_count must be a whole number, at least 0 (orders)"),
        ("order_count", 2.5, "order_count must be a whole number, at least 0"),
        ("recency_days", -0.1, "recency_days must be at least 0 (days)"),
        ("weekend_order_share", 1.01, "weekend_order_share must be at least 0, at most 1 (share)"),
        ("discount_share", 1.01, "discount_share must be at most 1 (share)"),
        ("preferred_weekday", 0, "preferred_weekday must be a whole number, at least 1, at most 7"),
        ("preferred_hour", 24, "preferred_hour must be a whole number, at least 0, at most 23"),
        ("r_score", 6, "r_score must be a whole number, at least 1, at most 5"),
    ],
)
@pytest.mark.parametrize("kind", ["small JSON", "large JSON", "MessagePack", "Arrow"])
def test_a_feature_that_nobody_can_have_is_refused_by_name(
    client: Client, customers: list[ScoredCustomer], kind: str, feature: str, value: float, words: str
) -> None:
    body = request(customers)
    body["customers"][1]["features"][feature] = value
    if kind == "small JSON":
        body["customers"] = body["customers"][:2]
    refused = client.post("/v1/score", **_as_sent(body, kind))
    assert refused.status_code == 400
    assert problem(refused)["type"] == "urn:problem-type:impossible-feature"
    assert f"is refused by {feature}_out_of_range: {words}" in problem(refused)["detail"]
    place = f"Column '{feature}' of row 1" if kind == "Arrow" else f"customers[1].features.{feature}"
    assert problem(refused)["detail"].startswith(place)


def test_a_share_may_be_rounded_beyond_its_bounds(client: Client, customers: list[ScoredCustomer]) -> None:
    body = request(customers[:1])
    body["customers"][0]["features"] |= {"seasonality_index": -1e-16, "top_category_share": 1.0000000000000002}
    assert client.post("/v1/score", json=body).status_code == 200


def _as_sent(body: dict[str, Any], kind: str) -> dict[str, Any]:
    match kind:
        case "MessagePack":
            return {"content": msgspec.msgpack.encode(body), "headers": {"content-type": MSGPACK.media_type}}
        case "Arrow":
            sink = pa.BufferOutputStream()
            given = [each["features"] for each in body["customers"]]
            rows = pa.table({name: [each.get(name) for each in given] for each in given for name in each})
            with pa.ipc.new_stream(sink, rows.schema) as writer:
                writer.write_table(rows)
            return {"content": bytes(sink.getvalue()), "headers": {"content-type": arrow.MEDIA_TYPE}}
        case _:
            return {"content": json.dumps(body), "headers": JSON}


def test_a_missing_feature_without_a_rule_is_refused_with_customer_and_feature(
    client: Client, customers: list[ScoredCustomer]
) -> None:
    body = request(customers[:3])
    del body["customers"][2]["features"]["order_count"]
    del body["customers"][2]["features"]["net_revenue"]
    _assert_refused(client, json.dumps(body), "missing-feature", "customers[2]", "order_count", "net_revenue")


def test_an_unknown_feature_is_refused_with_those_it_resembles(client: Client, customers: list[ScoredCustomer]) -> None:
    body = request(customers[:2])
    body["customers"][1]["features"]["recency_day"] = 3
    _assert_refused(client, json.dumps(body), "unknown-feature", "customers[1]", "'recency_day'", "recency_days?")


def test_an_unknown_feature_like_no_other_is_refused_with_where_to_look(client: Client) -> None:
    _assert_refused(client, '{"customers":[{"features":{"`zz`":1}}]}', "unknown-feature", "'`zz`'", "/schema")


def test_a_text_of_the_client_is_repeated_in_part_only(client: Client) -> None:
    response = _post(client, '{"customers":[{"features":{"%s":1}}]}' % ("x" * 1_000_000))
    assert len(problem(response)["detail"]) < 500


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "malformed-body"),
        ("{", "malformed-body"),
        ('{"customers":[{"features":{}}]} x', "malformed-body"),
        (b'{"customers":[{"customer_id":"\xff","features":{}}]}', "malformed-body"),
        ("[" * 100_000, "invalid-request"),
        ('{"customers":' + "[" * 100_000, "malformed-body"),
        ("[]", "invalid-request"),
        ("null", "invalid-request"),
        ("{}", "invalid-request"),
        ('{"customers":[]}', "invalid-request"),
        ('{"customers":[{}]}', "invalid-request"),
        ('{"customers":[{"features":[]}]}', "invalid-request"),
        ('{"customers":[{"features":{},"customer_id":7}]}', "invalid-request"),
        ('{"customers":[{"features":{},"custmer_id":"7"}]}', "invalid-request"),
        ('{"customers":[],"model":3}', "invalid-request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_body_that_is_not_what_is_expected_is_refused(client: Client, body: str | bytes, kind: str) -> None:
    _assert_refused(client, body, kind)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_refused(client: Client, content_type: str | None) -> None:
    response = client.post("/v1/score", content=b"{}", headers={"content-type": content_type} if content_type else {})
    assert response.status_code == 415
    assert "application/json" in problem(response)["detail"]


def test_a_body_over_the_limit_is_refused_whether_announced_or_not(bare_client: Client) -> None:
    announced = bare_client.post("/v1/score", content=b" " * 1025, headers=JSON)
    streamed = bare_client.post("/v1/score", content=iter([b" " * 1000] * 2), headers=JSON)
    within = bare_client.post("/v1/score", content=b" " * 1024, headers=JSON)
    assert [announced.status_code, streamed.status_code, within.status_code] == [413, 413, 503]
    assert problem(announced) == problem(streamed)
    assert "1024 bytes" in problem(announced)["detail"]


def test_without_a_champion_a_score_is_refused_for_the_time_being(bare_client: Client) -> None:
    response = bare_client.post("/v1/score", json={"customers": [{"features": {}}]})
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert problem(response)["type"] == "urn:problem-type:no-champion"


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/customers/", "/schema/nothing", "/schema/assets/nothing.js"])
def test_an_unknown_path_is_a_problem(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert problem(response)["instance"] == path


def test_a_wrong_method_is_a_problem_that_says_which_are_right(client: Client) -> None:
    response = client.delete("/v1/score")
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]
    assert problem(response)["type"] == "about:blank"


def test_a_failure_is_logged_with_its_traceback_and_tells_clients_nothing(
    bare_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = bare_client.get("/failing")

    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "RuntimeError" not in response.text
    assert problem(response)["title"] == "Internal Server Error"
    assert "RuntimeError: the password is hunter2" in caplog.text


def _json_values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    return st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def _near_requests() -> st.SearchStrategy[Any]:
    values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    features = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), values)
    customers = st.fixed_dictionaries({"features": features}, optional={"customer_id": values})
    return st.fixed_dictionaries({"customers": st.lists(customers, max_size=4)})


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.binary() | _json_values().map(json.dumps) | _near_requests().map(json.dumps))
def test_no_body_makes_the_scorer_fail(client: Client, body: str | bytes) -> None:
    response = _post(client, body)
    assert response.status_code in {200, 400}
    if response.status_code == 400:
        problem(response)


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.integers() | st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_of_any_size_score_or_are_refused_by_name(
    client: Client, customers: list[ScoredCustomer], changed: dict[str, float]
) -> None:
    features = {**request(customers[:1])["customers"][0]["features"], **changed}
    response = _post(client, json.dumps({"customers": [{"features": features}]}))
    if response.status_code == 200:
        assert 0 <= response.json()["results"][0]["confidence"] <= 1
    else:
        assert "customers[0].features" in problem(response)["detail"]


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_no_customer_id_makes_the_scorer_fail(client: Client, customer_id: str) -> None:
    response = client.get(customer_path(customer_id))
    assert response.status_code in {200, 404}


def _post(client: Client, body: str | bytes) -> Any:
    return client.post("/v1/score", content=body, headers=JSON)


def _assert_refused(client: Client, body: str | bytes, kind: str, *words: str) -> None:
    response = _post(client, body)
    assert response.status_code == 400
    told = problem(response)
    assert told["type"] == f"urn:problem-type:{kind}"
    for word in words:
        assert word in told["detail"]
