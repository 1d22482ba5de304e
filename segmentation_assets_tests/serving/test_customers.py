"""What can be asked about a customer whose order lines are in the lake: fresh, from the past, why, what if."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.metadata.features import FEATURES
from segmentation.modeling.artefact import Evaluator
from segmentation.modeling.registry import ModelVersion, load_champion
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.shop import JULY, ScoredCustomer, customer_path, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app
from serving.live.champion import Champion
from serving.services.customer_queries import NewestSnapshot, SnapshotRelations
from serving.services.customers import CustomerService, Question
from serving.services.predictions import LivePredictions

Client = TestClient[Litestar]

NOW = datetime(2024, 7, 10, 15, 30)
TOMORROW = date(2024, 7, 11)
MONTHLY = [datetime(2024, month, 5, 9) for month in range(1, 7)]


@pytest.fixture(scope="module")
def settings(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop, with order lines of two customers."""
    home = tmp_path_factory.mktemp("lines") / "warehouse"
    shutil.copytree(shop_settings.home, home)
    settings = shop_settings.model_copy(update={"home": home, "model_poll_s": 0.05})
    with Lake(settings) as lake:
        monthly = [Line("C-20", f"o{n}", "p1", at, 2.0, 40.0) for n, at in enumerate(MONTHLY)]
        insert_lines(lake, [*monthly, Line("C-20", "today", "p2", NOW - timedelta(hours=1), 1.0, 500.0)])
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    """The scorer on it, on an afternoon in July."""
    with TestClient(create_app(settings, now=lambda: NOW)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def test_a_fresh_answer_counts_what_was_bought_an_hour_ago(client: Client) -> None:
    stored = _ask(client, "C-20", include="features")
    fresh = _ask(client, "C-20", include="features", fresh="true")
    assert (stored["computed"], stored["as_of"]) == ("snapshot", str(JULY))
    assert (fresh["computed"], fresh["as_of"]) == ("fresh", str(TOMORROW))
    assert fresh["features"]["order_count"] == 7
    assert fresh["features"]["net_revenue"] == 740.0
    assert fresh["features"]["recency_days"] == pytest.approx(9.5 / 24)
    assert _ask(client, "C-20", include="features", fresh="true", as_of="2024-07-10")["features"]["order_count"] == 6


def test_a_fresh_answer_needs_a_purchase_in_the_window(client: Client) -> None:
    for asked in ({}, {"as_of": "2023-12-31"}, {"as_of": "2026-01-01"}):
        refused = client.get(customer_path("C-20" if asked else "C-21"), params={"fresh": "true", **asked})
        assert problem(refused)["type"] == "urn:problem-type:unknown-customer"


def test_another_model_scores_the_features_of_the_snapshot(
    client: Client, customers: list[ScoredCustomer], models: dict[int, ModelVersion]
) -> None:
    for customer in customers[::29]:
        answer = _ask(client, customer.customer_id, model="2", include="features")
        evaluator = Evaluator(models[2].artefact)
        found = evaluator.assign(shop.matrix([customer], models[2].artefact))
        assert (answer["computed"], answer["model_version"]) == ("rescored", 2)
        assert answer["segment_id"] == models[2].artefact.segments[int(found.segment[0])].id
        assert answer["distance"] == found.distance[0]
        assert answer["runner_up_distance"] == found.runner_up_distance[0]
        assert _ask(client, customer.customer_id, model="1")["computed"] == "snapshot"


def test_another_model_is_loaded_once_for_all_who_ask(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    _ask(client, "C-20", model="2", include="segment")
    monkeypatch.setattr("serving.services.customers.load_version", None)
    for customer_id in ("C-20", "C-21", "C-22"):
        assert _ask(client, customer_id, model="2", include="segment")["model_version"] == 2


def test_an_answer_holds_the_parts_that_were_asked_for(client: Client) -> None:
    parts = {"features", "history", "why", "moves"}
    assert parts <= _ask(client, "C-20").keys()
    assert not parts & _ask(client, "C-20", include="segment").keys()
    assert parts & client.get(
        "/v1/customers/C-20?include=why&include=history", headers=shop.CREDENTIALS
    ).json().keys() == {
        "why",
        "history",
    }
    refused = client.get(customer_path("C-20"), params={"include": "everything"})
    assert refused.status_code == 400
    assert problem(refused)


def test_the_history_has_every_snapshot(client: Client, settings: Settings) -> None:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        rows = con.execute(
            "SELECT as_of, segment_id, segment_name, confidence, model_version FROM segments.customer_segments "
            "WHERE customer_id = 'C-200' ORDER BY as_of"
        ).fetchall()
    names = ("as_of", "segment_id", "segment_name", "confidence", "model_version")
    expected = [dict(zip(names, (str(row[0]), *row[1:]), strict=True)) for row in rows]
    assert len(expected) == 2
    assert _ask(client, "C-200", include="history")["history"] == expected


def test_the_past_is_answered_by_date_and_another_date_is_told_with_those_there_are(client: Client) -> None:
    assert _ask(client, "C-200", as_of="2024-06-01", include="segment")["as_of"] == "2024-06-01"
    refused = client.get(customer_path("C-200"), params={"as_of": "2024-05-01"})
    assert "2024-06-01, 2024-07-01" in problem(refused)["detail"]


def test_what_speaks_for_a_segment_adds_up_to_the_difference_of_the_squared_distances(client: Client) -> None:
    answer = _ask(client, "C-20", include="why")
    pulls = sum(each["contribution"] for each in answer["why"])
    assert pulls == pytest.approx(answer["runner_up_distance"] ** 2 - answer["distance"] ** 2)
    assert all(each["sentence"] for each in answer["why"])


def test_what_would_move_a_customer_leads_to_another_segment(client: Client) -> None:
    answer = _ask(client, "C-20", fresh="true", include="moves")
    assert answer["reach"]["sentence"]
    for move in answer["moves"]:
        assert (move["segment_id"] == answer["segment_id"]) == (move["direction"] == "keeps")
        assert date.fromisoformat(move["as_of"]) > TOMORROW
    assert _ask(client, "C-21", include="moves")["moves"] == []  # no lines, so nothing to play on


def test_a_hypothetical_order_changes_what_real_ones_would(client: Client, settings: Settings) -> None:
    orders = [{"items": [{"product_id": f"p{n}", "quantity": 3, "amount": 300.0}]} for n in range(4)]
    answer = client.post(f"{customer_path('C-20')}/what-if", json={"orders": orders}).raise_for_status().json()
    without = _ask(client, "C-20", fresh="true", include="features")
    assert answer["as_of"] == str(TOMORROW)
    assert answer["without"]["features"] == without["features"]
    assert answer["without"]["segment_id"] == without["segment_id"]
    assert answer["with_orders"]["features"]["order_count"] == without["features"]["order_count"] + 4
    assert answer["with_orders"]["features"]["net_revenue"] == without["features"]["net_revenue"] + 1200
    assert answer["is_moved"] == (answer["with_orders"]["segment_id"] != answer["without"]["segment_id"])
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        assert con.execute("SELECT COUNT(*) FROM raw.transactions").fetchall() == [(7,)]  # nothing was stored


def test_a_hypothetical_order_in_the_future_moves_the_date(client: Client) -> None:
    order = {"items": [{"product_id": "p", "quantity": 1, "amount": 10.0}], "ordered_at": "2024-09-01T23:30:00-05:00"}
    answer = client.post(f"{customer_path('C-20')}/what-if", json={"orders": [order]}).raise_for_status().json()
    assert answer["as_of"] == "2024-09-03"  # the order is of the second of September, UTC
    late = client.post(f"{customer_path('C-20')}/what-if", json={"orders": [order], "as_of": "2024-09-02"})
    assert "orders[0]" in problem(late)["detail"]


def test_a_hypothetical_order_of_somebody_without_lines_is_not_found(client: Client) -> None:
    order = {"items": [{"product_id": "p", "quantity": 1, "amount": 10.0}]}
    refused = client.post(f"{customer_path('nobody')}/what-if", json={"orders": [order]})
    assert problem(refused)["type"] == "urn:problem-type:unknown-customer"


@pytest.mark.parametrize("customer_id", [*shop.ODD_IDS, shop.ESCAPED_ID])
def test_odd_ids_can_be_asked_what_if(client: Client, customer_id: str) -> None:
    order = {"items": [{"product_id": "p", "quantity": 1, "amount": 10.0}]}
    refused = client.post(f"{customer_path(customer_id)}/what-if", json={"orders": [order]})
    assert refused.status_code == 404
    assert problem(refused)["type"] == "urn:problem-type:unknown-customer"


def test_order_lines_are_scored_without_a_lake_of_theirs(client: Client) -> None:
    lines = [
        {
            "customer_id": name,
            "order_id": f"{name}{n}",
            "product_id": "p",
            "quantity": quantity,
            "amount": 20.0 * quantity,
            "ordered_at": f"2024-0{n}-01T10:00:00",
        }
        for name, quantity in (("b", 1), ("a", 2), ("only returns", -1))
        for n in (3, 4, 5)
    ]
    answer = client.post("/v1/score/transactions", json={"transactions": lines}).raise_for_status().json()
    assert answer["as_of"] == str(TOMORROW)
    assert [each["customer_id"] for each in answer["results"]] == ["b", "a"]
    assert answer["without_purchase"] == ["only returns"]
    assert [each["features"]["net_revenue"] for each in answer["results"]] == [60.0, 120.0]
    features = {name: value for name, value in answer["results"][0]["features"].items() if value is not None}
    [again] = client.post("/v1/score", json={"customers": [{"features": features}]}).json()["results"]
    assert {**again, "customer_id": "b"}.items() <= answer["results"][0].items()


LINE = {
    **{"customer_id": "a", "order_id": "1", "product_id": "p", "quantity": 1, "amount": 2.0},
    "ordered_at": "2024-05-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"quantity": 1e12}, "refused-transaction", "transactions[1] by quantity_out_of_range (quantity)"),
        ({"quantity": "1"}, "invalid-request", "transactions[1].quantity"),
        ({"ordered_at": "yesterday"}, "refused-transaction", "transactions[1] by unparsable_date (ordered_at)"),
        ({"ordered_at": "2035-01-01"}, "refused-transaction", "transactions[1] by implausible_date (ordered_at)"),
        ({"colour": "red"}, "invalid-request", "colour"),
        ({"amount": None}, "refused-transaction", "transactions[1] by missing_price (unit_price, amount)"),
        ({"customer_id": ""}, "refused-transaction", "transactions[1] by missing_customer (customer_id)."),
        (
            {"customer_id": " ", "product_id": "", "amount": -19.9, "unit_price": 19.9},
            "refused-transaction",
            "by missing_customer (customer_id), missing_product (product_id), sign_mismatch (quantity, amount).",
        ),
    ],
)
def test_a_line_that_will_not_do_is_refused_with_its_place(
    client: Client, changed: dict[str, Any], kind: str, words: str
) -> None:
    refused = client.post("/v1/score/transactions", json={"transactions": [LINE, {**LINE, **changed}]})
    assert refused.status_code == 400
    assert problem(refused)["type"] == f"urn:problem-type:{kind}"
    assert words in problem(refused)["detail"]


def test_of_many_refused_lines_some_are_named(client: Client) -> None:
    refused = client.post("/v1/score/transactions", json={"transactions": [{**LINE, "customer_id": ""}] * 500})
    assert "transactions[9] by missing_customer (customer_id); and 490 more." in problem(refused)["detail"]


def test_a_line_without_a_column_is_refused_by_the_rule_of_it(client: Client) -> None:
    bare = {name: value for name, value in LINE.items() if name not in ("customer_id", "ordered_at")}
    refused = client.post("/v1/score/transactions", json={"transactions": [bare]})
    assert "missing_customer (customer_id), unparsable_date (ordered_at)" in problem(refused)["detail"]


def test_lines_are_scored_as_the_lake_would_have_them(client: Client) -> None:
    lines = [
        {**LINE, "customer_id": " a1 ", "category": " "},
        {**LINE, "customer_id": "a1", "order_id": "2", "amount": None, "unit_price": 3.0, "ordered_at": "2024-05-02"},
    ]
    [scored] = client.post("/v1/score/transactions", json={"transactions": lines}).raise_for_status().json()["results"]
    assert scored["customer_id"] == "a1"
    assert (scored["features"]["order_count"], scored["features"]["net_revenue"]) == (2, 5.0)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (
            {"items": [{"product_id": "p1", "quantity": 1, "amount": 1.0}, {"product_id": " ", "quantity": 1}]},
            "orders[0].items[1] by missing_product (product_id), missing_price (unit_price, amount).",
        ),
        (
            {"items": [{"product_id": "p", "quantity": 1, "amount": 1.0}], "ordered_at": "soon"},
            "orders[0] is refused by unparsable_date (ordered_at)",
        ),
    ],
)
def test_a_hypothetical_order_keeps_the_contract(client: Client, order: dict[str, Any], words: str) -> None:
    refused = client.post(f"{customer_path('C-20')}/what-if", json={"orders": [order]})
    assert refused.status_code == 400
    assert words in problem(refused)["detail"]


