from datetime import date

import pytest

from segmentation.errors import SegmentationError
from segmentation.modeling import lifecycle, registry
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.modeling.test_registry import _register as train_version
from segmentation_assets_tests.domain.modeling.test_registry import insert_features

COMMIT = Commit("test")


def _ledger(lake: Lake) -> list[tuple[int, str, str]]:
    with lake.cursor() as con:
        return con.execute(
            "SELECT version, actor, reason FROM registry.promotions WHERE alias = 'champion' ORDER BY promotion_id"
        ).fetchall()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Made-up customers carry no segments worth the name; what gates refuse is tested where they are."""
    lenient = {"min_stability": 0, "max_customers_moved": 1, "max_revenue_moved": 1, "max_validity_loss": 2}
    return settings.model_copy(update=lenient)


@pytest.fixture
def two_versions(lake: Lake, settings: Settings) -> tuple[int, int]:
    insert_features(lake)
    return train_version(lake, settings, seed=1), train_version(lake, settings, seed=2)


def test_a_promotion_keeps_what_the_gates_said(lake: Lake, two_versions: tuple[int, int]) -> None:
    assert lifecycle.promote(lake, two_versions[0], actor="ann", commit=COMMIT, reason="agreed")
    assert not lifecycle.promote(lake, two_versions[0], actor="ann", commit=COMMIT, reason="again")
    ((version, actor, reason),) = _ledger(lake)
    assert (version, actor) == (two_versions[0], "ann")
    assert reason.startswith("agreed; passed its gates: The smallest of")


def test_a_refused_version_needs_an_override_and_that_a_reason(
    settings: Settings, lake: Lake, two_versions: tuple[int, int]
) -> None:
    with Lake(settings.model_copy(update={"min_separation": 0.99})) as strict:
        with pytest.raises(SegmentationError, match="can't become champion: The simplified silhouette is"):
            lifecycle.promote(strict, two_versions[0], actor="ann", commit=COMMIT, reason="please")
        with pytest.raises(SegmentationError, match="An override needs a reason"):
            lifecycle.promote(strict, two_versions[0], actor="ann", commit=COMMIT, override=True)
        assert _ledger(lake) == []
        assert lifecycle.promote(strict, two_versions[0], actor="ann", commit=COMMIT, reason="campaign", override=True)
    ((_, _, reason),) = _ledger(lake)
    assert reason.startswith("campaign; override of: The simplified silhouette is")


def test_a_rollback_brings_the_version_before_back(lake: Lake, two_versions: tuple[int, int]) -> None:
    first, second = two_versions
    with pytest.raises(SegmentationError, match="nothing to roll back to"):
        registry.roll_back(lake, actor="ann", reason="", commit=COMMIT)
    for version in two_versions:
        lifecycle.promote(lake, version, actor="ann", commit=COMMIT)
    assert registry.roll_back(lake, actor="bob", reason="complaints", commit=COMMIT) == (second, first)
    assert [version for version, _, _ in _ledger(lake)] == [first, second, first]
    assert _ledger(lake)[-1][1:] == ("bob", f"complaints; rolled back from {second}")
    with lake.cursor() as con:
        assert registry.load_champion(con).version == first


def test_movement_counts_every_customer_once(lake: Lake, two_versions: tuple[int, int]) -> None:
    first, second = two_versions
    insert_features(lake, count=123, as_of=date(2024, 2, 1))
    same = lifecycle.movement(lake, first, first)
    assert same["from_segment"].to_list() == same["to_segment"].to_list()
    moved = lifecycle.movement(lake, first, second)
    assert moved["customers"].sum() == same["customers"].sum() == 123
    assert moved["revenue"].sum() == pytest.approx(same["revenue"].sum())
