"""Who has sent no key yet can't take much: connections, heads, bodies and lines of the log are limited.

All tests share one scorer, a process of its own with 1,024 descriptors.
"""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from segmentation.settings import Settings
from segmentation_assets_tests.testing.raw_connections import (
    address_of,
    converse,
    descriptors,
    endless,
    many_connections,
    rss_mb,
    slowly,
)
from segmentation_assets_tests.testing.running_scorer import RunningScorer, environment_of, running_scorer
from segmentation_assets_tests.testing.shop import KEY, ScoredCustomer, request
from segmentation_assets_tests.testing.waiting import eventually

pytestmark = pytest.mark.takes(60)

DESCRIPTORS = 1024
HALF_OPEN = 1300
HEAD_TIMEOUT_S, REQUEST_TIMEOUT_S = 2.0, 4.0
IN_FLIGHT = 8_000_000
ARROW_BYTES = 6_000_000
CREDENTIALS = f"Authorization: Bearer {KEY}\r\n"
HOSTILE: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "hostile_requests.yaml").read_text())


@pytest.fixture(scope="module")
def scorer(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningScorer]:
    """The scorer that is attacked."""
    environment = environment_of(
        shop_settings,
        SEGMENTATION_HEAD_TIMEOUT_S=str(HEAD_TIMEOUT_S),
        SEGMENTATION_REQUEST_TIMEOUT_S=str(REQUEST_TIMEOUT_S),
        SEGMENTATION_KEEP_ALIVE_S="2",
        SEGMENTATION_MAX_ARROW_BYTES=str(ARROW_BYTES),
        SEGMENTATION_MAX_BODY_BYTES_IN_FLIGHT=str(IN_FLIGHT),
        SEGMENTATION_ACCESS_LOG_SHARE="0",
    )
    log = tmp_path_factory.mktemp("attacked") / "log"
    with running_scorer(environment, log, "--workers=1", descriptors=DESCRIPTORS) as running:
        yield running


@pytest.fixture(autouse=True)
def lives_on(scorer: RunningScorer) -> Iterator[None]:
    """After each test the scorer answers as before, and has let go of what it held."""
    yield
    assert _is_alive(scorer)
    eventually(lambda: descriptors(scorer.process.pid) < 100, lambda: descriptors(scorer.process.pid))


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile["name"])
def test_hostile_requests_are_refused(scorer: RunningScorer, hostile: dict[str, Any]) -> None:
    before = rss_mb(scorer.process.pid)
    answer = converse(address_of(scorer.address), [_bytes(hostile["send"])], silence_s=1)
    assert answer.statuses, "nothing was answered"
    assert answer.statuses[0] in hostile["answers"], answer.data[:1000]
    assert all(status < 500 for status in answer.statuses)
    assert rss_mb(scorer.process.pid) - before < 30


def test_half_open_connections_beyond_the_descriptors_shut_nobody_out(
    scorer: RunningScorer, customers: list[ScoredCustomer]
) -> None:
    before = rss_mb(scorer.process.pid)
    with many_connections(address_of(scorer.address), HALF_OPEN, b"GET / HTTP/1.1\r\nHo") as opened:
        assert len(opened) == HALF_OPEN
        for _ in range(20):
            began = time.monotonic()
            assert _is_alive(scorer)
            assert time.monotonic() - began < 1
        with scorer.client() as client:
            assert client.post("/v1/score", json=request(customers[:1])).status_code == 200
            assert client.get("/v1/segments").status_code == 200  # the lake has descriptors left
        assert descriptors(scorer.process.pid) < DESCRIPTORS
    assert rss_mb(scorer.process.pid) - before < 60


@pytest.mark.parametrize("first", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["silent", "idle"])
def test_connections_without_a_request_make_room_and_are_closed_in_time(scorer: RunningScorer, first: bytes) -> None:
    with many_connections(address_of(scorer.address), HALF_OPEN, first):
        assert _is_alive(scorer)
        eventually(lambda: descriptors(scorer.process.pid) < 100, patience_s=HEAD_TIMEOUT_S + 8)


def test_who_connects_anew_all_the_time_shuts_nobody_out(scorer: RunningScorer) -> None:
    address = address_of(scorer.address)

    def flood() -> None:
        for _ in range(3):
            with many_connections(address, 300, b"GET / HTTP/1.1\r\n"):
                pass

    with ThreadPoolExecutor(2) as pool:
        floods = [pool.submit(flood) for _ in range(2)]
        while not all(each.done() for each in floods):
            assert _is_alive(scorer)
        for each in floods:
            each.result()


