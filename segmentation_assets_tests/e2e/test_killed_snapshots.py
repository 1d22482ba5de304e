"""Commands that make snapshots, killed at random moments: the ledger never calls a half-made snapshot current."""

import random
import shutil
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from segmentation.clock import utc_now
from segmentation.settings import Settings
from segmentation.snapshots.states import read_standings
from segmentation.warehouse import Lake
from segmentation_assets_tests.e2e.conftest import environment, segmentation
from segmentation_assets_tests.testing.forked_commands import start_command
from segmentation_assets_tests.testing.from_scratch import contents, differing, made_from_scratch
from segmentation_assets_tests.testing.ledger_truth import CONTRADICTIONS

pytestmark = [pytest.mark.takes(70), pytest.mark.timeout(600)]

LATE = """\
line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at
late-1,late-order,LATECOMER,P00001,2,9.5,2024-09-20 12:00:00
"""
REFRESH = ("snapshots", "refresh")
SINCE = ("materialize", "--since", "2024-11-01", "--no-train")
KILLED = (REFRESH, REFRESH, REFRESH, REFRESH, SINCE, SINCE, REFRESH)


@pytest.fixture(scope="module")
def late_home(year_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with three dates that have segments, all of which a late line has made stale."""
    home = tmp_path_factory.mktemp("killed") / "warehouse"
    shutil.copytree(year_home, home)
    late = home.with_name("late.csv")
    late.write_text(LATE)
    for arguments in (SINCE, ("ingest", str(late))):
        done = segmentation(home, *arguments)
        assert done.returncode == 0, done.stderr
    return home


def test_what_is_killed_leaves_nothing_half_made_that_is_called_current(late_home: Path, tmp_path: Path) -> None:
    settings, rng = Settings(home=late_home, customer_buckets=2, max_segments=5), random.Random(15)
    expected = made_from_scratch(settings, tmp_path / "scratch")
    killed = 0
    for arguments in KILLED:
        killed += _kill(late_home, arguments, commits=rng.randint(0, 4), delay_s=rng.uniform(0, 0.4))
        _check(settings, differing(contents(settings), expected))
    assert killed >= len(KILLED) - 2
    done = segmentation(late_home, *REFRESH)
    assert done.returncode == 0, done.stderr
    _check(settings, [])
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        assert {standing.state for standing in read_standings(con, settings, utc_now())} == {"current"}
    assert differing(contents(settings), expected) == []


def _check(settings: Settings, wrong: Sequence[str]) -> None:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        assert con.execute(CONTRADICTIONS).fetchall() == []
        standings = read_standings(con, settings, utc_now())
    called_current = {f"{s.entry.table_name} as of {s.entry.as_of}" for s in standings if s.state == "current"}
    assert called_current & set(wrong) == set()


def _kill(home: Path, arguments: Sequence[str], *, commits: int, delay_s: float) -> bool:
    """Start a command and kill it a moment after its commits; whether it was still at work then."""
    before = _version(home)
    streams = home.with_name("stdout"), home.with_name("stderr")
    process = start_command(arguments, environment(home), home.parent, *streams)
    while process.is_alive() and _version(home) < before + commits:
        time.sleep(0.02)
    process.join(delay_s)
    was_alive = process.is_alive()
    process.kill()
    process.join()
    assert was_alive or process.exitcode == 0, streams[1].read_text()
    return was_alive


def _version(home: Path) -> int:
    with sqlite3.connect(f"file:{home / 'catalog.sqlite'}?mode=ro", uri=True, timeout=60) as catalog:
        version: int = catalog.execute("SELECT MAX(snapshot_id) FROM ducklake_snapshot").fetchone()[0]
    catalog.close()
    return version
