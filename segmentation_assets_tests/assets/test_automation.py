import os
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segmentation.clock import utc_now
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT
from segmentation.monitoring.retraining import Judgement, Request, State, decide
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.automation.inbox import ask_for_files, inbox_files
from segmentation_assets.automation.jobs import JOBS
from segmentation_assets.automation.loading import LoadingCursor, build_registered_files
from segmentation_assets.automation.retraining import build_degraded_model
from segmentation_assets.automation.schedules import daily_ingestion, monthly_retraining
from segmentation_assets.partitions import range_tags
from segmentation_assets_tests.assets.conftest import Graph, defs
from segmentation_assets_tests.testing.recorded import record_by_hand
from segmentation_assets_tests.testing.statements import change


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    (folder / "canonical").mkdir(parents=True)
    return folder


def bundled_text(name: str) -> str:
    return (files("segmentation.sources") / "profiles" / f"{name}.yaml").read_text()


def _drop(inbox: Path, name: str, age_s: float = 60) -> Path:
    path = inbox / "canonical" / name
    path.write_text("order_id,customer_id\n")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def _look(inbox: Path, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        return ask_for_files(context, Settings(inbox=inbox), utc_now())


def test_new_files_are_asked_for_once(inbox: Path) -> None:
    path = _drop(inbox, "january.csv")
    found = _look(inbox)
    assert isinstance(found, dg.SensorResult)
    assert found.run_requests is not None
    (request,) = found.run_requests
    config = request.run_config["ops"]["raw__source_files"]["config"]
    assert config == {"files": [{"path": str(path), "profile": "canonical"}]}
    again = _look(inbox, found.cursor)
    assert isinstance(again, dg.SkipReason)


def test_each_file_gets_a_run_of_its_own_and_product_lists_get_none(inbox: Path) -> None:
    for name in ("a.csv", "b.csv", "products.csv"):
        _drop(inbox, name)
    found = _look(inbox)
    assert isinstance(found, dg.SensorResult)
    assert [r.run_key.split(":")[0].split("/")[-1] for r in found.run_requests or [] if r.run_key] == ["a.csv", "b.csv"]


def test_a_folder_can_bring_its_own_profile(inbox: Path) -> None:
    own = inbox / "myshop"
    own.mkdir()
    (own / "profile.yaml").write_text(bundled_text("canonical").replace("name: canonical", "name: myshop"))
    (own / "lines.csv").write_text("order_id\n")
    os.utime(own / "lines.csv", (time.time() - 60,) * 2)
    found = _look(inbox)
    assert isinstance(found, dg.SensorResult)
    (request,) = found.run_requests or []
    assert request.run_config["ops"]["raw__source_files"]["config"]["files"] == [
        {"path": str(own / "lines.csv"), "profile": str(own / "profile.yaml")}
    ]


def test_a_changed_file_is_asked_for_again(inbox: Path) -> None:
    path = _drop(inbox, "january.csv")
    first = _look(inbox)
    assert isinstance(first, dg.SensorResult)
    path.write_text("order_id,customer_id,more\n")
    os.utime(path, (time.time() - 30,) * 2)
    second = _look(inbox, first.cursor)
    assert isinstance(second, dg.SensorResult)
    assert [r.run_key for r in second.run_requests or []] != [r.run_key for r in first.run_requests or []]


def test_a_file_that_is_still_being_written_is_left_alone(inbox: Path) -> None:
    _drop(inbox, "january.csv", age_s=0)
    _drop(inbox, ".hidden.csv")
    assert isinstance(_look(inbox), dg.SkipReason)


def test_an_inbox_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    assert isinstance(_look(tmp_path / "nothing"), dg.SkipReason)


def _registered(graph: Graph, **metadata: str | bool) -> None:
    graph.instance.report_runless_asset_event(dg.AssetMaterialization(["raw", "source_files"], metadata=metadata))


def test_each_registration_leads_to_a_run_over_its_days_and_none_is_passed_over(graph: Graph) -> None:
    _registered(graph, first_day="2024-01-05", last_day="2024-01-07")
    _registered(graph, first_day="2024-03-01", last_day="2024-03-02")
    _registered(graph, first_day="2024-02-01", is_loaded=True)
    context = dg.build_sensor_context(instance=graph.instance, definitions=defs)
    registered_files = defs.resolve_sensor_def("registered_files")
    tick = registered_files.evaluate_tick(context)
    ranges = [
        (r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"])
        for r in tick.run_requests or []
    ]
    assert ranges == [("2024-01-05", "2024-01-07"), ("2024-03-01", "2024-03-02")]
    again = dg.build_sensor_context(instance=graph.instance, definitions=defs, cursor=tick.cursor)
    assert not registered_files.evaluate_tick(again).run_requests


def _ask(
    graph: Graph, now: datetime, cursor: str | None = None, **settings: Any
) -> tuple[list[tuple[str | None, ...]], str | None, str]:
    """What `registered_files` asks for at a moment: run key and days; then its cursor, and why it asks for nothing."""
    sensor = build_registered_files(Settings(**settings), [], lambda: now)
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=graph.instance, cursor=cursor, definitions=defs))
    sides = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    asked = [(request.run_key, *(request.tags[side] for side in sides)) for request in tick.run_requests or []]
    return asked, tick.cursor, tick.skip_message or ""


