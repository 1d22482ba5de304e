"""Days of the shop: coverage, states and due dates where the shop's days don't begin at midnight UTC."""

from datetime import date, datetime, timedelta
from functools import partial

import duckdb
import pytest

from segmentation.diagnosis import diagnose
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.settings import Settings
from segmentation.snapshots.coverage import coverage_of, read_coverage
from segmentation.snapshots.due import due_dates
from segmentation.snapshots.latest import latest_date
from segmentation.snapshots.states import read_present, read_standings
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.shop_zone import shop_zone, zones_of_sources
from segmentation_assets_tests.testing.lines import Line, insert_lines

NOW = datetime(2025, 3, 10, 12)
MARCH = date(2024, 3, 1)
NOTHING = (None, None)
REGISTER = """
INSERT INTO raw.source_files
    (source, path, profile, line_count, first_day, last_day, byte_size, modified_at, registered_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _lines(*moments: datetime) -> list[Line]:
    return [Line(f"c{n}", f"o{n}", "p", moment) for n, moment in enumerate(moments)]


def _in(zone: str, settings: Settings) -> Settings:
    return settings.model_copy(update={"timezone": zone})


def _until(lake: Lake, zone: str, now: datetime = NOW) -> date | None:
    with lake.cursor() as con:
        return read_coverage(con, _in(zone, lake.settings), now).until


@pytest.mark.parametrize(
    ("zone", "last", "until"),
    [
        ("UTC", datetime(2024, 2, 28, 23), date(2024, 2, 29)),
        ("Europe/Berlin", datetime(2024, 2, 28, 23), date(2024, 3, 1)),  # midnight of the 29th: a day without a clock
        ("Europe/Berlin", datetime(2024, 2, 28, 22, 59), date(2024, 2, 29)),
        ("America/New_York", datetime(2024, 2, 29, 4, 59), date(2024, 2, 29)),
        ("America/New_York", datetime(2024, 2, 29, 5), date(2024, 3, 1)),
    ],
)
def test_data_is_complete_up_to_the_last_day_of_the_shop_with_lines(
    lake: Lake, zone: str, last: datetime, until: date
) -> None:
    insert_lines(lake, _lines(datetime(2024, 1, 1, 12), last))
    assert _until(lake, zone) == until


def test_a_day_of_the_shop_that_is_not_over_is_never_complete() -> None:
    days = {"stream": (date(2024, 1, 1), date(2025, 3, 11))}
    late_evening = datetime(2025, 3, 10, 23, 30)
    assert coverage_of(days, NOTHING, 0, late_evening, "Europe/Berlin").until == date(2025, 3, 11)
    assert coverage_of(days, NOTHING, 0, late_evening).until == date(2025, 3, 10)
    night = datetime(2025, 3, 11, 3, 59)
    assert coverage_of(days, NOTHING, 0, night, "America/New_York").until == date(2025, 3, 10)


def test_an_evening_that_is_not_loaded_yet_holds_its_day_back(lake: Lake) -> None:
    """A file of a shop in New York ends at its midnight; the day of UTC with the evening is loaded when it is over."""
    insert_lines(lake, _lines(datetime(2025, 3, 1, 12), datetime(2025, 3, 9, 23)))
    file = ["test", "/f", "name: f", 9, date(2025, 3, 1), date(2025, 3, 10), 9, None, NOW]
    assert _until(lake, "America/New_York") == date(2025, 3, 10)
    with lake.cursor() as con:
        lake.transaction(
            con, Commit("file"), partial(duckdb.DuckDBPyConnection.execute, query=REGISTER, parameters=file)
        )
    assert _until(lake, "America/New_York") == date(2025, 3, 9)
    assert _until(lake, "America/New_York", NOW + timedelta(days=1)) == date(2025, 3, 10)
    assert _until(lake, "UTC") == date(2025, 3, 10)


def test_dates_begin_after_the_first_day_of_the_shop(lake: Lake) -> None:
    """New Year in Berlin is the old year in UTC, which made the first snapshot one without a customer."""
    insert_lines(lake, _lines(datetime(2023, 12, 31, 23), datetime(2024, 2, 15)))
    with lake.cursor() as con:
        berlin = _in("Europe/Berlin", lake.settings)
        covered = read_coverage(con, berlin, NOW)
        assert (covered.begins_on, covered.first_day) == (date(2024, 1, 1), date(2023, 12, 31))
        assert [(s.first_day, s.last_day) for s in covered.sources] == [(date(2024, 1, 1), date(2024, 2, 15))]
        assert due_dates(berlin, covered) == [date(2024, 2, 1)]
        assert due_dates(lake.settings, read_coverage(con, lake.settings, NOW))[0] == date(2024, 1, 1)


def _made(lake: Lake, zone: str, *dates: date) -> Lake:
    shop = Lake(_in(zone, lake.settings))
    write_snapshots(shop, dates, lambda _: Commit("test"), now=NOW)
    return shop


def _reasons(lake: Lake, as_of: date = MARCH) -> tuple[str, ...]:
    with lake.cursor() as con:
        standings = read_standings(con, lake.settings, NOW)
    [found] = [s for s in standings if (s.entry.table_name, s.entry.as_of) == (CUSTOMER_FEATURES.name, as_of)]
    return found.reasons


@pytest.mark.parametrize(
    ("zone", "moment", "is_stale"),
    [
        ("America/New_York", datetime(2024, 3, 1, 3), True),  # the evening before
        ("America/New_York", datetime(2024, 3, 2, 3), False),
        ("Europe/Berlin", datetime(2024, 2, 29, 12), True),
        ("Europe/Berlin", datetime(2024, 3, 1, 3), False),
        ("Europe/Berlin", datetime(2023, 3, 1, 23, 30), True),  # the window begins in the night
        ("UTC", datetime(2024, 3, 1), False),
    ],
)
def test_a_late_line_of_a_day_with_a_part_in_the_window_makes_it_stale(
    lake: Lake, zone: str, moment: datetime, is_stale: bool
) -> None:
    insert_lines(lake, _lines(datetime(2024, 1, 1, 12), datetime(2024, 3, 5)))
    with _made(lake, zone, MARCH) as shop:
        assert _reasons(shop) == ()
        insert_lines(shop, [Line("late", "late", "p", moment)])
        assert bool(_reasons(shop)) == is_stale
        write_snapshots(shop, [MARCH], lambda _: Commit("again"), now=NOW)
        assert _reasons(shop) == ()


def test_another_time_zone_makes_snapshots_stale_until_they_are_made_anew(lake: Lake) -> None:
    insert_lines(lake, _lines(datetime(2024, 1, 1, 12), datetime(2024, 3, 5)))
    with _made(lake, "", MARCH) as utc:
        assert _reasons(utc) == ()
    with Lake(_in("Europe/Berlin", lake.settings)) as berlin:
        assert _reasons(berlin) == ("its days were those of UTC, and are those of Europe/Berlin",)
    with _made(lake, "Europe/Berlin", MARCH) as berlin:
        assert _reasons(berlin) == ()
    with Lake(_in("UTC", lake.settings)) as utc:
        assert _reasons(utc) == ("its days were those of Europe/Berlin, and are those of UTC",)


def test_the_ledger_of_an_older_release_is_one_of_utc(lake: Lake) -> None:
    insert_lines(lake, _lines(datetime(2024, 1, 1, 12), datetime(2024, 3, 5)))
    with _made(lake, "UTC", MARCH) as shop, shop.cursor() as con:
        for column in ("timezone", "ends_at"):
            dropping = partial(
                duckdb.DuckDBPyConnection.execute, query=f"ALTER TABLE registry.snapshots DROP COLUMN {column}"
            )
            lake.transaction(con, Commit("old"), dropping)
        assert _reasons(shop) == ()
        assert latest_date(con, CUSTOMER_FEATURES, 0) == MARCH


def test_the_latest_date_is_known_where_the_last_day_is_another_one_in_utc(lake: Lake) -> None:
    insert_lines(lake, _lines(datetime(2024, 2, 28, 23)))
    with _made(lake, "Europe/Berlin", MARCH) as shop, shop.cursor() as con:
        assert latest_date(con, CUSTOMER_FEATURES, 0) == MARCH
        assert read_present(con, shop.settings, NOW).coverage.reaches(MARCH)


def _register(lake: Lake, *zones: str | None) -> None:
    profile = load_profile("canonical")
    for number, zone in enumerate(zones):
        text = profile.model_copy(update={"timezone": zone} if zone else {}).to_yaml()
        day = date(2024, 1, 1)
        row = [f"s{number}", f"/f{number}", text, 1, day, day, 9, None, NOW]
        with lake.cursor() as con:
            lake.transaction(
                con, Commit("file"), partial(duckdb.DuckDBPyConnection.execute, query=REGISTER, parameters=row)
            )


@pytest.mark.parametrize(
    ("named", "zone"),
    [
        ((), "UTC"),
        ((None,), "UTC"),
        (("Europe/Berlin",), "Europe/Berlin"),
        (("Europe/Berlin", None, "Europe/Berlin"), "Europe/Berlin"),
        (("Europe/Berlin", "America/New_York"), "UTC"),
        (("Etc/GMT+5",), "Etc/GMT+5"),
    ],
)
def test_without_a_setting_the_zone_is_the_one_that_the_sources_agree_on(
    lake: Lake, named: tuple[str | None, ...], zone: str
) -> None:
    """Said in `segmentation doctor`, too."""
    _register(lake, *named)
    told = {each.subject: each.detail for each in diagnose(lake.settings, NOW)}["time zone"]
    assert told.startswith(f"{zone}, ")
    assert ("set SEGMENTATION_TIMEZONE" in told) == (len(set(named)) == 2 and None not in named)
    with lake.cursor() as con:
        assert shop_zone(con, lake.settings) == zone
        assert shop_zone(con, _in("Asia/Tokyo", lake.settings)) == "Asia/Tokyo"
        assert zones_of_sources(con) == sorted({each for each in named if each})
