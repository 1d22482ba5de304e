"""Processes that have everything imported: forks of this one, each with a group, streams and a result of its own.

Importing the platform costs a command seconds; a fork costs milliseconds, and SIGKILL is as real. The process that
forks must have no threads that hold locks, so it opens no lake itself.
"""

import atexit
import ctypes
import faulthandler
import gc
import importlib
import os
import pickle
import pkgutil
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LIBRARIES = (
    *("confluent_kafka", "dagster_duckdb", "httpx", "obstore.store", "optuna", "psycopg2", "pyarrow.parquet"),
    *("scipy.stats", "sklearn.cluster", "sklearn.metrics", "uvicorn.protocols.http.httptools_impl", "uvloop"),
)
PACKAGES = ("segmentation", "segmentation_assets", "serving")
LEFT_OUT = ("__main__", "spark", "mlflow", "tracing.otlp")
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "POLARS_MAX_THREADS")
PR_SET_PDEATHSIG = 1
NOT_STARTED = 120
"""Exit code of a child that failed before its work began."""


def import_everything() -> None:
    """Import what commands need, and keep it out of the garbage collector's way, so that forks share its memory."""
    os.environ.update(dict.fromkeys(SINGLE_THREADED, "1"))
    for name in LIBRARIES:
        importlib.import_module(name)
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not any(part in module.name for part in LEFT_OUT):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


@dataclass
class Child:
    """A process that was forked.

    Attributes:
        pid: Its id, and that of its group.
        folder: Has `stdout`, `stderr` and, once it has ended well, `result`.
        began_s: When (monotonic).
        code: How it ended; negative for a signal; None as long as it lives.
        ended_s: When.
        cpu_s: What it used.
    """

    pid: int
    folder: Path
    began_s: float = field(default_factory=time.monotonic)
    code: int | None = None
    ended_s: float = 0.0
    cpu_s: float = 0.0

    def poll(self) -> int | None:
        """How it ended, if it has."""
        if self.code is None:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.cpu_s = used.ru_utime + used.ru_stime
                self.code, self.ended_s = os.waitstatus_to_exitcode(status), time.monotonic()
                self._signal_group(signal.SIGKILL)  # what it started itself must not outlive it
        return self.code

    def signal(self, number: int) -> None:
        """Send a signal to it alone, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> bool:
        """Kill it with all that it started; whether it lived."""
        if self.poll() is not None:
            return False
        self._signal_group(signal.SIGKILL)
        return True

    def wait(self, timeout_s: float) -> int | None:
        """How it ended, at the latest after so long."""
        deadline = time.monotonic() + timeout_s
        while self.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.code

    def stacks(self) -> None:
        """Let it write to `stderr` where all of its threads are."""
        self.signal(signal.SIGUSR1)

    def said(self) -> str:
        """What it complained of."""
        return (self.folder / "stderr").read_text("utf-8", "replace")

    def told(self) -> str:
        """What it said."""
        return (self.folder / "stdout").read_text("utf-8", "replace")

    def result(self) -> object:
        """What its work returned; only for one that ended with 0."""
        found: object = pickle.loads((self.folder / "result").read_bytes())  # noqa: S301 (our own fork wrote it)
        return found

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def fork(
    work: Callable[[], object], folder: Path, environment: Mapping[str, str], file_bytes: int | None = None
) -> Child:
    """Start work in a child.

    Args:
        work: What it does; an exception or `SystemExit` ends it with a code, as in a command.
        folder: For what it says; made.
        environment: All of its variables.
        file_bytes: How large a file it may write; None for no limit.
    """
    folder.mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        code = NOT_STARTED
        try:
            _become(folder, environment, file_bytes)
            code = _run(work, folder)
            _finish()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return Child(pid, folder)


def command(*words: str) -> Callable[[], object]:
    """`segmentation WORDS` as work."""

    def run() -> None:
        from segmentation.cli.app import main

        sys.argv = ["segmentation", *words]
        main()

    return run


def _become(folder: Path, environment: Mapping[str, str], file_bytes: int | None) -> None:
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # it ends when its parent does
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    descriptors = {name: os.open(folder / name, os.O_WRONLY | os.O_CREAT, 0o600) for name in ("stdout", "stderr")}
    for descriptor, opened in ((0, os.open(os.devnull, os.O_RDONLY)), (1, descriptors["stdout"])):
        os.dup2(opened, descriptor)
    os.dup2(descriptors["stderr"], 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    faulthandler.enable(2)
    faulthandler.register(signal.SIGUSR1, 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
    gc.enable()


def _finish() -> None:
    """End as the interpreter does: wait for threads, and run what was registered."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()


def _run(work: Callable[[], object], folder: Path) -> int:
    try:
        result = work()
        (folder / "draft").write_bytes(pickle.dumps(result))
        (folder / "draft").rename(folder / "result")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
