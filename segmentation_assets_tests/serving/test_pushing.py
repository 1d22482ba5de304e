"""`POST /v1/transactions`: order lines into the lake."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.serving.asking import KINDS, Kind, asking
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.running_scorer import environment_of, running_scorer
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app
from serving.client import ScorerError

pytestmark = pytest.mark.takes(30)

Client = TestClient[Litestar]

SOURCES = """
sources:
  web: {type: push}
  broken: {type: push, profile: PROFILE}
  app: {type: kafka, servers: localhost, topic: lines}
"""
ARROW = "application/vnd.apache.arrow.stream"


def line(line_id: str, **others: object) -> dict[str, object]:
    """A line in the columns of the profile `canonical`."""
    return {
        "line_id": line_id,
        "order_id": f"o-{line_id}",
        "customer_id": "pushed",
        "product_id": "p1",
        "quantity": 2,
        "unit_price": 2.5,
        "ordered_at": "2024-06-20T10:00:00+02:00",
        **others,
    }


@pytest.fixture
def pushing_settings(own_settings: Settings, tmp_path: Path) -> Settings:
    """A copy of the lake with sources."""
    sources, profile = tmp_path / "sources.yaml", tmp_path / "profile.yaml"
    sources.write_text(SOURCES.replace("PROFILE", str(profile)))
    text = (Path(__file__).parents[2] / "segmentation/sources/profiles/canonical.yaml").read_text()
    profile.write_text(text.replace("quantity: quantity", "quantity: error('no')"))
    return own_settings.model_copy(update={"sources": sources})


@pytest.fixture
def pushing(pushing_settings: Settings) -> Iterator[Client]:
    """A scorer that takes lines."""
    with TestClient(create_app(pushing_settings)) as opened:
        opened.headers.update(shop.CREDENTIALS)
        eventually(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


def push(client: Client, *lines: dict[str, object], source: str = "web", key: str | None = None) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = client.post("/v1/transactions", params={"source": source}, json={"transactions": lines}, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def in_lake(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).fetchall()


def test_lines_are_durable_and_counted_when_the_answer_comes(pushing: Client, pushing_settings: Settings) -> None:
    told = push(pushing, line("1"), line("2", quantity=0), line("3"))
    assert told == {
        "source": "web",
        "lines_read": 3,
        "lines_new": 2,
        "lines_replaced": 0,
        "lines_repeated": 0,
        "lines_rejected": 1,
        "rejected_by_reason": {"zero_quantity": 1},
        "rejects": [{"index": 1, "reason": "zero_quantity"}],
        "is_replay": False,
    }
    query = "SELECT line_id, source, CAST(ordered_at AS VARCHAR) FROM raw.transactions WHERE customer_id = 'pushed'"
    assert sorted(in_lake(pushing_settings, query)) == [
        ("1", "web", "2024-06-20 08:00:00"),
        ("3", "web", "2024-06-20 08:00:00"),
    ]


def test_the_same_key_is_answered_as_before_and_another_body_refused(pushing: Client) -> None:
    first, again = (push(pushing, line("1"), key="k-1") for _ in range(2))
    assert again == {**first, "is_replay": True}
    body = {"transactions": [line("2")]}
    answer = pushing.post("/v1/transactions?source=web", json=body, headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 422
    assert shop.problem(answer)["type"] == "urn:problem-type:reused-key"


def test_without_a_key_repeated_lines_change_nothing_and_corrected_ones_replace(pushing: Client) -> None:
    push(pushing, line("1"), line("2"))
    told = push(pushing, line("1"), line("2", quantity=5), line("3"))
    assert (told["lines_new"], told["lines_replaced"], told["lines_repeated"]) == (1, 1, 1)


def test_arrow_bodies_are_taken_too(pushing: Client, pushing_settings: Settings) -> None:
    frame = pl.DataFrame([line(str(i)) for i in range(500)]).with_columns(
        ordered_at=pl.lit("2024-06-20T10:00:00").str.to_datetime(time_unit="us", time_zone="UTC")
    )
    stream = BytesIO()
    frame.write_ipc_stream(stream)
    headers = {"content-type": ARROW}
    answer = pushing.post("/v1/transactions?source=web", content=stream.getvalue(), headers=headers)
    assert answer.json()["lines_new"] == 500
    assert in_lake(
        pushing_settings, "SELECT count(DISTINCT ordered_at) FROM raw.transactions WHERE source = 'web'"
    ) == [(1,)]


@pytest.mark.parametrize(
    ("source", "body", "headers", "status", "kind"),
    [
        ("nobody", {"transactions": [{}]}, {}, 404, "unknown-source"),
        ("app", {"transactions": [{}]}, {}, 404, "unknown-source"),
        ("broken", {"transactions": [line("1")]}, {}, 409, "unusable-source"),
        ("web", {"transactions": []}, {}, 400, "invalid-request"),
        ("web", {"transactions": [1]}, {}, 400, "invalid-request"),
        ("web", {"lines": [{}]}, {}, 400, "invalid-request"),
        ("web", {"transactions": [{}]}, {"content-type": "text/csv"}, 415, "unsupported-media-type"),
        ("web", {"transactions": [{}]}, {"idempotency-key": "a b"}, 400, None),
        ("web", {"transactions": [{"x": "y" * 1_100_000}]}, {}, 413, "body-too-large"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_reason(
    pushing_settings: Settings,
    source: str,
    body: dict[str, Any],
    headers: dict[str, str],
    status: int,
    kind: str | None,
) -> None:
    small = pushing_settings.model_copy(update={"max_body_bytes": 1_000_000})
    with TestClient(create_app(small)) as client:
        answer = client.post(
            "/v1/transactions", params={"source": source}, json=body, headers={**shop.CREDENTIALS, **headers}
        )
    assert answer.status_code == status, answer.text
    assert kind is None or shop.problem(answer)["type"] == f"urn:problem-type:{kind}"


def test_one_that_cannot_be_taken_holds_up_no_other(pushing: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        bad = [
            pool.submit(pushing.post, "/v1/transactions?source=broken", json={"transactions": [line("x")]})
            for _ in range(4)
        ]
        good = [pool.submit(push, pushing, line(f"g-{i}")) for i in range(12)]
        assert [each.result().status_code for each in bad] == [409] * 4
        assert sum(each.result()["lines_new"] for each in good) == 12


def test_a_new_source_is_known_without_a_restart(pushing: Client, pushing_settings: Settings) -> None:
    text = pushing_settings.sources.read_text()
    pushing_settings.sources.write_text(text + "  late: {type: push}\n")
    assert push(pushing, line("1"), source="late")["lines_new"] == 1


def test_a_pushed_order_is_in_the_fresh_answer_about_its_customer(pushing: Client) -> None:
    push(pushing, line("1"), line("2", ordered_at="2024-06-21"))
    answer = pushing.get("/v1/customers/pushed", params={"fresh": True, "as_of": "2024-07-01"}).json()
    assert answer["features"]["order_count"] == 2
    assert answer["features"]["gross_revenue"] == 10


@pytest.mark.parametrize("kind", KINDS)
def test_several_workers_take_lines_of_many_clients_once(
    pushing_settings: Settings, tmp_path: Path, kind: Kind
) -> None:
    environment = environment_of(pushing_settings, SEGMENTATION_SOURCES=str(pushing_settings.sources))
    with running_scorer(environment, tmp_path / "log", "--workers", "2") as scorer:
        ask = asking(kind, scorer.address, shop.KEY, timeout_s=shop.PATIENCE_S)
        with ThreadPoolExecutor(6) as pool:
            lines = [[line(f"{i % 20}-{j}") for j in range(5)] for i in range(40)]  # each order twice
            told = list(pool.map(lambda part: ask("push_transactions", "web", part), lines))
        assert sum(each.lines_new for each in told) == 100
        assert sum(each.lines_repeated for each in told) == 100
        with pytest.raises(ScorerError, match="no source"):
            ask("push_transactions", "nobody", [line("1")])
    assert in_lake(pushing_settings, "SELECT count(*) FROM raw.transactions WHERE source = 'web'") == [(100,)]
