"""What the scorer tells about customers, segments and the model."""

from datetime import UTC

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.metadata.features import FEATURES
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.shop import (
    GONE,
    JULY,
    LAPSED,
    ODD_IDS,
    ScoredCustomer,
    change,
    customer_path,
    problem,
    promote,
)
from segmentation_assets_tests.testing.waiting import eventually

Client = TestClient[Litestar]


@pytest.mark.parametrize("customer_id", ["C-20", *ODD_IDS])
def test_a_customer_is_found_by_the_exact_id(client: Client, customers: list[ScoredCustomer], customer_id: str) -> None:
    [expected] = [customer for customer in customers if customer.customer_id == customer_id]

    found = client.get(customer_path(customer_id)).json()

    assert found["features"] == dict(expected.features)
    assert found["as_of"] == str(JULY)
    for name in found.keys() & expected.segment.keys():
        assert found[name] == (str(JULY) if name == "as_of" else expected.segment[name])
    assert {"segment_id", "confidence", "is_low_confidence"} <= found.keys()


def test_the_features_of_a_customer_come_in_the_order_of_the_catalogue(client: Client) -> None:
    assert list(client.get("/v1/customers/C-20").json()["features"]) == [feature.name for feature in FEATURES]


def test_a_customer_who_left_is_answered_as_last_seen(client: Client) -> None:
    assert client.get(customer_path(LAPSED)).json()["as_of"] == "2024-06-01"


@pytest.mark.parametrize("customer_id", [GONE, "c-20", "C-20/", "a/b/", "\x00", "%FF"])
def test_an_unknown_customer_is_not_found(client: Client, customer_id: str) -> None:
    response = client.get(customer_path(customer_id))
    assert response.status_code == 404
    assert problem(response)["type"] == "urn:problem-type:unknown-customer"


def test_the_segments_are_those_of_the_champion_with_their_latest_profiles(
    client: Client, models: dict[int, ModelVersion], shop_settings: Settings
) -> None:
    with Lake(shop_settings, read_only=True) as lake, lake.cursor() as con:
        rows = con.execute("FROM segments.segment_profiles WHERE as_of = $as_of", {"as_of": JULY}).pl().to_dicts()
    profiles = {row["segment_id"]: row for row in rows}

    answer = client.get("/v1/segments").json()

    assert answer["model_version"] == 1
    assert [(s["segment_id"], s["segment_name"], s["description"]) for s in answer["segments"]] == [
        (segment.id, segment.name, segment.description) for segment in models[1].artefact.segments
    ]
    for segment in answer["segments"]:
        profile = profiles[segment["segment_id"]]
        assert segment["profile"] == {name: profile[name] for name in segment["profile"]} | {"as_of": str(JULY)}


def test_segments_of_a_champion_without_a_snapshot_have_no_profile(own_client: Client, own_settings: Settings) -> None:
    promote(own_settings, 2)
    eventually(lambda: own_client.get("/v1/segments").json()["model_version"] == 2)
    assert [segment["profile"] for segment in own_client.get("/v1/segments").json()["segments"]] == [None] * 5


def test_the_model_is_told_with_its_rules_and_provenance(client: Client, models: dict[int, ModelVersion]) -> None:
    model = models[1]
    rule_fields = ("name", "missing_value", "lower", "upper", "transform", "center", "scale")
    told = client.get("/v1/models/current").json()

    assert told == {
        "version": 1,
        "model_hash": model.model_hash,
        "as_of": str(JULY),
        "created_at": model.created_at.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z"),
        "aliases": ["champion"],
        "metrics": model.metrics,
        "features": [{name: getattr(rule, name) for name in rule_fields} for rule in model.artefact.rules],
        "provenance": msgspec.json.decode(msgspec.json.encode(model.artefact.provenance)),
    }


def test_an_alias_that_moves_is_told_without_a_change_of_champion(own_client: Client, own_settings: Settings) -> None:
    change(
        own_settings,
        "INSERT INTO registry.promotions (promotion_id, alias, version, decided_at, actor, reason) "
        "SELECT 99, 'candidate', 1, decided_at, 'test', 'test' "
        "FROM registry.promotions LIMIT 1",
    )
    eventually(lambda: own_client.get("/v1/models/current").json()["aliases"] == ["candidate", "champion"])