def test_days_that_are_not_over_wait_until_they_are(graph: Graph) -> None:
    _registered(graph, first_day="2024-05-01", last_day="2024-05-03")
    asked, cursor, _ = _ask(graph, datetime(2024, 5, 3, 12))
    [(key, *days)] = asked
    assert days == ["2024-05-01", "2024-05-02"]
    asked, cursor, why = _ask(graph, datetime(2024, 5, 3, 23), cursor)
    assert (asked, why) == ([], "days that are not over wait")
    asked, cursor, _ = _ask(graph, datetime(2024, 5, 4), cursor)
    assert asked == [(f"{key} from 2024-05-03", "2024-05-03", "2024-05-03")]
    assert _ask(graph, datetime(2024, 5, 5), cursor)[0] == []


def test_days_before_the_start_that_is_set_wait_and_hold_up_no_others(graph: Graph) -> None:
    _registered(graph, first_day="2019-01-01", last_day="2019-01-02")
    _registered(graph, first_day="2024-05-01", last_day="2024-05-02")
    now, start = datetime(2024, 6, 1), date(2024, 1, 1)
    asked, cursor, _ = _ask(graph, now, partitions_start=start)
    assert [days for _, *days in asked] == [["2024-05-01", "2024-05-02"]]
    asked, cursor, why = _ask(graph, now, cursor, partitions_start=start)
    assert asked == []
    assert "SEGMENTATION_PARTITIONS_START" in why
    asked, cursor, _ = _ask(graph, now, cursor)
    assert [days for _, *days in asked] == [["2019-01-01", "2019-01-02"]]
    assert _ask(graph, now, cursor)[0] == []


def test_a_cursor_of_an_older_release_is_gone_on_from(graph: Graph) -> None:
    _registered(graph, first_day="2024-05-01", last_day="2024-05-02")
    [record] = graph.instance.fetch_materializations(dg.AssetKey(["raw", "source_files"]), limit=1).records
    asked, cursor, _ = _ask(graph, datetime(2024, 6, 1), str(record.storage_id))
    assert asked == []
    assert LoadingCursor.parse(cursor) == LoadingCursor(record.storage_id)


def test_a_folder_of_an_unknown_profile_holds_up_no_other(inbox: Path) -> None:
    (inbox / "misc").mkdir()
    _drop(inbox, "january.csv")
    found = _look(inbox)
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


def test_the_daily_schedule_asks_for_the_day_that_has_just_ended() -> None:
    resolved = defs.resolve_schedule_def(daily_ingestion.name)
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2024, 5, 2, 2, tzinfo=UTC), repository_def=defs.get_repository_def()
    )
    [request] = resolved.evaluate_tick(context).run_requests or []
    assert range_tags("2024-05-01", "2024-05-01").items() <= request.tags.items()


