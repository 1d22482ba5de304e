"""What the scorer expects of customers: as the table has it, and the same from features and from order lines."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.access.keys import Scope
from segmentation.clock import utc_now
from segmentation.features.customer_lines import read_customer_lines
from segmentation.features.windows import window_of
from segmentation.metadata.features import FEATURES
from segmentation.modeling import registry
from segmentation.modeling.artefact import FORMAT, Artefact, FeatureRule, Provenance, Segment
from segmentation.predictions.reading import COLUMNS
from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.predicted_shop import NOW, predicted_shop
from segmentation_assets_tests.testing.shop import customer_path, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

Client = TestClient[Litestar]
NUMBERS = [name for name in COLUMNS if name not in ("next_order_expected_on", "is_365d_extrapolated")]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, empty_lake: Path) -> Settings:
    home = tmp_path_factory.mktemp("predicted") / "warehouse"
    shutil.copytree(predicted_shop(tmp_path_factory, empty_lake), home)
    settings = Settings(home=home, model_poll_s=0.05)
    artefact = Artefact(
        FORMAT,
        (FeatureRule("recency_days", None, 0.0, 1000.0, "identity", 0.0, 1.0),),
        (Segment(1, "recent", "", (20.0,)), Segment(2, "lapsed", "", (200.0,))),
        Provenance(NOW, 1, "", 1, ""),
    )
    with Lake(settings) as lake:
        shop.add_key(lake, shop.KEY, *Scope)
        version = registry.register(lake, artefact, {}, Commit("model"), now=utc_now())
        assert version is not None
        shop.promote_on(lake, version)
        write_segments(lake, NOW, Commit("segments"))
        write_profiles(lake, NOW, Commit("profiles"))
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with TestClient(create_app(settings, now=lambda: datetime(2024, 5, 31, 12))) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


@pytest.fixture(scope="module")
def predicted(settings: Settings) -> list[dict[str, Any]]:
    """The rows of the table, the features of the same customers beside them."""
    query = "FROM {} WHERE as_of = $as_of ORDER BY customer_id LIMIT 20"
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        rows, features = (
            con.execute(query.format(table), {"as_of": NOW}).pl().to_dicts()
            for table in ("segments.customer_predictions", "features.customer_features")
        )
    names = [feature.name for feature in FEATURES]
    return [{**row, "features": {name: own[name] for name in names}} for row, own in zip(rows, features, strict=True)]


def test_a_customer_of_the_snapshot_comes_with_predictions(client: Client, predicted: list[dict[str, Any]]) -> None:
    for row in predicted[:5]:
        answer = client.get(customer_path(row["customer_id"]), params={"include": "predictions"}).json()
        assert answer["predictions"] == {**{name: row[name] for name in COLUMNS}, **_date(row)}
    assert "predictions" not in client.get(customer_path(row["customer_id"]), params={"include": "segment"}).json()


def test_scores_answer_the_same_numbers_when_asked(client: Client, predicted: list[dict[str, Any]]) -> None:
    customers = [
        {"features": {name: value for name, value in row["features"].items() if value is not None}} for row in predicted
    ]
    plain = client.post("/v1/score", json={"customers": customers}).json()
    assert "predictions" not in plain
    answer = client.post("/v1/score?predict=true", json={"customers": customers}).json()
    assert answer["results"] == plain["results"]
    for found, row in zip(answer["predictions"], predicted, strict=True):
        assert [found[name] for name in NUMBERS] == pytest.approx([row[name] for name in NUMBERS], rel=1e-9)
        assert found["next_order_expected_on"] == _date(row)["next_order_expected_on"]
    few = client.post("/v1/score?predict=true", json={"customers": [{"features": {"recency_days": 3.0}}]}).json()
    assert few["predictions"] == [None]


def test_order_lines_and_fresh_answers_give_them_too(
    client: Client, settings: Settings, predicted: list[dict[str, Any]]
) -> None:
    row = predicted[0]
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        lines = read_customer_lines(con, row["customer_id"], window_of(NOW, 365))
    keys = ("customer_id", "order_id", "product_id", "quantity", "amount", "discount", "category", "country", "channel")
    body = {
        "as_of": str(NOW),
        "transactions": [
            {**{key: line[key] for key in keys}, "ordered_at": line["ordered_at"].isoformat()} for line in lines
        ],
    }
    [of_lines] = client.post("/v1/score/transactions?predict=true", json=body).json()["predictions"]
    assert "predictions" not in client.post("/v1/score/transactions", json=body).json()
    query = {"fresh": "true", "as_of": str(NOW), "include": "predictions"}
    fresh = client.get(customer_path(row["customer_id"]), params=query).json()["predictions"]
    for found in (of_lines, fresh):
        assert [found[name] for name in NUMBERS] == pytest.approx([row[name] for name in NUMBERS], rel=1e-9)


def test_what_cannot_be_answered_is_refused_in_words(client: Client, shop_settings: Settings) -> None:
    refused = client.post(
        "/v1/score?predict=true", content=b"", headers={"content-type": "application/vnd.apache.arrow.stream"}
    )
    assert problem(refused)["status"] == 400
    with TestClient(create_app(shop_settings)) as other:  # a lake without predictions
        other.headers.update(shop.CREDENTIALS)
        eventually(lambda: other.get("/health/ready").status_code == 200)
        told = other.post("/v1/score?predict=true", json={"customers": [{"features": {"recency_days": 1.0}}]})
        assert problem(told)["status"] == 409
        assert "segmentation materialize" in problem(told)["detail"]
        answer = other.get(customer_path("C-20"), params={"include": "predictions"})
        assert "predictions" not in answer.json()


def _date(row: dict[str, Any]) -> dict[str, str | None]:
    day: date | None = row["next_order_expected_on"]
    return {"next_order_expected_on": None if day is None else str(day)}
