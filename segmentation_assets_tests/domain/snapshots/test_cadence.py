"""Cadence: which dates there are, and which old ones may go."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.snapshots.cadence import Cadence, dates_between, last_date, next_date, thinned

DAYS = st.dates(date(1990, 1, 1), date(2060, 1, 1))
CADENCES: tuple[Cadence, ...] = ("daily", "weekly", "monthly")


@pytest.mark.parametrize("cadence", CADENCES)
@given(day=DAYS)
def test_the_last_date_is_the_only_one_until_the_next(cadence: Cadence, day: date) -> None:
    last, following = last_date(cadence, day), next_date(cadence, day)
    assert last <= day < following
    assert next_date(cadence, last) == following
    assert last_date(cadence, following) == following


@given(day=DAYS)
def test_weeks_begin_on_mondays_and_months_on_their_first(day: date) -> None:
    assert next_date("weekly", day).weekday() == 0
    assert next_date("monthly", day).day == 1


@pytest.mark.parametrize("cadence", CADENCES)
@given(first=DAYS, length=st.integers(0, 800))
def test_dates_lie_after_the_first_day_and_leave_none_out(cadence: Cadence, first: date, length: int) -> None:
    until = first + timedelta(days=length)
    found = dates_between(cadence, first, until)
    every_day = [first + timedelta(days=n) for n in range(1, length + 1)]
    assert found == [day for day in every_day if last_date(cadence, day) == day]


@given(
    ages=st.sets(st.integers(0, 1500), min_size=1, max_size=150),
    daily=st.integers(1, 100),
    weekly=st.integers(1, 800),
    kept=st.sets(st.integers(0, 1500), max_size=10),
)
def test_thinning_leaves_one_a_week_then_one_a_month_and_all_that_is_kept(
    ages: set[int], daily: int, weekly: int, kept: set[int]
) -> None:
    newest = date(2026, 11, 28)
    dates = [newest - timedelta(days=age) for age in sorted(ages | {0})]
    keep = [newest - timedelta(days=age) for age in kept]
    gone = set(thinned(dates, newest, keep_daily_days=daily, keep_weekly_days=weekly, kept=keep))
    left = set(dates) - gone
    assert not gone & set(keep)
    assert all((newest - day).days >= daily for day in gone)
    for day in gone:  # of its week, or of its month, another one stays
        cadence: Cadence = "weekly" if (newest - day).days < weekly else "monthly"
        assert any(last_date(cadence, other) == last_date(cadence, day) and other <= day for other in left)
    assert thinned(sorted(left), newest, keep_daily_days=daily, keep_weekly_days=weekly, kept=keep) == []


def test_a_year_of_days_becomes_few() -> None:
    newest = date(2026, 11, 28)
    dates = [newest - timedelta(days=age) for age in range(800)]
    gone = thinned(dates, newest, keep_daily_days=60, keep_weekly_days=365)
    left = sorted(set(dates) - set(gone))
    assert len([day for day in left if (newest - day).days < 60]) == 60
    assert {day.weekday() for day in left if 67 <= (newest - day).days < 358} == {0}
    assert {day.day for day in left if 400 <= (newest - day).days < 770} == {1}
