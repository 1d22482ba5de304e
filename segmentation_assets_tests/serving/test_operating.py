"""What those see who run the scorer: figures of all workers, logs without customers, headers, and swaps under load."""

import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from segmentation.modeling.artefact import Evaluator
from segmentation.modeling.registry import ModelVersion, load_champion
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.running_scorer import environment_of, running_scorer
from segmentation_assets_tests.testing.shop import ScoredCustomer, customer_path, request
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app
from serving.logs import JsonFormatter

pytestmark = pytest.mark.takes(40)

Client = TestClient[Litestar]
JSON = {"content-type": "application/json"}
SWAPS = 40


def test_figures_are_those_of_all_workers(
    own_settings: Settings, tmp_path: Path, customers: list[ScoredCustomer]
) -> None:
    body = json.dumps(request(customers)).encode()
    with running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=2") as scorer:
        for _ in range(40):  # a connection each, so that both workers have some
            with scorer.client() as client:
                client.post("/v1/score", content=body, headers=JSON).raise_for_status()
        with scorer.client() as client:
            for _ in range(8):
                client.get(customer_path("nobody"))
            told = [_figures(client.get("/metrics").raise_for_status().text) for _ in range(6)]
        for figures in told:
            scored = {"method": "POST", "route": "/v1/score", "status": "200"}
            assert _sum(figures, "segmentation_requests_total", **scored) == 40
            assert _sum(figures, "segmentation_scored_customers_total") == 40 * len(customers)
            assert _sum(figures, "segmentation_request_duration_seconds_count", route="/v1/score") == 40
            unknown = {"route": "/v1/customers/{customer_id}", "status": "404"}
            assert _sum(figures, "segmentation_requests_total", **unknown) == 8
            assert _sum(figures, "segmentation_model_version") == 1
            assert _sum(figures, "segmentation_is_stale") == 0
            assert _sum(figures, "segmentation_is_ready") == 1
        assert "nobody" not in str(told)


def test_unknown_paths_and_methods_make_no_figures_of_their_own(client: Client) -> None:
    for name in ("a", "b", "c"):
        client.get(f"/nothing/{name}")
        client.request(f"X{name}", "/v1/segments")
    labels = [sample[1] for sample in _figures(client.get("/metrics").text) if sample[0].endswith("requests_total")]
    assert {"(none)"} == {label["route"] for label in labels if "nothing" in str(label) or "none" in label["route"]}
    assert not {label["method"] for label in labels} & {"Xa", "Xb", "Xc"}


def test_the_log_is_json_and_names_no_customer(own_settings: Settings, tmp_path: Path) -> None:
    environment = environment_of(own_settings, SEGMENTATION_ACCESS_LOG_SHARE="1")
    with running_scorer(environment, tmp_path / "log", "--workers=1") as scorer, scorer.client() as client:
        client.get(customer_path("C-20"), headers={"x-request-id": "mine-1"}).raise_for_status()
        client.get(customer_path("secret customer"))
        client.post("/v1/score", json={"customers": [{"customer_id": "C-20", "features": {"recency_days": "C-20"}}]})
    log = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in log.splitlines()[2:]]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    [mine] = [line for line in lines if line.get("request_id") == "mine-1"]
    assert (mine["route"], mine["status"], mine["method"]) == ("/v1/customers/{customer_id}", 200, "GET")
    assert mine["caller"] == "key:test 0123456789ab"
    assert mine["duration_ms"] > 0
    assert "C-20" not in log
    assert "secret" not in log
    assert shop.KEY not in log


def test_few_requests_are_logged_but_all_failures(own_settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings = own_settings.model_copy(update={"access_log_share": 0.0, "auth": "off"})
    with TestClient(create_app(settings)) as client, caplog.at_level(logging.INFO, "serving.access"):
        for _ in range(20):
            client.get("/health/live")
        assert not [record for record in caplog.records if record.name == "serving.access"]
        (own_settings.home / "catalog.sqlite").write_bytes(b"not a database" * 1000)
        eventually(lambda: client.get("/v1/customers/C-20").status_code == 503)
        assert [
            record for record in caplog.records if record.name == "serving.access" and record.__dict__["status"] == 503
        ]


def test_a_traceback_is_one_line_of_json() -> None:
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError as error:
        record = logging.LogRecord("a", logging.ERROR, "p", 1, "it %s", ("broke",), (type(error), error, None))
    line = JsonFormatter().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["message"], told["level"]) == ("it broke", "error")
    assert "two\nlines" in told["exception"]


