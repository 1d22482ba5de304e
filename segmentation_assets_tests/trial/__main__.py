"""`python -m segmentation_assets_tests.trial`: play seeds, print what came of them; exit code 1 if one went wrong."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from segmentation_assets_tests.testing.object_store import ObjectStore, running_object_store
from segmentation_assets_tests.trial.plan import Plan, planned
from segmentation_assets_tests.trial.report import line_of, summary_of
from segmentation_assets_tests.trial.seed import Verdict, try_seed
from segmentation_assets_tests.trial.template import make_template
from segmentation_assets_tests.trial.zygote import Child, fork, import_everything

REGRESSIONS = Path(__file__).with_name("regressions.txt")
SEED_S = 900
"""No seed may take longer; each of its steps has a bound of its own."""
STOPS_S = 60


def main() -> int:
    """Play what the command line says."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    seeds = seeds_of(options.seeds)
    base = Path(tempfile.mkdtemp(prefix="segmentation-trial-"))
    plans = planned(seeds, options.faults)
    import_everything()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, base, ignore_errors=True)
        make_template(base / "template")
        needs_store = any(plan.store == "s3" for plan in plans)
        store = stack.enter_context(running_object_store()) if needs_store else None
        verdicts = []
        for verdict in _played(plans, base, store, options):
            print(line_of(verdict), flush=True)
            verdicts.append(verdict)
    print("\n".join(["", *summary_of(verdicts)]), flush=True)
    return int(any(verdict.problem for verdict in verdicts))


def seeds_of(text: str) -> list[int]:
    """Seeds as `0-9,17` or `regressions`, those that once went wrong."""
    if text == "regressions":
        lines = REGRESSIONS.read_text().splitlines()
        return [int(line.split()[0]) for line in lines if line and not line.startswith("#")]
    parts = [part.partition("-") for part in text.split(",")]
    return [seed for first, _, last in parts for seed in range(int(first), int(last or first) + 1)]


def _played(
    plans: Sequence[Plan], base: Path, store: ObjectStore | None, options: argparse.Namespace
) -> Iterator[Verdict]:
    """Play plans, a few at a time, each in a process of its own; their verdicts as they come."""
    waiting, running, began = list(plans), list[tuple[Plan, Child]](), time.monotonic()
    try:
        while waiting or running:
            if options.seconds and time.monotonic() - began > options.seconds:
                waiting.clear()
            while waiting and len(running) < options.jobs:
                plan = waiting.pop(0)
                work = _work(plan, base, store, options)
                running.append((plan, fork(work, base / "seeds" / str(plan.seed), dict(os.environ))))
            for plan, child in list(running):
                if child.poll() is not None:
                    running.remove((plan, child))
                    yield _verdict_of(plan, child)
                elif time.monotonic() - child.began_s > SEED_S:
                    _stop(child)
            time.sleep(0.05)
    finally:
        for _, child in running:
            _stop(child)


def _stop(child: Child) -> None:
    """Let a seed end all that it started."""
    child.signal(signal.SIGTERM)
    if child.wait(STOPS_S) is None:
        child.kill()
        child.wait(STOPS_S)


def _work(plan: Plan, base: Path, store: ObjectStore | None, options: argparse.Namespace) -> Callable[[], Verdict]:
    def work() -> Verdict:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("it was told to end"))
        return try_seed(plan, base, store, Path(options.kept), options.keep)

    return work


def _verdict_of(plan: Plan, child: Child) -> Verdict:
    if child.code == 0:
        found = child.result()
        assert isinstance(found, Verdict)
        return found
    return Verdict(plan.seed, problem=f"the trial itself ended with {child.code}:\n{child.said()[-3000:]}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m segmentation_assets_tests.trial", description=__doc__)
    parser.add_argument("--seeds", default="0-99", help="which, as `0-9,17`, or `regressions`")
    parser.add_argument("--faults", type=int, default=11, help="planned for each seed; a few come too late")
    parser.add_argument("--seconds", type=float, default=0, help="begin no seed after so long; 0 for no limit")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="seeds at a time")
    parser.add_argument("--keep", action="store_true", help="keep the folders of all seeds, not of wrong ones alone")
    parser.add_argument("--kept", default="trial-kept", help="where folders are kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
