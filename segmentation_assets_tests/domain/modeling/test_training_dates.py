"""At which earlier dates it is learned and judged what features announce."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from segmentation.modeling.training_data import LEAST_HISTORY, history_dates, pooled_dates

AS_OF = date(2024, 9, 1)


def test_with_lines_enough_both_are_firsts_of_months() -> None:
    assert history_dates(AS_OF, 90, date(2020, 1, 1)) == (date(2024, 6, 1), date(2024, 3, 1))
    assert pooled_dates(date(2024, 6, 1), date(2024, 3, 1)) == (
        date(2024, 5, 1),
        date(2024, 4, 1),
        date(2024, 2, 1),
        date(2024, 1, 1),
    )


def test_with_less_they_are_the_latest_that_there_are() -> None:
    assert history_dates(AS_OF, 90, date(2024, 2, 3)) == (date(2024, 6, 3), date(2024, 3, 5))


def test_with_one_window_it_is_learned_from_and_judged_by() -> None:
    assert history_dates(AS_OF, 90, date(2024, 4, 1)) == (date(2024, 6, 3), date(2024, 6, 3))
    assert history_dates(AS_OF, 90, date(2024, 6, 1)) is None


@given(st.dates(date(2001, 1, 1), date(2030, 1, 1)), st.integers(1, 200), st.integers(0, 900))
def test_windows_end_before_the_next_date_and_have_lines_before_them(as_of: date, days: int, reach: int) -> None:
    first = as_of - timedelta(days=reach)
    found = history_dates(as_of, days, first)
    if found is None:
        assert first + LEAST_HISTORY > as_of - timedelta(days=days)
        return
    judged, learned = found
    assert judged + timedelta(days=days) <= as_of
    assert learned == judged or learned + timedelta(days=days) <= judged
    assert learned - LEAST_HISTORY >= first
    pooled = pooled_dates(judged, learned)
    assert not {judged, learned} & set(pooled)
    assert all(each.day == 1 and each < judged for each in pooled)
