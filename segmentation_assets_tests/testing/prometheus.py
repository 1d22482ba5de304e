"""Prometheus and Alertmanager as processes that a test starts, and a webhook that takes down what they would send."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.waiting import eventually
from segmentation_assets_tests.testing.webhook import Webhook

START_S = 30
PATIENCE_S = 30

Figure = float | Callable[[], float]
"""A value of a series, or what makes one whenever it is asked for."""


@dataclass(frozen=True)
class Sample:
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Server:
    """A server that answers, and its log."""

    address: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def get(self, path: str, **parameters: str) -> Any:
        """What it answers, from JSON."""
        response = httpx.get(f"{self.address}{path}", params=parameters, timeout=PATIENCE_S)
        assert response.status_code == 200, response.text
        return response.json()


@dataclass(frozen=True)
class Prometheus(Server):
    """A Prometheus of its own."""

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """The series of a PromQL expression, now or at a Unix time; a scalar is a sample without labels."""
        moment = {} if at is None else {"time": str(at)}
        data = self.get("/api/v1/query", query=expression, **moment)["data"]
        if data["resultType"] == "scalar":
            return [Sample({}, float(data["result"][1]))]
        return [Sample(found["metric"], float(found["value"][1])) for found in data["result"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that are pending or firing."""
        found: list[dict[str, Any]] = self.get("/api/v1/alerts")["data"]["alerts"]
        return found

    def targets(self) -> dict[str, str]:
        """Health of each target by its job: `up`, `down` or `unknown`; the worst, where a job has several."""
        worst: dict[str, str] = {}
        for target in self.get("/api/v1/targets")["data"]["activeTargets"]:
            job = target["labels"]["job"]
            worst[job] = target["health"] if worst.get(job, "up") == "up" else worst[job]
        return worst


def scraping(targets: Mapping[str, str], interval: str = "500ms") -> dict[str, Any]:
    """A configuration that reads one `host:port` per job."""
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
        ],
    }


@contextmanager
def running_prometheus(folder: Path, configuration: Mapping[str, Any], *options: str) -> Iterator[Prometheus]:
    """A Prometheus on a free loopback port; without its program the test is skipped, but not in CI.

    Args:
        folder: For its configuration, data and log; paths of rule files in the configuration are relative to it.
        configuration: What `prometheus.yml` says; `scraping` makes a simple one.
        options: Of the program.
    """
    program = _program("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(dict(configuration), allow_unicode=True), encoding="utf-8")
    port = free_port()
    command = [
        program,
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    ]
    with _running(command, folder / "prometheus.log", port) as (address, process, log):
        yield Prometheus(address, process, log)


@contextmanager
def running_alertmanager(folder: Path, configuration: Path) -> Iterator[Server]:
    """An Alertmanager on a free loopback port; without its program the test is skipped, but not in CI.

    Args:
        folder: For its data and log.
        configuration: Its configuration file.
    """
    program = _program("prometheus-alertmanager", "alertmanager")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        program,
        f"--config.file={configuration}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with _running(command, folder / "alertmanager.log", port) as (address, process, log):
        yield Server(address, process, log)


@dataclass(frozen=True)
class Notified:
    """What Alertmanager has told a webhook; the path of the address names the receiver that a test means."""

    webhook: Webhook

    @property
    def url(self) -> str:
        """Where the webhook listens."""
        return f"http://{self.webhook.host}"

    def notifications(self, receiver: str | None = None) -> list[dict[str, Any]]:
        """What has come so far, for all receivers or for one."""
        return [json.loads(body) for to, body in list(self.webhook.posts) if receiver in {None, to}]

    def alerts(self, status: str, receiver: str | None = None) -> list[dict[str, Any]]:
        """The alerts that were told with a status (`firing` or `resolved`)."""
        told = [alert for body in self.notifications(receiver) for alert in body["alerts"]]
        return [alert for alert in told if alert["status"] == status]

    def names(self, status: str, receiver: str | None = None) -> set[str]:
        """Their names."""
        return {alert["labels"]["alertname"] for alert in self.alerts(status, receiver)}


@dataclass
class Exposition:
    """A target with figures that a test sets, as lines of Prometheus's text format.

    Attributes:
        target: Its `host:port`.
    """

    target: str
    _figures: Mapping[str, Figure] = field(default_factory=dict)
    _fails: bool = False

    def show(self, series: Mapping[str, Figure]) -> None:
        """Show these series and no others, from the next scrape on; a function is asked at each scrape."""
        self._figures, self._fails = dict(series), False

    def fail(self) -> None:
        """Answer 500 until there is something to show again."""
        self._fails = True

    def answer(self) -> tuple[int, bytes]:
        """Status and body that a scrape gets."""
        now = {series: figure() if callable(figure) else figure for series, figure in self._figures.items()}
        text = "".join(f"{series} {float(value)!r}\n" for series, value in now.items())
        return 500 if self._fails else 200, text.encode()


@contextmanager
def running_exposition() -> Iterator[Exposition]:
    """A target on a free loopback port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = exposition.answer()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with _serving(Handler) as port:
        exposition = Exposition(f"127.0.0.1:{port}")
        yield exposition


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `promtool` to its end; without it the test is skipped, but not in CI."""
    command = [_program("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _running(command: Sequence[str], log: Path, port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes]", Path]]:
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            eventually(lambda: process.poll() is not None or _is_ready(address), log.read_text, START_S)
            assert process.poll() is None, log.read_text()
            yield address, process, log
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready", timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _program(*names: str) -> str:
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        reason = f"needs {names[0]}: apt-get install prometheus prometheus-alertmanager"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    return found
