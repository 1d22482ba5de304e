"""The same lake with its catalogue in PostgreSQL, on a server that the tests start."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from segmentation.errors import NoLakeError, SegmentationError
from segmentation.metadata.tables import TABLES
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.domain.warehouse.test_lake import INSERT
from segmentation_assets_tests.testing.lines import INTO_SEGMENTS

WRITER = """
import sys
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
settings, writer = Settings.model_validate_json(sys.argv[1]), int(sys.argv[2])
with Lake(settings, create=True) as lake:
    migrate(lake)
    for number in range(5):
        with lake.cursor() as con:
            row = {"version": writer, "segment": number}
            columns = "version, segment_id, segment_name, description"
            sql = f"INSERT INTO registry.segments ({columns}) VALUES ($version, $segment, 'name', 'description')"
            lake.transaction(con, Commit(f"writer {writer} row {number}"), lambda c: c.execute(sql, row))
"""


def test_six_processes_create_and_fill_a_lake_at_once_and_nothing_is_lost(postgres: Settings) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, postgres.model_dump_json(), str(number)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(6)
    ]
    errors = [writer.communicate(timeout=240)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 6, errors
    with Lake(postgres, read_only=True) as lake, lake.cursor() as con:
        rows = con.execute("SELECT version, segment_id FROM registry.segments ORDER BY ALL").fetchall()
        tables = con.execute("SELECT COUNT(*) FROM duckdb_tables() WHERE database_name = 'lake'").fetchall()
        versions = con.execute("SELECT COUNT(*) FROM registry.schema_versions").fetchall()
    assert rows == [(writer, number) for writer in range(6) for number in range(5)]
    assert tables == [(len(TABLES),)]
    assert versions == [(1,)]


def test_writers_that_replace_the_same_rows_leave_them_once(postgres: Settings) -> None:
    def replace(lake: Lake) -> None:
        def write(con: duckdb.DuckDBPyConnection) -> None:
            con.execute("DELETE FROM registry.segments WHERE version = 1")
            con.execute(f"{INTO_SEGMENTS} SELECT 1, i, 'name', 'text' FROM range(50) AS numbers(i)")

        with lake.cursor() as con:
            lake.transaction(con, Commit("replace"), write)

    with Lake(postgres, create=True) as one, Lake(postgres, create=True) as other:
        migrate(one)
        threads = [threading.Thread(target=replace, args=(lake,)) for lake in (one, other, one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with one.cursor() as con:
            assert con.execute("SELECT COUNT(*) FROM registry.segments").fetchall() == [(50,)]


def test_a_writer_that_never_ends_is_named(postgres: Settings) -> None:
    impatient = postgres.model_copy(update={"write_timeout_s": 0.3})
    with (
        Lake(postgres, create=True) as lake,
        Lake(impatient, create=True) as late,
        lake.cursor() as con,
        late.cursor() as waiting,
    ):
        migrate(lake)

        def write(outer: duckdb.DuckDBPyConnection) -> None:
            outer.execute(INSERT, {"version": 1, "segment": 1})
            with pytest.raises(SegmentationError, match="Another process has been writing"):
                late.transaction(waiting, Commit("late"), lambda c: None)

        lake.transaction(con, Commit("slow"), write)


def test_the_past_stays_readable(postgres: Settings) -> None:
    with Lake(postgres, create=True) as lake, lake.cursor() as con:
        migrate(lake)
        lake.transaction(con, Commit("one"), lambda c: c.execute(INSERT, {"version": 1, "segment": 1}))
        then = lake.version()
        lake.transaction(con, Commit("none"), lambda c: c.execute("DELETE FROM registry.segments"))
        with lake.at(then) as past:
            assert past.execute("SELECT COUNT(*) FROM registry.segments").fetchall() == [(1,)]


def test_a_reader_of_an_empty_database_is_told_that_there_is_no_lake_and_makes_none(postgres: Settings) -> None:
    for _ in range(2):
        with pytest.raises(NoLakeError, match="There is no lake at postgres:.* SEGMENTATION_CATALOG"):
            Lake(postgres, read_only=True)