def test_every_job_selects_something() -> None:
    for job in JOBS:
        assert defs.resolve_job_def(job.name).asset_layer.executable_asset_keys


def test_each_month_is_trained_once_on_the_newest_snapshot() -> None:
    resolved = defs.resolve_schedule_def(monthly_retraining.name)
    moment = datetime(2024, 5, 1, 6, tzinfo=UTC)
    context = dg.build_schedule_context(scheduled_execution_time=moment, repository_def=defs.get_repository_def())
    (request,) = resolved.evaluate_tick(context).run_requests or []
    assert (request.run_key, request.run_config) == ("2024-05-01", {})


def test_schedules_are_off_until_turned_on_and_an_aged_model_is_replaced_by_itself() -> None:
    for name in ("monthly_retraining", "hourly_maintenance"):
        assert defs.resolve_schedule_def(name).default_status is dg.DefaultScheduleStatus.STOPPED
    assert defs.resolve_sensor_def("degraded_model").default_status is dg.DefaultSensorStatus.RUNNING


FEBRUARY, MARCH = date(2024, 2, 1), date(2024, 3, 1)
NOON = datetime(2024, 3, 20, 12)
LONG_AGO = datetime(2024, 1, 1)
DRIFTING = State(1, (Judgement(FEBRUARY, ("recency_days drifts (psi 0.4)",)),), LONG_AGO)
ASKED = Request(1, FEBRUARY, LONG_AGO + timedelta(days=40), "recency_days drifts (psi 0.4)")


def bad(as_of: date = FEBRUARY) -> Judgement:
    return Judgement(as_of, ("x",))


@pytest.mark.parametrize(
    ("state", "asked", "in_a_row", "answer"),
    [
        (State(None, (), None), None, 1, "There is no champion yet"),
        (State(1, (), LONG_AGO), None, 1, "has not judged model 1 yet"),
        (State(1, (Judgement(FEBRUARY),), LONG_AGO), None, 1, "Model 1 does well as of 2024-02-01"),
        (State(1, (Judgement(MARCH), bad()), LONG_AGO), None, 1, "Model 1 does well as of 2024-03-01"),
        (DRIFTING, ASKED, 1, "asked for on 2024-02-10 already"),
        (State(1, (bad(MARCH),), NOON - timedelta(days=13)), ASKED, 1, "Cooling down until 2024-03-21 12:00"),
        (State(2, (bad(MARCH),), None), Request(1, MARCH, NOON, "y"), 1, "Cooling down until 2024-04-03 12:00"),
        (DRIFTING, None, 2, "has to last for 2 snapshots in a row; model 1 as of 2024-02-01: recency_days drifts"),
        (State(1, (bad(MARCH), Judgement(FEBRUARY)), None), None, 2, "has to last for 2 snapshots"),
        (State(1, (bad(MARCH), Judgement(FEBRUARY, ("x",), ("odd",))), None), None, 2, "has to last for 2"),
        (State(1, (Judgement(MARCH, ("x",), ("prices jump",)), bad()), None), None, 1, "in doubt, so no model is"),
    ],
)
def test_why_no_model_is_trained(state: State, asked: Request | None, in_a_row: int, answer: str) -> None:
    found = decide(state, asked, now=NOON, cooldown_days=14, in_a_row=in_a_row)
    assert isinstance(found, str)
    assert answer in found


@pytest.mark.parametrize(
    ("state", "asked", "in_a_row"),
    [
        (DRIFTING, None, 1),
        (State(1, (bad(),), None), None, 1),
        (State(1, (bad(MARCH),), NOON - timedelta(days=14)), ASKED, 1),
        (State(2, (bad(),), LONG_AGO), ASKED, 1),
        (State(1, (bad(MARCH), bad()), LONG_AGO), None, 2),
    ],
)
def test_when_a_model_is_trained(state: State, asked: Request | None, in_a_row: int) -> None:
    found = decide(state, asked, now=NOON, cooldown_days=14, in_a_row=in_a_row)
    assert isinstance(found, Request)
    assert (found.version, found.as_of, found.asked_at) == (state.version, state.judgements[0].as_of, NOON)
    assert Request.from_json(found.to_json()) == found


