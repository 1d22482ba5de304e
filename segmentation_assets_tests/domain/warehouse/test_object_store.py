"""The same lake with its catalogue in PostgreSQL and its files in a bucket, on servers that the tests start."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from segmentation.clock import utc_now
from segmentation.diagnosis import diagnose
from segmentation.errors import SegmentationError, WarehouseUnavailableError
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings, as_environment
from segmentation.spark.lake_files import hand_over, pin
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.identity import MARKER
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.partition_files import partition_files
from segmentation.warehouse.probing import probe_data_path
from segmentation.warehouse.read_only_sql import ReadOnlySql
from segmentation.warehouse.schema import migrate
from segmentation.warehouse.sql import literal
from segmentation_assets_tests.testing.lines import INTO_SEGMENTS
from segmentation_assets_tests.testing.object_store import (
    READER_KEY_ID,
    READER_SECRET,
    SECRET,
    ObjectStore,
    running_object_store,
)
from segmentation_assets_tests.testing.postgres import Postgres

pytestmark = pytest.mark.takes(30)

AS_OF = date(2024, 3, 1)
WRONG_SECRET = "a-wrong-secret"
ROWS = 50
"""Rows of one commit: more than the catalogue takes, so that each commit writes an object."""

BATCH = f"{INTO_SEGMENTS} SELECT {{writer}}, {{number}} * {ROWS} + i, 'name', 'text' FROM range({ROWS}) AS numbers(i)"

WRITER = f"""
import sys
from segmentation.settings import load_settings
from segmentation.warehouse import Commit, Lake
writer, commits = int(sys.argv[1]), int(sys.argv[2])
with Lake(load_settings()) as lake, lake.cursor() as con:
    for number in range(commits):
        sql = {BATCH!r}.format(writer=writer, number=number)
        lake.transaction(con, Commit(f"writer {{writer}} batch {{number}}"), lambda c: c.execute(sql))
        print(number, flush=True)
"""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """An S3 service for the buckets of this file."""
    with running_object_store() as running:
        yield running


def _settings(server: Postgres, store: ObjectStore, home: Path) -> Settings:
    """Settings of a lake in an empty database and below an empty prefix."""
    catalog = f"postgres:{server.new_database()}"
    return Settings(home=home, catalog=catalog, customer_buckets=2, threads=1, **store.settings_for(home.name))


@pytest.fixture(scope="module")
def untouched(server: Postgres, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A migrated lake that nobody manages to write to."""
    with Lake(_settings(server, store, tmp_path_factory.mktemp("untouched")), create=True) as opened:
        migrate(opened)
        yield opened


