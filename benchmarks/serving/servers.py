"""The processes of a server: started, asked, measured from outside, and stopped."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import benchmarks
from benchmarks.features.measuring import PROC, descendants, proc_field
from benchmarks.serving.apps.model import VARIABLE
from benchmarks.serving.contenders import Contender, Place
from benchmarks.serving.environments import CannotRunError, last_line, run
from benchmarks.serving.load import OK, PATIENCE_S, Address

ROOT = Path(benchmarks.__file__).parents[1]
START_S = 90.0
STOP_S = 10.0
POLL_S = 0.2
CPU_CLOCK = 2
FORGET_PEAK = "5"
"""What `/proc/PID/clear_refs` takes to let the peak of the memory start anew."""


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        contender: What it is.
        address: Where it listens.
        pid: Its first process; those that this one started belong to it.
    """

    contender: Contender
    address: Address
    pid: int

    @property
    def pids(self) -> list[int]:
        """All of its processes."""
        return [self.pid, *descendants(self.pid)]

    def cpu_s(self) -> float:
        """Seconds of CPU, user and system, that its processes have taken so far."""
        return sum(_cpu_s(pid) for pid in self.pids)

    def forget_peaks(self) -> None:
        """Let `peak_rss_mb` be that of what comes now; where the system can't, it is that since the start."""
        for pid in self.pids:
            with suppress(OSError):
                (PROC / str(pid) / "clear_refs").write_text(FORGET_PEAK)

    def peak_rss_mb(self) -> float:
        """Sum of the peaks of its processes; what a parent shares with its children counts for each of them."""
        return sum(proc_field(PROC / str(pid) / "status", "VmHWM:") for pid in self.pids) / 1024


@contextmanager
def started(
    contender: Contender,
    python: str,
    variables: Mapping[str, str],
    folder: Path,
    first_request: bytes,
    *,
    checkout: Path = ROOT,
) -> Iterator[Server]:
    """Start a server, wait until it answers a request with 200, and stop it in the end.

    Args:
        contender: What to start.
        python: The interpreter that has its packages.
        variables: The `environment` of the shop that it serves.
        folder: Its own, which has the pickled model in its parent; it will hold the log.
        first_request: A whole HTTP request.
        checkout: Whose code it runs.

    Raises:
        CannotRunError: It does not start.
    """
    folder.mkdir()
    place = Place(python, _free_port(), folder)
    variables = _variables(variables, folder.parent / "model.joblib", Path(python).parent, checkout)
    if contender.prepare:
        run(contender.prepare(place), variables)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(contender.serve(place), env=variables, cwd=folder, stdout=log, stderr=log)
    server = Server(contender, ("127.0.0.1", place.port), process.pid)
    try:
        _wait(server, process, first_request, folder / "log")
        yield server
    finally:
        _stop(server, process, f"{VARIABLE}={variables[VARIABLE]}".encode())


def ask(address: Address, request: bytes) -> tuple[int, bytes]:
    """Send one request; status and body of the answer."""
    with socket.create_connection(address, PATIENCE_S) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def _cpu_s(pid: int) -> float:
    """What `/proc/PID/stat` counts in hundredths of a second, to the nanosecond: turns are short.

    The clock's number is that of glibc's `clock_getcpuclockid`, which Python does not have.
    """
    with suppress(OSError):  # the process has ended
        return time.clock_gettime((~pid << 3) | CPU_CLOCK)
    return 0.0


def _variables(variables: Mapping[str, str], model: Path, programs: Path, checkout: Path) -> dict[str, str]:
    """One thread each, because each server is one process; MLflow and BentoML shall not report to their makers."""
    return dict(variables) | {
        "PATH": f"{programs}{os.pathsep}{variables.get('PATH', os.defpath)}",  # MLflow starts `uvicorn`
        "PYTHONPATH": str(checkout),
        VARIABLE: str(model),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_DO_NOT_TRACK": "True",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Server, process: subprocess.Popen[bytes], request: bytes, log: Path) -> None:
    until, trouble = time.monotonic() + START_S, "it does not listen"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise CannotRunError(f"it ended with {process.returncode}: {last_line(log.read_text('utf-8', 'replace'))}")
        try:
            status, body = ask(server.address, request)
        except (OSError, http.client.HTTPException):
            time.sleep(POLL_S)
            continue
        if status == OK:
            return
        trouble = f"it answers {status}: {body[:200].decode('utf-8', 'replace')}"
        time.sleep(POLL_S)
    raise CannotRunError(f"not ready after {START_S:g} s: {trouble}")


def _stop(server: Server, process: subprocess.Popen[bytes], mark: bytes) -> None:
    """Ask the first process to stop, and end what it leaves behind: not every server takes its children along."""
    pids = server.pids
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    for pid in pids:
        with suppress(OSError):
            if mark in (PROC / str(pid) / "environ").read_bytes():
                os.kill(pid, signal.SIGKILL)
    process.wait()
