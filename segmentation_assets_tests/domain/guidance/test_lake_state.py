"""What is found of a real lake, state by state; and that looking changes nothing."""

from datetime import date, datetime
from pathlib import Path

import pytest

from segmentation.features.snapshots import write_snapshots
from segmentation.guidance.lake_state import Access, LakeState, Rejection, read_lake_state
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.modeling import registry
from segmentation.settings import Settings
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.sources.shop_files import LINES, ingest, line, write
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.recorded import record_by_hand
from segmentation_assets_tests.testing.statements import change

NOW = datetime(2024, 3, 15, 12)
JANUARY, FEBRUARY, MARCH = (date(2024, month, 1) for month in (1, 2, 3))

DECLARED = """\
sources:
  till: {type: files, path: /data/till/*.csv}
  app: {type: kafka, servers: "localhost:9092", topic: lines}
  web: {type: push}
"""


def look(settings: Settings) -> LakeState:
    return read_lake_state(settings, now=NOW)


def add_segments(lake: Lake, as_of: date, *customers: str) -> None:
    rows = ", ".join(
        f"('{as_of}', '{name}', {number}, 'S', 9, 1.0, 2.0, 0.5, false, {number}, '{as_of}', 1, 'model', NULL)"
        for number, name in enumerate(customers)
    )
    change(lake, f"INSERT INTO segments.customer_segments VALUES {rows}")
    record_by_hand(lake, as_of, [CUSTOMER_SEGMENTS])


def say(lake: Lake, *decisions: tuple[str, int]) -> None:
    """Write lines of the ledger: aliases and the versions that get them."""
    for number, (alias, version) in enumerate(decisions):
        change(
            lake,
            f"INSERT INTO registry.promotions VALUES ({number}, '{alias}', {version}, '2024-03-01', 'test', '', NULL)",
        )


def test_no_lake_is_found_and_none_is_made(settings: Settings) -> None:
    state = look(settings)
    assert (state.access, state.line_count) == (Access.MISSING, 0)
    assert "There is no lake" in state.problem
    assert not settings.home.exists()


def test_looking_at_a_lake_writes_nothing(lake: Lake, settings: Settings) -> None:
    before = lake.version(), sorted(settings.home.rglob("*.parquet"))
    look(settings)
    assert (lake.version(), sorted(settings.home.rglob("*.parquet"))) == before


def test_a_damaged_catalog_can_not_be_read(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "catalog.sqlite").write_bytes(b"no database" * 1000)
    state = look(settings)
    assert state.access is Access.UNREADABLE
    assert "catalog" in state.problem
    assert "\n" not in state.problem


def test_a_database_that_is_down_is_told_without_its_password(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, catalog="postgres:host=127.0.0.1 port=1 user=u password=hush dbname=d")
    state = look(settings)
    assert state.access is Access.UNREADABLE
    assert "hush" not in state.problem + state.location


def test_a_lake_without_a_table_of_this_release_is_outdated(settings: Settings) -> None:
    with Lake(settings, create=True):
        pass  # it is made, and not migrated
    assert look(settings).access is Access.OUTDATED


def test_an_empty_lake_has_no_lines(lake: Lake, settings: Settings) -> None:
    assert look(settings) == LakeState(str(settings.home), Access.READABLE)


def test_sources_that_have_brought_nothing_are_known_by_how_they_are_read(lake: Lake, settings: Settings) -> None:
    declaring = settings.model_copy(update={"sources": settings.home / "sources.yaml"})
    declaring.sources.write_text(DECLARED)
    state = look(declaring)
    assert (state.unread, state.unread_streams, state.unread_pushes) == (("till",), ("app",), ("web",))

    change(
        lake,
        "INSERT INTO raw.deliveries VALUES ('app', NULL, NULL, '2024-03-01', 1, 1, 0, 0, 0, '{}', NULL, NULL)",
        "INSERT INTO raw.source_files VALUES "
        "('till', '/data/till/1.csv', '', 0, NULL, NULL, 0, '2024-03-01', '2024-03-01')",
    )
    state = look(declaring)
    assert (state.unread, state.unread_streams, state.unread_pushes) == ((), (), ("web",))
    assert state.unloaded_files == 0, "no line has a date, so no day can be loaded"


def test_sources_that_can_not_be_read_are_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("sources: [")
    state = look(settings.model_copy(update={"sources": tmp_path / "sources.yaml"}))
    assert "not valid YAML" in state.sources_problem
    assert state.access is Access.MISSING


