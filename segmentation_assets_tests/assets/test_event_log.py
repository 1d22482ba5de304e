"""The quicker event log: the same log as Dagster's own, whoever reads it, and whenever the writer dies."""

import multiprocessing
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path

import dagster as dg
import pytest

from segmentation_assets import event_log
from segmentation_assets.event_log import BATCH_SIZE, QuickEventLogStorage, batched_events, open_instance
from segmentation_assets_tests.assets import event_log_runs
from segmentation_assets_tests.assets.event_log_runs import GRAPH, OF_DAYS, at_tagged_event, run
from segmentation_assets_tests.testing.waiting import eventually

DAYS = 25
BATCH = 10
MOMENT = re.compile(r"^(.*_)?timestamp$")
DIFFERS = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids of runs
    r"|[0-9a-f]{64}"  # versions of data that nobody has named
    r"|\b1[0-9]{9}\.[0-9]+"  # moments
    r"|\b[0-9.]+m?s\b"  # durations
    r'|(?<="duration_ms": )[0-9.]+'
    r'|(?<="log_key": ")[a-z]+'  # of what was printed
)
EXPECTED = {
    "ASSET_CHECK_EVALUATION": 4,
    "ASSET_CHECK_EVALUATION_PLANNED": 4,
    "ASSET_MATERIALIZATION": 5 * DAYS + 1,
    "ASSET_MATERIALIZATION_PLANNED": 6 * DAYS + 2,
    "ASSET_OBSERVATION": 2,
    "PIPELINE_FAILURE": 1,
    "PIPELINE_SUCCESS": 3,
}
"""What the index should have of the four runs, so that two empty logs aren't the same log."""

Rows = list[tuple[object, ...]]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BATCH_SIZE, str(BATCH))


@pytest.fixture(scope="module")
def empty_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: its databases take longer to make than to copy."""
    folder = tmp_path_factory.mktemp("instance")
    folder.joinpath("dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    dg.DagsterInstance.from_config(str(folder)).dispose()
    return folder


@pytest.fixture
def home(empty_instance: Path, tmp_path: Path) -> Path:
    return shutil.copytree(empty_instance, tmp_path / "home")


def stock(home: Path) -> dg.DagsterInstance:
    """As a webserver or a daemon opens it."""
    return dg.DagsterInstance.from_config(str(home))


def logs(home: Path) -> Path:
    return home / "history" / "runs"


def rows(file: Path) -> dict[str, Rows]:
    """All that a file holds, but for moments and random ids."""
    with closing(sqlite3.connect(file)) as con:
        assert con.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: _table(con, name) for name in names}


def _table(con: sqlite3.Connection, name: str) -> Rows:
    found = con.execute(f"SELECT * FROM {name} ORDER BY 1")
    kept = [number for number, (column, *_) in enumerate(found.description) if not MOMENT.match(column)]
    return [tuple(_comparable(row[number]) for number in kept) for row in found]


def _comparable(value: object) -> object:
    return DIFFERS.sub("…", value) if isinstance(value, str) else value


def of_type(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[dg.EventLogEntry]:
    return list(instance.all_logs(run_id, of_type=kind))


def four_runs(instance: dg.DagsterInstance) -> list[str]:
    """One that succeeds, one that skips an asset, one that fails and one that tries again."""
    results = (
        run(instance, *OF_DAYS),
        run(instance, *OF_DAYS, without_orders="yes"),
        run(instance, "report", fails="yes"),
        run(instance, "report", retries="yes"),
    )
    assert [result.success for result in results] == [True, True, False, True]
    return [result.run_id for result in results]


def test_the_log_holds_the_same_as_dagsters_own(empty_instance: Path, tmp_path: Path) -> None:
    files: dict[str, list[dict[str, Rows]]] = {}
    for name, opened in (("own", stock), ("quick", open_instance)):
        home = shutil.copytree(empty_instance, tmp_path / name)
        with opened(home) as instance:
            run_ids = four_runs(instance)
        files[name] = [rows(logs(home) / f"{file}.db") for file in ("index", *run_ids)]
    counts = dict.fromkeys(EXPECTED, 0)
    for row in files["quick"][0]["event_logs"]:
        counts[str(row[3])] = counts.get(str(row[3]), 0) + 1
    assert {kind: counts[kind] for kind in EXPECTED} == EXPECTED
    for own, quick in zip(files["own"], files["quick"], strict=True):
        assert own.keys() == quick.keys()
        for table in own:
            assert quick[table] == own[table], table


def test_dagsters_own_reads_the_same_answers(home: Path) -> None:
    with open_instance(home) as quick, stock(home) as own:
        run_id, _, failed, retried = four_runs(quick)
        assert isinstance(quick.event_log_storage, QuickEventLogStorage)
        assert not isinstance(own.event_log_storage, QuickEventLogStorage)
        answers = [_answers(instance, [run_id, failed, retried]) for instance in (quick, own)]
    assert answers[0] == answers[1]
    partitions, checks = answers[1][0], answers[1][1]
    assert partitions == dict.fromkeys(OF_DAYS, DAYS)
    assert checks == {"is_complete": (True, {"missing": 0}), "is_usual": (False, {})}


def _answers(instance: dg.DagsterInstance, run_ids: list[str]) -> list[object]:
    keys = [dg.AssetKey(name) for name in (*OF_DAYS, "report")]
    storage = instance.event_log_storage
    summaries = storage.get_asset_check_summary_records(
        [check for each in GRAPH.asset_checks or () for check in each.check_keys]
    )
    evaluations = {}
    for check, summary in summaries.items():
        record = summary.last_completed_check_execution_record
        assert record is not None
        assert record.evaluation is not None
        metadata = {name: value.value for name, value in record.evaluation.metadata.items()}
        evaluations[check.name] = (record.evaluation.passed, metadata)
    return [
        {key: len(instance.get_materialized_partitions(dg.AssetKey(key))) for key in OF_DAYS},
        evaluations,
        [
            (each.asset_entry.asset_key, each.asset_entry.last_materialization_record)
            for each in instance.get_asset_records(keys)
        ],
        instance.fetch_materializations(dg.AssetKey("lines"), limit=1000).records,
        instance.fetch_observations(dg.AssetKey("elsewhere"), limit=1000).records,
        [instance.get_run_stats(run_id) for run_id in run_ids],
        [instance.get_run_step_stats(run_id) for run_id in run_ids],
        [instance.all_logs(run_id) for run_id in run_ids],
    ]


@contextmanager
def writer(home: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that runs the days and then the report; killed at the end if it is still there."""
    command = [sys.executable, "-m", event_log_runs.__name__, str(home), *options]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def _latest_run(instance: dg.DagsterInstance) -> str | None:
    """The run of the report, once its step has begun: before it, the run of the days has ended."""
    found = instance.get_run_records(limit=2)
    if len(found) < 2 or not of_type(instance, found[0].dagster_run.run_id, dg.DagsterEventType.STEP_START):
        return None
    return found[1].dagster_run.run_id