@pytest.fixture
def settings(server: Postgres, store: ObjectStore, tmp_path: Path) -> Settings:
    """Settings of a lake of one test."""
    return _settings(server, store, tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    """A migrated lake."""
    with Lake(settings, create=True) as opened:
        migrate(opened)
        yield opened


def _with(settings: Settings, **changes: str) -> Settings:
    return Settings(**{name: getattr(settings, name) for name in Settings.model_fields} | changes)


def _write(lake: Lake, writer: int, number: int) -> None:
    with lake.cursor() as con:
        statement = BATCH.format(writer=writer, number=number)
        lake.transaction(con, Commit(f"batch {number}"), lambda c: c.execute(statement))


def _batches(lake: Lake) -> dict[tuple[int, int], int]:
    """Rows by writer and batch."""
    with lake.cursor() as con:
        rows = con.execute(
            f"SELECT version, segment_id // {ROWS}, COUNT(*) FROM registry.segments GROUP BY ALL"
        ).fetchall()
    return {(writer, number): count for writer, number, count in rows}


def _writer(settings: Settings, writer: int, commits: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(writer), str(commits)],
        env={**os.environ, **as_environment(settings), "PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_writers_at_once_lose_nothing_and_readers_see_whole_commits(lake: Lake) -> None:
    writers = [_writer(lake.settings, writer, 8) for writer in range(2)]
    counts = []
    with Lake(lake.settings, read_only=True) as reader:
        while any(writer.poll() is None for writer in writers):
            counts.append(sum(_batches(reader).values()))
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], errors
    assert _batches(lake) == {(writer, number): ROWS for writer in range(2) for number in range(8)}
    assert counts == sorted(counts)
    assert all(count % ROWS == 0 for count in counts)
    assert len(set(counts)) > 1


def test_people_can_query_a_lake_in_a_bucket_and_read_nothing_else_there(lake: Lake) -> None:
    _write(lake, 1, 1)
    with ReadOnlySql(lake.settings) as reader:
        assert reader.frame("SELECT COUNT(*) FROM registry.segments").item() == ROWS
        with reader._lake.cursor() as con, pytest.raises(duckdb.PermissionException, match="disabled by configuration"):
            con.execute(f"FROM glob({literal(lake.settings.data_uri.rstrip('/') + '-other/*')})").fetchall()


def test_files_are_in_the_bucket_and_nowhere_else(lake: Lake, store: ObjectStore) -> None:
    _write(lake, 1, 1)
    assert store.objects(lake.settings.home.name)
    assert list(lake.settings.home.rglob("*.parquet")) == []


def test_maintenance_merges_and_deletes_objects(lake: Lake, store: ObjectStore) -> None:
    for number in range(4):
        _write(lake, 1, number)
    with lake.cursor() as con:
        one = "INSERT INTO registry.segments (version, segment_id, segment_name, description) VALUES (2, 0, 'a', 'b')"
        lake.transaction(con, Commit("in the catalogue"), lambda c: c.execute(one))
        stray = f"{lake.settings.data_uri}registry/segments/ducklake-{uuid4()}.parquet"
        con.execute(f"COPY (SELECT 1 AS a) TO {literal(stray)}")
    before, objects = _batches(lake), set(store.objects(lake.settings.home.name))
    now = datetime.now(UTC).replace(tzinfo=None)
    first = maintain(lake, now=now + timedelta(days=40), keep_days=30, protected=())
    done = maintain(lake, now=now + timedelta(days=80), keep_days=30, protected=(), force=True)
    assert first.orphans.are_many
    assert first.rows_flushed >= 1
    assert first.files_merged
    left = set(store.objects(lake.settings.home.name))
    with lake.cursor() as con:
        needed = con.execute("SELECT data_file FROM ducklake_list_files('lake', 'segments', schema => 'registry')")
        assert {row[0] for row in needed.fetchall()} <= left
    assert stray in objects - left
    assert len(objects - left) >= 5
    assert first.files_removed + done.files_removed >= len(objects - left)
    assert _batches(lake) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"s3_secret": WRONG_SECRET}, "access is refused"),
        ({"s3_key_id": "nobody", "s3_secret": WRONG_SECRET}, "access is refused"),
        ({"s3_key_id": READER_KEY_ID, "s3_secret": READER_SECRET}, "access is refused"),
        ({"s3_key_id": "", "s3_secret": "", "s3_region": "us-east-1"}, "access is refused"),
        ({"data_path": "s3://no-such-bucket/lake"}, "there is no such bucket|access is refused"),
        ({"s3_endpoint": "http://127.0.0.1:1"}, "can't be reached"),
    ],
)
def test_what_is_wrong_with_the_store_is_said_without_the_secret(
    untouched: Lake, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    wrong = _with(untouched.settings, **changes)
    with pytest.raises(WarehouseUnavailableError, match=message) as refused, Lake(wrong) as opened:
        _write(opened, 1, 1)
    (data,) = [finding for finding in diagnose(wrong, utc_now()) if finding.subject == "data"]
    assert not data.is_ok
    assert re.search(message, data.detail)
    for text in (str(refused.value), str(refused.value.__cause__), data.detail):
        assert not any(secret in text for secret in (SECRET, WRONG_SECRET, READER_SECRET))
    assert _batches(untouched) == {}


def test_a_reader_with_a_wrong_key_shows_no_secret(lake: Lake) -> None:
    _write(lake, 1, 1)
    wrong = _with(lake.settings, s3_secret=WRONG_SECRET)
    with Lake(wrong, read_only=True) as reader, pytest.raises(duckdb.HTTPException) as refused:
        _batches(reader)
    assert WRONG_SECRET not in str(refused.value)


def test_a_look_up_that_was_made_before_asks_the_store_for_nothing(lake: Lake) -> None:
    hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, Commit("segments"), lambda folders: _write_segments(lake, folders))
    with Lake(lake.settings, read_only=True) as reader, reader.cursor() as con:
        con.execute("CALL enable_logging('HTTP')")
        con.begin()
        relation = partition_files(con, CUSTOMER_SEGMENTS, AS_OF)
        assert relation is not None
        assert "s3://" in relation
        look_up = f"SELECT segment_name FROM {relation} WHERE customer_id = 'c7'"
        asked = []
        for _ in range(2):
            assert con.execute(look_up).fetchall() == [("name",)]
            asked.append(con.execute("SELECT COUNT(*) FROM duckdb_logs_parsed('HTTP')").fetchall()[0][0])
    assert asked[0] == asked[1] > 0


