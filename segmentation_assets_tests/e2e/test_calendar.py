"""Days without a clock, and clocks far from Greenwich: from the command to the tables, on the calendar of the shop."""

import json
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import segmentation, sql

pytestmark = pytest.mark.takes(60)

CASE = Path(__file__).parents[1] / "cases" / "10-days-without-a-clock"
ASKED = "SELECT {columns} FROM features.customer_features WHERE as_of = '{as_of}' ORDER BY customer_id"
CALENDAR = "customer_id, order_count, preferred_weekday, preferred_hour, weekend_order_share"


def _ingest(home: Path, file: Path, profile: Path, **extra: str) -> None:
    done = segmentation(home, "ingest", str(file), "--profile", str(profile), **extra)
    assert done.returncode == 0, done.stderr


def _materialize(home: Path, as_of: str, columns: str = CALENDAR, **extra: str) -> list[str]:
    done = segmentation(home, "materialize", "--as-of", as_of, "--select", "group:features", **extra)
    assert done.returncode == 0, done.stderr
    return sql(home, ASKED.format(columns=columns, as_of=as_of)).splitlines()


@pytest.mark.parametrize("setting", [{}, {"SEGMENTATION_TIMEZONE": "Europe/Berlin"}], ids=["by profile", "by setting"])
def test_days_without_a_clock_are_days_of_the_shop(tmp_path: Path, setting: dict[str, str]) -> None:
    home = tmp_path / "warehouse"
    _ingest(home, CASE / "input.csv", CASE / "profile.yaml", **setting)
    assert _materialize(home, "2024-03-01", **setting) == ["late,1,6,0,1.0", "monday,6,1,0,0.0"]
    assert _materialize(home, "2024-03-02", **setting) == ["late,2,5,0,0.5", "monday,6,1,0,0.0"]
    ahead = segmentation(home, "materialize", "--as-of", "2024-03-03", "--select", "group:features", **setting)
    assert ahead.returncode == 1
    assert "complete up to 2024-03-01" in ahead.stderr
    listed = json.loads(segmentation(home, "snapshots", "list", "--json", **setting).stdout)
    assert (listed["coverage"]["timezone"], listed["coverage"]["newest_as_of"]) == ("Europe/Berlin", "2024-03-02")
    assert {(each["as_of"], each["state"]) for each in listed["snapshots"]} == {
        ("2024-03-01", "current"),
        ("2024-03-02", "current"),
    }
    assert listed["coverage"]["latest"] == "2024-03-02"


def test_the_zone_of_the_shop_may_be_another_one_than_the_sources(tmp_path: Path) -> None:
    """In New York, what Berlin dates to Monday was sold on Sunday evening; a change of the setting is told."""
    home = tmp_path / "warehouse"
    _ingest(home, CASE / "input.csv", CASE / "profile.yaml")
    _materialize(home, "2024-02-29")
    new_york = {"SEGMENTATION_TIMEZONE": "America/New_York"}
    listed = json.loads(segmentation(home, "snapshots", "list", "--json", **new_york).stdout)
    [stale] = listed["snapshots"]
    assert stale["reasons"] == ["its days were those of Europe/Berlin, and are those of America/New_York"]
    refreshed = segmentation(home, "snapshots", "refresh", **new_york)
    assert refreshed.returncode == 0, refreshed.stderr
    rows = sql(home, ASKED.format(columns=CALENDAR, as_of="2024-02-29")).splitlines()
    assert rows == ["late,1,5,18,0.0", "monday,6,7,18,1.0"]
    recorded = "SELECT DISTINCT timezone, ends_at FROM registry.snapshots"
    assert sql(home, recorded) == "America/New_York,2024-02-29T05:00:00.000000"
    unknown = segmentation(home, "snapshots", "list", SEGMENTATION_TIMEZONE="Europe/Berln")
    assert unknown.returncode == 1
    assert "SEGMENTATION_TIMEZONE" in unknown.stderr
    assert "no such time zone" in unknown.stderr
