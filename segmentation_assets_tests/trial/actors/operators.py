"""Who runs the installation: snapshots, models, maintenance, backups."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from segmentation_assets_tests.trial.lake_state import LakeState, read_state
from segmentation_assets_tests.trial.oracle import Oracle
from segmentation_assets_tests.trial.steps import Actor, Outcome, Step, until_done
from segmentation_assets_tests.trial.zygote import command


def graph(oracle: Oracle) -> Actor:
    """Make snapshots, make stale ones anew, train, and let the daemon's sensor do what is due."""
    works: dict[str, Callable[[], object]] = {
        "refresh": command("snapshots", "refresh"),
        "daemon": _follow_due_snapshots,
        "train": command("materialize", "--train"),
    }
    for name in oracle.plan.graph:
        work = works.get(name) or command(*name.split())
        yield from until_done(partial(Step, name, work))


def promotions(oracle: Oracle) -> Actor:
    """Promote versions and roll back; each try has a reason of its own, by which the ledger knows it."""
    for number, what in enumerate(oracle.plan.promotions):
        reasons: list[str] = []
        outcome = yield from until_done(partial(_decide, oracle, number, what, reasons))
        if json.loads(outcome.child.told())["is_new"]:
            oracle.decide(reasons[-1])


def maintenance(oracle: Oracle) -> Actor:
    """Maintain the lake."""
    for _ in range(oracle.plan.rounds["maintenance"]):
        yield from until_done(partial(Step, "maintain", command("maintain")))


def backups(oracle: Oracle, folder: Path, check: Callable[[str, LakeState], None]) -> Actor:
    """Back up, restore to a home of its own, and look at what came out: the lake as it was meanwhile.

    Args:
        oracle: Of the trial.
        folder: Where backups and restored lakes go.
        check: Judges what was read of a restored lake.
    """
    for number in range(oracle.plan.rounds["backups"]):
        made = yield from until_done(partial(Step, "backup", command("backup", str(folder / "backups"), "--json")))
        home = folder / f"restored-{number}"
        variables = (
            ("SEGMENTATION_HOME", str(home)),
            ("SEGMENTATION_CATALOG", f"sqlite:{home / 'catalog.sqlite'}"),
        )
        restore = command("restore", json.loads(made.child.told())["backup"], "--force")
        yield from until_done(partial(Step, "restore", restore, variables))
        read = yield from until_done(partial(Step, "look at restored", read_state, variables))
        check(f"restored-{number}", _as_of(read, made))


def _decide(oracle: Oracle, number: int, what: str, reasons: list[str]) -> Step:
    reasons.append(f"decision {number}, try {len(reasons)}")
    oracle.may_decide.add(reasons[-1])
    words = ["rollback"] if what == "rollback" else ["promote", what, "--override"]
    return Step(f"models {words[0]}", command("models", *words, "--json", "--reason", reasons[-1]))


def _as_of(read: Outcome, made: Outcome) -> LakeState:
    """What was read of a restored lake, with the time of its backup; a backup that was killed may have been earlier."""
    found = read.child.result()
    assert isinstance(found, LakeState)
    return LakeState(**{**found.__dict__, "began_s": made.child.began_s, "ended_s": made.child.ended_s})


def _follow_due_snapshots() -> None:
    """What the daemon does, two hours later: let the sensor look, and run what it asks for; it waits for late lines."""
    from datetime import timedelta

    from segmentation.clock import utc_now
    from segmentation.settings import load_settings
    from segmentation_assets.cli.runs import dagster_home
    from segmentation_assets.event_log import open_instance
    from segmentation_assets_tests.testing.sensor_runs import follow_due_snapshots

    settings = load_settings()
    with open_instance(dagster_home(settings)) as instance:
        follow_due_snapshots(settings, instance, lambda: utc_now() + timedelta(hours=2))
