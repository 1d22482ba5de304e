"""What clients see when something breaks: workers, the catalogue, the disk, and clients themselves."""

import json
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.postgres import Postgres, running_postgres
from segmentation_assets_tests.testing.running_scorer import RunningScorer, environment_of, running_scorer
from segmentation_assets_tests.testing.shop import CREDENTIALS, ScoredCustomer, problem, request
from segmentation_assets_tests.testing.waiting import eventually
from serving.live.values import LocalCopy

pytestmark = pytest.mark.takes(60)

JSON = {"content-type": "application/json"}


@pytest.fixture
def body(customers: list[ScoredCustomer]) -> bytes:
    """A request to score one customer."""
    return json.dumps(request(customers[:1])).encode()


def test_a_killed_worker_takes_only_its_own_connections_along_and_is_replaced(
    own_settings: Settings, tmp_path: Path, body: bytes
) -> None:
    with running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=2") as scorer:
        before = set(scorer.workers())
        assert len(before) == 2
        expected = _score(scorer, body)
        is_over = Event()

        def ask() -> tuple[int, int]:
            answered = broken = 0
            while not is_over.is_set():
                with scorer.client() as client:
                    try:
                        for _ in range(20):
                            assert client.post("/v1/score", content=body, headers=JSON).json() == expected
                            answered += 1
                    except httpx.TransportError:
                        broken += 1
            return answered, broken

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                time.sleep(0.5)
                os.kill(min(before), signal.SIGKILL)
                eventually(lambda: len(set(scorer.workers()) - before) == 1 and len(scorer.workers()) == 2)
                time.sleep(0.5)
            finally:
                is_over.set()
            told = [each.result() for each in asking]
        assert sum(answered for answered, _ in told) > 100
        assert sum(broken for _, broken in told) <= 8  # a connection of each, and one that was just being accepted
        shop.promote(own_settings, 2)
        with scorer.client() as client:  # whatever worker answers: the dead one's model counts no more
            eventually(lambda: "segmentation_model_version 2.0" in client.get("/metrics").text)


def test_workers_do_not_outlive_the_command(own_settings: Settings, tmp_path: Path) -> None:
    with running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=2", is_killed=True) as scorer:
        workers = scorer.workers()
        scorer.process.kill()
        eventually(lambda: not any(_runs(pid) for pid in workers))


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server for the catalogue."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def on_postgres(server: Postgres, tmp_path: Path) -> Settings:
    """A shop whose catalogue is in PostgreSQL."""
    catalog = f"postgres:{server.new_database()}"
    settings = Settings(home=tmp_path / "warehouse", catalog=catalog, customer_buckets=2, threads=1)
    with Lake(settings, create=True) as lake:
        migrate(lake)
    shop.open_shop(settings)
    return settings


def test_a_stopped_catalogue_stops_questions_but_no_scores_and_a_restart_neither(
    on_postgres: Settings, server: Postgres, tmp_path: Path, body: bytes
) -> None:
    environment = environment_of(on_postgres, SEGMENTATION_CATALOG=on_postgres.catalog)
    with running_scorer(environment, tmp_path / "log", "--workers=1") as scorer:
        expected = _score(scorer, body)
        server.stop()
        try:
            eventually(lambda: _ready(scorer)["is_stale"])
            assert _score(scorer, body) == expected
            with scorer.client() as client:
                refused = client.get("/v1/customers/C-20")
                assert problem(refused)["type"] == "urn:problem-type:warehouse-unavailable"
                assert int(refused.headers["retry-after"]) > 0
            with running_scorer(environment, tmp_path / "log 2", "--workers=1") as another:
                ready = _ready(another)
                assert (ready["model_version"], ready["is_stale"]) == (1, True)
                assert _score(another, body) == expected  # keys are known, too
                assert "local copy" in another.log.read_text()
                assert httpx.post(f"{another.address}/v1/score", content=body, headers=JSON).status_code == 401
                server.start()
                eventually(lambda: not _ready(another)["is_stale"])
        finally:
            if not (server.folder / "data" / "postmaster.pid").exists():
                server.start()
        eventually(lambda: not _ready(scorer)["is_stale"])
        with scorer.client() as client:
            eventually(lambda: client.get("/v1/customers/C-20").status_code == 200)
        shop.promote(on_postgres, 2)
        eventually(lambda: _ready(scorer)["model_version"] == 2)


