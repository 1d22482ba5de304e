"""Against real MLflow on a store of its own; its first start takes seconds, so the tests of this file share one."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from segmentation.errors import SegmentationError
from segmentation.modeling.search import tracking
from segmentation.modeling.search.tracking import NullTracker, open_tracker
from segmentation.provenance import git_commit
from segmentation.settings import Settings
from segmentation_assets_tests.testing.tracking import require_mlflow

TAGS = {"training_set_id": "a1b2", "as_of": "2026-01-01", "lake_snapshot": "7"}
PNG = b"\x89PNG of a kind"


@pytest.fixture(scope="module")
def installed() -> None:
    """MLflow is there."""
    require_mlflow()


@pytest.fixture(scope="module")
def store(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("tracking") / "a home", tracking_uri="")


@pytest.fixture
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@pytest.fixture(params=["refuses", "is silent"])
def unreachable(installed: None, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A server that isn't there, or takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if request.param == "refuses":
            listener.close()
        yield Settings(tracking_uri=f"http://ann:secret@127.0.0.1:{port}/")


def _client() -> Any:
    """MLflow's client, imported by the tests that need it, not by each process that collects this file."""
    from mlflow import MlflowClient

    return MlflowClient


def _runs(store: Settings, search: str) -> dict[str, Any]:
    """The runs of a search by their names, each name once."""
    client = _client()(tracking.tracking_uri(store))
    experiment = client.get_experiment_by_name("segmentation")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.search = '{search}'")
    by_name = {run.info.run_name: run for run in runs}
    assert len(by_name) == len(runs)
    return by_name


def _without_mlflows_own(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if not name.startswith("mlflow.")}


def test_trials_and_the_fit_are_runs_below_their_search(store: Settings) -> None:
    with open_tracker(store, "nested", TAGS) as tracker:
        tracker.trial(0, "complete", {"segments": 5, "pca": None}, {"stability": 0.9, "separation": 0.25}, 12.5)
        tracker.trial(1, "pruned", {"segments": 6}, {"stability": 0.4}, 3.0)
        tracker.trial(2, "failed", {"segments": 7}, {}, 0.5)
        assert _runs(store, "nested")["nested"].info.status == "RUNNING"
        run_id = tracker.fit(
            {"segments": 5},
            {"stability": 0.91},
            artefact='{"format": 1}',
            tags={"model_hash": "ff"},
            figures={"elbow": PNG},
        )
    runs = _runs(store, "nested")
    assert {name: run.info.status for name, run in runs.items()} == {
        "nested": "FINISHED",
        "trial 0": "FINISHED",
        "trial 1": "KILLED",
        "trial 2": "FAILED",
        "fit": "FINISHED",
    }
    search, trial, fit = runs["nested"], runs["trial 0"], runs["fit"]
    assert {run.data.tags.get("mlflow.parentRunId") for run in runs.values()} == {None, search.info.run_id}
    assert trial.data.params == {"segments": "5", "pca": "None"}
    assert trial.data.metrics == {"stability": 0.9, "separation": 0.25, "seconds": 12.5}
    assert trial.info.end_time - trial.info.start_time == 12_500
    assert fit.info.run_id == run_id
    assert fit.data.metrics == search.data.metrics == {"stability": 0.91}
    assert fit.data.tags["model_hash"] == "ff"
    common = {**TAGS, "search": "nested", "git_commit": git_commit() or "unknown"}
    assert _without_mlflows_own(search.data.tags) == {**common, "kind": "search"}
    assert _without_mlflows_own(trial.data.tags) == {**common, "kind": "trial", "key": "0", "state": "complete"}
    files = store.home / "mlflow" / fit.info.run_id / "artifacts"
    assert (files / "artefact.json").read_text() == '{"format": 1}'
    assert (files / "figures" / "elbow.png").read_bytes() == PNG


