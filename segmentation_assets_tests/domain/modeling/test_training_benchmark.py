"""The benchmark of training: its points, its judgement and its targets. Timings are no tests."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.features.measuring import Usage
from benchmarks.training.__main__ import SEEDS, SIZES, main, planned
from benchmarks.training.contenders import BY_NAME, CONTENDERS, FULL, OURS, Contender, K
from benchmarks.training.points import DIMENSIONS, make_points, open_points
from benchmarks.training.results import rows, targets
from benchmarks.training.running import SAME, Figures, Outcome, inertias

CUSTOMERS = 2_000
INSTALLED = [contender for contender in CONTENDERS if not contender.reason_not_to_run(CUSTOMERS)]


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_points(tmp_path_factory.mktemp("points"), CUSTOMERS, lambda _: None)


def test_points_are_made_once_and_the_same_for_everybody(points: Path, tmp_path: Path) -> None:
    said: list[str] = []
    again = make_points(tmp_path, CUSTOMERS, said.append)
    assert make_points(tmp_path, CUSTOMERS, said.append) == again
    assert len(said) == 1
    assert again.read_bytes() == points.read_bytes()
    assert open_points(again).shape == (CUSTOMERS, DIMENSIONS)


@pytest.mark.parametrize("contender", INSTALLED, ids=lambda contender: contender.name)
def test_every_contender_labels_everybody_by_their_nearest_centroid(contender: Contender, points: Path) -> None:
    mapped = open_points(points)
    centroids, label = contender.fit(mapped, 0)
    least, labelled = inertias(mapped, centroids, label(mapped))
    assert centroids.shape == (K, DIMENSIONS)
    assert labelled == pytest.approx(least, rel=SAME)


def test_inertia_is_the_sum_of_squared_distances_and_wrong_labels_show() -> None:
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0]])
    assert inertias(corners, corners[[0, 2]], np.array([0, 0, 1])) == (1.0, 1.0)
    assert inertias(corners, corners[[0, 2]], np.array([0, 1, 1])) == (1.0, 17.0)


def test_a_small_run_writes_figures_and_cleans_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    small = ["--quick", "--customers", str(CUSTOMERS), "--data", str(tmp_path), "--json", str(report)]
    main([*small, "--contenders", OURS])
    (row,) = json.loads(report.read_text("utf-8"))["results"]
    assert (row["contender"], row["case"], row["inertia_ratio"]) == (OURS, "2,000 customers", 1)
    assert row["is_comparable"]
    assert row["wall_s"] > 0
    assert "not measured" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_slow_contenders_take_one_turn_and_none_at_full_size() -> None:
    small, full = min(SIZES), max(SIZES)
    turns = planned(list(BY_NAME), small)
    for contender in CONTENDERS:
        assert turns.count((contender.name, 0)) == 1
        assert sum(name == contender.name for name, _ in turns) == (1 if contender.is_slow else SEEDS)
        assert bool(contender.reason_not_to_run(full)) or not contender.is_slow
    assert {(OURS, 0), (FULL, 0)} <= set(planned(list(BY_NAME), full))
    assert BY_NAME[OURS].reason_not_to_run(full) == BY_NAME[FULL].reason_not_to_run(full) == ""


def test_seeds_that_are_asked_for_are_everybodys() -> None:
    slow = [contender.name for contender in CONTENDERS if contender.is_slow]
    assert planned([OURS, *slow], 10**9, 2) == [(name, seed) for seed in (0, 1) for name in (OURS, *slow)]


def test_targets_are_of_the_largest_size_with_the_worst_seed_and_the_typical_time() -> None:
    outcomes = [
        _outcome(FULL, 10, 0, 10.0, 100.0),
        _outcome(OURS, 10, 0, 1.0, 150.0),
        _outcome(FULL, 100, 0, 100.0, 1000.0),
        _outcome(FULL, 100, 1, 300.0, 1010.0),
        _outcome(OURS, 100, 0, 10.0, 1000.5),
        _outcome(OURS, 100, 1, 50.0, 1002.0),
        Outcome("faiss", 100, 0, None, "not run: faiss is not installed"),
    ]
    found = {target.name: (target.measured, target.met) for target in targets(outcomes)}
    against = "against a full scikit-learn fit"
    assert found == {
        f"100 customers, fit and labels {against}, wall": (0.15, True),
        f"100 customers, fit and labels {against}, CPU": (0.15, True),
        f"the fit alone {against}, CPU": (pytest.approx(0.15), True),
        "inertia above the best known": (pytest.approx(0.2), False),
    }
    assert rows(outcomes)[-1]["note"] == "not run: faiss is not installed"
    assert targets(outcomes[:1])[0].met is None


def _outcome(contender: str, customers: int, seed: int, seconds: float, inertia: float) -> Outcome:
    figures = Figures(Usage(seconds, seconds, 100.0), seconds / 2, 50.0, inertia, inertia)
    return Outcome(contender, customers, seed, figures)