def test_what_another_engine_wrote_becomes_the_lakes_own_and_is_removed_if_it_fails(
    lake: Lake, store: ObjectStore
) -> None:
    before = lake.version()
    hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, Commit("segments"), lambda folders: _write_segments(lake, folders))
    assert lake.version() == before + 1
    with lake.cursor() as con:
        assert con.execute("SELECT COUNT(*) FROM segments.customer_segments").fetchall() == [(ROWS,)]
    objects = _data_objects(lake, store)
    assert [path.rpartition("/")[2] for path in objects] == ["part-0.parquet"]
    assert pin(lake, CUSTOMER_SEGMENTS).paths == tuple(objects)

    def fail(folders: Mapping[str, str]) -> None:
        _write_segments(lake, folders)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, Commit("segments"), fail)
    assert _data_objects(lake, store) == objects


def _data_objects(lake: Lake, store: ObjectStore) -> list[str]:
    """The addresses of the lake's files, without the marker that says whose they are."""
    return [path for path in store.objects(lake.settings.home.name) if not path.endswith(MARKER)]


def _write_segments(lake: Lake, folders: Mapping[str, str]) -> None:
    """Write a file as Spark does, with a marker beside it."""
    (folder,) = folders.values()
    with lake.cursor() as con:
        columns = f"DATE '{AS_OF}' AS as_of, 'c' || i AS customer_id, 'name' AS segment_name"
        con.execute(f"CREATE OR REPLACE TEMP TABLE written AS FROM {CUSTOMER_SEGMENTS.name} LIMIT 0")
        con.execute(f"INSERT INTO temp.written BY NAME SELECT {columns} FROM range({ROWS}) AS t(i)")
        con.execute(f"COPY temp.written TO {literal(f'{folder}/part-0.parquet')} (FORMAT parquet)")
        con.execute(f"COPY (SELECT 1) TO {literal(f'{folder}/_SUCCESS')} (FORMAT csv)")


@pytest.mark.parametrize("data_path", ["az://shop.blob.core.windows.net/box/lake", "gcs://shop/lake"])
def test_addresses_that_spark_does_not_know_are_refused(lake: Lake, data_path: str) -> None:
    lake.settings = lake.settings.model_copy(update={"data_path": data_path})
    with pytest.raises(SegmentationError, match="Use the DuckDB engine"):
        pin(lake, CUSTOMER_SEGMENTS)


def test_a_probe_leaves_nothing_behind(settings: Settings, store: ObjectStore) -> None:
    assert probe_data_path(settings) == f"{settings.data_uri} can be written, read, listed and deleted"
    assert store.objects(settings.home.name) == []


def test_what_was_acknowledged_survives_a_store_that_is_lost_in_the_middle(lake: Lake, store: ObjectStore) -> None:
    writer = _writer(lake.settings, 1, 10_000)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(3)]
    store.kill()
    try:
        rest, error = writer.communicate(timeout=60)
        acknowledged += [int(line) for line in rest.split()]
        assert writer.returncode == 1
        assert "the service can't be reached" in error
        assert SECRET not in error
    finally:
        store.start()
    _eventually_reads(lake)
    assert _batches(lake) == {(1, number): ROWS for number in acknowledged}
    _write(lake, 2, 0)
    assert _batches(lake)[2, 0] == ROWS


def _eventually_reads(lake: Lake) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            _batches(lake)
        except duckdb.IOException:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return
