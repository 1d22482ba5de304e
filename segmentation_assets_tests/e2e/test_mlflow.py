import json
import socket
import urllib.request
from pathlib import Path

import pytest

from segmentation.modeling.search.tracking import open_tracker
from segmentation.settings import Settings
from segmentation_assets_tests.e2e.conftest import segmentation, server
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.tracking import require_mlflow

pytestmark = pytest.mark.takes(20)


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """MLflow is there."""
    require_mlflow()


def test_mlflows_pages_show_what_was_tracked(tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    with open_tracker(Settings(home=home, tracking_uri=""), "a search", {}) as tracker:
        run_id = tracker.fit({}, {"stability": 0.5}, artefact='{"format": 1}', tags={}, figures={})
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with server(home, "mlflow", "--port", str(port), ready=f"{address}/health", SEGMENTATION_TRACKING_URI=""):
        with urllib.request.urlopen(f"{address}/api/2.0/mlflow/runs/get?run_id={run_id}", timeout=30) as answer:
            run = json.load(answer)["run"]
        assert run["data"]["metrics"][0]["value"] == 0.5
        with urllib.request.urlopen(f"{address}/get-artifact?path=artefact.json&run_uuid={run_id}", timeout=30) as file:
            assert file.read() == b'{"format": 1}'
        with urllib.request.urlopen(address, timeout=30) as page:
            assert b"<title>MLflow</title>" in page.read()


@pytest.mark.parametrize(
    ("uri", "code", "said"),
    [
        ("http://ann:secret@tracking:5000", 0, "logged to http://tracking:5000;"),
        ("off", 1, "SEGMENTATION_TRACKING_URI is off"),
    ],
)
def test_without_a_local_store_it_is_said_where_to_look(uri: str, code: int, said: str, tmp_path: Path) -> None:
    done = segmentation(tmp_path / "warehouse", "mlflow", SEGMENTATION_TRACKING_URI=uri)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = segmentation(
            tmp_path / "warehouse", "mlflow", "--port", str(taken.getsockname()[1]), SEGMENTATION_TRACKING_URI=""
        )
    assert done.returncode == 1
    assert "choose another with --port" in done.stderr