@pytest.mark.parametrize("given", ["abc-1.2_3", "x" * 64])
def test_a_request_id_comes_back(client: Client, given: str) -> None:
    assert client.get("/health/live", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "<script>", "a,b"])
def test_a_request_id_that_will_not_do_is_replaced(client: Client, given: str) -> None:
    made = client.get("/health/live", headers={"x-request-id": given}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{24}", made)


@pytest.mark.parametrize("path", ["/health/live", "/v1/segments", "/nothing", "/schema", "/metrics"])
def test_every_answer_has_the_headers_that_keep_browsers_safe(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert ("'unsafe-inline'" in headers["content-security-policy"]) == (path == "/schema")
    assert "access-control-allow-origin" not in client.get(path, headers={"origin": "https://evil.example"}).headers


def test_pages_of_named_origins_may_call(own_settings: Settings) -> None:
    settings = own_settings.model_copy(update={"cors_origins": "https://shop.example, https://app.example"})
    asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
    with TestClient(create_app(settings)) as client:
        allowed = client.options("/v1/score", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        other = client.get("/health/live", headers={"origin": "https://evil.example"})
        assert other.headers.get("access-control-allow-origin") != "https://evil.example"


def test_a_stream_of_order_lines_makes_nobody_read_the_champion_again(
    own_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    reads = 0

    def counted(con: Any) -> ModelVersion:
        nonlocal reads
        reads += 1
        return load_champion(con)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("serving.live.champion.load_champion", counted)
        with TestClient(create_app(own_settings)) as client:
            eventually(lambda: client.get("/health/ready").status_code == 200)
            with Lake(own_settings) as lake:
                for number in range(5):
                    insert_lines(lake, [Line("C-20", f"o{number}", "p", datetime(2024, 6, 1))])
                    time.sleep(3 * own_settings.model_poll_s)
            assert reads == 1
            with Lake(own_settings) as lake, lake.cursor() as con:
                lake.transaction(con, Commit("x"), lambda c: c.execute("DELETE FROM segments.segment_profiles"))
            eventually(lambda: reads > 1)


def test_forty_swaps_under_load_fail_no_request_and_mix_no_versions(
    own_settings: Settings, tmp_path: Path, customers: list[ScoredCustomer], models: dict[int, ModelVersion]
) -> None:
    some = customers[::10]
    expected = {version: _expected(model, some) for version, model in models.items()}
    body = json.dumps(request(some)).encode()
    is_over = Event()
    with running_scorer(environment_of(own_settings), tmp_path / "log", "--workers=1") as scorer:

        def ask() -> set[int]:
            seen = set()
            with scorer.client() as client:
                while not is_over.wait(0.005):  # the swaps want some of the machine, too
                    answer = client.post("/v1/score", content=body, headers=JSON).raise_for_status().json()
                    told = [(each["segment_id"], each["distance"]) for each in answer["results"]]
                    assert told == expected[answer["model_version"]]
                    seen.add(answer["model_version"])
            return seen

        with ThreadPoolExecutor(2) as pool, httpx.Client(base_url=scorer.address) as watching:
            asking = [pool.submit(ask) for _ in range(2)]
            try:
                with Lake(own_settings) as lake:
                    for number in range(SWAPS):
                        version = 2 if number % 2 == 0 else 1
                        shop.promote_on(lake, version)
                        _wait_for(watching, version)
            finally:
                is_over.set()
            assert [each.result() for each in asking] == [{1, 2}] * 2


def _wait_for(client: httpx.Client, version: int) -> None:
    eventually(lambda: client.get("/health/ready").json()["model_version"] == version)


def _expected(model: ModelVersion, customers: list[ScoredCustomer]) -> list[tuple[int, float]]:
    found = Evaluator(model.artefact).assign(shop.matrix(customers, model.artefact))
    ids = [segment.id for segment in model.artefact.segments]
    return [(ids[index], distance) for index, distance in zip(found.segment, found.distance.tolist(), strict=True)]


def _figures(text: str) -> list[tuple[str, dict[str, str], float]]:
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def _sum(figures: list[tuple[str, dict[str, str], float]], name: str, **labels: str) -> float:
    return sum(value for found, given, value in figures if found == name and labels.items() <= given.items())
