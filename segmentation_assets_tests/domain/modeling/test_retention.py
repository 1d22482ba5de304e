"""Which model versions are kept, what archiving does and undoes, and which snapshots that protects."""

from datetime import UTC, datetime, timedelta
from functools import partial

import duckdb
import pytest

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.housekeeping import keep_house
from segmentation.modeling import registry
from segmentation.modeling.comparison import reproduce
from segmentation.modeling.retention import archive, archived_versions, protected_snapshots, to_archive
from segmentation.modeling.training_data import make_training_set
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.modeling.test_registry import AS_OF, insert_features
from segmentation_assets_tests.domain.modeling.test_registry import _register as train_version

COMMIT = Commit("test")
LATER = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=40)


def _models(lake: Lake, count: int) -> None:
    """Versions 1, 2, …, each trained on a set of its own, pinned to snapshot 10, 20, …"""

    def write(con: duckdb.DuckDBPyConnection) -> None:
        for version in range(1, count + 1):
            con.execute(
                "INSERT INTO registry.training_sets "
                "(training_set_id, as_of, lake_snapshot, customer_count, features, created_at) "
                "VALUES ($id, DATE '2024-01-01', $snapshot, 1, '[]', now())",
                {"id": f"set {version}", "snapshot": 10 * version},
            )
            con.execute(
                "INSERT INTO registry.models VALUES ($version, $hash, '{}', $id, '{}', now(), NULL)",
                {"version": version, "hash": f"hash {version}", "id": f"set {version}"},
            )

    with lake.cursor() as con:
        lake.transaction(con, COMMIT, write)


def _name(lake: Lake, version: int, alias: str = "champion") -> None:
    registry.promote(lake, version, alias=alias, actor="ann", reason="test", commit=COMMIT, now=utc_now())


def _archive(lake: Lake, *versions: int) -> list[int]:
    return archive(lake, versions, actor="ann", reason="old", commit=COMMIT, now=utc_now())


def test_the_newest_and_those_with_a_part_to_play_are_kept(lake: Lake) -> None:
    _models(lake, 9)
    for version, alias in ((1, "champion"), (2, "champion"), (3, "champion"), (4, "candidate"), (5, "challenger")):
        _name(lake, version, alias)
    with lake.cursor() as con:
        assert to_archive(con, 2) == [1, 6, 7]
        assert to_archive(con, 9) == to_archive(con, 100) == []
    assert _archive(lake, 1, 6, 7) == [1, 6, 7]
    with lake.cursor() as con:
        assert to_archive(con, 2) == []


def test_without_models_there_is_nothing_to_archive(lake: Lake) -> None:
    before = lake.version()
    assert _archive(lake) == []
    with lake.cursor() as con:
        assert (to_archive(con, 1), archived_versions(con), protected_snapshots(con)) == ([], set(), set())
    assert lake.version() == before


def test_many_are_archived_at_once_and_a_later_line_brings_one_back(lake: Lake) -> None:
    _models(lake, 5)
    _name(lake, 5)
    assert _archive(lake, 3, 1) == [1, 3]
    assert _archive(lake, 2, 3) == [2]
    with lake.cursor() as con:
        assert archived_versions(con) == {1, 2, 3}
        lines = con.execute("SELECT promotion_id, alias, version, reason FROM registry.promotions ORDER BY ALL")
        assert lines.fetchall() == [
            (1, "champion", 5, "test"),
            (2, "archived", 1, "old"),
            (3, "archived", 3, "old"),
            (4, "archived", 2, "old"),
        ]
    _name(lake, 3)
    _name(lake, 4)
    with lake.cursor() as con:
        assert archived_versions(con) == {1, 2}
        assert registry.aliases(con) == {1: ("archived",), 2: ("archived",), 4: ("champion",)}
    _name(lake, 5)
    assert _archive(lake, 3) == [3], "once more, though it was the last to be archived before"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (9, "There is no model version 9"),
        (3, "Model version 3 is candidate, champion, and can't be archived"),
        (2, "Model version 2 is what a rollback leads to"),
    ],
)
def test_what_is_needed_is_not_archived(lake: Lake, version: int, message: str) -> None:
    _models(lake, 3)
    _name(lake, 2)
    _name(lake, 3)
    _name(lake, 3, "candidate")
    before = lake.version()
    with pytest.raises(SegmentationError, match=message):
        _archive(lake, 1, version)
    assert lake.version() == before


def test_the_snapshots_of_versions_that_are_not_archived_are_protected(lake: Lake) -> None:
    _models(lake, 4)
    _archive(lake, 1, 2)
    with lake.cursor() as con:
        assert protected_snapshots(con) == {30, 40}
        assert protected_snapshots(con, but_for=[3]) == {40}
    _name(lake, 1)
    with lake.cursor() as con:
        assert protected_snapshots(con) == {10, 30, 40}


@pytest.fixture
def two_versions(lake: Lake, settings: Settings) -> tuple[int, int]:
    """Two models of the same date, trained on different rows; the first has no alias."""
    insert_features(lake)
    first = train_version(lake, settings)
    with lake.cursor() as con:
        lake.transaction(con, COMMIT, partial(_execute, "DELETE FROM features.customer_features"))
    insert_features(lake, seed=2)
    return first, train_version(lake, settings)


def _execute(sql: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute(sql)


def test_a_kept_model_can_be_trained_again_and_an_archived_one_says_why_not(
    lake: Lake, settings: Settings, two_versions: tuple[int, int]
) -> None:
    with lake.cursor() as con:
        pinned = [model.artefact.provenance.lake_snapshot for model in registry.list_models(con)]
    with Lake(settings.model_copy(update={"keep_models": 1})) as own:
        told = keep_house(own, now=LATER, actor="ann", dry_run=True)
        done = keep_house(own, now=LATER, actor="ann")
    assert (told.archived, told.protected) == (done.archived, done.protected) == ((1,), (pinned[1],))
    assert pinned[0] in done.maintenance.snapshots_expired
    with Lake(settings) as fresh:
        assert reproduce(fresh, 2).is_same
        with pytest.raises(SegmentationError, match="old ones expire"):
            reproduce(fresh, 1)


def test_a_training_set_whose_snapshot_is_gone_is_pinned_anew(lake: Lake, two_versions: tuple[int, int]) -> None:
    before = make_training_set(lake, AS_OF, COMMIT, now=LATER)
    with lake.cursor() as con:
        newest = lake.version()
        con.execute(f"CALL ducklake_expire_snapshots('lake', versions => {list(range(newest))})")
    again = make_training_set(lake, AS_OF, COMMIT, now=LATER)
    assert (again.id, again.lake_snapshot) == (before.id, newest)
    with lake.cursor() as con:
        assert protected_snapshots(con) >= {newest}
