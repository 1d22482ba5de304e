"""Registering files: what is remembered of them, and when."""

import shutil
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile, parse_profile
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import LINES, NOW, changed, line, rows_of, write

CANONICAL = load_profile("canonical")
LATER = datetime(2025, 3, 1)


def test_a_file_is_remembered_with_what_it_holds(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [*LINES, line(9, ordered_at="?")])

    registration = register(lake, str(path), CANONICAL, now=NOW)

    assert (registration.source, registration.profile, registration.paths) == ("canonical", "canonical", (str(path),))
    assert (registration.load_start, registration.load_end) == (date(2024, 1, 1), date(2024, 1, 4))
    [(source, where, profile, *facts, registered_at)] = rows_of(
        lake,
        "SELECT source, path, profile, line_count, first_day, last_day, byte_size, modified_at, registered_at "
        "FROM raw.source_files",
    )
    modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    assert (source, where, registered_at) == ("canonical", str(path), NOW)
    assert facts == [5, date(2024, 1, 1), date(2024, 1, 3), path.stat().st_size, modified_at]
    assert parse_profile(str(profile), "the lake") == CANONICAL


def test_paths_are_absolute_whatever_was_given(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "sub/orders.csv", LINES)
    monkeypatch.chdir(tmp_path)

    assert register(lake, "sub/../sub/*.csv", CANONICAL, now=NOW).paths == (str(tmp_path / "sub/orders.csv"),)


def test_the_moment_of_registration_is_kept_in_utc(lake: Lake, tmp_path: Path) -> None:
    noon_in_delhi = datetime(2025, 1, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    register(lake, str(write(tmp_path / "o.csv", LINES)), CANONICAL, now=noon_in_delhi)

    assert rows_of(lake, "SELECT registered_at FROM raw.source_files") == [(datetime(2025, 1, 1, 6, 30),)]


def test_registering_the_same_again_writes_nothing(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", LINES)
    first = register(lake, str(path), CANONICAL, now=NOW)
    before = lake.version()

    assert register(lake, str(path), CANONICAL, now=LATER) == first
    assert lake.version() == before


def test_a_changed_file_keeps_when_it_was_first_registered(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "o.csv", LINES)
    register(lake, str(path), CANONICAL, now=NOW)
    write(path, [line(9, ordered_at="2024-06-01")])

    registration = register(lake, str(path), CANONICAL, now=LATER)

    assert rows_of(lake, "SELECT line_count, first_day, registered_at FROM raw.source_files") == [
        (1, date(2024, 6, 1), NOW)
    ]
    assert (registration.first_day, registration.load_start) == (date(2024, 6, 1), date(2024, 1, 1))
    assert registration.load_end == date(2024, 6, 2)


def test_more_files_join_a_source_in_one_snapshot(lake: Lake, tmp_path: Path) -> None:
    register(lake, str(write(tmp_path / "1.csv", LINES)), CANONICAL, now=NOW)
    before = lake.version()
    for number in (2, 3):
        write(tmp_path / f"more/{number}.csv", [line(number)])

    register(lake, str(tmp_path / "more"), CANONICAL, now=LATER)

    assert lake.version() == before + 1
    assert rows_of(lake, "SELECT registered_at, count(*) FROM raw.source_files GROUP BY 1 ORDER BY 1") == [
        (NOW, 1),
        (LATER, 2),
    ]


def test_a_changed_profile_becomes_that_of_all_files_of_the_source(lake: Lake, tmp_path: Path) -> None:
    late = line(1, ordered_at="2024-01-31 20:00:00")
    register(lake, str(write(tmp_path / "a.csv", [late])), CANONICAL, now=NOW)
    register(lake, str(write(tmp_path / "other.csv", [late])), CANONICAL, source="other", now=NOW)
    moved_west = changed("canonical", timezone="America/New_York")

    registration = register(lake, str(write(tmp_path / "b.csv", [line(2)])), moved_west, now=LATER)

    assert rows_of(lake, "SELECT source, path[-5:], first_day, registered_at FROM raw.source_files ORDER BY ALL") == [
        ("canonical", "a.csv", date(2024, 2, 1), NOW),
        ("canonical", "b.csv", date(2024, 1, 3), LATER),
        ("other", "r.csv", date(2024, 1, 31), NOW),
    ]
    assert rows_of(lake, "SELECT count(DISTINCT profile) FROM raw.source_files WHERE source = 'canonical'") == [(1,)]
    assert (registration.load_start, registration.load_end) == (date(2024, 1, 3), date(2024, 2, 2))


def test_a_changed_profile_also_holds_for_files_that_are_away(lake: Lake, tmp_path: Path) -> None:
    away = write(tmp_path / "a.csv", [line(1), line(2)])
    register(lake, str(away), CANONICAL, now=NOW)
    away.unlink()
    changed_profile = changed("canonical", description="New words.")

    register(lake, str(write(tmp_path / "b.csv", [line(3)])), changed_profile, now=LATER)

    profiles = rows_of(lake, "SELECT DISTINCT profile FROM raw.source_files")
    assert profiles == [(changed_profile.to_yaml(),)]


def test_a_moved_file_goes_on_where_it_was(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", LINES)
    register(lake, str(path), CANONICAL, now=NOW)
    shutil.move(path, tmp_path / "b.csv")

    register(lake, str(tmp_path / "b.csv"), CANONICAL, now=LATER)

    assert rows_of(lake, "SELECT path, registered_at FROM raw.source_files") == [(str(tmp_path / "b.csv"), NOW)]


def test_one_bad_file_among_good_ones_registers_none(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "in/good.csv", LINES)
    (tmp_path / "in/empty.csv").touch()
    before = lake.version()

    with pytest.raises(SourceError, match=r"empty\.csv is empty"):
        register(lake, str(tmp_path / "in"), CANONICAL, now=NOW)

    assert lake.version() == before


def test_a_profile_without_a_location_needs_a_path(lake: Lake) -> None:
    with pytest.raises(SourceError, match=r"canonical doesn't say where its data is"):
        register(lake, None, CANONICAL, now=NOW)


def test_a_package_that_is_not_installed_is_named(lake: Lake) -> None:
    profile = changed("canonical", location="package:no_such_package/data.csv")

    with pytest.raises(SourceError, match=r"no_such_package .*is not installed.*pip install no-such-package"):
        register(lake, None, profile, now=NOW)


def test_a_source_has_a_plain_name(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="can't name a source"):
        register(lake, str(write(tmp_path / "o.csv", LINES)), CANONICAL, source="a b", now=NOW)
