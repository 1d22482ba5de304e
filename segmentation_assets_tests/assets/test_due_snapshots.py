"""Due snapshots: which dates automation asks for, and which it leaves to people."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from segmentation.clock import utc_now
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings
from segmentation.snapshots.cadence import dates_between
from segmentation.snapshots.states import Standing, State
from segmentation.warehouse import Lake
from segmentation.warehouse.ledger import Entry
from segmentation_assets.automation.due_snapshots import MOST_DATES, NAME, Due, ask_for_snapshots, find_due
from segmentation_assets.partitions import range_tags
from segmentation_assets.resources import ASKED_BY
from segmentation_assets_tests.assets.conftest import Graph, defs

pytestmark = pytest.mark.takes(20)

NOW = datetime(2025, 6, 10, 12)
DATES = dates_between("monthly", date(2024, 1, 1), date(2025, 6, 9))
SETTINGS = Settings(refresh_days=70)


def _standing(as_of: date, state: State = "current", model: int = 1) -> Standing:
    entry = Entry(
        table_name=CUSTOMER_SEGMENTS.name,
        as_of=as_of,
        row_count=1,
        lake_version=1,
        written_version=2,
        code_version="",
        window_start=None,
        home_market=None,
        computed_count=None,
        engine=None,
        previous_as_of=None,
        model_version=model,
        git_commit=None,
        made_at=NOW - timedelta(days=5),
        run_id=None,
        asked_by=None,
        is_requested=False,
    )
    return Standing(entry, state, () if state == "current" else ("lines changed since, of 2025-03-01",))


def _asked(found: Due | str) -> tuple[date, ...]:
    assert isinstance(found, Due), found
    return found.dates


def test_dates_after_the_newest_are_asked_for_together() -> None:
    standings = [_standing(date(2025, 3, 1))]
    due = find_due(standings, DATES, SETTINGS, NOW)
    assert _asked(due) == (date(2025, 4, 1), date(2025, 5, 1), date(2025, 6, 1))
    assert isinstance(due, Due)
    assert not due.keeps_model


def test_earlier_dates_that_are_missing_are_a_persons_decision() -> None:
    found = find_due([_standing(date(2025, 6, 1))], DATES, SETTINGS, NOW)
    assert found == "nothing is due"


def test_a_long_gap_is_filled_step_by_step() -> None:
    days = dates_between("daily", date(2025, 1, 1), date(2025, 6, 9))
    first = _asked(find_due([_standing(date(2025, 1, 10))], days, SETTINGS, NOW))
    assert (first[0], len(first)) == (date(2025, 1, 11), MOST_DATES)
    second = _asked(find_due([_standing(first[-1])], days, SETTINGS, NOW))
    assert second[0] == first[-1] + timedelta(days=1)


def test_stale_dates_are_made_anew_by_the_model_that_decided_them_and_the_newest_by_the_champion() -> None:
    stale = [_standing(as_of, "stale") for as_of in (date(2025, 4, 1), date(2025, 5, 1), date(2025, 6, 1))]
    older = find_due(stale, DATES, SETTINGS, NOW)
    assert _asked(older) == (date(2025, 4, 1), date(2025, 5, 1))
    assert isinstance(older, Due)
    assert older.keeps_model
    assert "lines changed" in older.reason
    newest = find_due([*map(_standing, DATES[:-1]), stale[-1]], DATES, SETTINGS, NOW)
    assert isinstance(newest, Due)
    assert (newest.dates, newest.keeps_model) == ((date(2025, 6, 1),), False)


def test_dates_older_than_the_setting_are_left_and_counted() -> None:
    standings = [_standing(date(2024, 12, 1), "stale"), _standing(date(2025, 6, 1))]
    found = find_due(standings, DATES, SETTINGS, NOW)
    assert found == "1 older dates are stale; `segmentation snapshots refresh` makes them anew"


def test_a_date_that_has_just_been_made_waits_for_more_late_lines() -> None:
    fresh = _standing(date(2025, 6, 1), "stale")
    entry = replace(fresh.entry, made_at=NOW - timedelta(minutes=10))
    found = find_due([replace(fresh, entry=entry)], DATES, SETTINGS, NOW)
    assert isinstance(found, str)
    assert "less than an hour ago" in found


def test_a_date_that_begins_within_a_day_of_utc_waits_for_its_end() -> None:
    """West of Greenwich, all that is sold on the first day makes the date stale, though it sees none of it."""
    stale = _standing(date(2025, 6, 1), "stale")
    begins = datetime(2025, 6, 1, 5)
    in_new_york = replace(stale, entry=replace(stale.entry, ends_at=begins, made_at=begins))
    waiting = find_due([in_new_york], DATES, SETTINGS, datetime(2025, 6, 1, 23, 59))
    assert waiting == "2025-06-01 is stale; it begins within 2025-06-01 (UTC), of which more lines come"
    assert _asked(find_due([in_new_york], DATES, SETTINGS, datetime(2025, 6, 2))) == (date(2025, 6, 1),)
    in_utc = replace(stale, entry=replace(stale.entry, ends_at=datetime(2025, 6, 1)))
    assert _asked(find_due([in_utc], DATES, SETTINGS, datetime(2025, 6, 10, 12))) == (date(2025, 6, 1),)


def test_the_same_state_has_the_same_key_on_a_day_and_another_one_once_it_changes() -> None:
    standings = [_standing(date(2025, 6, 1), "stale")]
    one = find_due(standings, DATES, SETTINGS, NOW)
    same = find_due(standings, DATES, SETTINGS, NOW + timedelta(hours=1))
    tomorrow = find_due(standings, DATES, SETTINGS, NOW + timedelta(days=1))
    made_anew = replace(standings[0], entry=replace(standings[0].entry, written_version=9))
    other = find_due([made_anew], DATES, SETTINGS, NOW)
    assert one == same
    keys = {due.key for due in (one, tomorrow, other) if isinstance(due, Due)}
    assert len(keys) == 3


def _tick(graph: Graph, now: datetime, **changes: object) -> dg.SensorResult | dg.SkipReason:
    settings = Settings(**{**graph.overrides, **changes})  # type: ignore[arg-type]
    context = dg.build_sensor_context(instance=graph.instance, definitions=defs)
    return ask_for_snapshots(context, settings, now)


def test_without_a_lake_or_a_model_nothing_is_asked_for(loaded: Graph) -> None:
    nowhere = _tick(loaded, NOW, home="/nonexistent/lake")
    assert isinstance(nowhere, dg.SkipReason)
    assert "There is no lake" in (nowhere.skip_message or "")
    without_model = _tick(loaded, NOW)
    assert isinstance(without_model, dg.SkipReason)
    assert "no model serves yet" in (without_model.skip_message or "")


def test_a_weekly_cadence_asks_for_the_mondays_that_the_data_has_reached(filled: Graph, lake: Lake) -> None:
    with lake.cursor() as con:
        drop = "DELETE FROM {} WHERE as_of = DATE '2025-01-01'"
        for table in ("registry.snapshots", CUSTOMER_SEGMENTS.name):
            con.execute(drop.format(table))
        con.execute(
            "INSERT INTO registry.snapshots BY NAME SELECT * REPLACE (DATE '2024-12-10' AS as_of, "
            f"'{CUSTOMER_SEGMENTS.name}' AS table_name) FROM registry.snapshots LIMIT 1"
        )
    tick = _tick(filled, NOW, cadence="weekly")
    assert isinstance(tick, dg.SensorResult)
    [request] = tick.run_requests or []
    assert range_tags("2024-12-16", "2024-12-30").items() <= request.tags.items()
    assert request.tags[ASKED_BY] == NAME
    filled.instance.create_run_for_job(
        defs.resolve_job_def("snapshot"), tags=request.tags, status=dg.DagsterRunStatus.STARTED
    )
    waiting = _tick(filled, NOW, cadence="weekly")
    assert isinstance(waiting, dg.SkipReason)
    assert "still making snapshots" in (waiting.skip_message or "")
    much_later = _tick(filled, utc_now() + timedelta(days=3), cadence="weekly")
    assert isinstance(much_later, dg.SensorResult), "a run that was killed holds up nothing for good"
