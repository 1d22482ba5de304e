"""The scorer as a process of its own, for tests that kill it, starve it or measure it from outside."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

import serving
from segmentation.settings import Settings
from segmentation_assets_tests.testing.shop import CREDENTIALS, PATIENCE_S

ROOT = Path(serving.__file__).parents[1]


@dataclass(frozen=True)
class RunningScorer:
    """A scorer that answers, and its log."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, timeout_s: float = PATIENCE_S) -> httpx.Client:
        """A client with all scopes."""
        return httpx.Client(base_url=self.address, headers=CREDENTIALS, timeout=timeout_s)

    def workers(self) -> list[int]:
        """Process ids of the workers that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if b"spawn_main" in _command_line(pid)]


def environment_of(settings: Settings, **others: str) -> dict[str, str]:
    """What a process needs to find the code and the lake."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SEGMENTATION_HOME": str(settings.home),
        "SEGMENTATION_CUSTOMER_BUCKETS": str(settings.customer_buckets),
        "SEGMENTATION_THREADS": "1",
        "SEGMENTATION_MODEL_POLL_S": "0.05",
        "SEGMENTATION_MAX_BODY_BYTES": "1000000",
        "NO_COLOR": "1",
        **others,
    }


@contextmanager
def running_scorer(
    environment: Mapping[str, str],
    log: Path,
    *options: str,
    is_ready: bool = True,
    is_killed: bool = False,
    descriptors: int | None = None,
) -> Iterator[RunningScorer]:
    """A scorer on a free port; it has to end by itself when told to.

    Args:
        environment: Of the process.
        log: File for all that it says.
        options: Of `segmentation serve`.
        is_ready: Whether to wait until it has a model; else until it lives.
        is_killed: Whether the test kills it.
        descriptors: Files and sockets that it may open; None: what this process may.
    """
    limited = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"] if descriptors else []
    command = [*limited, sys.executable, "-m", "segmentation.cli", "serve", "--port", "0", *options]
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            yield RunningScorer(_address(process, log, "ready" if is_ready else "live"), process, log)
            if not is_killed:
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) in {0, -signal.SIGTERM}, log.read_text()
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path, state: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        announced = re.search(r"Scorer: (http://\S+)\nDocs: +\1/schema\n", log.read_text())
        if announced and _answers(f"{announced[1]}/health/{state}"):
            return announced[1]
        time.sleep(0.05)
    raise AssertionError(f"The scorer did not start:\n{log.read_text()}")


def _answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
