"""One truth: whoever is asked about a customer, by whatever way, gives the same segment from the same features.

By features alone that is the nearest one; a snapshot, and what is read of it, may hold a customer in the one before.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import polars as pl
import pytest

from segmentation.metadata.features import FEATURES
from segmentation.segments.assignment import write_segments
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.e2e.conftest import segmentation, server
from segmentation_assets_tests.testing.ports import free_port

pytestmark = pytest.mark.takes(40)

COMPARED = [feature.name for feature in FEATURES if not feature.compares_customers]
LINE = "customer_id, order_id, product_id, category, quantity, amount, discount, ordered_at, country, channel"
SEGMENT = ("segment_id", "segment_name", "runner_up_id", "distance", "confidence", "is_low_confidence", "model_version")


@pytest.fixture(scope="module", name="home")
def two_dates(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's lake with segments of an earlier date, too, so that customers may be held."""
    copy = tmp_path_factory.mktemp("agreeing") / "warehouse"
    shutil.copytree(home, copy)
    with Lake(Settings(home=copy, customer_buckets=2)) as lake:
        with lake.cursor() as con:
            rows = con.execute("SELECT DISTINCT as_of FROM features.customer_features ORDER BY as_of DESC").fetchall()
        for (as_of,) in reversed(rows[:2]):
            write_segments(lake, as_of, Commit("test"))
    return copy


@pytest.fixture(scope="module")
def lake(home: Path) -> Iterator[Lake]:
    """The demo's lake."""
    with Lake(Settings(home=home, customer_buckets=2), read_only=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def warehouse(lake: Lake) -> dict[str, dict[str, Any]]:
    """Every customer of the newest snapshot: segment and features as the pipeline wrote them."""
    with lake.cursor() as con:
        rows = con.execute(
            "FROM segments.customer_segments JOIN features.customer_features USING (customer_id, as_of) "
            "WHERE as_of = (SELECT MAX(as_of) FROM segments.customer_segments)"
        ).pl()
    return {row["customer_id"]: row for row in rows.to_dicts()}


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    """The scorer on it, as it runs in production, with a key of its own."""
    made = segmentation(home, "keys", "create", "test", "--scope", "score", "--scope", "read", "--json")
    key = pl.read_json(made.stdout.encode())["key"][0]
    address = f"http://127.0.0.1:{(port := free_port())}"
    with (
        server(home, "serve", "--port", str(port), "--workers", "1", ready=f"{address}/health/ready"),
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=60) as opened,
    ):
        yield opened


def test_scores_of_features_agree(client: httpx.Client, warehouse: dict[str, dict[str, Any]]) -> None:
    customers = [
        {"customer_id": name, "features": {feature: row[feature] for feature in COMPARED if row[feature] is not None}}
        for name, row in warehouse.items()
    ]
    answer = client.post("/v1/score", json={"customers": customers}).raise_for_status().json()
    assert len(answer["results"]) == len(warehouse) > 200
    for result in answer["results"]:
        _assert_nearest_segment({**result, "model_version": answer["model_version"]}, warehouse[result["customer_id"]])


def test_some_customers_are_held_and_told_so(client: httpx.Client, warehouse: dict[str, dict[str, Any]]) -> None:
    held = [name for name, row in warehouse.items() if row["nearest_id"] != row["segment_id"]]
    assert 0 < len(held) < 0.15 * len(warehouse)
    for name, row in warehouse.items():
        answer = client.get(f"/v1/customers/{quote(name, safe='')}", params={"include": "segment"}).json()
        assert ("held" in answer) == (row["nearest_id"] != row["segment_id"])
        assert f"Held in {row['segment_name']}" in answer.get("held", f"Held in {row['segment_name']}")


def test_scores_of_order_lines_agree(client: httpx.Client, lake: Lake, warehouse: dict[str, dict[str, Any]]) -> None:
    as_of = _as_of(warehouse)
    with lake.cursor() as con:
        lines = con.execute(f"SELECT {LINE} FROM raw.transactions WHERE ordered_at < DATE '{as_of}'").pl()
    lines = lines.with_columns(pl.col("ordered_at").dt.to_string("iso:strict")).sort("ordered_at")
    found: dict[str, dict[str, Any]] = {}
    parts = lines.with_columns(part=pl.col("customer_id").hash() % 3).partition_by("part", include_key=False)
    for part in parts:
        body = {"transactions": part.to_dicts(), "as_of": as_of}
        answer = client.post("/v1/score/transactions", json=body).raise_for_status().json()
        found |= {each["customer_id"]: {**each, "model_version": answer["model_version"]} for each in answer["results"]}
    assert found.keys() == warehouse.keys()
    for name, result in found.items():
        _assert_nearest_segment(result, warehouse[name])
        _assert_same_features(result["features"], warehouse[name])


def test_fresh_answers_agree_and_so_do_stored_ones(client: httpx.Client, warehouse: dict[str, dict[str, Any]]) -> None:
    for name, row in warehouse.items():
        path = f"/v1/customers/{quote(name, safe='')}"
        asked = {"include": "features"}
        stored = client.get(path, params=asked).raise_for_status().json()
        fresh = (
            client.get(path, params={**asked, "fresh": "true", "as_of": _as_of(warehouse)}).raise_for_status().json()
        )
        assert (stored["computed"], fresh["computed"]) == ("snapshot", "fresh")
        _assert_same_segment(stored, row)
        _assert_nearest_segment(fresh, row)
        for answer in (stored, fresh):
            assert answer["as_of"] == str(row["as_of"])
            _assert_same_features(answer["features"], row)


def _as_of(warehouse: dict[str, dict[str, Any]]) -> str:
    return str(next(iter(warehouse.values()))["as_of"])


def _assert_same_segment(answer: dict[str, Any], row: dict[str, Any]) -> None:
    assert {name: answer[name] for name in SEGMENT} == pytest.approx({name: row[name] for name in SEGMENT}, abs=1e-9)


def _assert_nearest_segment(answer: dict[str, Any], row: dict[str, Any]) -> None:
    """By features alone: the snapshot's segment, unless it holds the customer; then the one that it says is nearer."""
    if row["nearest_id"] == row["segment_id"]:
        _assert_same_segment(answer, row)
    else:
        assert (answer["segment_id"], answer["model_version"]) == (row["nearest_id"], row["model_version"])
        assert answer["distance"] == pytest.approx(row["runner_up_distance"], abs=1e-9)


def _assert_same_features(answer: dict[str, Any], row: dict[str, Any]) -> None:
    for name in COMPARED:
        assert answer[name] == (row[name] if isinstance(row[name], str | None) else pytest.approx(row[name], abs=1e-9))
