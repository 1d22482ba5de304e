"""Which dates one run makes."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.snapshots.cadence import Cadence, next_date
from segmentation_assets.cli.snapshot_runs import groups_of

CADENCES: tuple[Cadence, ...] = ("daily", "weekly", "monthly")


@pytest.mark.parametrize("cadence", CADENCES)
@given(offsets=st.sets(st.integers(0, 120), max_size=40))
def test_every_date_is_in_one_group_of_neighbours_and_in_order(cadence: Cadence, offsets: set[int]) -> None:
    dates = sorted(date(2025, 1, 1) + timedelta(days=n) for n in offsets)
    groups = groups_of(reversed(dates), cadence)
    assert [as_of for group in groups for as_of in group.dates] == dates
    for group in groups:
        assert all(next_date(group.cadence, a) == b for a, b in zip(group.dates, group.dates[1:], strict=False))
        assert group.cadence in (cadence, "daily")


def test_dates_of_the_cadence_share_a_run_unless_another_date_lies_between() -> None:
    firsts = [date(2025, month, 1) for month in (1, 2, 3)]
    [group] = groups_of(firsts, "monthly")
    assert (group.dates, group.cadence) == (tuple(firsts), "monthly")
    found = groups_of([*firsts, date(2025, 1, 15), date(2025, 3, 2)], "monthly")
    assert [(str(group.dates[0]), len(group.dates), group.cadence) for group in found] == [
        ("2025-01-01", 1, "monthly"),
        ("2025-01-15", 1, "daily"),
        ("2025-02-01", 2, "monthly"),
        ("2025-03-02", 1, "daily"),
    ]
