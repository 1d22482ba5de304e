import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.modeling import evidence, lifecycle, migration, registry
from segmentation.modeling.comparison import differences, reproduce
from segmentation.modeling.evidence import Best, Evidence
from segmentation.modeling.movement import mappings, movement
from segmentation.modeling.training_data import make_training_set
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.modeling.test_registry import _register as train_version
from segmentation_assets_tests.domain.modeling.test_registry import insert_features

COMMIT = Commit("test")


def _ledger(lake: Lake) -> list[tuple[int, str, str]]:
    with lake.cursor() as con:
        return con.execute(
            "SELECT version, actor, reason FROM registry.promotions WHERE alias = 'champion' ORDER BY promotion_id"
        ).fetchall()


LENIENT = {"min_stability": 0, "max_revenue_moved": 1}
"""Made-up customers carry no segments worth the name; what gates refuse is tested where they are."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update=LENIENT)


@pytest.fixture(scope="module")
def trained(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, int]]:
    """The home of a lake with two versions, and which they are; tests work on copies."""
    home = tmp_path_factory.mktemp("trained") / "warehouse"
    shutil.copytree(empty_lake, home)
    settings = Settings(home=home, customer_buckets=BUCKETS, threads=1).model_copy(update=LENIENT)
    with Lake(settings) as lake:
        insert_features(lake)
        return home, (train_version(lake, settings, seed=1), train_version(lake, settings, seed=2))


@pytest.fixture
def two_versions(trained: tuple[Path, tuple[int, int]]) -> tuple[int, int]:
    """The versions in `lake`."""
    return trained[1]


@pytest.fixture
def lake(settings: Settings, trained: tuple[Path, tuple[int, int]]) -> Iterator[Lake]:
    """A lake with two versions."""
    shutil.copytree(trained[0], settings.home)
    with Lake(settings) as opened:
        yield opened


def as_if(monkeypatch: pytest.MonkeyPatch, *, moved: float, gain: float = 0.0) -> None:
    """Let each candidate move so many customers, and be so much better than the champion."""

    def gathered(*args: Any) -> Evidence:
        found = evidence.gather(*args)
        if found.comparison is None:
            return found
        compared = replace(found.comparison, forward=0.2, best=Best(1, 0.2), customers_moved=moved)
        return replace(found, forward=0.2 * (1 + gain), comparison=compared)

    for module in (lifecycle, migration):
        monkeypatch.setattr(module, "gather", gathered)


def test_a_promotion_keeps_what_the_gates_said(lake: Lake, two_versions: tuple[int, int]) -> None:
    assert lifecycle.promote(lake, two_versions[0], actor="ann", commit=COMMIT, reason="agreed", now=utc_now())
    assert not lifecycle.promote(lake, two_versions[0], actor="ann", commit=COMMIT, reason="again", now=utc_now())
    ((version, actor, reason),) = _ledger(lake)
    assert (version, actor) == (two_versions[0], "ann")
    assert reason.startswith("agreed; passed its gates: The smallest of")


def test_a_refused_version_needs_an_override_and_that_a_reason(
    lake: Lake, two_versions: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_versions
    lifecycle.promote(lake, first, actor="ann", commit=COMMIT, now=utc_now())
    as_if(monkeypatch, moved=0.9)
    with pytest.raises(SegmentationError, match=r"can't become champion: .*--override --reason …` sets that aside"):
        lifecycle.promote(lake, second, actor="ann", commit=COMMIT, reason="please", now=utc_now())
    with pytest.raises(SegmentationError, match="An override needs a reason"):
        lifecycle.promote(lake, second, actor="ann", commit=COMMIT, override=True, now=utc_now())
    assert len(_ledger(lake)) == 1
    assert lifecycle.promote(lake, second, actor="ann", commit=COMMIT, reason="campaign", override=True, now=utc_now())
    (_, (_, _, reason)) = _ledger(lake)
    assert reason.startswith("campaign; override of: The model alone would move")


@pytest.mark.parametrize(
    ("moved", "outcome", "alias", "words"),
    [
        (0.9, "refused", "refused", "Model 2 was refused, and champion 1 goes on serving"),
        (0.4, "kept", "passed_over", "Champion 1 is kept: model 2 isn't worth the change"),
    ],
)
def test_a_candidate_that_its_gates_stop_leaves_the_champion_and_a_line(
    lake: Lake,
    two_versions: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
    moved: float,
    outcome: str,
    alias: str,
    words: str,
) -> None:
    first, second = two_versions
    lifecycle.promote(lake, first, actor="ann", commit=COMMIT, now=utc_now())
    as_if(monkeypatch, moved=moved)
    decision, again = (lifecycle.decide(lake, actor="run", commit=COMMIT, now=utc_now()) for _ in range(2))
    assert (decision.outcome, decision.champion, decision.serves) == (outcome, first, False)
    assert (decision.is_new, again.is_new) == (True, False)
    assert words in decision.explanation
    assert f"`segmentation models promote {second} --override --reason …`" in decision.explanation
    with lake.cursor() as con:
        assert registry.resolve(con, alias) == second
        assert registry.resolve(con, "champion") == first
        assert registry.stopped_since_promotion(con) == [second]


@pytest.mark.parametrize(("promotion", "outcome"), [("automatic", "serves"), ("manual", "waits")])
def test_after_some_candidates_that_did_not_serve_the_best_is_migrated_to(
    settings: Settings,
    lake: Lake,
    two_versions: tuple[int, int],
    promotion: str,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = two_versions
    lifecycle.promote(lake, first, actor="ann", commit=COMMIT, now=utc_now())
    as_if(monkeypatch, moved=0.9, gain=1.0)
    with Lake(settings.model_copy(update={"migrate_after": 2, "promotion": promotion})) as other:
        assert lifecycle.decide(other, actor="run", commit=COMMIT, now=utc_now()).outcome == "refused"
        with lake.cursor() as con:
            model = registry.load(con, second)
        renamed = msgspec.structs.replace(model.artefact.segments[0], description="another")
        artefact = msgspec.structs.replace(model.artefact, segments=(renamed, *model.artefact.segments[1:]))
        third = registry.register(lake, artefact, model.metrics, COMMIT, now=utc_now())
        decision = lifecycle.decide(other, actor="run", commit=COMMIT, now=utc_now())
    assert (decision.version, decision.outcome, decision.is_migration) == (third, outcome, True)
    assert f"`segmentation models migration {first} {third}`" in decision.explanation
    with lake.cursor() as con:
        line = "SELECT alias, version, reason FROM registry.promotions ORDER BY promotion_id DESC LIMIT 1"
        alias, version, reason = con.execute(line).fetchall()[0]
        names = [segment.name for segment in registry.load(con, first).artefact.segments]
    assert (alias, version) == ("champion" if outcome == "serves" else "challenger", third)
    assert reason.startswith("planned migration: after 2 candidates")
    assert all(f"{name} → " in reason for name in names)
    assert lifecycle.reason_given(reason) == ""


def test_the_first_model_serves_in_spite_of_its_gates_and_the_ledger_says_so(
    settings: Settings, lake: Lake, two_versions: tuple[int, int]
) -> None:
    with Lake(settings.model_copy(update={"min_separation": 0.99})) as strict:
        decision = lifecycle.decide(strict, actor="run", commit=COMMIT, now=utc_now())
    assert (decision.version, decision.serves, decision.is_new) == (two_versions[1], True, True)
    assert "is the first (The simplified silhouette is" in decision.explanation
    ((_, _, reason),) = _ledger(lake)
    assert reason.startswith("first model, warned by its gates: The simplified silhouette is")
    assert lifecycle.reason_given(reason) == ""


def test_a_rollback_brings_the_version_before_back(lake: Lake, two_versions: tuple[int, int]) -> None:
    first, second = two_versions
    with pytest.raises(SegmentationError, match="nothing to roll back to"):
        registry.roll_back(lake, actor="ann", reason="", commit=COMMIT, now=utc_now())
    for version in two_versions:
        lifecycle.promote(lake, version, actor="ann", commit=COMMIT, now=utc_now())
    assert registry.roll_back(lake, actor="bob", reason="complaints", commit=COMMIT, now=utc_now()) == (second, first)
    assert [version for version, _, _ in _ledger(lake)] == [first, second, first]
    assert _ledger(lake)[-1][1:] == ("bob", f"complaints; rolled back from {second}")
    with lake.cursor() as con:
        assert registry.load_champion(con).version == first
        assert registry.was_rolled_back(con, second)
        assert not registry.was_rolled_back(con, first)


def test_what_was_rolled_back_is_not_promoted_again_by_itself(lake: Lake, two_versions: tuple[int, int]) -> None:
    first, second = two_versions
    for version in two_versions:
        lifecycle.promote(lake, version, actor="ann", commit=COMMIT, now=utc_now())
    registry.roll_back(lake, actor="bob", reason="complaints", commit=COMMIT, now=utc_now())
    decision = lifecycle.decide(lake, actor="run", commit=COMMIT, now=utc_now())
    assert (decision.version, decision.serves) == (second, False)
    assert "rolled back" in decision.explanation
    with lake.cursor() as con:
        assert registry.resolve(con, "champion") == first
    assert lifecycle.promote(lake, second, actor="ann", commit=COMMIT, reason="mended", now=utc_now())
    assert lifecycle.decide(lake, actor="run", commit=COMMIT, now=utc_now()).serves


def test_in_manual_mode_a_candidate_waits_as_challenger(lake: Lake, two_versions: tuple[int, int]) -> None:
    manual = lake.settings.model_copy(update={"promotion": "manual"})
    with Lake(manual) as waiting:
        decision = lifecycle.decide(waiting, actor="run", commit=COMMIT, now=utc_now())
        assert (decision.serves, decision.is_new) == (False, True)
        assert not lifecycle.decide(waiting, actor="run", commit=COMMIT, now=utc_now()).is_new
    with lake.cursor() as con:
        assert registry.resolve(con, "challenger") == two_versions[1]
        assert registry.resolve(con, "champion") is None


def test_the_ledger_keeps_what_each_gate_said(lake: Lake, two_versions: tuple[int, int]) -> None:
    lifecycle.promote(lake, two_versions[0], actor="ann", commit=COMMIT, now=utc_now())
    with lake.cursor() as con:
        (text,) = con.execute("SELECT gates FROM registry.promotions WHERE alias = 'champion'").fetchall()[0]
    gates = json.loads(text)
    assert set(gates) == {
        "fitted",
        "smallest_segment",
        "separation",
        "stability",
        "validity",
        "forward_value",
        "movement",
    }
    assert all(gate["passed"] for gate in gates.values())


def test_names_that_people_give_survive_retraining(lake: Lake, two_versions: tuple[int, int]) -> None:
    first, second = two_versions
    lifecycle.promote(lake, first, actor="ann", commit=COMMIT, now=utc_now())
    with lake.cursor() as con:
        kept = {s.id for s in registry.load(con, first).artefact.segments}
        kept &= {s.id for s in registry.load(con, second).artefact.segments}
    chosen = min(kept)
    ((_, new),) = registry.rename_segments(
        lake, {chosen: " Loyal  ones "}, actor="ann", reason="", commit=COMMIT, now=utc_now()
    ).values()
    assert new == "Loyal ones"
    assert (
        registry.rename_segments(lake, {chosen: "Loyal ones"}, actor="ann", reason="", commit=COMMIT, now=utc_now())
        == {}
    )
    with lake.cursor() as con:
        for version in two_versions:
            model = registry.load(con, version)
            assert {s.id: s.name for s in model.artefact.segments}[chosen] == "Loyal ones"
            assert model.model_hash == registry.load(con, version, named=False).artefact.model_hash
    assert (
        registry.rename_segments(lake, {chosen: ""}, actor="ann", reason="", commit=COMMIT, now=utc_now())[chosen][0]
        == "Loyal ones"
    )
    with pytest.raises(SegmentationError, match="There is no segment 999"):
        registry.rename_segments(lake, {999: "x"}, actor="ann", reason="", commit=COMMIT, now=utc_now())


def test_a_lake_of_an_older_release_has_models_too(lake: Lake, two_versions: tuple[int, int]) -> None:
    with lake.cursor() as con:
        lake.transaction(con, COMMIT, lambda c: c.execute("DROP TABLE registry.segment_names"))
        assert [model.version for model in registry.list_models(con)] == list(two_versions)


def test_two_segments_of_a_model_can_not_be_called_the_same(lake: Lake, two_versions: tuple[int, int]) -> None:
    with lake.cursor() as con:
        one, other = registry.load(con, two_versions[1]).artefact.segments[:2]
    with pytest.raises(SegmentationError, match="would be called"):
        registry.rename_segments(
            lake, {one.id: other.name.upper()}, actor="ann", reason="", commit=COMMIT, now=utc_now()
        )
    with lake.cursor() as con:
        assert registry.segment_names(con) == {}


def test_a_version_is_reproduced_from_its_provenance(lake: Lake, two_versions: tuple[int, int]) -> None:
    lifecycle.promote(lake, two_versions[0], actor="ann", commit=COMMIT, now=utc_now())
    with lake.cursor() as con:
        lake.transaction(con, COMMIT, lambda c: c.execute("DELETE FROM features.customer_features"))
    for version in two_versions:
        found = reproduce(lake, version)
        assert (found.is_same, found.differences) == (True, ())


def test_a_version_that_says_it_was_fitted_otherwise_is_not_reproduced(
    lake: Lake, two_versions: tuple[int, int]
) -> None:
    with lake.cursor() as con:
        model = registry.load(con, two_versions[0])
    other = msgspec.structs.replace(model.artefact.provenance, seed=99)
    forged = msgspec.structs.replace(model.artefact.segments[0], description="forged")
    artefact = msgspec.structs.replace(
        model.artefact, provenance=other, segments=(forged, *model.artefact.segments[1:])
    )
    version = registry.register(lake, artefact, model.metrics, COMMIT, now=utc_now())
    assert version is not None
    found = reproduce(lake, version)
    assert not found.is_same
    assert found.differences


def test_differences_of_a_version_with_itself_are_none(lake: Lake, two_versions: tuple[int, int]) -> None:
    with lake.cursor() as con:
        one, other = (registry.load(con, version) for version in two_versions)
    same = differences(one, one)
    assert same["provenance"].is_empty()
    assert set(same["segments"]["event"]) == {"kept"}
    assert set(same["segments"]["moved"]) == {0.0}
    assert {"seed"} <= set(differences(one, other)["provenance"]["what"])


def test_movement_counts_every_customer_once(lake: Lake, two_versions: tuple[int, int]) -> None:
    first, second = two_versions
    insert_features(lake, count=123, as_of=date(2024, 2, 1))
    same = movement(lake, first, first)
    assert same["from_segment"].to_list() == same["to_segment"].to_list()
    moved = movement(lake, first, second)
    assert moved["customers"].sum() == same["customers"].sum() == 123
    assert moved["revenue"].sum() == pytest.approx(same["revenue"].sum())


def test_what_becomes_of_each_segment_adds_up(lake: Lake, two_versions: tuple[int, int]) -> None:
    insert_features(lake, count=123, as_of=date(2024, 2, 1))
    found = mappings(movement(lake, *two_versions))
    assert sum(each.customers for each in found) == 123
    for each in found:
        assert sum(heir.customers for heir in each.heirs) <= each.customers
        assert [heir.share for heir in each.heirs] == sorted((heir.share for heir in each.heirs), reverse=True)
    assert [len(each.heirs) for each in mappings(movement(lake, two_versions[0], two_versions[0]))] == [1] * len(found)


def test_a_stand_in_serves_until_a_model_can_be_fitted_whose_segments_go_on(settings: Settings, lake: Lake) -> None:
    """The versions that are there are made of other dates; nobody promoted them."""

    def trained(count: int, as_of: date) -> int:
        insert_features(lake, count=count, as_of=as_of)
        training_set = make_training_set(lake, as_of, COMMIT, now=datetime(2024, 8, 1))
        version, _ = lifecycle.train_candidate(lake, training_set, COMMIT, now=utc_now)
        return version

    with Lake(settings.model_copy(update={"search_trials": 2, "tracking_uri": "off"})) as lake:
        rules = trained(40, date(2024, 2, 1))
        first = lifecycle.decide(lake, actor="run", commit=COMMIT, now=utc_now())
        fitted = trained(300, date(2024, 3, 1))
        second = lifecycle.decide(lake, actor="run", commit=COMMIT, now=utc_now())
        late_rules = trained(41, date(2024, 4, 1))
        third = lifecycle.decide(lake, actor="run", commit=COMMIT, now=utc_now())
        assert reproduce(lake, rules).is_same
        with lake.cursor() as con:
            models = {version: registry.load(con, version).artefact for version in (rules, fitted, late_rules)}
    assert (first.serves, second.serves) == (True, True)
    assert "40 customers are too few" in models[rules].provenance.stand_in
    assert models[fitted].provenance.stand_in == ""
    assert {s.id for s in models[fitted].segments} & {s.id for s in models[rules].segments}
    assert (third.version, third.outcome, third.champion) == (late_rules, "kept", fitted)
    assert "41 customers are too few for K-means" in third.explanation