def test_a_killed_search_goes_on_in_its_run(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def search() -> None:
        with open_tracker(store, "killed", TAGS) as tracker:
            tracker.trial(0, "complete", {"segments": 5}, {"stability": 0.9}, 1)
            with monkeypatch.context() as patch:
                patch.setattr(_client(), "log_batch", _interrupt)
                tracker.trial(1, "complete", {"segments": 6}, {"stability": 0.8}, 1)

    with pytest.raises(KeyboardInterrupt):
        search()
    before = _runs(store, "killed")
    assert {name: run.info.status for name, run in before.items()} == {
        "killed": "KILLED",
        "trial 0": "FINISHED",
        "trial 1": "RUNNING",
    }
    with open_tracker(store, "killed", {**TAGS, "lake_snapshot": "8"}) as tracker:
        tracker.trial(0, "complete", {"segments": 5}, {"stability": 0.1}, 1)
        tracker.trial(1, "complete", {"segments": 6}, {"stability": 0.8}, 1)
        tracker.trial(1, "complete", {"segments": 6}, {"stability": 0.1}, 1)
    after = _runs(store, "killed")
    assert {name: run.info.run_id for name, run in after.items()} == {
        name: run.info.run_id for name, run in before.items()
    }
    assert {run.info.status for run in after.values()} == {"FINISHED"}
    assert [after[f"trial {number}"].data.metrics["stability"] for number in (0, 1)] == [0.9, 0.8]
    assert after["killed"].data.tags["lake_snapshot"] == "8"


def test_a_failed_search_is_marked_as_failed(store: Settings) -> None:
    with pytest.raises(ZeroDivisionError), open_tracker(store, "failed", TAGS):
        raise ZeroDivisionError
    assert _runs(store, "failed")["failed"].info.status == "FAILED"


def test_the_same_artefact_is_logged_once(store: Settings) -> None:
    def fit(artefact: str) -> str | None:
        with open_tracker(store, "again", TAGS) as tracker:
            return tracker.fit({}, {}, artefact=artefact, tags={}, figures={})

    first = fit("{}")
    assert first is not None
    assert fit("{}") == first
    assert fit('{"another": 1}') not in (first, None)


@pytest.mark.usefixtures("quick_to_give_up")
def test_a_server_that_is_away_costs_a_warning_and_no_training(
    unreachable: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    began = time.monotonic()
    with open_tracker(unreachable, "away", TAGS) as tracker:
        tracker.trial(0, "complete", {"segments": 5}, {"stability": 0.9}, 1)
        assert tracker.fit({}, {}, artefact="{}", tags={}, figures={}) is None
    assert time.monotonic() - began < 30
    (warning,) = [record.getMessage() for record in caplog.records if record.name == tracking.log.name]
    assert warning.startswith("Tracking in MLflow (http://127.0.0.1:")
    assert "training goes on without it" in warning
    assert "secret" not in warning


def test_what_breaks_in_the_midst_of_a_search_ends_tracking_only(
    store: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tracker(store, "broken", TAGS) as tracker:
        tracker.trial(0, "complete", {}, {"stability": 0.9}, 1)
        monkeypatch.setattr(_client(), "create_run", _no_space)
        for number in (1, 2):
            tracker.trial(number, "complete", {}, {"stability": 0.9}, 1)
    warnings = [record.getMessage() for record in caplog.records if record.name == tracking.log.name]
    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert set(_runs(store, "broken")) == {"broken", "trial 0"}


def test_without_mlflow_nothing_is_tracked_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with caplog.at_level(logging.INFO), open_tracker(Settings(home=tmp_path), "none", TAGS) as tracker:
        tracker.trial(0, "complete", {}, {}, 1)
        assert tracker.fit({}, {}, artefact="{}", tags={}, figures={}) is None
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_without_mlflow_a_uri_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    settings = Settings(tracking_uri="http://ann:secret@tracking")
    with pytest.raises(SegmentationError, match=r"segmentation-platform\[tracking\]") as refused:
        open_tracker(settings, "none", TAGS).__enter__()
    assert "secret" not in str(refused.value)


def test_tracking_can_be_off(tmp_path: Path) -> None:
    with open_tracker(Settings(home=tmp_path, tracking_uri="off"), "none", TAGS) as tracker:
        assert isinstance(tracker, NullTracker)


@pytest.mark.parametrize("uri", ["mlflow.db", "sqlite:///mlflow.db", "http://", "no"])
def test_what_is_no_server_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="tracking_uri"):
        Settings(tracking_uri=uri)


def test_mlflow_is_told_to_send_no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    tracking.set_environment()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_importing_the_tracker_does_not_import_mlflow() -> None:
    code = (
        "import segmentation.modeling.search.tracking, segmentation.modeling.plots.charts, sys;"
        "print({'mlflow', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "set()\n"


def _interrupt(*_args: object, **_kwargs: object) -> None:
    raise KeyboardInterrupt


def _no_space(*_args: object, **_kwargs: object) -> None:
    raise OSError("No space left on device")
