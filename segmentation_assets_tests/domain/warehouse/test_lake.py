import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from segmentation.errors import SegmentationError, WarehouseUnavailableError
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse import commit as provenance
from segmentation.warehouse import lake as lake_module
from segmentation_assets_tests.testing.lines import INTO_SEGMENTS

INSERT = f"{INTO_SEGMENTS} VALUES ($version, $segment, 'name', 'description')"

WRITER = """
import sys
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
home, writer = sys.argv[1], int(sys.argv[2])
with Lake(Settings(home=home, customer_buckets=4, threads=1)) as lake:
    for number in range(8):
        with lake.cursor() as con:
            row = {"version": writer, "segment": number}
            columns = "version, segment_id, segment_name, description"
            sql = f"INSERT INTO registry.segments ({columns}) VALUES ($version, $segment, 'name', 'description')"
            lake.transaction(con, Commit(f"writer {writer} row {number}"), lambda c: c.execute(sql, row))
"""


def _count(lake: Lake) -> int:
    with lake.cursor() as con:
        return int(con.execute("SELECT COUNT(*) FROM registry.segments").fetchall()[0][0])


def test_a_commit_says_where_it_came_from(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "git_commit", lambda: "abc123-dirty")
    commit = Commit("raw/transactions 2024-01-01", "raw/transactions", "2024-01-01", "run-7", details={"lines": 3})
    with lake.cursor() as con:
        lake.transaction(con, commit, lambda c: c.execute(INSERT, {"version": 1, "segment": 1}))
        message, extra = con.execute(
            "SELECT commit_message, commit_extra_info FROM ducklake_snapshots('lake') ORDER BY snapshot_id DESC"
        ).fetchall()[0]
    assert message == "raw/transactions 2024-01-01"
    assert json.loads(extra) == {
        "asset": "raw/transactions",
        "partition": "2024-01-01",
        "run_id": "run-7",
        "git_commit": "abc123-dirty",
        "lines": 3,
    }


