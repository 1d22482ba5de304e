"""Order lines are scored on the shop's calendar, as the pipeline would have it."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.shop import customer_path, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app

Client = TestClient[Litestar]

NOW = datetime(2024, 7, 11, 2, 30)
"""In New York half past ten in the evening of the tenth."""
MONDAYS = [f"2024-0{month}-{day}" for month, day in ((1, "08"), (1, "15"), (2, "05"), (2, "12"))]
LINE = {"order_id": "1", "product_id": "p", "quantity": 1, "amount": 5.0}
MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)


@pytest.fixture(scope="module")
def settings(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The shop, in New York by now; a date was made before it knew so, and one since."""
    home = tmp_path_factory.mktemp("zones") / "warehouse"
    shutil.copytree(shop_settings.home, home)
    settings = shop_settings.model_copy(update={"home": home, "timezone": "America/New_York"})
    evenings = [datetime.fromisoformat(day) + timedelta(days=1, hours=2) for day in MONDAYS]
    for zone, as_of in (("UTC", MARCH), ("America/New_York", APRIL)):
        with Lake(settings.model_copy(update={"timezone": zone})) as lake:
            if as_of == MARCH:
                insert_lines(lake, [Line("C-20", f"o{n}", "p", at, 1.0, 5.0) for n, at in enumerate(evenings)])
            write_snapshots(lake, [as_of], lambda _: Commit("features"), now=NOW)
    return settings


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    with TestClient(create_app(settings, now=lambda: NOW)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def _score(client: Client, moments: list[str], as_of: date | None) -> dict[str, Any]:
    lines = [{**LINE, "customer_id": "a", "order_id": str(n), "ordered_at": at} for n, at in enumerate(moments)]
    asked = {"transactions": lines} | ({"as_of": str(as_of)} if as_of else {})
    answer: dict[str, Any] = client.post("/v1/score/transactions", json=asked).raise_for_status().json()
    return answer


def _features(client: Client, moments: list[str], as_of: date | None) -> dict[str, Any]:
    [result] = _score(client, moments, as_of)["results"]
    features: dict[str, Any] = result["features"]
    return features


@pytest.mark.parametrize(
    "moments",
    [
        MONDAYS,
        [f"{day}T21:00:00-05:00" for day in MONDAYS],
        [
            f"{datetime.fromisoformat(day) + timedelta(days=1, hours=4, minutes=59):%Y-%m-%dT%H:%M:%S}"
            for day in MONDAYS
        ],
    ],
)
def test_mondays_of_the_shop_are_mondays(client: Client, moments: list[str]) -> None:
    features = _features(client, moments, APRIL)
    assert (features["preferred_weekday"], features["weekend_order_share"], features["order_count"]) == (1, 0.0, 4)


def test_a_day_without_a_clock_is_one_of_the_shop(client: Client) -> None:
    days = [*MONDAYS, "2024-04-01"]
    features = _features(client, days, APRIL)
    assert (features["order_count"], features["preferred_hour"]) == (4, 0)
    assert _features(client, days, date(2024, 4, 2))["order_count"] == 5


def test_a_date_on_record_keeps_the_zone_that_it_was_made_in(client: Client) -> None:
    evening = ["2024-03-01T03:00:00Z"]
    assert _score(client, evening, MARCH)["without_purchase"] == ["a"]
    assert _features(client, ["2024-04-01T03:00:00Z"], APRIL)["order_count"] == 1


def test_the_scorer_gives_the_bits_of_the_pipeline(client: Client, settings: Settings) -> None:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        query = f"SELECT * FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of AND customer_id = 'C-20'"
        [stored] = con.execute(query, {"as_of": APRIL}).pl().to_dicts()
        lines = con.execute("SELECT ordered_at, amount FROM raw.transactions WHERE customer_id = 'C-20'").fetchall()
    answer = client.get(customer_path("C-20"), params={"fresh": "true", "as_of": str(APRIL)}).raise_for_status().json()
    assert lines
    names = [name for name, value in answer["features"].items() if value is not None]
    assert {"preferred_weekday", "preferred_hour", "recency_days", "spend_trend"} <= set(names)
    assert {name: answer["features"][name] for name in names} == {name: stored[name] for name in names}
    assert stored["preferred_weekday"] == 1


def test_the_ledger_tells_the_zone_of_a_date(client: Client) -> None:
    [table, *_] = client.get(f"/v1/snapshots/{APRIL}").raise_for_status().json()["tables"]
    assert (table["timezone"], table["ends_at"]) == ("America/New_York", "2024-04-01T04:00:00Z")
    assert client.get("/v1/snapshots").raise_for_status().json()["coverage"]["timezone"] == "America/New_York"


def test_without_a_date_it_is_tomorrow_in_the_shop(client: Client) -> None:
    assert _score(client, ["2024-07-10T23:00:00Z"], None)["as_of"] == "2024-07-11"


def test_what_if_and_moves_look_at_days_of_the_shop(client: Client) -> None:
    item = {"product_id": "p", "quantity": 1, "amount": 10.0}
    path = f"{customer_path('C-20')}/what-if"
    asked = {"orders": [{"items": [item], "ordered_at": "2024-07-10T22:00:00-04:00"}]}
    assert client.post(path, json=asked).raise_for_status().json()["as_of"] == "2024-07-11"
    on_a_day = {"orders": [{"items": [item], "ordered_at": "2024-07-12"}]}
    assert client.post(path, json=on_a_day).raise_for_status().json()["as_of"] == "2024-07-13"
    refused = client.post(path, json={**on_a_day, "as_of": "2024-07-12"})
    assert "lies at or after 2024-07-12" in problem(refused)["detail"]
    asked_for = {"fresh": "true", "as_of": str(APRIL), "include": "moves"}
    assert "moves" in client.get(customer_path("C-20"), params=asked_for).raise_for_status().json()


def test_dates_at_the_ends_of_the_calendar_are_answered(shop_settings: Settings, tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    shutil.copytree(shop_settings.home, home)
    east = shop_settings.model_copy(update={"home": home, "timezone": "Pacific/Auckland"})
    with TestClient(create_app(east)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        item = {"product_id": "p", "quantity": 1, "amount": 10.0}
        for day in ("0001-01-01", "9999-12-31"):
            lines = [{**LINE, "customer_id": "a", "ordered_at": day}]
            asked = {"transactions": lines, "as_of": day}
            assert opened.post("/v1/score/transactions", json=asked).status_code in {200, 400}
            order = {"orders": [{"items": [item], "ordered_at": f"{day}T23:00:00"}]}
            assert opened.post(f"{customer_path('C-20')}/what-if", json=order).status_code in {400, 404}
