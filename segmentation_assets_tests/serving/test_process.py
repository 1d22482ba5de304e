"""The scorer as a process of its own: the command, what it imports, and a change of champion under load."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
import typer
from typer.testing import CliRunner

from segmentation.errors import SegmentationError
from segmentation.modeling.artefact import Evaluator
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation_assets_tests.testing.running_scorer import RunningScorer, environment_of, running_scorer
from segmentation_assets_tests.testing.shop import (
    CREDENTIALS,
    ESCAPED_ID,
    ODD_IDS,
    PATIENCE_S,
    ScoredCustomer,
    customer_path,
    matrix,
    promote,
    request,
)
from segmentation_assets_tests.testing.waiting import eventually
from serving.commands import serve

IMPORTS = """
import json, sys, time
from litestar.testing import TestClient
from segmentation.settings import load_settings
from serving.app import create_app

app = create_app(load_settings())
at_start = sorted(sys.modules)
with TestClient(app) as client:
    client.headers["authorization"] = sys.argv[1]
    while client.get("/health/ready").status_code != 200:
        time.sleep(0.1)
    paths = ["/schema", "/health/ready", "/v1/customers/C-20", "/v1/segments", "/v1/models/current"]
    answers = [client.get(path) for path in paths]
    answers.append(client.post("/v1/score", content=sys.stdin.read(), headers={"content-type": "application/json"}))
print(json.dumps([[answer.status_code for answer in answers], at_start, sorted(sys.modules)]))
"""
JSON = {"content-type": "application/json"}
TRAINING = {"dagster", "dagster_duckdb", "sklearn", "scipy", "optuna", "mlflow", "matplotlib", "pyspark"}


@pytest.fixture
def environment(own_settings: Settings) -> dict[str, str]:
    """Of processes on this test's own lake."""
    return environment_of(own_settings)


@pytest.fixture(params=["--workers=1", "--workers=2"])
def scorer(environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningScorer]:
    """A scorer of one process, or of several."""
    with running_scorer(environment, tmp_path / "scorer.log", request.param) as running:
        yield running
    log = running.log.read_text()
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


def test_the_scorer_imports_neither_dagster_nor_scikit_learn_nor_pandas(
    environment: dict[str, str], customers: list[ScoredCustomer]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, CREDENTIALS["authorization"]],
        env=environment,
        input=json.dumps(request(customers)),
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    statuses, at_start, at_end = json.loads(done.stdout)
    assert statuses == [200] * 6
    assert {"serving", "segmentation", "litestar", "duckdb"} <= set(at_start)
    # DuckDB itself imports pandas at the first query with parameters, wherever it is installed.
    assert not (TRAINING | {"pandas"}) & set(at_start)
    assert not TRAINING & set(at_end)


def test_every_answer_under_load_is_of_one_version_while_the_champion_changes(
    scorer: RunningScorer, own_settings: Settings, customers: list[ScoredCustomer], models: dict[int, ModelVersion]
) -> None:
    expected = {version: _expected(model, customers) for version, model in models.items()}
    body = json.dumps(request(customers)).encode()
    is_over, last = Event(), [0, 0, 0]

    def ask(number: int) -> None:
        with scorer.client() as client:
            while not is_over.is_set():
                answer = client.post("/v1/score", content=body, headers=JSON).raise_for_status().json()
                results = [(r["segment_id"], r["distance"], r["confidence"]) for r in answer["results"]]
                assert results == expected[answer["model_version"]]
                last[number] = answer["model_version"]

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, number) for number in range(3)]
        try:
            for version in (2, 1, 2):
                promote(own_settings, version)
                eventually(lambda: set(last) == {version} or any(asked.done() for asked in asking))  # noqa: B023
        finally:
            is_over.set()
        for asked in asking:
            asked.result()
    assert last == [2, 2, 2]


def test_a_real_connection_survives_a_body_over_the_limit(scorer: RunningScorer) -> None:
    with scorer.client() as client:
        assert client.post("/v1/score", content=b" " * 1_000_001, headers=JSON).status_code == 413
        assert client.get("/health/live").status_code == 200


def test_a_real_connection_finds_customers_whatever_their_id(scorer: RunningScorer) -> None:
    with scorer.client() as client:
        for customer_id in (*ODD_IDS, ESCAPED_ID):
            assert client.get(customer_path(customer_id)).json()["customer_id"] == customer_id


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    app = typer.Typer()
    app.command()(serve)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["--port", str(port)])
    assert isinstance(result.exception, SegmentationError)
    assert str(port) in str(result.exception)
    assert "--port" in str(result.exception)


def _expected(model: ModelVersion, customers: list[ScoredCustomer]) -> list[tuple[int, float, float]]:
    result = Evaluator(model.artefact).assign(matrix(customers, model.artefact))
    ids = [segment.id for segment in model.artefact.segments]
    return list(
        zip(
            [ids[index] for index in result.segment],
            result.distance.tolist(),
            result.confidence.tolist(),
            strict=True,
        )
    )