def test_another_process_reads_what_is_written_and_hears_of_the_end(home: Path, tmp_path: Path) -> None:
    go_on, heard = tmp_path / "go on", list[str | None]()
    with writer(home, "--waits-for", str(go_on)), stock(home) as own:
        eventually(lambda: _latest_run(own) is not None)
        days, report = (record.dagster_run.run_id for record in reversed(own.get_run_records(limit=2)))
        assert len(of_type(own, days, dg.DagsterEventType.ASSET_MATERIALIZATION)) == 3 * DAYS
        assert len(own.get_materialized_partitions(dg.AssetKey("orders"))) == DAYS

        def hear(event: dg.EventLogEntry, _: str) -> None:
            heard.append(event.dagster_event and event.dagster_event.event_type_value)

        own.watch_event_logs(report, None, hear)
        go_on.touch()
        eventually(lambda: "PIPELINE_SUCCESS" in heard, lambda: heard)
        own.end_watch_event_logs(report, hear)


def test_a_watcher_hears_of_events_while_the_writer_keeps_its_files_open(home: Path) -> None:
    heard = list[str]()
    with open_instance(home) as quick, stock(home) as own:
        made = quick.create_run_for_job(GRAPH.resolve_implicit_global_asset_job_def())
        quick.report_engine_event("first", made)
        own.watch_event_logs(made.run_id, None, lambda event, _: heard.append(event.message))
        quick.report_engine_event("second", made)
        eventually(lambda: "second" in heard, lambda: heard)


def test_a_killed_writer_leaves_all_that_it_had_reported(home: Path, tmp_path: Path) -> None:
    with stock(home) as own:
        with writer(home, "--waits-for", str(tmp_path / "never")) as process:
            eventually(lambda: _latest_run(own) is not None)
            process.send_signal(signal.SIGKILL)
            process.wait()
        days, report = (record.dagster_run.run_id for record in reversed(own.get_run_records(limit=2)))
        assert len(of_type(own, days, dg.DagsterEventType.STEP_SUCCESS)) == 4
        assert len(of_type(own, days, dg.DagsterEventType.PIPELINE_SUCCESS)) == 1
        assert len(of_type(own, report, dg.DagsterEventType.STEP_START)) == 1
        assert {key: len(own.get_materialized_partitions(dg.AssetKey(key))) for key in OF_DAYS} == dict.fromkeys(
            OF_DAYS, DAYS
        )
    with open_instance(home) as quick:
        assert run(quick, "report").success
    for file in logs(home).glob("*.db"):
        rows(file)


