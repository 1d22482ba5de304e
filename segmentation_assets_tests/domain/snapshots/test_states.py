"""States: what makes a snapshot stale, and what doesn't."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from segmentation.features.windows import window_of
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENT_PROFILES, SEGMENT_TRANSITIONS
from segmentation.snapshots.code import SNAPSHOT_TABLES
from segmentation.snapshots.coverage import Coverage
from segmentation.snapshots.states import Present, Standing, dates_in_state, judge
from segmentation.warehouse.ledger import Entry

JAN, FEB, MAR = date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1)
TABLES = (CUSTOMER_FEATURES, CUSTOMER_SEGMENTS, SEGMENT_PROFILES, SEGMENT_TRANSITIONS)

PRESENT = Present(
    coverage=Coverage(date(2023, 1, 1), date(2025, 2, 28), MAR),
    changes={date(2023, 1, 1) + timedelta(days=n): 1 for n in range(790)},
    code_versions={table.name: "now" for table in SNAPSHOT_TABLES},
    lookback_days=365,
    home_market=None,
    champion=1,
)


def _entry(table: Table, as_of: date, version: int, previous: date | None) -> Entry:
    is_features = table is CUSTOMER_FEATURES
    return Entry(
        table_name=table.name,
        as_of=as_of,
        row_count=10,
        lake_version=version - 1,
        written_version=version,
        code_version="now",
        window_start=window_of(as_of, 365).start if is_features else None,
        home_market="UK" if is_features else None,
        computed_count=None,
        engine=None,
        previous_as_of=previous if table in (CUSTOMER_SEGMENTS, SEGMENT_TRANSITIONS) else None,
        model_version=None if is_features else 1,
        git_commit=None,
        made_at=datetime(2025, 3, 1),
        run_id=None,
        asked_by=None,
        is_requested=False,
    )


def _ledger() -> dict[tuple[str, date], Entry]:
    """Three dates, each made of those before: versions 11 to 14, 21 to 24 and 31 to 34 of the lake."""
    found = {}
    for number, (as_of, previous) in enumerate([(JAN, None), (FEB, JAN), (MAR, FEB)], start=1):
        for step, table in enumerate(TABLES, start=1):
            found[table.name, as_of] = _entry(table, as_of, 10 * number + step, previous)
    return found


def _stale(entries: dict[tuple[str, date], Entry], present: Present = PRESENT) -> set[tuple[str, date]]:
    standings = judge(list(entries.values()), present)
    assert all(bool(s.reasons) == (s.state != "current") for s in standings)
    return {(s.entry.table_name.partition(".")[2], s.entry.as_of) for s in standings if s.state == "stale"}


def _of(*dates: date, but_for: tuple[Table, ...] = ()) -> set[tuple[str, date]]:
    return {(table.name.partition(".")[2], day) for table in TABLES if table not in but_for for day in dates}


def test_what_was_made_in_order_of_the_present_data_is_current() -> None:
    assert _stale(_ledger()) == set()


def test_a_changed_line_makes_the_dates_stale_whose_window_has_it_and_all_that_is_made_of_them() -> None:
    present = replace(PRESENT, changes={**PRESENT.changes, date(2025, 1, 10): 40})
    assert _stale(_ledger(), present) == _of(FEB, MAR)
    before_all = replace(PRESENT, changes={**PRESENT.changes, date(2023, 6, 1): 40})
    assert _stale(_ledger(), before_all) == set()
    first_day = replace(PRESENT, changes={**PRESENT.changes, window_of(JAN, 365).start: 40})
    assert _stale(_ledger(), first_day) == _of(JAN)
    the_day_itself = replace(PRESENT, changes={**PRESENT.changes, MAR: 40})
    assert _stale(_ledger(), the_day_itself) == set()


def test_a_change_that_a_snapshot_has_seen_does_not_matter() -> None:
    present = replace(PRESENT, changes={**PRESENT.changes, date(2024, 12, 10): 20})
    assert _stale(_ledger(), present) == _of(JAN)  # February was made of version 20


def test_a_reason_names_the_days() -> None:
    days = {date(2024, 12, 1) + timedelta(days=n): 50 for n in range(3)}
    standings = judge(list(_ledger().values()), replace(PRESENT, changes={**PRESENT.changes, **days}))
    assert "3 days from 2024-12-01 to 2024-12-03" in standings[0].reasons[0]


CHANGES: tuple[tuple[Callable[[Present], Present], set[tuple[str, date]]], ...] = (
    (lambda p: replace(p, lookback_days=200), _of(JAN, FEB, MAR)),
    (lambda p: replace(p, lookback_days=None), _of(JAN, FEB, MAR)),
    (lambda p: replace(p, home_market="France"), _of(JAN, FEB, MAR)),
    (lambda p: replace(p, home_market="UK"), set()),
    (lambda p: replace(p, champion=2), _of(MAR, but_for=(CUSTOMER_FEATURES,))),
    (lambda p: replace(p, champion=None), set()),
    (
        lambda p: replace(p, code_versions={**p.code_versions, SEGMENT_PROFILES.name: "newer"}),
        {("segment_profiles", day) for day in (JAN, FEB, MAR)},
    ),
    (lambda p: replace(p, code_versions={**p.code_versions, CUSTOMER_FEATURES.name: "newer"}), _of(JAN, FEB, MAR)),
)


@pytest.mark.parametrize(("change", "stale"), CHANGES)
def test_other_settings_code_and_models_make_stale_what_depends_on_them(
    change: Callable[[Present], Present], stale: set[tuple[str, date]]
) -> None:
    assert _stale(_ledger(), change(PRESENT)) == stale


def test_segments_made_anew_make_stale_what_follows_from_them() -> None:
    entries = _ledger()
    entries[CUSTOMER_SEGMENTS.name, JAN] = replace(entries[CUSTOMER_SEGMENTS.name, JAN], written_version=50)
    made_of_january = {("segment_profiles", JAN), ("segment_transitions", JAN)}
    # March is not: as long as February's rows are what they were, so are its own.
    february = {("customer_segments", FEB), ("segment_profiles", FEB), ("segment_transitions", FEB)}
    assert _stale(entries) == made_of_january | february


def test_making_the_same_rows_again_makes_nothing_stale() -> None:
    entries = _ledger()
    for key, entry in entries.items():
        entries[key] = replace(entry, lake_version=60)  # the version that wrote the rows stays
    assert _stale(entries) == set()


def test_movement_is_stale_where_another_snapshot_lies_before() -> None:
    entries = _ledger()
    for table in TABLES:
        del entries[table.name, FEB]
    assert _stale(entries) == {("segment_transitions", MAR)}


def test_segments_are_stale_where_a_snapshot_was_made_in_between_and_all_that_is_made_of_them() -> None:
    between = _ledger()
    between[CUSTOMER_SEGMENTS.name, date(2025, 2, 15)] = _entry(CUSTOMER_SEGMENTS, date(2025, 2, 15), 33, FEB)
    made_of_march = {("customer_segments", MAR), ("segment_profiles", MAR), ("segment_transitions", MAR)}
    assert _stale(between) - {("customer_segments", date(2025, 2, 15))} == made_of_march
    first = {key: entry for key, entry in _ledger().items() if key[1] != JAN}
    for table in (CUSTOMER_SEGMENTS, SEGMENT_TRANSITIONS):
        first[table.name, FEB] = replace(first[table.name, FEB], previous_as_of=None)
    assert _stale(first) == set()
    first[CUSTOMER_SEGMENTS.name, JAN] = _entry(CUSTOMER_SEGMENTS, JAN, 50, None)
    assert ("customer_segments", FEB) in _stale(first)


def test_monitoring_is_stale_where_thresholds_come_from_dates_that_were_made_since() -> None:
    entries = _ledger()
    entries[FEATURE_DRIFT.name, MAR] = _entry(FEATURE_DRIFT, MAR, 35, None)
    present = replace(PRESENT, trained_as_of={1: FEB})
    assert _stale(entries, present) == set()
    december = date(2024, 12, 1)
    entries[CUSTOMER_FEATURES.name, december] = _entry(CUSTOMER_FEATURES, december, 36, None)
    assert _stale(entries, present) == {("feature_drift", MAR)}
    # Dates after the training teach the model nothing.
    assert _stale(entries, replace(PRESENT, trained_as_of={1: date(2024, 11, 1)})) == set()


def test_segments_without_their_features_are_stale() -> None:
    entries = _ledger()
    del entries[CUSTOMER_FEATURES.name, FEB]
    assert _stale(entries) == _of(FEB, but_for=(CUSTOMER_FEATURES,))


def test_dates_that_the_data_does_not_reach_are_ahead_and_no_model_follows_them() -> None:
    present = replace(PRESENT, coverage=replace(PRESENT.coverage, until=date(2025, 2, 10)), champion=2)
    standings = judge(list(_ledger().values()), present)
    assert dates_in_state(standings, "ahead") == [MAR]
    assert dates_in_state(standings, "stale") == [FEB]  # the newest that counts follows the champion
    assert {s.reasons for s in standings if s.state == "ahead"} == {("the data is complete up to 2025-02-09",)}


def test_a_ledger_of_many_days_is_judged_in_order() -> None:
    entries, previous = dict[tuple[str, date], Entry](), None
    for n in range(700):
        as_of = date(2023, 2, 1) + timedelta(days=n)
        for step, table in enumerate(TABLES, start=1):
            entries[table.name, as_of] = _entry(table, as_of, 10 * n + 10 + step, previous)
        previous = as_of
    shuffled = sorted(entries.values(), key=lambda e: (e.written_version % 7, e.as_of), reverse=True)
    standings: list[Standing] = judge(shuffled, replace(PRESENT, champion=None))
    assert {s.state for s in standings} == {"current"}
    assert [s.entry.as_of for s in standings] == sorted(s.entry.as_of for s in standings)