def test_files_count_until_their_days_are_loaded(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(1), line(2)])
    today = write(tmp_path / "today.csv", [line(3, ordered_at=f"{NOW:%Y-%m-%d} 01:00:00")])
    for each in (path, today):
        register(lake, str(each), load_profile("canonical"), now=NOW)
    state = look(settings)
    assert (state.unloaded_files, state.line_count) == (1, 0), "a day that is not over can't be loaded"
    assert look(settings.model_copy(update={"partitions_start": MARCH})).unloaded_files == 0

    ingest(lake, path)
    state = look(settings)
    assert (state.unloaded_files, state.line_count) == (0, 2)
    assert (state.first_line, state.last_line) == (date(2024, 1, 2), date(2024, 1, 3))
    assert state.due_as_of == date(2024, 1, 4), "a history too short for a first of a month is looked at as a whole"
    assert state.rejections == ()


def test_a_source_is_told_whose_last_files_were_rejected_in_part(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    ingest(lake, write(tmp_path / "bad.csv", LINES), source="till", now=datetime(2024, 2, 1))
    assert look(settings).rejections == (Rejection("till", 1, 4),)

    ingest(lake, write(tmp_path / "good.csv", [line(1), line(2)]), source="till", now=datetime(2024, 2, 2))
    assert look(settings).rejections == ()


def test_of_deliveries_those_of_the_last_day_count(lake: Lake, settings: Settings) -> None:
    change(
        lake,
        "INSERT INTO raw.deliveries VALUES "
        "('app', NULL, NULL, '2024-03-01 00:00', 100, 0, 0, 0, 100, '{}', NULL, NULL), "
        "('app', NULL, NULL, '2024-03-05 00:00', 90, 85, 0, 0, 5, '{}', NULL, NULL), "
        "('app', NULL, NULL, '2024-03-05 12:00', 10, 9, 0, 0, 1, '{}', NULL, NULL), "
        "('web', NULL, NULL, '2024-03-05 12:00', 100, 96, 0, 0, 4, '{}', NULL, NULL)",
    )
    assert look(settings).rejections == (Rejection("app", 6, 100),)


def test_a_snapshot_is_stale_once_lines_have_come_into_its_window(lake: Lake, settings: Settings) -> None:
    insert_lines(lake, [Line("A", "1", "p", datetime(2024, 1, 10)), Line("A", "2", "p", datetime(2024, 2, 29))])
    write_snapshots(lake, [FEBRUARY, MARCH], lambda as_of: Commit("features"), now=datetime(2024, 3, 3))
    state = look(settings)
    assert (state.feature_as_of, state.stale, state.segment_as_of) == (MARCH, (), None)

    insert_lines(lake, [Line("A", "3", "p", datetime(2024, 2, 5))])
    assert look(settings).stale == (MARCH,)
    insert_lines(lake, [Line("A", "4", "p", datetime(2024, 1, 5))])
    assert look(settings).stale == (FEBRUARY, MARCH)


def test_dates_that_the_data_does_not_reach_are_no_newest(lake: Lake, settings: Settings) -> None:
    add_segments(lake, FEBRUARY, "a", "b")
    add_segments(lake, MARCH, "c")
    change(lake, "DELETE FROM raw.changed_days WHERE ordered_on > '2024-02-15'")
    state = look(settings)
    assert (state.segment_as_of, state.ahead, state.customer_count) == (FEBRUARY, (MARCH,), 2)


def test_the_newest_segments_are_told(lake: Lake, settings: Settings) -> None:
    add_segments(lake, FEBRUARY, "old")
    add_segments(lake, MARCH, "b", "a", "c")
    state = look(settings)
    assert (state.segment_as_of, state.customer_count, state.segment_count) == (MARCH, 3, 3)
    assert state.customer_id == "a"


@pytest.mark.parametrize(
    ("decisions", "champion", "waiting"),
    [
        ([], None, None),
        ([("candidate", 1)], None, None),
        ([("candidate", 1), ("challenger", 1)], None, 1),
        ([("champion", 1), ("candidate", 2), ("challenger", 2)], 1, 2),
        ([("champion", 1), ("challenger", 2), ("champion", 2)], 2, None),
        ([("champion", 1), ("challenger", 2), ("champion", 2), ("rolled_back", 2), ("champion", 1)], 1, None),
        ([("challenger", 2), ("champion", 3), ("candidate", 4)], 3, None),
    ],
)
def test_a_model_waits_until_a_person_has_decided(
    lake: Lake, settings: Settings, decisions: list[tuple[str, int]], champion: int | None, waiting: int | None
) -> None:
    say(lake, *decisions)
    state = look(settings)
    assert (state.champion, state.waiting) == (champion, waiting)
    assert state.candidate == dict(decisions).get("candidate")
    with lake.cursor() as con:
        assert registry.waiting(con) == waiting