def test_a_write_that_fails_half_way_changes_nothing(lake: Lake) -> None:
    before = lake.version()

    def write(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(INSERT, {"version": 1, "segment": 1})
        raise ValueError("half way")

    with lake.cursor() as con, pytest.raises(ValueError, match="half way"):
        lake.transaction(con, Commit("never"), write)
    assert (lake.version(), _count(lake)) == (before, 0)


def test_a_conflict_is_retried_as_a_whole(lake: Lake) -> None:
    attempts: list[object] = []

    def write(con: duckdb.DuckDBPyConnection) -> str:
        attempts.append(con.execute(INSERT, {"version": 1, "segment": len(attempts)}))
        if len(attempts) == 1:
            raise duckdb.TransactionException("Transaction conflict: another writer came first")
        return "done"

    with lake.cursor() as con:
        assert lake.transaction(con, Commit("again"), write) == "done"
        assert con.execute("SELECT segment_id FROM registry.segments").fetchall() == [(1,)]


def test_endless_conflicts_end_with_a_message(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "MAX_ATTEMPTS", 2)

    def write(con: duckdb.DuckDBPyConnection) -> None:
        raise duckdb.TransactionException("conflict")

    with lake.cursor() as con, pytest.raises(SegmentationError, match="after 2 attempts.*Nothing was written"):
        lake.transaction(con, Commit("never"), write)


def test_a_writer_that_never_ends_is_named(settings: Settings, lake: Lake) -> None:
    impatient = settings.model_copy(update={"write_timeout_s": 0.1})
    with Lake(impatient) as other, lake.cursor() as con, other.cursor() as late:

        def write_within(outer: duckdb.DuckDBPyConnection) -> None:
            outer.execute(INSERT, {"version": 1, "segment": 1})
            with pytest.raises(SegmentationError, match="Another process has been writing"):
                other.transaction(late, Commit("late"), lambda c: None)

        lake.transaction(con, Commit("slow"), write_within)
    assert _count(lake) == 1


def test_six_processes_write_at_once_while_two_read_and_nothing_is_lost(lake: Lake, settings: Settings) -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(settings.home), str(number)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    counts = [0]
    with Lake(settings, read_only=True) as reader:
        while any(writer.poll() is None for writer in writers):
            counts += [_count(lake), _count(reader)]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 6, errors
    with lake.cursor() as con:
        rows = con.execute("SELECT version, segment_id FROM registry.segments ORDER BY ALL").fetchall()
        messages = con.execute(
            "SELECT COUNT(DISTINCT commit_message) FROM ducklake_snapshots('lake') WHERE commit_message LIKE 'writer%'"
        ).fetchall()
    assert rows == [(writer, number) for writer in range(6) for number in range(8)]
    assert messages == [(48,)]


def test_the_past_stays_readable_while_the_present_changes(lake: Lake) -> None:
    with lake.cursor() as con:
        lake.transaction(con, Commit("one"), lambda c: c.execute(INSERT, {"version": 1, "segment": 1}))
        then = lake.version()
        lake.transaction(con, Commit("none"), lambda c: c.execute("DELETE FROM registry.segments"))
    with lake.at(then) as past:
        assert past.execute("SELECT COUNT(*) FROM registry.segments").fetchall() == [(1,)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            past.execute(INSERT, {"version": 2, "segment": 2})
    assert _count(lake) == 0


def test_a_snapshot_that_never_was_is_refused(lake: Lake) -> None:
    with pytest.raises(SegmentationError, match="no snapshot 99999"), lake.at(99_999):
        pass


def test_a_reader_cannot_write(lake: Lake, settings: Settings) -> None:
    with Lake(settings, read_only=True) as reader, reader.cursor() as con:  # noqa: SIM117 (raises around one call)
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            reader.transaction(con, Commit("no"), lambda c: c.execute(INSERT, {"version": 1, "segment": 1}))


def test_a_reader_of_a_missing_lake_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(WarehouseUnavailableError, match="no lake at .*segmentation demo"):
        Lake(Settings(home=tmp_path / "nothing"), read_only=True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        ("mysql:somewhere", "must begin with one of `sqlite:`, `postgres:`"),
        ("postgres:host=127.0.0.1 port=1 dbname=lake password=secret", "Can't open the lake's catalogue"),
        ("postgres:postgresql://me:secret@127.0.0.1:1/lake", "Can't open the lake's catalogue"),
    ],
)
def test_a_catalogue_that_cannot_be_reached_is_named_without_its_password(
    tmp_path: Path, catalog: str, message: str
) -> None:
    with pytest.raises(WarehouseUnavailableError, match=message) as caught:
        Lake(Settings(home=tmp_path, catalog=catalog))
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_text("not a database" * 1000)
    with pytest.raises(WarehouseUnavailableError, match="Can't open the lake's catalogue"):
        Lake(Settings(home=tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WarehouseUnavailableError, match="Set SEGMENTATION_HOME"):
        Lake(Settings(home=tmp_path / "file" / "warehouse"), create=True)


def test_a_lake_can_move_to_another_folder(tmp_path: Path, settings: Settings, lake: Lake) -> None:
    with lake.cursor() as con:
        lake.transaction(con, Commit("one"), lambda c: c.execute(INSERT, {"version": 1, "segment": 1}))
    lake.close()
    settings.home.rename(tmp_path / "elsewhere")
    with Lake(settings.model_copy(update={"home": tmp_path / "elsewhere"})) as moved:
        assert _count(moved) == 1


def test_times_are_utc_wherever_the_machine_is(settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with Lake(settings) as elsewhere, elsewhere.cursor() as con, elsewhere.at(elsewhere.version()) as past:
            for connection in (con, past):
                assert connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
                local = "SELECT CAST(TIMESTAMPTZ '2024-07-01 23:30:00+00' AS DATE)::VARCHAR"
                assert connection.execute(local).fetchall() == [("2024-07-01",)]
    finally:
        monkeypatch.undo()
        time.tzset()
