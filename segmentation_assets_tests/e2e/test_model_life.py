"""Models trained, promoted and looked at by commands that die at any moment."""

import json
import random
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from segmentation.clock import utc_now
from segmentation.modeling import registry
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.e2e.conftest import command, environment, segmentation, sql

pytestmark = pytest.mark.takes(60)

TRAIN = ("materialize", "--select", 'key:"training/training_set" or key:"training/candidate_model"')
TRIALS = 16
SEARCH = {"SEGMENTATION_SEARCH_TRIALS": str(TRIALS), "SEGMENTATION_SEED": "11"}


def _copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to / "warehouse")
    return to / "warehouse"


def _trials(home: Path) -> list[optuna.trial.FrozenTrial]:
    """Trials of the newest search that are over."""
    journals = sorted((home / "searches").glob("*.log"), key=lambda path: path.stat().st_mtime)
    storage = JournalStorage(JournalFileBackend(str(journals[-1])))
    (study,) = storage.get_all_studies()
    return [
        trial
        for trial in storage.get_all_trials(study._study_id)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    ]


def _candidate(home: Path) -> tuple[str, ...]:
    versions = json.loads(segmentation(home, "models", "list", "--json").stdout)
    (newest,) = [version for version in versions if "candidate" in version["aliases"]]
    return newest["model_hash"], str(newest["version"])


@pytest.fixture(scope="module")
def whole(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a candidate from a search that nothing disturbed; nothing here may change it."""
    own = _copy(home, tmp_path_factory.mktemp("whole"))
    done = segmentation(own, *TRAIN, **SEARCH)
    assert done.returncode == 0, done.stderr
    return own


def test_a_killed_search_is_taken_up_where_it_was(home: Path, whole: Path, tmp_path: Path) -> None:
    killed = _copy(home, tmp_path)
    known = len(list((killed / "searches").glob("*.log")))
    for wanted in (3, 8):
        process = subprocess.Popen(
            command(*TRAIN), env=environment(killed, **SEARCH), cwd=killed.parent, stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if len(list((killed / "searches").glob("*.log"))) > known and len(_trials(killed)) >= wanted:
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert wanted <= len(_trials(killed)) < TRIALS
    done = segmentation(killed, *TRAIN, **SEARCH)
    assert done.returncode == 0, done.stderr
    assert len(_trials(killed)) == TRIALS
    assert [trial.params for trial in _trials(killed)] == [trial.params for trial in _trials(whole)]
    assert _candidate(killed) == _candidate(whole)


def test_a_killed_promotion_is_done_or_not(whole: Path, tmp_path: Path) -> None:
    own = _copy(whole, tmp_path)
    _, candidate = _candidate(own)
    promote = ("models", "promote", candidate, "--override", "--reason", "test")
    query = "SELECT version FROM registry.promotions WHERE alias = 'champion' ORDER BY promotion_id"
    assert sql(own, query).split() == ["1"]
    for _ in range(4):
        process = subprocess.Popen(command(*promote), env=environment(own), cwd=own.parent, stdout=subprocess.DEVNULL)
        time.sleep(random.uniform(1.0, 4.0))
        process.kill()
        process.wait()
        assert sql(own, query).split() in (["1"], ["1", candidate])
    done = segmentation(own, *promote)
    assert done.returncode == 0, done.stderr
    assert sql(own, query).split() == ["1", candidate]


def test_a_model_is_reproduced_in_another_process_and_folder_and_after_maintenance(home: Path, tmp_path: Path) -> None:
    own = _copy(home, tmp_path)
    first = segmentation(own, "models", "reproduce", "1", "--json")
    assert first.returncode == 0, first.stdout
    assert segmentation(own, "maintain").returncode == 0
    elsewhere = subprocess.run(
        command("models", "reproduce", "1", "--json"),
        env=environment(own),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert elsewhere.returncode == 0, elsewhere.stdout
    assert json.loads(elsewhere.stdout) == json.loads(first.stdout)
    assert json.loads(first.stdout)["is_same"]


def test_versions_are_compared_and_segments_renamed(whole: Path, tmp_path: Path) -> None:
    own = _copy(whole, tmp_path)
    shown = segmentation(own, "models", "diff", "champion", "candidate")
    assert shown.returncode == 0, shown.stderr
    assert "seed" in shown.stdout
    assert "customers would change segment" in shown.stdout
    tables = json.loads(segmentation(own, "models", "diff", "1", "2", "--json").stdout)
    assert set(tables) == {"provenance", "features", "figures", "segments", "customers"}
    (tmp_path / "names.yaml").write_text("1: Our best\n")
    renamed = segmentation(own, "models", "rename", "--file", str(tmp_path / "names.yaml"), "--reason", "brand book")
    assert "→ Our best" in renamed.stdout
    assert "Our best" in segmentation(own, "models", "show").stdout
    for bad in (["rename"], ["rename", "1"], ["rename", "--file", str(tmp_path / "none.yaml")], ["rename", "99", "x"]):
        done = segmentation(own, "models", *bad)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_a_refused_model_has_an_exit_code_of_its_own_and_everybody_a_segment(home: Path, tmp_path: Path) -> None:
    own = _copy(home, tmp_path)
    with Lake(Settings(home=own)) as lake:  # a candidate that changes the places of all segments
        with lake.cursor() as con:
            champion = registry.load_champion(con)
        segments = champion.artefact.segments
        moved = [
            msgspec.structs.replace(segment, centroid=other.centroid)
            for segment, other in zip(segments, (*segments[1:], segments[0]), strict=True)
        ]
        poisoned = msgspec.structs.replace(champion.artefact, segments=tuple(moved))
        registry.register(lake, poisoned, champion.metrics, Commit("poison"), now=utc_now())
    done = segmentation(own, "materialize", "--select", 'key:"training/champion_model" or group:segments')
    said = " ".join(done.stdout.split())
    assert done.returncode == 3, done.stdout + done.stderr
    assert "was refused, and champion 1 goes on serving" in said
    assert "segmentation models promote 2 --dry-run" in said
    newest = "WHERE as_of = (SELECT MAX(as_of) FROM features.rfm)"
    assert sql(own, f"SELECT DISTINCT model_version FROM segments.customer_segments {newest}") == "1"
    customers = sql(own, f"SELECT COUNT(*) FROM features.rfm {newest}")
    assert sql(own, f"SELECT COUNT(*) FROM segments.customer_segments {newest}") == customers
    shown = json.loads(segmentation(own, "models", "migration", "--json").stdout)
    assert (shown["before"], shown["after"]) == (1, 2)
    assert sum(segment["customers"] for segment in shown["segments"]) == int(customers)
