"""The demo's story, told once on a small shop of a fixed day; the lake and Dagster are asked what became of it."""

import re
import socket
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.synthetic import shop
from segmentation_assets.cli import ports, story
from segmentation_assets.cli.demonstration import make_shop
from segmentation_assets.cli.story import plan
from segmentation_assets.resources import ASKED_BY, REASON
from segmentation_assets_tests.e2e.conftest import environment, segmentation, sql
from segmentation_assets_tests.testing.made_once import made_once

pytestmark = pytest.mark.takes(60)

TODAY = datetime(2026, 6, 18, 9, 30)
DATES = [date(2025 + (5 + number) // 12, (5 + number) % 12 + 1, 1) for number in range(13)]
DEMO = """
import sys
from datetime import datetime
from segmentation_assets.cli.demonstration import demonstrate
day, customers = sys.argv[1:]
demonstrate("synthetic", None, int(customers), serving=None, is_verbose=True, now=datetime.fromisoformat(day))
"""


def tell(home: Path, moment: datetime, customers: int) -> str:
    """Run a demo as of a moment; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", DEMO, moment.isoformat(), str(customers)],
        env=environment(home),
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo that has ended, with what it printed; tests may only read it."""

    def fill(folder: Path) -> None:
        (folder / "printed").write_text(tell(folder / "warehouse", TODAY, 1500))

    return made_once(tmp_path_factory, "demo", fill)


@pytest.fixture(scope="module")
def printed(told: Path) -> str:
    return re.sub(r"\s+", " ", (told / "printed").read_text())


@pytest.fixture(scope="module")
def lake(told: Path) -> Path:
    return told / "warehouse"


def test_there_is_a_year_of_snapshots(lake: Path) -> None:
    for table in ("segments.customer_predictions", "segments.customer_segments", "segments.segment_explanations"):
        assert sql(lake, f"SELECT DISTINCT as_of FROM {table} ORDER BY 1").split() == [str(day) for day in DATES]
    features = sql(lake, "SELECT DISTINCT as_of FROM features.customer_features ORDER BY 1").split()
    assert features[-len(DATES) :] == [str(day) for day in DATES], "before them, what the first model learns from"


def test_customers_move_for_every_reason(lake: Path) -> None:
    causes = sql(lake, "SELECT DISTINCT cause FROM segments.segment_transitions ORDER BY 1").split()
    assert causes == ["arrived", "customer_moved", "gone", "model_moved", "stayed"]


def test_lines_are_refused_for_six_reasons(lake: Path, printed: str) -> None:
    reasons = sql(lake, "SELECT reason, COUNT(*) FROM raw.rejected_transactions GROUP BY 1 ORDER BY 1").split()
    assert [reason.split(",")[0] for reason in reasons] == [
        "duplicate_line_id",
        "implausible_date",
        "missing_customer",
        "missing_price",
        "negative_price",
        "zero_quantity",
    ]
    assert all(reason.replace(",", " ") in printed for reason in reasons)


def test_drift_is_found_and_followed_by_a_model_that_keeps_the_segments(lake: Path, printed: str) -> None:
    drifting = sql(
        lake,
        "SELECT DISTINCT as_of FROM monitoring.feature_drift "
        "WHERE is_drifting AND cause = 'behaviour' AND feature = 'discount_share' AND model_version = 1 ORDER BY 1",
    ).split()
    assert drifting[-2:] == [str(day) for day in DATES[-3:-1]]
    assert f"Drift was found on {drifting[0]}" in printed
    trained = sql(
        lake, "SELECT version, as_of FROM registry.models JOIN registry.training_sets USING (training_set_id)"
    )
    assert sorted(trained.split()) == [f"1,{DATES[-6]}", f"2,{DATES[-2]}"]
    kept = sql(lake, "SELECT COUNT(*) FROM registry.segments WHERE version = 2 AND event = 'kept'")
    assert int(kept) >= 3
    assert re.search(rf"so model 2 was trained on {DATES[-2]}, passed its gates and took over. {kept} of its", printed)


def test_each_date_has_the_model_of_its_time(lake: Path) -> None:
    used = sql(lake, "SELECT DISTINCT as_of, model_version FROM segments.customer_segments ORDER BY 1").split()
    assert used == [*(f"{day},1" for day in DATES[:-1]), f"{DATES[-1]},2"]


def test_nothing_is_left_to_be_alarmed_about(lake: Path) -> None:
    newest = f"as_of = DATE '{DATES[-1]}'"
    assert sql(lake, f"SELECT COUNT(*) FROM monitoring.feature_drift WHERE {newest} AND model_version = 2") != "0"
    assert sql(lake, f"SELECT feature, metric FROM monitoring.feature_drift WHERE {newest} AND is_drifting") == ""
    assert sql(lake, f"SELECT metric FROM monitoring.model_quality WHERE {newest} AND is_degraded") == ""


def test_every_step_is_a_run_of_its_job(lake: Path) -> None:
    with dg.DagsterInstance.from_config(str(lake / "dagster")) as instance:
        runs = instance.get_runs(ascending=True)
    assert [run.job_name for run in runs] == [
        *("ingest", "snapshot", "retrain", "snapshot", "snapshot", "retrain", "snapshot"),
    ]
    assert all(run.is_success for run in runs)
    assert {run.tags[ASKED_BY] for run in runs} == {"segmentation demo"}
    assert "discount_share drifts" in runs[-2].tags[REASON]
    for run in runs:  # the webserver's timeline and the pages of jobs go by it
        assert run.remote_job_origin is not None
        assert run.remote_job_origin.repository_origin.get_label() == "__repository__@segmentation"


def test_it_ends_in_a_table_of_named_segments(told: Path) -> None:
    shown = (told / "printed").read_text()
    assert f"Segments as of {DATES[-1]} (model 2)" in shown
    assert re.search(r"│\s+1 │ \S.+ │\s+\d+ │\s+[\d.]+% │", shown)
    assert "true archetypes: adjusted Rand index 0." in shown  # only with --verbose


def test_a_demo_of_another_day_replaces_the_lines_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "warehouse", customer_buckets=2)
    monkeypatch.setenv("SEGMENTATION_HOME", str(settings.home))
    monkeypatch.setenv("SEGMENTATION_CUSTOMER_BUCKETS", "2")

    def demo(customers: int, moment: datetime) -> None:
        story.take_in(settings, make_shop(settings, customers, moment), lambda *_: None, now=moment)

    monkeypatch.setattr(shop, "CHUNK_CUSTOMERS", 30)
    demo(70, TODAY)
    assert sql(settings.home, "SELECT COUNT(*) FROM raw.source_files") == "3"
    later = TODAY + timedelta(days=40)
    demo(40, later)
    assert sql(settings.home, "SELECT COUNT(*) FROM raw.source_files") == "2"
    source = make_shop(Settings(home=tmp_path / "expected"), 40, later)
    sound = (~pl.col("line_id").str.ends_with("-X")).alias("is_sound")
    expected = pl.read_parquet(f"{source.path}/*.parquet").filter(sound)["line_id"].unique().sort().to_list()
    assert sql(settings.home, "SELECT line_id FROM raw.transactions ORDER BY 1").split() == expected
    read = sql(settings.home, "SELECT SUM(lines_read) FROM raw.loads")
    assert read == str(pl.read_parquet(f"{source.path}/*.parquet").height)


def test_the_shop_of_a_day_is_always_the_same_and_ends_the_day_before(tmp_path: Path) -> None:
    shops = []
    for name in ("one", "other"):
        source = make_shop(Settings(home=tmp_path / name), 50, TODAY)
        shops.append(pl.read_parquet(f"{source.path}/*.parquet"))
    assert_frame_equal(*shops)
    days = shops[0]["ordered_at"].dt.date()
    assert days.max() == date(2026, 6, 17)
    assert days.filter(days > date(1900, 1, 1)).min() == date(2024, 5, 1)


@pytest.mark.parametrize("months", [1, 9, 10, 13, 20])
def test_as_much_is_told_as_the_data_carries(months: int) -> None:
    dates = [date(2024 + number // 12, number % 12 + 1, 1) for number in range(months)]
    found = plan(dates)
    assert found.dates == tuple(dates[-13:])
    assert len(found.judged) == (4 if months >= 10 else 0)
    assert (*found.before, *found.judged, *found.dates[-1:])[: len(found.dates)] == found.dates


def test_a_demo_does_not_mix_two_shops(home: Path) -> None:
    done = segmentation(home, "demo", "--data", "complete-journey", "--no-serve")
    assert done.returncode == 1
    assert "already holds synthetic" in done.stderr
    assert "SEGMENTATION_HOME=warehouse-complete-journey" in done.stderr


@pytest.mark.parametrize("option", ["--port", "--scorer-port"])
def test_a_port_that_is_asked_for_and_taken_is_told_at_once(option: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = segmentation(tmp_path / "warehouse", "demo", option, str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert f"choose another with {option}" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "warehouse").exists()


def test_another_port_is_found_where_the_usual_one_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]
        found = ports.choose(None, usual, option="--port")
        assert found != usual
        with pytest.raises(SegmentationError, match="choose another with --port"):
            ports.choose(usual, 3000, option="--port")
    ports.require_free(found, instead="")
