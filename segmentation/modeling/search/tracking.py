"""Where searches and fits leave their trace: MLflow, if it is installed and wanted.

A search is one run, its trials and its final fit are runs nested below. What a model is made of stands in the
artefact and in the registry, never here alone: tracking may be off, or its server away, and nothing is lost.
MLflow is imported when a tracker is opened, not before: that takes seconds, and the scorer must not need it.
"""

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from segmentation.errors import SegmentationError
from segmentation.provenance import git_commit
from segmentation.settings import Settings

log = logging.getLogger(__name__)

TrialState = Literal["complete", "pruned", "failed"]

MOST_RUNS = 50_000
"""How many runs MLflow returns at most at once; a search with more trials could log some twice when taken up again."""

EXPERIMENT = "segmentation"
"""The MLflow experiment that holds all searches."""

DESCRIPTION = "Searches for customer segments: each is a run, with its trials and its final fit below."

RUN_STATUS: dict[TrialState, str] = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}

INSTALL = "Install the extra: pip install 'segmentation-platform[tracking]', or `make .venv/tracking` in a checkout."

ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""What MLflow reads from the environment, unless it is set there: a server that is away costs half a minute (MLflow's
own waits add up to many), and no line is printed for each trial."""


class Tracker(Protocol):
    """Where searches and fits leave their trace."""

    def trial(
        self,
        number: int,
        state: TrialState,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        seconds: float,
    ) -> None:
        """Log one trial of the search; one that was logged before, also by an earlier process, is left as it is.

        Args:
            number: Which one; unique in the search.
            state: How it ended.
            params: What was tried.
            metrics: How it did.
            seconds: How long it took.
        """

    def fit(
        self,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        *,
        artefact: str,
        tags: Mapping[str, str],
        figures: Mapping[str, bytes],
    ) -> str | None:
        """Log the fit that the search led to; the same artefact is logged once.

        Args:
            params: What was chosen.
            metrics: How it does.
            artefact: The artefact as JSON, kept as `artefact.json`.
            tags: Tags of this run, beside those of the search.
            figures: PNG images by name, kept as `figures/NAME.png`.

        Returns:
            Where to look: the page of the run on a server, or the id of the run in the local store; None if it was
            not logged.
        """


class NullTracker:
    """Keeps nothing."""

    def trial(
        self,
        number: int,
        state: TrialState,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        seconds: float,
    ) -> None:
        """Do nothing."""

    def fit(
        self,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        *,
        artefact: str,
        tags: Mapping[str, str],
        figures: Mapping[str, bytes],
    ) -> str | None:
        """Do nothing."""


class MlflowTracker:
    """One search in MLflow, opened anew or taken up again.

    The first failure of MLflow is told as a warning, and ends tracking for this search: training goes on without.
    """

    def __init__(self, client: Any, settings: Settings, name: str, tags: Mapping[str, str]) -> None:
        self._settings = settings
        self._is_broken = False
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}
        commit = git_commit() or "unknown"
        own = {"git_commit": commit, "mlflow.source.name": "segmentation", "mlflow.source.git.commit": commit}
        self._tags = {**own, **tags, "search": name}
        with self._or_without():
            self._start(client(tracking_uri=tracking_uri(settings)), name)

    def trial(
        self,
        number: int,
        state: TrialState,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        seconds: float,
    ) -> None:
        """Log one trial as a nested run, as long as it took; see `Tracker.trial`."""
        key = ("trial", str(number))
        if self._is_broken or self._is_logged(key):
            return
        with self._or_without():
            end_ms = _now_ms()
            run_id = self._nested(key, f"trial {number}", end_ms - round(seconds * 1000))
            self._log(run_id, params, {**metrics, "seconds": seconds}, {"state": state})
            self._finish(key, run_id, RUN_STATUS[state], end_ms)

    def fit(
        self,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        *,
        artefact: str,
        tags: Mapping[str, str],
        figures: Mapping[str, bytes],
    ) -> str | None:
        """Log the fit as a nested run, and its metrics with the search as well; see `Tracker.fit`."""
        key = ("fit", hashlib.sha256(artefact.encode()).hexdigest())
        if not (self._is_broken or self._is_logged(key)):
            with self._or_without():
                run_id = self._nested(key, "fit", _now_ms())
                self._log(run_id, params, metrics, tags)
                self._log(self._search_id, {}, metrics, {})
                with tempfile.TemporaryDirectory() as folder:
                    _write_files(Path(folder), artefact, figures)
                    self._client.log_artifacts(run_id, folder)
                self._finish(key, run_id, "FINISHED", _now_ms())
        return self._page(self._known[key][0]) if self._is_logged(key) else None

    def close(self, status: str) -> None:
        """End the search's run."""
        if not self._is_broken:
            with self._or_without():
                self._client.set_terminated(self._search_id, status)

    def _start(self, client: Any, name: str) -> None:
        """Find or make the search's run, and learn which runs are below it."""
        self._client = client
        self._experiment_id = _experiment(client, self._settings)
        found = client.search_runs(
            [self._experiment_id], f"tags.search = '{name}' AND tags.kind = 'search'", order_by=["start_time"]
        )
        tags = {**self._tags, "kind": "search"}
        if not found:
            self._search_id = client.create_run(self._experiment_id, tags=tags, run_name=name).info.run_id
            return
        self._search_id = found[0].info.run_id
        client.update_run(self._search_id, status="RUNNING")
        self._log(self._search_id, {}, {}, tags)
        nested = f"tags.`mlflow.parentRunId` = '{self._search_id}'"
        for run in client.search_runs([self._experiment_id], nested, max_results=MOST_RUNS):
            key = (run.data.tags["kind"], run.data.tags["key"])
            self._known[key] = (run.info.run_id, run.info.status != "RUNNING")

    def _is_logged(self, key: tuple[str, str]) -> bool:
        return key in self._known and self._known[key][1]

    def _nested(self, key: tuple[str, str], run_name: str, start_ms: int) -> str:
        """A run below the search's; one that a killed process has left unfinished is taken up."""
        if key in self._known:
            return self._known[key][0]
        kind, unique = key
        tags = {**self._tags, "kind": kind, "key": unique, "mlflow.parentRunId": self._search_id}
        run = self._client.create_run(self._experiment_id, start_time=start_ms, tags=tags, run_name=run_name)
        self._known[key] = (run.info.run_id, False)
        return str(run.info.run_id)

    def _finish(self, key: tuple[str, str], run_id: str, status: str, end_ms: int) -> None:
        self._client.set_terminated(run_id, status, end_ms)
        self._known[key] = (run_id, True)

    def _log(
        self, run_id: str, params: Mapping[str, object], metrics: Mapping[str, float], tags: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now_ms = _now_ms()
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, float(value), now_ms, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def _page(self, run_id: str) -> str:
        if not self._settings.tracking_uri:
            return run_id
        return f"{shown_uri(self._settings)}/#/experiments/{self._experiment_id}/runs/{run_id}"

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # MLflow's stores raise what they like: requests', SQLAlchemy's, boto3's. None of it may cost a model.
            self._is_broken = True
            shown = shown_uri(self._settings)
            reason = str(error).replace(self._settings.tracking_uri.rstrip("/") or shown, shown)
            log.warning("Tracking in MLflow (%s) failed, and training goes on without it: %s", shown, reason)
            log.debug("The failure of MLflow", exc_info=True)


@contextmanager
def open_tracker(settings: Settings, name: str, tags: Mapping[str, str]) -> Iterator[Tracker]:
    """Begin a search, or take up again one that was killed.

    Args:
        settings: Where runs go: `tracking_uri`, and `home` for the local store.
        name: What the search is, such as a hash of training set and settings; one name is one MLflow run. It is
            shown in MLflow's pages, and must not contain a quote.
        tags: What all its runs are tagged with, such as `training_set_id`, `as_of` and `lake_snapshot`. The git
            commit is added.

    Returns:
        Keeps nothing if tracking is `off`, or if MLflow isn't installed and no URI is set.

    Raises:
        SegmentationError: A URI is set, but MLflow isn't installed.
    """
    client = _client(settings)
    if client is None:
        yield NullTracker()
        return
    tracker = MlflowTracker(client, settings, name, tags)
    try:
        yield tracker
    except BaseException as error:
        tracker.close("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    tracker.close("FINISHED")


def tracking_uri(settings: Settings) -> str:
    """Where runs go, as MLflow names it: a server, or the local store."""
    return settings.tracking_uri or f"sqlite:///{(settings.home / 'mlflow.db').absolute()}"


def shown_uri(settings: Settings) -> str:
    """Where runs go, without a password and without a slash at the end."""
    uri = tracking_uri(settings).rstrip("/")
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else uri


def artifact_folder(settings: Settings) -> Path:
    """Where artefacts and figures of the local store are."""
    return (settings.home / "mlflow").absolute()


def set_environment() -> None:
    """Bound MLflow's patience and turn its telemetry off, for this process and its children; before its import."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def _client(settings: Settings) -> Any:
    """MLflow's client class; None if nothing shall be tracked."""
    if settings.tracking_uri == "off":
        return None
    set_environment()
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        if settings.tracking_uri:
            raise SegmentationError(
                f"SEGMENTATION_TRACKING_URI is {shown_uri(settings)}, but MLflow can't be imported ({error}). {INSTALL}"
            ) from error
        log.debug("MLflow isn't installed (extra `tracking`); searches and fits are not tracked.")
        return None
    return MlflowClient


def _experiment(client: Any, settings: Settings) -> str:
    """The id of the experiment, made if there is none."""
    from mlflow.exceptions import MlflowException

    location = None if settings.tracking_uri else artifact_folder(settings).as_uri()
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is None:
        try:
            return str(client.create_experiment(EXPERIMENT, location, {"mlflow.note.content": DESCRIPTION}))
        except MlflowException:
            # Another process may have been quicker; if that isn't it, the error is told below.
            found = client.get_experiment_by_name(EXPERIMENT)
            if found is None:
                raise
    return str(found.experiment_id)


def _write_files(folder: Path, artefact: str, figures: Mapping[str, bytes]) -> None:
    (folder / "artefact.json").write_text(artefact, encoding="utf-8")
    for name, image in figures.items():
        (folder / "figures").mkdir(exist_ok=True)
        (folder / "figures" / f"{name}.png").write_bytes(image)


def _now_ms() -> int:
    return round(time.time() * 1000)
