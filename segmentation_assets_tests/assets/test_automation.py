import os
import time
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest

from segmentation.warehouse import Lake
from segmentation_assets.automation.schedules import daily_ingestion, monthly_snapshot
from segmentation_assets.automation.sensors import new_files, registered_files
from segmentation_assets.definitions import defs
from segmentation_assets.jobs import JOBS
from segmentation_assets_tests.assets.conftest import Graph


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "inbox"
    (folder / "canonical").mkdir(parents=True)
    monkeypatch.setenv("SEGMENTATION_INBOX", str(folder))
    return folder


def bundled_text(name: str) -> str:
    return (files("segmentation.sources") / "profiles" / f"{name}.yaml").read_text()


def _drop(inbox: Path, name: str, age_s: float = 60) -> Path:
    path = inbox / "canonical" / name
    path.write_text("order_id,customer_id\n")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def _look(cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        return new_files(context)  # type: ignore[return-value]


def test_new_files_are_asked_for_once(inbox: Path) -> None:
    path = _drop(inbox, "january.csv")
    found = _look()
    assert isinstance(found, dg.SensorResult)
    assert found.run_requests is not None
    (request,) = found.run_requests
    config = request.run_config["ops"]["raw__source_files"]["config"]
    assert config == {"files": [{"path": str(path), "profile": "canonical"}]}
    again = _look(found.cursor)
    assert isinstance(again, dg.SkipReason)


def test_each_file_gets_a_run_of_its_own_and_product_lists_get_none(inbox: Path) -> None:
    for name in ("a.csv", "b.csv", "products.csv"):
        _drop(inbox, name)
    found = _look()
    assert isinstance(found, dg.SensorResult)
    assert [r.run_key.split(":")[0].split("/")[-1] for r in found.run_requests or [] if r.run_key] == ["a.csv", "b.csv"]


def test_a_folder_can_bring_its_own_profile(inbox: Path) -> None:
    own = inbox / "myshop"
    own.mkdir()
    (own / "profile.yaml").write_text(bundled_text("canonical").replace("name: canonical", "name: myshop"))
    (own / "lines.csv").write_text("order_id\n")
    os.utime(own / "lines.csv", (time.time() - 60,) * 2)
    found = _look()
    assert isinstance(found, dg.SensorResult)
    (request,) = found.run_requests or []
    assert request.run_config["ops"]["raw__source_files"]["config"]["files"] == [
        {"path": str(own / "lines.csv"), "profile": str(own / "profile.yaml")}
    ]


def test_a_changed_file_is_asked_for_again(inbox: Path) -> None:
    path = _drop(inbox, "january.csv")
    first = _look()
    assert isinstance(first, dg.SensorResult)
    path.write_text("order_id,customer_id,more\n")
    os.utime(path, (time.time() - 30,) * 2)
    second = _look(first.cursor)
    assert isinstance(second, dg.SensorResult)
    assert [r.run_key for r in second.run_requests or []] != [r.run_key for r in first.run_requests or []]


def test_a_file_that_is_still_being_written_is_left_alone(inbox: Path) -> None:
    _drop(inbox, "january.csv", age_s=0)
    _drop(inbox, ".hidden.csv")
    assert isinstance(_look(), dg.SkipReason)


def test_an_inbox_that_is_not_there_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGMENTATION_INBOX", str(tmp_path / "nothing"))
    assert isinstance(_look(), dg.SkipReason)


def _registered(graph: Graph, **metadata: str | bool) -> None:
    graph.instance.report_runless_asset_event(dg.AssetMaterialization(["raw", "source_files"], metadata=metadata))


def test_each_registration_leads_to_a_run_over_its_days_and_none_is_passed_over(graph: Graph) -> None:
    _registered(graph, first_day="2024-01-05", last_day="2024-01-07")
    _registered(graph, first_day="2024-03-01", last_day="2024-03-02")
    _registered(graph, first_day="2024-02-01", is_loaded=True)
    context = dg.build_sensor_context(instance=graph.instance, definitions=defs)
    tick = registered_files.evaluate_tick(context)
    ranges = [
        (r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"])
        for r in tick.run_requests or []
    ]
    assert ranges == [("2024-01-05", "2024-01-07"), ("2024-03-01", "2024-03-02")]
    again = dg.build_sensor_context(instance=graph.instance, definitions=defs, cursor=tick.cursor)
    assert not registered_files.evaluate_tick(again).run_requests


def test_a_folder_of_an_unknown_profile_holds_up_no_other(inbox: Path) -> None:
    (inbox / "misc").mkdir()
    _drop(inbox, "january.csv")
    found = _look()
    assert isinstance(found, dg.SensorResult)
    assert len(found.run_requests or []) == 1


def test_the_inbox_is_registered_by_folder_names(graph: Graph, lake: Lake, inbox: Path) -> None:
    header = "line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at"
    (inbox / "canonical" / "a.csv").write_text(f"{header}\nl1,o1,c1,p1,2,1.50,2024-03-04 10:00:00\n")
    result = graph.run("raw/source_files", inbox=str(inbox))
    assert result.success
    metadata = result.asset_materializations_for_node("raw__source_files")[0].metadata
    assert (metadata["first_day"].value, metadata["last_day"].value) == ("2024-03-04", "2024-03-04")
    with lake.cursor() as con:
        assert con.execute("SELECT source FROM raw.source_files ORDER BY source").fetchall()[0] == ("canonical",)


def test_schedules_ask_for_the_partition_that_has_just_ended() -> None:
    for schedule, moment, expected in (
        (daily_ingestion, datetime(2024, 5, 2, 2, tzinfo=UTC), "2024-05-01"),
        (monthly_snapshot, datetime(2024, 5, 1, 4, tzinfo=UTC), "2024-05-01"),
    ):
        resolved = defs.resolve_schedule_def(schedule.name)
        data = resolved.evaluate_tick(
            dg.build_schedule_context(scheduled_execution_time=moment, repository_def=defs.get_repository_def())
        )
        assert [request.partition_key for request in data.run_requests or []] == [expected]


def test_every_job_selects_something() -> None:
    for job in JOBS:
        assert defs.resolve_job_def(job.name).asset_layer.executable_asset_keys
