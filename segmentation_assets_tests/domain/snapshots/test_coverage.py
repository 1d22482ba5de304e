"""Coverage: up to which day data is complete, by source and of the lake."""

from datetime import date, datetime, timedelta

import pytest

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.snapshots.coverage import Coverage, coverage_at, coverage_of, read_coverage
from segmentation.snapshots.due import due_dates, newest_due
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.lines import Line, insert_lines

NOW = datetime(2025, 3, 10, 12)
NOTHING = (None, None)


def test_data_is_complete_up_to_the_last_day_with_lines() -> None:
    found = coverage_of({"shop": (date(2024, 1, 1), date(2025, 1, 30))}, NOTHING, 0, NOW)
    assert found.until == date(2025, 1, 31)
    assert found.reaches(date(2025, 1, 31))
    assert not found.reaches(date(2025, 2, 1))


def test_a_quiet_source_counts_as_complete_for_a_while() -> None:
    found = coverage_of({"shop": (date(2024, 1, 1), date(2025, 1, 29))}, NOTHING, 2, NOW)
    assert found.until == date(2025, 2, 1)


def test_a_day_that_is_not_over_is_never_complete() -> None:
    for quiet_days in (0, 30):
        found = coverage_of({"stream": (date(2024, 1, 1), NOW.date())}, NOTHING, quiet_days, NOW)
        assert found.until == NOW.date()


def test_a_late_source_is_named_and_holds_up_no_other() -> None:
    days = {"web": (date(2024, 1, 1), date(2025, 1, 31)), "store": (date(2024, 1, 1), date(2024, 12, 1))}
    found = coverage_of(days, NOTHING, 0, NOW)
    assert found.until == date(2025, 2, 1)
    assert [source.source for source in found.late_sources()] == ["store"]


def test_a_date_ahead_of_the_data_is_refused_with_the_newest_that_will_do() -> None:
    found = coverage_of({"shop": (date(2024, 1, 1), date(2025, 1, 30))}, NOTHING, 0, NOW)
    with pytest.raises(SegmentationError, match=r"complete up to 2025-01-30.*--as-of 2025-01-31.*QUIET_DAYS"):
        found.require(date(2025, 2, 1))
    found.require(date(2025, 1, 31))
    with pytest.raises(SegmentationError, match="Nothing has been ingested"):
        Coverage().require(date(2025, 1, 1))


def test_lines_that_went_leave_coverage_where_lines_end(lake: Lake) -> None:
    insert_lines(lake, [Line("a", "1", "p", datetime(2024, 5, 1)), Line("a", "2", "p", datetime(2024, 6, 1))])
    with lake.cursor() as con:
        assert read_coverage(con, lake.settings, NOW).until == date(2024, 6, 2)
        gone = "INSERT INTO raw.changed_days SELECT source, DATE '2024-06-01', -1, 99 FROM raw.changed_days LIMIT 1"
        lake.transaction(con, Commit("gone"), lambda c: c.execute(gone))
        found = read_coverage(con, lake.settings, NOW)
    assert found.until == date(2024, 5, 2)
    assert found.last_day == date(2024, 6, 1)


def test_where_there_is_no_lake_nothing_is_covered_and_none_is_made(settings: Settings) -> None:
    assert coverage_at(settings, NOW) == Coverage()
    assert not settings.home.exists()


def test_due_dates_are_those_of_the_cadence_that_the_data_reaches(settings: Settings) -> None:
    covered = Coverage(date(2024, 1, 15), date(2024, 3, 20), date(2024, 3, 21))
    assert due_dates(settings, covered) == [date(2024, 2, 1), date(2024, 3, 1)]
    weekly = settings.model_copy(update={"cadence": "weekly"})
    assert newest_due(weekly, covered) == date(2024, 3, 18)
    begun = settings.model_copy(update={"partitions_start": date(2024, 2, 10)})
    assert due_dates(begun, covered) == [date(2024, 3, 1)]


def test_a_history_of_a_few_days_is_looked_at_where_it_ends(settings: Settings) -> None:
    covered = Coverage(date(2024, 3, 5), date(2024, 3, 20), date(2024, 3, 21))
    assert due_dates(settings, covered) == []
    assert newest_due(settings, covered) == date(2024, 3, 21)
    assert newest_due(settings, Coverage()) is None


def test_a_slip_of_a_date_starts_no_dates(lake: Lake) -> None:
    """A shop's year, and one line that is said to be of 2006: no snapshot for each month between."""
    days = [datetime(2024, 1, 1) + timedelta(days=n % 300) for n in range(1200)]
    insert_lines(lake, [Line(f"c{n % 50}", f"o{n}", "p", day) for n, day in enumerate(days)])
    slip = "INSERT INTO raw.changed_days SELECT source, DATE '2006-05-01', {}, 99 FROM raw.changed_days LIMIT 1"
    with lake.cursor() as con:
        lake.transaction(con, Commit("a slip"), lambda c: c.execute(slip.format(1)))
        found = read_coverage(con, lake.settings, NOW)
        assert (found.first_day, found.begins_on) == (date(2006, 5, 1), date(2024, 1, 1))
        assert due_dates(lake.settings, found)[0] == date(2024, 2, 1)
        lake.transaction(con, Commit("no slip any more"), lambda c: c.execute(slip.format(100)))
        assert read_coverage(con, lake.settings, NOW).begins_on == date(2006, 5, 1)
