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
            reason = BY_NAME[name].reason_not_to_run(shop.lines, available_mb())
            found = f"not run: {reason}" if reason else _run_once(name, case, shop, scratch)
            if isinstance(found, Usage):
                usages[name].append(found)
                announce(f"  {name}: {found.wall_s:.2f} s, {found.cpu_s:.2f} s CPU, {found.peak_rss_mb:,.0f} MB")
            else:
                notes[name] = found
                announce(f"  {name}: {found}")
    return [_outcome(name, case, shop, usages[name], notes.get(name, ""), scratch) for name in case.contenders]


def _run_once(name: str, case: Case, shop: Shop, scratch: Path) -> Usage | str:
    copy = scratch / "copy"
    home = copy_of(shop, copy) if BY_NAME[name].writes else shop.home
    days = ",".join(day.isoformat() for day in case.as_ofs)
    lookback = "-" if case.lookback_days is None else str(case.lookback_days)
    arguments = [name, str(home), days, lookback, str(_answer(name, case, shop, scratch))]
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.features.worker", *arguments], capture_output=True, text=True, check=False
    )
    shutil.rmtree(copy, ignore_errors=True)
    if process.returncode:
        lines = process.stderr.strip().splitlines()
        return f"failed with {process.returncode}: {lines[-1] if lines else 'no message (out of memory?)'}"
    return Usage(**json.loads(process.stdout.splitlines()[-1]))


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
    reference = scratch / f"reference-{shop.home.name}-{case.lookback_days}.parquet"
    if not reference.exists():
        answer.rename(reference)
        return Outcome(name, case, shop, best, note)
    difference = compare(reference, answer)
    answer.unlink()
    problems = "; ".join([note, *difference.problems]).strip("; ")
    return Outcome(name, case, shop, best, problems, difference.largest, not difference.problems)


def _answer(name: str, case: Case, shop: Shop, scratch: Path) -> Path:
    return scratch / f"{name}-{shop.home.name}-{case.lookback_days}-{len(case.as_ofs)}.parquet"
