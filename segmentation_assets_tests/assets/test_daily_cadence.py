"""A daily cadence in fast motion, made by automation alone; `benchmarks/daily_cadence.py` lives sixty days of it."""

from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from segmentation.clock import utc_now
from segmentation.housekeeping import keep_house
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.report import SnapshotOfDate, read_report
from segmentation.warehouse import Lake
from segmentation_assets.cli import steps
from segmentation_assets_tests.testing.fast_motion import live, materialization_counts, open_shop, unequal_movement

pytestmark = pytest.mark.takes(50)

START, FIRST_DAY, END = date(2024, 2, 1), date(2024, 6, 20), date(2024, 8, 1)
SMALL = {
    "SEGMENTATION_CADENCE": "daily",
    "SEGMENTATION_CUSTOMER_BUCKETS": "1",
    "SEGMENTATION_KEEP_DAILY_DAYS": "2",
    "SEGMENTATION_KEEP_WEEKLY_DAYS": "4",
    "SEGMENTATION_MAX_SEGMENTS": "4",
    "SEGMENTATION_MIN_STABILITY": "0.5",
    "SEGMENTATION_SEARCH_TRIALS": "2",
    "SEGMENTATION_THREADS": "1",
}


@pytest.mark.timeout(600)
def test_each_day_is_made_once_thinned_out_with_age_and_kept_by_another_cadence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    def with_cadence(cadence: str) -> Settings:
        monkeypatch.setenv("SEGMENTATION_CADENCE", cadence)
        return load_settings()

    monkeypatch.setenv("SEGMENTATION_HOME", str(tmp_path / "warehouse"))
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    shop = open_shop(settings, customers=400, start=START, first_day=FIRST_DAY, end=END)

    days = [FIRST_DAY + timedelta(days=number) for number in range(6)]
    lived = list(live(shop, settings, instance, days, date(2024, 6, 26)))
    mornings = [str(day + timedelta(days=1)) for day in days]
    assert [day.made for day in lived] == [((morning, morning),) for morning in mornings]
    assert materialization_counts(instance, "segments/customer_segments") == dict.fromkeys(mornings, 1)
    assert _segmented(settings) == [FIRST_DAY, *map(date.fromisoformat, mornings)]
    assert _unequal(settings) == []

    asked_for = date(2024, 6, 22)
    steps.materialize(None, str(asked_for), None, lambda *_: None, settings=settings)
    with Lake(settings) as lake:
        gone = keep_house(lake, now=datetime(2024, 6, 26), actor="test").thinned
    assert gone == (date(2024, 6, 21),), "the model's date, the one that was asked for, and younger ones stay"
    left = _segmented(settings)
    assert left == [FIRST_DAY, asked_for, *(date(2024, 6, day) for day in (23, 24, 25, 26))]
    assert _unequal(settings) == []

    (weeks,) = live(shop, with_cadence("weekly"), instance, [date(2024, 6, 26)], date(2024, 7, 8))
    assert weeks.made == (("2024-07-01", "2024-07-08"),), "dates that have become due together share a run"
    (month,) = live(shop, with_cadence("monthly"), instance, [date(2024, 7, 8)], END)
    assert month.made == (("2024-08-01", "2024-08-01"),)
    assert _segmented(settings) == [*left, date(2024, 7, 1), date(2024, 7, 8), END]
    assert _unequal(settings) == []
    assert {each.state for each in _dates(settings)} == {"current"}


def _dates(settings: Settings) -> tuple[SnapshotOfDate, ...]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return read_report(con, settings, utc_now()).dates


def _segmented(settings: Settings) -> list[date]:
    return [each.as_of for each in _dates(settings) if each.model_version]


def _unequal(settings: Settings) -> list[tuple[object, ...]]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return unequal_movement(con)