def test_a_hypothetical_order_may_say_its_day_alone(client: Client) -> None:
    order = {"items": [{"product_id": "p", "quantity": 1, "amount": 10.0}], "ordered_at": "2024-09-01"}
    answer = client.post(f"{customer_path('C-20')}/what-if", json={"orders": [order]}).raise_for_status().json()
    assert answer["as_of"] == "2024-09-02"


def test_dates_at_the_ends_of_the_calendar_are_answered(client: Client) -> None:
    line = {"customer_id": "a", "order_id": "1", "product_id": "p", "quantity": 1, "amount": 2.0}
    for as_of in ("0001-01-01", "1000-01-01", "9999-12-31"):
        for at in ("0001-01-01T00:00:00", "9999-12-31T23:59:59"):
            asked = {"transactions": [{**line, "ordered_at": at}], "as_of": as_of}
            assert client.post("/v1/score/transactions", json=asked).status_code in {200, 400}
        assert client.get(customer_path("C-20"), params={"fresh": "true", "as_of": as_of}).status_code in {400, 404}
        order = {"items": [{"product_id": "p", "quantity": 1, "amount": 10.0}]}
        what_if = client.post(f"{customer_path('C-20')}/what-if", json={"orders": [order], "as_of": as_of})
        assert what_if.status_code in {200, 400, 404}


