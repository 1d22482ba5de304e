"""The end of a trial: what runs is stopped, what is left is done, and then the lake must be exactly what it must be."""

import inspect
import json
import random
import signal
from functools import partial
from pathlib import Path

from segmentation.cli.doctor import doctor
from segmentation_assets_tests.trial.lake_state import LakeState, read_state
from segmentation_assets_tests.trial.steps import Actor, Outcome, Step, TrialError, until_done
from segmentation_assets_tests.trial.trial import Trial
from segmentation_assets_tests.trial.zygote import command

STOPS_S = 60
DATA_FILES = "SELECT data_file FROM ducklake_list_files('lake', 'transactions', schema => 'raw') ORDER BY data_file"
DETECTS_FLIPPED_BITS = "verify" in inspect.signature(doctor).parameters
"""Whether this release can tell; what it can't tell is not tried."""


def settle(trial: Trial) -> None:
    """Stop scorer and consumer, drain the stream, make anew what is stale, and tidy up.

    Raises:
        TrialError: Something doesn't end when it is told to, or fails.
    """
    for service in trial.services.values():
        child = service.child
        assert child is not None
        child.signal(signal.SIGTERM)
        if child.wait(STOPS_S) not in {0, -signal.SIGTERM}:
            raise TrialError(f"{service.name} ended with {child.code} when told to stop:\n{child.said()[-3000:]}")
        service.child = None
    trial.play({"settle": _last_steps()})


def judge_end(trial: Trial) -> tuple[int, int]:
    """Judge the lake as it is now; then damage it, which must be noticed.

    Returns:
        How many lines were acknowledged, and how many the lake has.

    Raises:
        TrialError: It isn't what it must be.
    """
    states: list[LakeState] = []
    trial.play({"end": _read(states)})
    wrong = trial.oracle.judge_end(states[-1])
    acknowledged = trial.oracle.acknowledged()
    in_lake = sum(len(rows) for by_id in states[-1].lines.values() for rows in by_id.values())
    if wrong or acknowledged != in_lake:
        raise TrialError(f"{acknowledged} lines acknowledged, {in_lake} there; " + "\n".join(wrong))
    if DETECTS_FLIPPED_BITS and trial.oracle.plan.store == "local":
        trial.play({"damage": _damage(trial)})
    return acknowledged, in_lake


def _last_steps() -> Actor:
    for words in (("stream", "app", "--until-empty"), ("snapshots", "refresh"), ("maintain",)):
        yield from until_done(partial(Step, " ".join(words), command(*words)))
    yield from until_done(partial(Step, "doctor", command("doctor", "--json")), _is_healthy)


def _read(states: list[LakeState]) -> Actor:
    read = yield from until_done(partial(Step, "read", read_state))
    found = read.child.result()
    assert isinstance(found, LakeState)
    states.append(found)


def _damage(trial: Trial) -> Actor:
    """Flip one bit of a file with lines; `doctor --verify` must name the file."""
    flipped = yield from until_done(partial(Step, "flip a bit", partial(flip_bit, trial.oracle.plan.seed)))
    name = str(flipped.child.result())
    trial.injected.append("bit_flipped")
    yield from until_done(
        partial(Step, "doctor --verify", command("doctor", "--verify")),
        lambda outcome: outcome.child.code == 1 and name in outcome.child.told() + outcome.child.said(),
    )


def flip_bit(seed: int) -> str:
    """Flip one bit of a data file of `raw.transactions`; returns the file's name."""
    from segmentation.settings import load_settings
    from segmentation.warehouse import Lake

    rng = random.Random(seed)
    with Lake(load_settings(), read_only=True) as lake, lake.cursor() as con:
        path = Path(rng.choice(con.execute(DATA_FILES).fetchall())[0])
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return path.name


def _is_healthy(outcome: Outcome) -> bool:
    """Whether the doctor finds nothing but that the trial's disk is a small one."""
    bad = [each for each in json.loads(outcome.child.told()) if not each["is_ok"]]
    return all(each["subject"] == "home" and "free" in each["detail"] for each in bad)
