"""What `POST /v1/score` answers to good requests."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.metadata.features import FEATURES
from segmentation.modeling.registry import ModelVersion
from segmentation_assets_tests.testing.shop import ODD_IDS, ScoredCustomer, customer_path, request

Client = TestClient[Litestar]


def test_every_customer_of_a_snapshot_gets_the_segment_that_the_warehouse_has(
    client: Client, customers: list[ScoredCustomer], models: dict[int, ModelVersion]
) -> None:
    names = {segment.id: segment.name for segment in models[1].artefact.segments}

    answer = client.post("/v1/score", json=request(customers)).json()

    assert len(customers) == 299
    assert answer["model_version"] == 1
    assert answer["results"] == [
        {
            "customer_id": customer.customer_id,
            "segment_id": customer.segment["segment_id"],
            "segment_name": customer.segment["segment_name"],
            "distance": customer.segment["distance"],
            "runner_up_id": customer.segment["runner_up_id"],
            "runner_up_name": names[customer.segment["runner_up_id"]],
            "confidence": customer.segment["confidence"],
            "is_low_confidence": customer.segment["is_low_confidence"],
        }
        for customer in customers
    ]


def test_a_customer_alone_scores_as_among_others(client: Client, customers: list[ScoredCustomer]) -> None:
    together = client.post("/v1/score", json=request(customers[:20])).json()["results"]
    alone = [client.post("/v1/score", json=request([customer])).json()["results"][0] for customer in customers[:20]]
    assert alone == together


@pytest.mark.parametrize("customer_id", ["C-20", *ODD_IDS])
def test_features_of_a_customer_can_be_sent_back_for_a_score(client: Client, customer_id: str) -> None:
    found = client.get(customer_path(customer_id)).json()
    [scored] = _scores(client, [{"customer_id": customer_id, "features": found["features"]}])
    for name in ("customer_id", "segment_id", "segment_name", "distance", "runner_up_name", "confidence"):
        assert scored[name] == found[name]


def test_a_missing_feature_with_a_rule_is_filled_as_the_rule_says(
    client: Client, customers: list[ScoredCustomer], models: dict[int, ModelVersion]
) -> None:
    rules = {rule.name: rule for rule in models[1].artefact.rules}
    filled = {**_given(customers[0]), "return_rate": rules["return_rate"].missing_value}
    absent = {name: value for name, value in filled.items() if name != "return_rate"}
    null = {**filled, "return_rate": None}

    expected, *results = _scores(client, [{"features": features} for features in (filled, absent, null)])

    assert results == [expected, expected]


def test_a_feature_that_the_model_does_not_use_changes_nothing(
    client: Client, customers: list[ScoredCustomer], models: dict[int, ModelVersion]
) -> None:
    used = models[1].artefact.feature_names
    bare = {name: value for name, value in _given(customers[0]).items() if name in used}
    samples = {"DOUBLE": 0.5, "BIGINT": 3, "BOOLEAN": True, "VARCHAR": "anything"}
    unused = {feature.name: samples[feature.type] for feature in FEATURES if feature.name not in used}

    plain, laden = _scores(client, [{"features": bare}, {"features": {**bare, **unused}}])

    assert unused
    assert laden == plain


def test_outliers_are_served(client: Client, customers: list[ScoredCustomer]) -> None:
    far = {**_given(customers[0]), "net_revenue": 1.7e308, "recency_days": 0, "order_count": 10**15}
    [scored] = _scores(client, [{"features": far}])
    assert 0 <= scored["confidence"] <= 1


def test_a_score_without_customer_id_comes_back_without_one(client: Client, customers: list[ScoredCustomer]) -> None:
    [scored] = _scores(client, [{"features": _given(customers[0])}])
    assert scored["customer_id"] is None


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_announced_in_any_valid_way(
    client: Client, customers: list[ScoredCustomer], content_type: str
) -> None:
    answer = client.post("/v1/score", json=request(customers[:1]), headers={"content-type": content_type})
    assert answer.status_code == 200


def _given(customer: ScoredCustomer) -> dict[str, Any]:
    return {name: value for name, value in customer.features.items() if value is not None}


def _scores(client: Client, customers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answer = client.post("/v1/score", json={"customers": customers})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results