def test_one_customer_is_evaluated_to_the_bits_of_many(models: dict[int, ModelVersion]) -> None:
    rng = np.random.default_rng(7)
    for model in models.values():
        evaluator = Evaluator(model.artefact)
        values = rng.normal(0, 1, (500, len(model.artefact.rules))) * [rule.upper for rule in model.artefact.rules]
        given = [rule.missing_value is not None for rule in model.artefact.rules]
        values[:, given] = np.where(rng.random((500, sum(given))) < 0.2, np.nan, values[:, given])
        together = evaluator.assign(values)
        for index, row in enumerate(values):
            alone = evaluator.assign_one([None if np.isnan(value) else float(value) for value in row])
            assert alone == (
                together.segment[index],
                together.distance[index],
                together.runner_up[index],
                together.confidence[index],
            )


def test_files_that_are_gone_are_read_through_the_lake(settings: Settings, tmp_path: Path) -> None:
    newest = NewestSnapshot(settings)
    gone = f"read_parquet(['{tmp_path}/gone.parquet'])"
    newest.value = SnapshotRelations(JULY, gone, gone)
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        champion = Champion.of(load_champion(con))
        question = Question("C-20", frozenset({"features"}))
        service = CustomerService(None, newest, LivePredictions(), settings)  # type: ignore[arg-type]
        found = service.answer(con, question, champion)
    assert found.as_of == JULY
    assert found.features is not None


def _ask(client: Client, customer_id: str, **asked: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(customer_path(customer_id), params=asked).raise_for_status().json()
    if "features" in answer:
        assert list(answer["features"]) == [feature.name for feature in FEATURES]
    return answer