def test_an_endless_header_takes_no_memory(scorer: RunningScorer) -> None:
    before = rss_mb(scorer.process.pid)
    answer = converse(address_of(scorer.address), endless(b"GET / HTTP/1.1\r\nHost: x\r\nA: "), silence_s=2)
    assert answer.statuses == [431]
    assert b"SEGMENTATION_MAX_HEAD_BYTES" in answer.data
    assert answer.sent < 20_000_000
    assert rss_mb(scorer.process.pid) - before < 20


@pytest.mark.parametrize("behind", [b"", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "second"])
def test_a_head_that_comes_too_slowly_is_refused_in_time(scorer: RunningScorer, behind: bytes) -> None:
    address, began = address_of(scorer.address), time.monotonic()
    head = slowly(b"GET /health/live HTTP/1.1\r\nHost: " + b"x" * 1000, pause_s=0.05)
    answer = converse(address, (part for parts in ([behind], head) for part in parts if part), silence_s=5)
    if not behind:
        assert answer.statuses == [408]
        assert b"SEGMENTATION_HEAD_TIMEOUT_S" in answer.data
    assert time.monotonic() - began < HEAD_TIMEOUT_S + 8


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/transactions", "/v1/models/1/promote", "/v1/transactions"])
def test_a_body_that_comes_too_slowly_is_refused_in_time(scorer: RunningScorer, path: str) -> None:
    began = time.monotonic()
    head = _head(path, "application/json", 1000)
    answer = converse(address_of(scorer.address), _then_slowly(head, b"[" * 1000), silence_s=1)
    assert answer.statuses[0] in {404, 408, 504, 422, 400}, answer.data
    assert time.monotonic() - began < REQUEST_TIMEOUT_S + 8


def test_who_never_reads_answers_is_cut(scorer: RunningScorer) -> None:
    asked = b"GET /schema/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    address = address_of(scorer.address)
    with many_connections(address, 20, asked * 100):
        time.sleep(1)
        assert _is_alive(scorer)
        eventually(lambda: descriptors(scorer.process.pid) < 60, patience_s=REQUEST_TIMEOUT_S + 20)


def test_bodies_in_flight_share_one_budget(scorer: RunningScorer) -> None:
    before = rss_mb(scorer.process.pid)
    head = _head("/v1/score", "application/vnd.apache.arrow.stream", ARROW_BYTES)
    unfinished = [head, *[b"\0" * 65_536] * (ARROW_BYTES // 65_536)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(converse, address_of(scorer.address), unfinished, 2) for _ in range(8)]
        told = [each.result() for each in asked]
    refused = [each for each in told if each.statuses == [503]]
    assert len(refused) >= 6
    assert all(b"retry-after" in each.data and b"BODY_BYTES_IN_FLIGHT" in each.data for each in refused)
    assert rss_mb(scorer.process.pid) - before < 60
    with scorer.client() as client:  # whose clients are gone, their bytes are free again
        eventually(lambda: client.post("/v1/score", content=b"\0" * 5_900_000, headers=ARROW).status_code == 400)


def test_clients_that_vanish_give_their_bytes_back(scorer: RunningScorer) -> None:
    head = _head("/v1/score", "application/vnd.apache.arrow.stream", ARROW_BYTES)
    for _ in range(10):
        with socket.create_connection(address_of(scorer.address), 5) as connection:
            connection.sendall(head + b"\0" * 3_000_000)
    with scorer.client() as client:
        eventually(lambda: client.post("/v1/score", content=b"\0" * 5_900_000, headers=ARROW).status_code == 400)


ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def test_a_flood_of_malformed_requests_writes_few_lines_and_says_how_many_it_left_out(
    own_settings: Settings, tmp_path: Path
) -> None:
    with running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=1", "--log-format=json") as scorer:
        for _ in range(300):
            converse(address_of(scorer.address), [b"no http\r\n\r\n"])
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()[2:]]
    told = [line["message"] for line in lines if "Invalid HTTP request" in line["message"]]
    assert len(told) == 11
    assert re.search(r"290 more of 'Invalid HTTP request received\.'", told[-1])


def _is_alive(scorer: RunningScorer) -> bool:
    return httpx.get(f"{scorer.address}/health/live", timeout=5).status_code == 200


def _head(path: str, kind: str, length: int) -> bytes:
    lines = f"Host: x\r\n{CREDENTIALS}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\n{lines}".encode()


def _then_slowly(head: bytes, body: bytes) -> Iterator[bytes]:
    yield head
    yield from slowly(body, pause_s=0.05)


def _bytes(parts: list[Any]) -> bytes:
    texts = [part["text"] * part["times"] if isinstance(part, dict) else part for part in parts]
    text = "".join(texts).replace("{credentials}", CREDENTIALS).replace("{40960 times a}", "a" * 40_960)
    return text.encode("latin-1")
