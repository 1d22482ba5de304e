"""Runs a case: each contender in a process of its own, in turn, and compares the answers."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.features.comparison import compare
from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.data import Shop, copy_of
from benchmarks.features.measuring import Usage, available_mb
from benchmarks.features.plan import Case

Announce = Callable[[str], None]
SLOW_S = 60.0
"""A contender that takes longer is not run again, however many rounds there are."""
LONGEST_S = 3_600.0
"""A contender that takes longer, reading and saving included, is stopped."""


class NotRunError(Exception):
    """A process was not started, or did not come to a good end; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What came of a contender in a case.

    Attributes:
        contender: Its name.
        case: The case.
        shop: What it worked on.
        usage: The best of its rounds; None if it did not run.
        note: Why it did not run, or in what its answer differs; empty if all is well.
        largest_difference: Of its numbers from the reference's, relative; None if nothing was compared.
        is_equal: False if its answer is another one than the reference's.
    """

    contender: str
    case: Case
    shop: Shop
    usage: Usage | None
    note: str = ""
    largest_difference: float | None = None
    is_equal: bool = True


def run(case: Case, shop: Shop, scratch: Path, announce: Announce) -> list[Outcome]:
    """Run every contender of a case as often as it says, interleaved.

    Answers are kept in `scratch`; the first answer there is for the same lines and look-back is the reference.
    """
    usages: dict[str, list[Usage]] = {name: [] for name in case.contenders}
    notes: dict[str, str] = {}
    for _ in range(case.rounds):
        for name in case.contenders:
            if name in notes or any(usage.wall_s > SLOW_S for usage in usages[name]):
                continue
            try:
                usage = _run_once(name, case, shop, scratch)
            except NotRunError as error:
                notes[name] = str(error)
                announce(f"  {name}: {error}")
            else:
                usages[name].append(usage)
                announce(f"  {name}: {usage.wall_s:.2f} s, {usage.cpu_s:.2f} s CPU, {usage.peak_rss_mb:,.0f} MB")
    return [_outcome(name, case, shop, usages[name], notes.get(name, ""), scratch) for name in case.contenders]


def not_run(case: Case, shop: Shop, reason: str) -> list[Outcome]:
    """What came of a case whose lines can't be had."""
    return [Outcome(name, case, shop, None, f"not run: {reason}") for name in case.contenders]


def fill_cache() -> None:
    """Compile what is kept compiled, so that no contender does."""
    _python("compiling")


def _run_once(name: str, case: Case, shop: Shop, scratch: Path) -> Usage:
    reason = BY_NAME[name].reason_not_to_run(shop.lines, available_mb())
    if reason:
        raise NotRunError(f"not run: {reason}")
    copy = scratch / "copy"
    try:
        home = copy_of(shop.home, copy) if BY_NAME[name].writes else shop.home
        if case.change:
            _python("changing", str(home), case.change, _lookback(case))
        usage = _work(name, home, case, _answer(name, case, shop, scratch))
        if case.change and not _reference(case, shop, scratch).exists():
            _work_from_scratch(home, case, _reference(case, shop, scratch))
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    return usage


def _work_from_scratch(home: Path, case: Case, answer: Path) -> None:
    """What is the answer for a lake that has changed, whatever snapshots it has."""
    again = home.with_name("again")
    try:
        _work("duckdb-write", copy_of(home, again), case, answer)
    finally:
        shutil.rmtree(again, ignore_errors=True)


def _work(name: str, home: Path, case: Case, answer: Path) -> Usage:
    days = ",".join(day.isoformat() for day in case.as_ofs)
    printed = _python("worker", name, str(home), days, _lookback(case), str(answer))
    return Usage(**json.loads(printed.splitlines()[-1]))


def _python(module: str, *words: str) -> str:
    """What a module of this package prints in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.features.{module}", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired as error:
        raise NotRunError(f"stopped after {LONGEST_S / 60:.0f} minutes") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise NotRunError(f"failed with {done.returncode}: {lines[-1] if lines else 'no message (out of memory?)'}")
    return done.stdout


def _lookback(case: Case) -> str:
    return "-" if case.lookback_days is None else str(case.lookback_days)


def _outcome(name: str, case: Case, shop: Shop, usages: list[Usage], note: str, scratch: Path) -> Outcome:
    if not usages:
        return Outcome(name, case, shop, None, note, is_equal=not note.startswith("failed"))
    best = Usage(
        min(usage.wall_s for usage in usages),
        min(usage.cpu_s for usage in usages),
        max(usage.peak_rss_mb for usage in usages),
    )
    if not BY_NAME[name].is_compared:
        return Outcome(name, case, shop, best, note)
    answer = _answer(name, case, shop, scratch)
    reference = _reference(case, shop, scratch)
    if not reference.exists():
        answer.rename(reference)
        return Outcome(name, case, shop, best, note)
    difference = compare(reference, answer)
    answer.unlink()
    problems = "; ".join([note, *difference.problems]).strip("; ")
    return Outcome(name, case, shop, best, problems, difference.largest, not difference.problems)


def _answer(name: str, case: Case, shop: Shop, scratch: Path) -> Path:
    return scratch / f"{name}-{shop.home.name}-{case.lookback_days}-{len(case.as_ofs)}.parquet"


def _reference(case: Case, shop: Shop, scratch: Path) -> Path:
    return scratch / f"reference-{shop.home.name}-{case.lookback_days}-{case.change}.parquet"
