"""Consumers as processes, which are watched over: one that dies is started again, as an orchestrator would."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

START_S = 60


class Consumers:
    """Some processes of one command, each started again whenever it ends.

    Attributes:
        kills: How many of them were killed.
    """

    def __init__(self, count: int, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self._processes: list[subprocess.Popen[bytes]] = []
        self._count, self._stop, self.kills = count, Event(), 0
        self._thread = Thread(target=self._watch_over, daemon=True)

    def __enter__(self) -> "Consumers":
        self._processes = [self._start() for _ in range(self._count)]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill_one(self, choose: random.Random) -> None:
        """Kill one of them, with no time to say goodbye."""
        process = choose.choice(self._processes)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            self.kills += 1

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)

    def _watch_over(self) -> None:
        while not self._stop.wait(0.1):
            for number, process in enumerate(self._processes):
                if process.poll() is not None:
                    self._processes[number] = self._start()


def stream_command(*options: str) -> list[str]:
    """`segmentation stream`, of this very installation."""
    return [sys.executable, "-m", "segmentation.cli", "stream", "app", *options]


def run_and_measure(command: list[str], environment: dict[str, str], log: Path) -> tuple[float, float]:
    """Run a command to its end; wall time and CPU time, in seconds.

    Raises:
        RuntimeError: It failed.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with log.open("ab") as output:
        done = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
    if done.returncode:
        raise RuntimeError(log.read_text())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu_s


def wait_until(holds: Callable[[], bool], patience_s: float = START_S) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: It never was.
    """
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.1)
