"""The trial's short form: the seeds that once went wrong, and one for each kind of catalogue."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import segmentation
from segmentation_assets_tests.testing.postgres import find_binaries
from segmentation_assets_tests.trial.__main__ import seeds_of
from segmentation_assets_tests.trial.plan import make_plan

pytestmark = [pytest.mark.takes(100), pytest.mark.timeout(900)]

ROOT = Path(segmentation.__file__).parents[1]
SHORT = (0, 3)


def test_nothing_is_lost_doubled_or_wrong(tmp_path: Path) -> None:
    seeds = sorted({*seeds_of("regressions"), *SHORT})
    if find_binaries() is None:
        assert "CI" not in os.environ, "needs PostgreSQL's server programs: apt-get install postgresql"
        seeds = [seed for seed in seeds if make_plan(seed, 1).catalogue == "sqlite"]
    words = ["--seeds", ",".join(map(str, seeds)), "--kept", str(tmp_path / "kept")]
    done = subprocess.run(
        [sys.executable, "-m", "segmentation_assets_tests.trial", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" ok ") == len(seeds)


def test_a_seed_means_the_same_plan_whenever_it_is_played() -> None:
    assert make_plan(17, 11) == make_plan(17, 11)
    assert make_plan(17, 11) != make_plan(18, 11)


def test_a_hundred_seeds_have_every_kind_of_fault() -> None:
    plans = [make_plan(seed, 11) for seed in range(100)]
    kinds = {fault.kind for plan in plans for fault in plan.faults} | {
        each for plan in plans for each in plan.data_faults
    }
    assert kinds >= {"kill", "kill_scorer", "kill_stream", "catalogue_down", "store_failing", "store_slow", "disk_full"}
    assert kinds >= {"clock_moved", "duplicate_file", "duplicate_push", "duplicate_message", "corrupt_file"}
    assert {(plan.catalogue, plan.store) for plan in plans} == {
        ("sqlite", "local"),
        ("sqlite", "s3"),
        ("postgres", "local"),
    }