@pytest.mark.parametrize("damage", [b"", b"0\n{}", b"no checksum"])
def test_a_damaged_local_copy_is_not_served(own_settings: Settings, tmp_path: Path, damage: bytes) -> None:
    environment = environment_of(own_settings)
    with running_scorer(environment, tmp_path / "log", "--workers=1"):
        pass
    copy = own_settings.home / "scorer" / "champion.json"
    assert copy.stat().st_mode & 0o077 == 0
    copy.write_bytes(damage)
    (own_settings.home / "catalog.sqlite").unlink()
    with running_scorer(environment, tmp_path / "log 2", "--workers=1", is_ready=False) as scorer:
        assert problem(httpx.get(f"{scorer.address}/health/ready"))["type"] == "urn:problem-type:no-champion"
        assert "can't be used" in scorer.log.read_text()


def test_a_full_disk_stops_the_embedded_catalogue_but_no_scores_and_room_is_enough_to_go_on(
    own_settings: Settings, tmp_path: Path, body: bytes
) -> None:
    with running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=1") as scorer:
        expected = _score(scorer, body)
        _, most = resource.prlimit(scorer.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(scorer.process.pid, resource.RLIMIT_FSIZE, (0, most))  # no file may grow: as on a full disk
        shop.promote(own_settings, 2)
        eventually(lambda: _ready(scorer)["is_stale"] or _ready(scorer)["model_version"] == 2)
        for _ in range(50):
            assert _score(scorer, body)["results"][0]["customer_id"] == expected["results"][0]["customer_id"]
        resource.prlimit(scorer.process.pid, resource.RLIMIT_FSIZE, (most, most))
        eventually(lambda: _ready(scorer) == {"status": "ready", "model_version": 2, "is_stale": False, "detail": ""})


def test_a_local_copy_that_cannot_be_written_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    LocalCopy(in_the_way / "copy.json", dict[str, int]).save({"a": 1})
    assert "No local copy" in caplog.text


def test_a_slow_client_is_told_when_its_time_is_over_and_the_others_are_served(
    own_settings: Settings, tmp_path: Path, body: bytes
) -> None:
    environment = environment_of(own_settings, SEGMENTATION_REQUEST_TIMEOUT_S="1")
    with running_scorer(environment, tmp_path / "log", "--workers=1") as scorer:
        for length in (len(body), 100_000):  # the express lane, and the other one
            with _half_sent(scorer, body[:10], length) as slow:
                assert _score(scorer, body)
                assert b"504 Gateway Timeout" in slow.recv(65536)


def test_more_requests_than_allowed_are_told_to_come_back(own_settings: Settings, tmp_path: Path, body: bytes) -> None:
    environment = environment_of(own_settings, SEGMENTATION_MAX_CONCURRENT_REQUESTS="2")
    with (
        running_scorer(environment, tmp_path / "log", "--workers=1") as scorer,
        _half_sent(scorer, body[:10], len(body)) as first,
        _half_sent(scorer, body[:10], 100_000),
        scorer.client() as client,
    ):
        eventually(lambda: client.post("/v1/score", content=body, headers=JSON).status_code == 503)
        refused = client.post("/v1/score", content=body, headers=JSON)
        assert problem(refused)["type"] == "urn:problem-type:busy"
        assert int(refused.headers["retry-after"]) > 0
        assert client.get("/health/ready").status_code == 200
        first.sendall(body[10:])
        assert b"200 OK" in first.recv(65536)
        eventually(lambda: client.post("/v1/score", content=body, headers=JSON).status_code == 200)


def test_what_is_under_way_is_finished_before_the_scorer_ends(
    own_settings: Settings, tmp_path: Path, body: bytes
) -> None:
    with (
        running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=2") as scorer,
        _half_sent(scorer, body[:10], len(body)) as waiting,
    ):
        time.sleep(0.3)
        scorer.process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
        waiting.sendall(body[10:])
        assert b"200 OK" in waiting.recv(65536)


def _half_sent(scorer: RunningScorer, part: bytes, length: int) -> socket.socket:
    """A connection on which only the beginning of a request was sent."""
    address = urlsplit(scorer.address)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=30)
    head = {**CREDENTIALS, **JSON, "host": address.netloc, "content-length": str(length)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    connection.sendall(f"POST /v1/score HTTP/1.1\r\n{lines}\r\n".encode() + part)
    return connection


def _score(scorer: RunningScorer, body: bytes) -> Any:
    with scorer.client() as client:
        return client.post("/v1/score", content=body, headers=JSON).raise_for_status().json()


def _ready(scorer: RunningScorer) -> Any:
    return httpx.get(f"{scorer.address}/health/ready").json()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
