"""Wall clock, CPU and peak memory of a piece of work in this process and the processes it started."""

import os
import resource
import sys
import threading
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

SAMPLE_S = 0.1
EVERY = 5
"""Samples for one of the descendants' memory, which takes the system some ten milliseconds a gigabyte."""

PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What a piece of work took.

    Attributes:
        wall_s: Seconds on the clock.
        cpu_s: Seconds of CPU, user and system, of this process and its descendants.
        peak_rss_mb: Largest resident memory of this process (imports included) and of its descendants, in MB; what
            descendants share counts once.
    """

    wall_s: float
    cpu_s: float
    peak_rss_mb: float


class Meter:
    """Measures what happens in its `with` block; afterwards there are `usage`, and `peak_own_mb`.

    The latter is the largest resident memory of this process that isn't of a mapped file, in MB; 0 where there is no
    /proc.
    """

    def __enter__(self) -> Self:
        self._stop, self._descendants_kb, self._own_kb = threading.Event(), 0, 0
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        self._cpu_s, self._started = _cpu_s(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall_s, cpu_s = time.perf_counter() - self._started, _cpu_s() - self._cpu_s
        self._stop.set()
        self._sampler.join()
        self.peak_own_mb = self._own_kb / 1024
        self.usage = Usage(wall_s, cpu_s, (_own_peak_kb() + self._descendants_kb) / 1024)

    def _sample(self) -> None:
        for number in count():
            if self._stop.wait(SAMPLE_S):
                return
            if number % EVERY == 0:
                self._descendants_kb = max(self._descendants_kb, sum(_own_kb(pid) for pid in descendants(os.getpid())))
            self._own_kb = max(self._own_kb, proc_field(PROC / "self" / "status", "RssAnon:"))


def available_mb() -> float:
    """Memory that can be taken without swapping; unlimited where the system doesn't say."""
    kb = proc_field(PROC / "meminfo", "MemAvailable:")
    return kb / 1024 if kb else float("inf")


def _cpu_s() -> float:
    seconds = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        seconds += used.ru_utime + used.ru_stime
    return seconds + sum(_living_cpu_s(pid) for pid in descendants(os.getpid()))


def _own_peak_kb() -> int:
    # `ru_maxrss` of a process starts at that of the one that started it; `VmHWM` does not.
    unit = 1024 if sys.platform == "darwin" else 1
    return proc_field(PROC / "self" / "status", "VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they started; none where there is no /proc."""
    found = []
    for children in PROC.glob(f"{pid}/task/*/children"):
        for child in _read(children).split():
            found += [int(child), *descendants(int(child))]
    return found


def _living_cpu_s(pid: int) -> float:
    fields = _read(PROC / str(pid) / "stat").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12]) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _own_kb(pid: int) -> int:
    """Resident memory of a process, of what it shares its part: a process that forks would count twice otherwise."""
    status = PROC / str(pid) / "status"
    parent = PROC / str(proc_field(status, "PPid:")) / "status"
    if proc_field(status, "VmSize:") == proc_field(parent, "VmSize:"):
        return 0  # only just started, and within all of its parent's memory until it runs a program of its own
    return proc_field(PROC / str(pid) / "smaps_rollup", "Pss:") or proc_field(status, "VmRSS:")


def proc_field(path: Path, name: str) -> int:
    """The number after `name` in a file of /proc; 0 if there is none."""
    return next((int(line.split()[1]) for line in _read(path).splitlines() if line.startswith(name)), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:  # the process has ended, or there is no /proc
        return ""