def test_a_writer_killed_inside_a_batch_leaves_the_batches_before_it(home: Path) -> None:
    with writer(home, "--dies-at", str(BATCH + 5)) as process:
        assert process.wait() == -signal.SIGKILL
    with stock(home) as own:
        (record,) = own.get_run_records()
        run_id = record.dagster_run.run_id
        assert len(of_type(own, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)) == BATCH
        assert len(own.get_materialized_partitions(dg.AssetKey("lines"))) == BATCH
        assert not of_type(own, run_id, dg.DagsterEventType.STEP_SUCCESS)
    for file in logs(home).glob("*.db"):
        rows(file)


def test_a_batch_that_fails_is_written_event_by_event_and_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    stop = at_tagged_event(BATCH + 5, fail)
    try:
        with open_instance(home) as quick:
            result = run(quick, *OF_DAYS)
            assert result.success
            assert len(of_type(quick, result.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)) == 3 * DAYS
            assert len(quick.fetch_materializations(dg.AssetKey("lines"), limit=1000).records) == DAYS
    finally:
        stop()
    assert "disk I/O error" in capsys.readouterr().err


def test_processes_write_side_by_side(home: Path) -> None:
    with writer(home) as one, writer(home) as another, open_instance(home) as quick:
        for _ in range(3):
            assert run(quick, "report").success
        assert [one.wait(), another.wait()] == [0, 0]
        records = quick.get_run_records()
        assert [record.dagster_run.status for record in records] == [dg.DagsterRunStatus.SUCCESS] * 7
        assert len(quick.fetch_materializations(dg.AssetKey("lines"), limit=1000).records) == 2 * DAYS


def test_a_log_that_was_wiped_elsewhere_is_begun_anew(home: Path) -> None:
    with open_instance(home) as quick, stock(home) as own:
        made = quick.create_run_for_job(GRAPH.resolve_implicit_global_asset_job_def())
        quick.report_engine_event("before", made)
        own.event_log_storage.wipe()
        assert quick.all_logs(made.run_id) == []
        own.event_log_storage.wipe()
        quick.report_engine_event("after", made)
        assert [event.message for event in own.all_logs(made.run_id)] == ["after"]


def test_who_reads_many_runs_keeps_few_files_open(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "MOST_ENGINES", 3)
    with open_instance(home) as quick:
        runs = [quick.create_run_for_job(GRAPH.resolve_implicit_global_asset_job_def()) for _ in range(6)]
        for _ in range(2):
            for each in runs:
                quick.report_engine_event("here", each)
        told = [of_type(quick, each.run_id, dg.DagsterEventType.ENGINE_EVENT) for each in runs]
        assert [len(events) for events in told] == [2] * 6
        opened = {each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}
        assert 0 < len([file for file in opened if file.parent == logs(home) and file.suffix == ".db"]) <= 3
    assert not list(logs(home).glob("*-wal"))


@pytest.mark.parametrize(
    ("config", "is_quick"),
    [
        ("telemetry:\n  enabled: false\n", True),
        ("storage:\n  sqlite:\n    base_dir: {home}\n", True),
        (
            "event_log_storage:\n  module: dagster._core.storage.event_log\n"
            "  class: ConsolidatedSqliteEventLogStorage\n  config:\n    base_dir: {home}\n",
            False,
        ),
    ],
)
def test_only_dagsters_own_log_is_replaced(home: Path, config: str, is_quick: bool) -> None:
    home.joinpath("dagster.yaml").write_text(config.format(home=home))
    with open_instance(home) as opened:
        assert isinstance(opened.event_log_storage, QuickEventLogStorage) == is_quick
    assert logs(home).joinpath("index.db").exists()


def test_the_size_of_batches_is_set_for_a_run_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with batched_events():
        assert os.environ[BATCH_SIZE] == str(BATCH)
    monkeypatch.delenv(BATCH_SIZE)
    with batched_events():
        assert os.environ[BATCH_SIZE] == str(event_log.MOST_EVENTS)
    assert BATCH_SIZE not in os.environ


def test_processes_may_make_an_instance_at_once(tmp_path: Path) -> None:
    """Two that stamped the same new database with its version left Dagster unable to open it, for good."""
    together = multiprocessing.get_context("forkserver")
    together.set_forkserver_preload(["dagster", __name__])
    for attempt in range(3):
        (folder := tmp_path / f"{attempt}").mkdir()
        barrier = together.Barrier(4)
        openers = [together.Process(target=_open, args=(folder, barrier)) for _ in range(4)]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join(60)
        assert [opener.exitcode for opener in openers] == [0] * 4
        _open(folder)


def _open(folder: Path, barrier: Barrier | None = None) -> None:
    if barrier:
        barrier.wait(60)
    with open_instance(folder) as opened:
        assert opened.get_runs() == []