def test_a_long_list_of_findings_is_cut() -> None:
    findings = tuple(f"feature_{number} drifts" for number in range(9))
    found = decide(State(1, (Judgement(FEBRUARY, findings),), None), None, now=NOON, cooldown_days=14, in_a_row=1)
    assert isinstance(found, Request)
    assert found.reason.endswith("feature_4 drifts; and 4 more")


def test_a_finding_that_training_does_not_cure_leads_to_no_loop() -> None:
    asked: Request | None = None
    trained, champion, requests = LONG_AGO, 1, []
    for hour in range(24 * 200):
        now = NOON + timedelta(hours=hour)
        as_of = now.date().replace(day=1)
        found = decide(State(champion, (bad(as_of),), trained), asked, now=now, cooldown_days=14, in_a_row=1)
        if isinstance(found, Request):
            asked = found
            requests.append(found)
            champion, trained = champion + 1, now + timedelta(hours=1)
    gaps = [later.asked_at - earlier.asked_at for earlier, later in pairwise(requests)]
    assert min(gaps) >= timedelta(days=14)


@pytest.fixture
def served(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake with a champion, version 2, whose training is long over; monitoring has said nothing yet."""
    monkeypatch.setenv("SEGMENTATION_HOME", str(lake.settings.home))
    monkeypatch.setenv("SEGMENTATION_RETRAIN_AFTER_SNAPSHOTS", "1")
    migrate(lake)
    change(
        lake,
        "INSERT INTO registry.training_sets "
        "(training_set_id, as_of, lake_snapshot, customer_count, features, created_at) "
        "VALUES ('set', '2024-01-01', 1, 9, '[]', '2024-01-02')",
        "INSERT INTO registry.models VALUES (2, 'hash', '{}', 'set', '{}', '2024-01-02', NULL)",
        "INSERT INTO registry.promotions (promotion_id, alias, version, decided_at, actor, reason) "
        "VALUES (1, 'champion', 2, '2024-01-02', 'ann', 'test')",
    )
    return lake


def _tick(cursor: str | None = None) -> tuple[Sequence[dg.RunRequest], str | None, str]:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
        tick = build_degraded_model(Settings(), utc_now).evaluate_tick(context)
    return tick.run_requests or [], tick.cursor, tick.skip_message or ""


def _drift(lake: Lake, as_of: date, version: int, cause: str | None = "behaviour") -> None:
    said = f"true, '{cause}'" if cause else "false, NULL"
    change(
        lake,
        f"INSERT INTO monitoring.feature_drift VALUES "
        f"('{as_of}', {version}, 'recency_days', 'psi', 0.4, 0.2, {said}), "
        f"('{as_of}', {version}, 'order_count', 'psi', 0.1, 0.2, false, NULL)",
    )
    record_by_hand(lake, as_of, [FEATURE_DRIFT], version)


def test_without_rows_of_monitoring_nothing_is_trained(served: Lake) -> None:
    requests, _, why = _tick()
    assert (list(requests), why) == ([], "Monitoring has not judged model 2 yet.")


def test_drift_is_answered_once(served: Lake) -> None:
    _drift(served, FEBRUARY, 2)
    (request,), cursor, _ = _tick()
    assert request.run_key == "model 2 as of 2024-02-01"
    assert request.tags["segmentation/reason"] == "model 2 as of 2024-02-01: recency_days drifts (psi 0.4)"
    assert request.tags["segmentation/asked_by"] == "degraded_model"
    requests, _, why = _tick(cursor)
    assert list(requests) == []
    assert "already because of model 2 as of 2024-02-01: recency_days drifts (psi 0.4)" in why


def test_a_degraded_measure_is_enough(served: Lake) -> None:
    _drift(served, MARCH, 2, cause=None)
    change(
        served,
        "INSERT INTO monitoring.model_quality VALUES "
        "('2024-03-01', 2, 'simplified_silhouette', 0.05, 0.3, 0.15, true), "
        "('2024-03-01', 2, 'forward_eta_squared', NULL, 0.3, 0.1, true)",
    )
    (request,), cursor, _ = _tick()
    assert request.run_key == "model 2 as of 2024-03-01"
    assert "forward_eta_squared is nan; simplified_silhouette is 0.05" in (cursor or "")


@pytest.mark.parametrize(
    ("cause", "why"), [("mix", "Model 2 does well"), ("data_quality", "The data as of 2024-03-01 is in doubt")]
)
def test_other_customers_or_bad_data_ask_for_no_model(served: Lake, cause: str, why: str) -> None:
    _drift(served, MARCH, 2, cause)
    requests, _, said = _tick()
    assert list(requests) == []
    assert said.startswith(why)


def test_by_default_a_finding_has_to_last(served: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGMENTATION_RETRAIN_AFTER_SNAPSHOTS")
    _drift(served, FEBRUARY, 2)
    assert list(_tick()[0]) == []
    _drift(served, MARCH, 2)
    assert [request.run_key for request in _tick()[0]] == ["model 2 as of 2024-03-01"]


def test_what_was_found_of_others_or_earlier_does_not_count(served: Lake) -> None:
    _drift(served, MARCH, 1)
    _drift(served, FEBRUARY, 2)
    _drift(served, MARCH, 2, cause=None)
    requests, _, why = _tick()
    assert (list(requests), why) == ([], "Model 2 does well as of 2024-03-01.")


def test_drift_that_persists_after_a_training_waits_for_the_cool_down(
    served: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    _drift(served, FEBRUARY, 2)
    _, cursor, _ = _tick()
    change(
        served,
        "INSERT INTO registry.models SELECT 3, 'other', artefact, 'set', metrics, now(), NULL FROM registry.models",
        "INSERT INTO registry.promotions (promotion_id, alias, version, decided_at, actor, reason) "
        "VALUES (2, 'champion', 3, now(), 'run', 'test')",
    )
    _drift(served, FEBRUARY, 3)
    requests, _, why = _tick(cursor)
    assert list(requests) == []
    assert why.startswith("Cooling down until")
    change(served, "UPDATE registry.models SET created_at = '2024-01-02'")
    asked = Request.from_json(cursor or "")
    past = Request(asked.version, asked.as_of, asked.asked_at - timedelta(days=15), asked.reason)
    (request,), cursor, _ = _tick(past.to_json())
    assert request.run_key == "model 3 as of 2024-02-01"
    assert list(_tick(cursor)[0]) == []


def test_a_lake_of_an_older_release_without_monitoring_is_no_error(served: Lake) -> None:
    change(served, "DROP TABLE monitoring.feature_drift", "DROP TABLE monitoring.model_quality")
    requests, _, why = _tick()
    assert (list(requests), why) == ([], "Monitoring has not judged model 2 yet.")


def test_odd_things_in_the_inbox_are_named_and_hold_up_nothing(inbox: Path, tmp_path: Path) -> None:
    good = _drop(inbox, "good.csv")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("a\n")
    os.mkfifo(inbox / "canonical" / "pipe.csv")
    (inbox / "canonical" / "out.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (inbox / "canonical" / "loop.csv").symlink_to("loop.csv")
    (inbox / "canonical" / "gone.csv").symlink_to("nothing")
    (inbox / "zero").symlink_to(tmp_path / "outside")
    (inbox / "piped").mkdir()
    os.mkfifo(inbox / "piped" / "profile.yaml")
    problems: list[str] = []

    found = list(inbox_files(Settings(inbox=inbox), time.time(), problems))

    assert [file.path for file, _ in found] == [str(good)]
    for name, what in (
        ("pipe.csv", "is a pipe"),
        ("out.csv", "leads out of"),
        ("loop.csv", "can't be looked at"),
        ("gone.csv", "link to nothing"),
        ("zero", "leads out of the inbox"),
        ("profile.yaml", "is no file"),
    ):
        assert any(name in problem and what in problem for problem in problems), (name, problems)
