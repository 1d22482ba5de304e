"""Lines that come late, a feature that is new, and dates between two firsts of months, by the documented commands."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.e2e.conftest import command, environment, segmentation, sql
from segmentation_assets_tests.testing.new_feature import NAME, copy_with_feature
from segmentation_assets_tests.testing.statements import change

pytestmark = pytest.mark.takes(60)

LATE = """\
line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at
late-1,late-order,LATECOMER,P00001,2,9.5,2024-09-20 12:00:00
"""
UNTOUCHED = ["2024-05-01", "2024-06-01", "2024-07-01", "2024-08-01", "2024-09-01"]
HISTORY, NEWEST = [*UNTOUCHED, "2024-10-01"], "2025-01-01"
EMPTIED = """
UPDATE features.customer_features SET tenure_days = NULL WHERE as_of = '2024-10-01'
"""


@pytest.fixture
def home(year_home: Path, tmp_path: Path) -> Path:
    """A lake of twelve months of CSV, with the snapshots of a first `materialize`."""
    shutil.copytree(year_home, tmp_path / "warehouse")
    return tmp_path / "warehouse"


@pytest.fixture
def late_home(home: Path) -> Path:
    """The same, with a late line of a new customer."""
    path = home.with_name("late.csv")
    path.write_text(LATE)
    done = segmentation(home, "ingest", str(path))
    assert done.returncode == 0, done.stderr
    return home


def _listed(home: Path) -> dict[str, dict[str, Any]]:
    done = segmentation(home, "snapshots", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["as_of"]: each for each in json.loads(done.stdout)["snapshots"]}


def _latest(home: Path) -> str:
    latest: str = json.loads(segmentation(home, "snapshots", "list", "--json").stdout)["coverage"]["latest"]
    return latest


def _states(home: Path) -> dict[str, str]:
    return {as_of: each["state"] for as_of, each in _listed(home).items()}


def test_a_late_line_of_a_new_customer_stops_nothing(late_home: Path) -> None:
    assert _states(late_home) == dict.fromkeys(UNTOUCHED, "current") | {"2024-10-01": "stale", NEWEST: "stale"}
    done = segmentation(late_home, "materialize")
    assert done.returncode == 0, done.stderr
    assert set(_states(late_home).values()) == {"current"}
    dates = sql(late_home, "SELECT as_of FROM features.customer_features WHERE customer_id = 'LATECOMER' ORDER BY 1")
    assert dates.split() == ["2024-10-01", NEWEST]


def test_the_documented_command_refreshes_what_late_lines_made_stale(late_home: Path) -> None:
    done = segmentation(late_home, "snapshots", "refresh", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"refreshed": ["2024-10-01", NEWEST]}
    assert set(_states(late_home).values()) == {"current"}
    assert sql(late_home, "SELECT COUNT(*) FROM registry.models") == "1"
    again = segmentation(late_home, "snapshots", "refresh", "--json")
    assert json.loads(again.stdout) == {"refreshed": []}


def test_dates_that_are_stale_stop_no_check_of_another_date(late_home: Path) -> None:
    selection = "group:features or group:segments or group:monitoring"
    done = segmentation(late_home, "materialize", "--as-of", NEWEST, "--select", selection)
    assert done.returncode == 0, done.stderr
    assert _states(late_home) == dict.fromkeys(UNTOUCHED, "current") | {"2024-10-01": "stale", NEWEST: "current"}
    said = " ".join(done.stdout.split())
    assert "snapshots_are_current: not current as of 2024-10-01 (lines changed since, of 2024-09-20)" in said
    assert "`segmentation snapshots refresh` makes stale ones anew" in said


def test_any_date_can_be_looked_at_and_is_the_latest_if_it_is_the_newest(home: Path) -> None:
    done = segmentation(home, "materialize", "--as-of", "2024-12-11")
    assert done.returncode == 0, done.stderr
    assert "Segments as of 2024-12-11 (model 1)" in done.stdout
    listed = _listed(home)
    assert (listed["2024-12-11"]["state"], listed["2024-12-11"]["model_version"]) == ("current", 1)
    assert _latest(home) == NEWEST
    assert listed[NEWEST]["reasons"] == [
        "the snapshot before was none, and is 2024-12-11",
        "segments.customer_segments as of 2025-01-01 is stale",
        "thresholds come from features.customer_features as of 2024-12-11, made since",
    ]
    assert segmentation(home, "snapshots", "refresh").returncode == 0
    assert set(_states(home).values()) == {"current"}
    dropped = segmentation(home, "snapshots", "drop", NEWEST, "--force")
    assert dropped.returncode == 0, dropped.stderr
    assert _latest(home) == "2024-12-11"


@pytest.mark.parametrize("as_of", ["2025-01-02", "2026-11-01"])
def test_a_date_that_the_data_does_not_reach_is_refused_with_the_newest_one(home: Path, as_of: str) -> None:
    before = _states(home)
    done = segmentation(home, "materialize", "--as-of", as_of)
    assert done.returncode == 1
    said = done.stderr.replace("\n", " ")
    assert f"a snapshot as of {as_of} would be ahead" in said
    assert f"segmentation materialize --as-of {NEWEST}" in said
    assert _states(home) == before


def test_a_feature_that_was_added_as_documented_is_learned_from_history_that_is_made_anew(
    home: Path, tmp_path: Path
) -> None:
    source = copy_with_feature(tmp_path / "source", is_modelled=True)
    variables = environment(home, PYTHONPATH=os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        command("materialize"), env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sql(home, "SELECT COUNT(*) FROM registry.models") == "2"
    counts = sql(home, f"SELECT as_of, COUNT({NAME}) = COUNT(*) FROM features.temporal GROUP BY as_of ORDER BY as_of")
    assert counts.split() == [f"{as_of},true" for as_of in (*HISTORY, NEWEST)]


def test_a_feature_without_any_value_is_refused_with_its_date_and_the_command_that_mends_it(home: Path) -> None:
    with Lake(Settings(home=home)) as lake:
        change(lake, EMPTIED)
    done = segmentation(home, "materialize")
    assert done.returncode == 1
    said = done.stderr.replace("\n", " ")
    assert "No customer has a value of tenure_days as of 2024-10-01" in said
    assert "variance" not in said
    named = "segmentation snapshots refresh 2024-10-01 --from-scratch"
    assert named in said
    assert segmentation(home, *named.split()[1:]).returncode == 0
    assert segmentation(home, "materialize").returncode == 0
