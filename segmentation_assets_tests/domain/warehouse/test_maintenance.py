"""Maintenance of a lake with a past: what is kept reads as before, the rest is gone, nobody is disturbed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.registry import SEGMENTS
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake, maintenance
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.maintenance import Maintenance, expirable, maintain, thinnable
from segmentation.warehouse.orphans import Orphans
from segmentation.warehouse.schema import migrate
from segmentation.warehouse.verification import Verification
from segmentation_assets_tests.domain.warehouse.test_lake import INSERT, WRITER
from segmentation_assets_tests.testing.lines import INTO_SEGMENTS, Line, insert_lines

pytestmark = pytest.mark.takes(30)

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
DAY = datetime(2024, 3, 1)
NO_ORPHANS = Orphans((), 0, 0.0)
NOTHING_DUE = Verification(0, 0, (), 0)
Content = dict[str, tuple[int, int]]

MAINTAINER = """
import sys
from datetime import datetime
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.maintenance import maintain
settings, now, protected = Settings.model_validate_json(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), sys.argv[3]
with Lake(settings) as lake:
    print("begins", flush=True)
    maintain(lake, now=now, keep_days=30, protected=[int(protected)])
"""

READER = """
import sys
from pathlib import Path
from segmentation.settings import Settings
from segmentation.warehouse import Lake
settings, version, until = Settings.model_validate_json(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
with Lake(settings, read_only=True) as lake:
    print("begins", flush=True)
    counts = set()
    while not until.exists():
        with lake.cursor() as con, lake.at(version) as past:
            query = "SELECT COUNT(*), SUM(amount) FROM raw.transactions"
            counts |= {(con.execute(query).fetchone(), past.execute(query).fetchone())}
    print(len(counts))
"""


@dataclass(frozen=True)
class Past:
    """A lake and what it held at each of its versions."""

    lake: Lake
    contents: dict[int, Content]

    @property
    def present(self) -> Content:
        return self.contents[max(self.contents)]


def _content(con: duckdb.DuckDBPyConnection) -> Content:
    """Per table that tests write to, its number of rows and a sum of their hashes."""
    query = "SELECT COUNT(*), (COALESCE(SUM(hash(t)), 0) % 1000000007)::BIGINT FROM {} AS t"
    return {name: con.execute(query.format(name)).fetchall()[0] for name in (TRANSACTIONS.name, SEGMENTS.name)}


def _now(lake: Lake) -> Content:
    with lake.cursor() as con:
        return _content(con)


def _at(lake: Lake, version: int) -> Content:
    with lake.at(version) as con:
        return _content(con)


def _lines(day: int, count: int) -> list[Line]:
    moment = DAY + timedelta(days=day)
    return [Line(f"c{n % 7}", f"{day}-{n}", f"p{n}", moment, amount=day + n / 8) for n in range(count)]


def _change(lake: Lake, sql: str) -> None:
    with lake.cursor() as con:
        lake.transaction(con, Commit("change"), lambda c: c.execute(sql))


def _writes() -> Iterator[Callable[[Lake], None]]:
    """Lines in files and in the catalogue, days that are replaced, and deletions of a few."""

    for day in range(3):
        yield partial(insert_lines, lines=_lines(day, 60))
        yield partial(insert_lines, lines=_lines(day, 3))
    yield partial(_change, sql=f"DELETE FROM raw.transactions WHERE ordered_at < '{DAY + timedelta(days=1)}'")
    yield partial(_change, sql="DELETE FROM raw.transactions WHERE customer_id = 'c1' AND product_id IN ('p1', 'p8')")
    for number in range(3):
        yield partial(_change, sql=f"{INTO_SEGMENTS} VALUES (1, {number}, 'name', 'text')")
    yield partial(_change, sql="DELETE FROM registry.segments WHERE segment_id = 1")
    yield partial(insert_lines, lines=_lines(1, 30))
    yield partial(_change, sql="DELETE FROM raw.transactions WHERE customer_id = 'c3'")


def _with_a_past(lake: Lake) -> Past:
    contents = {}
    for write in _writes():
        write(lake)
        contents[lake.version()] = _now(lake)
    return Past(lake, contents)


@pytest.fixture
def past(lake: Lake) -> Past:
    return _with_a_past(lake)


@pytest.fixture(params=["sqlite", "postgres"])
def any_lake(request: pytest.FixtureRequest) -> Iterator[Lake]:
    """A lake on either catalogue."""
    if request.param == "sqlite":
        yield request.getfixturevalue("lake")
    else:
        with Lake(request.getfixturevalue("postgres"), create=True) as lake:
            migrate(lake)
            yield lake


@pytest.fixture
def any_past(any_lake: Lake) -> Past:
    return _with_a_past(any_lake)


def _later(days: float = 40) -> datetime:
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(days=days)


def _run(lake: Lake, now: datetime, protected: set[int] | None = None, *, dry_run: bool = False) -> Maintenance:
    return maintain(lake, now=now, keep_days=30, protected=protected or set(), dry_run=dry_run)


def _age(lake: Lake) -> None:
    """Make the past forty days older, in the catalogue."""
    with lake.cursor() as con:
        older = "CAST(CAST(snapshot_time AS TIMESTAMPTZ) - INTERVAL 40 DAY AS VARCHAR)"
        con.execute(f"UPDATE {METADATA}.ducklake_snapshot SET snapshot_time = {older}")


def _files(lake: Lake) -> dict[Path, int]:
    return {path: path.stat().st_size for path in Path(lake.settings.data_uri).rglob("*.parquet")}


def test_what_is_kept_reads_as_before_and_the_rest_is_gone(any_past: Past) -> None:
    lake, contents = any_past.lake, any_past.contents
    versions = sorted(contents)
    kept = {versions[3], versions[8], versions[10]}
    with lake.at(versions[3]) as reader:
        before = _content(reader)
        assert _run(lake, _later(), kept).files_removed > 0
        assert _content(reader) == before
    assert _now(lake) == any_past.present
    for opened in (lake, Lake(lake.settings), Lake(lake.settings, read_only=True)):
        assert {version: _at(opened, version) for version in kept} == {version: contents[version] for version in kept}
        for version in set(versions[:-1]) - kept:
            with pytest.raises(SegmentationError, match=f"no snapshot {version} .*old ones expire"):
                _at(opened, version)


def test_the_lake_shrinks_and_a_second_run_finds_nothing_to_do(any_lake: Lake) -> None:
    lake = any_lake
    for day in range(5):
        insert_lines(lake, _lines(day, 100))
    for number in range(3):
        _change(lake, "DELETE FROM registry.segments")
        _change(lake, f"{INTO_SEGMENTS} SELECT {number}, i, 'name', 'text' FROM range(500) AS numbers(i)")
    _change(lake, f"{INTO_SEGMENTS} VALUES (3, 1, 'name', 'text')")
    present, files = _now(lake), _files(lake)
    _age(lake)
    first = _run(lake, _later(0))
    assert all((first.rows_flushed, first.files_merged, first.snapshots_expired))
    assert first.files_removed == 0
    between = set(_files(lake))
    assert between > set(files), "readers may still be at the old ones"
    with Lake(lake.settings, read_only=True) as reader:
        told = [_run(reader, _later(days), dry_run=True).files_removed for days in (1, 3)]
    second = _run(lake, _later(3))
    assert told == [0, second.files_removed]
    assert second.files_removed == len(between - set(_files(lake))) > 0
    size = sum(_files(lake).values())
    assert (first.bytes_before, first.bytes_after) == (sum(files.values()), size)
    assert len(_files(lake)) < len(files) / 2
    assert size < first.bytes_before / 2
    third = _run(lake, _later(3))
    assert third == Maintenance(0, 0, (), 0, NO_ORPHANS, NOTHING_DUE, size, size)
    assert _now(lake) == present


def test_young_snapshots_stay(past: Past) -> None:
    done = _run(past.lake, _later(29))
    assert done.snapshots_expired == ()
    assert {version: _at(past.lake, version) for version in past.contents} == past.contents


def test_any_moment_of_the_last_days_stays_readable() -> None:
    snapshots = [(number, DAY + timedelta(days=day)) for number, day in enumerate((0, 1, 2, 50, 51))]
    assert expirable(snapshots, DAY + timedelta(days=20), {1}) == [0]
    assert expirable(snapshots, DAY + timedelta(days=50, hours=1), set()) == [0, 1, 2]
    assert expirable(snapshots, DAY + timedelta(days=500), set()) == [0, 1, 2, 3]
    assert expirable([], DAY, set()) == []


MINUTES = st.lists(st.integers(0, 60 * 6), max_size=40).map(sorted)


@given(MINUTES, st.integers(0, 60 * 7), st.sets(st.integers(0, 40)))
def test_of_old_snapshots_the_last_of_each_hour_stays(minutes: list[int], limit: int, protected: set[int]) -> None:
    snapshots = [(number, DAY + timedelta(minutes=minute)) for number, minute in enumerate(minutes)]
    before = DAY + timedelta(minutes=limit)
    gone = thinnable(snapshots, before, protected)
    kept = [(number, made) for number, made in snapshots if number not in gone]
    assert gone == sorted(set(gone))
    assert not protected & set(gone)
    assert snapshots[-1:] == kept[-1:]
    old = [(number, made) for number, made in snapshots if made < before]
    assert set(gone) <= {number for number, _ in old}
    last_of_hour = {made.replace(minute=0): number for number, made in old}
    assert {number for number, made in old if number not in gone} == {*last_of_hour.values()} | (
        protected & {number for number, _ in old}
    )
    assert thinnable(kept, before, protected) == []


def test_thinning_keeps_what_is_spared_and_every_row(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "EXPIRED_AT_ONCE", 3)
    lake, versions = past.lake, sorted(past.contents)
    _set_times(lake, DAY)
    spared, protected = versions[2], versions[5]
    now = DAY + timedelta(hours=30)
    thinned = partial(maintain, lake, now=now, keep_days=30, protected={protected})
    assert thinned(thin_after_hours=31, unthinned={spared}).snapshots_expired == ()
    done = thinned(thin_after_hours=24, unthinned={spared})
    kept = {spared, protected, versions[-1]}
    assert set(versions) - set(done.snapshots_expired) == kept
    assert {version: _at(lake, version) for version in kept} == {version: past.contents[version] for version in kept}
    done = maintain(lake, now=_later(), keep_days=30, protected={protected}, thin_after_hours=24, unthinned={spared})
    assert spared in done.snapshots_expired
    assert (_now(lake), _at(lake, protected)) == (past.present, past.contents[protected])


def _set_times(lake: Lake, moment: datetime) -> None:
    """Make all snapshots of one hour, a second apart."""
    with lake.cursor() as con:
        made = f"CAST(TIMESTAMPTZ '{moment}+00' + snapshot_id * INTERVAL 1 SECOND AS VARCHAR)"
        con.execute(f"UPDATE {METADATA}.ducklake_snapshot SET snapshot_time = {made}")


def test_a_dry_run_changes_nothing_and_tells_what_comes(any_past: Past) -> None:
    lake, past = any_past.lake, any_past
    files, version = _files(lake), lake.version()
    with Lake(lake.settings, read_only=True) as reader:
        told = _run(reader, _later(), {5}, dry_run=True)
    assert (lake.version(), _files(lake)) == (version, files)
    assert all(lake.has(number) for number in past.contents)
    done = _run(lake, _later(), {5})
    as_far_as_known = replace(done, files_merged=None, verification=None, bytes_after=None)
    assert told == replace(as_far_as_known, rows_flushed=told.rows_flushed, files_removed=told.files_removed)
    assert told.rows_flushed > 0


def test_an_expired_snapshot_is_refused_also_where_it_is_attached(past: Past) -> None:
    version = min(past.contents)
    with Lake(past.lake.settings, read_only=True) as reader:
        assert _at(reader, version) == past.contents[version]
        _run(past.lake, _later())
        with pytest.raises(SegmentationError, match=f"no snapshot {version}"):
            _at(reader, version)


@pytest.mark.parametrize("was_attached", [True, False])
def test_a_snapshot_that_expires_between_two_looks_is_refused_in_words(
    past: Past, monkeypatch: pytest.MonkeyPatch, was_attached: bool
) -> None:
    version = min(past.contents)
    with Lake(past.lake.settings, read_only=True) as reader:
        if was_attached:
            assert _at(reader, version) == past.contents[version]
        _run(past.lake, _later())
        monkeypatch.setattr(reader, "has", lambda _: True)  # as it was a moment ago
        with pytest.raises(SegmentationError, match=f"no snapshot {version}"):
            _at(reader, version)


def test_only_old_files_that_no_commit_knows_are_removed(past: Past) -> None:
    data = Path(past.lake.settings.data_uri)
    folder = data / "raw/transactions"
    written, abandoned, foreign = folder / _own_name(), folder / _own_name(), folder / "theirs.parquet"
    for path, age in ((written, timedelta(days=6)), (abandoned, timedelta(days=8)), (foreign, timedelta(days=8))):
        path.write_bytes(b"x")
        os.utime(path, ((datetime.now(UTC) - age).timestamp(),) * 2)
    done = _run(past.lake, _later(0))
    assert (written.exists(), abandoned.exists(), foreign.exists(), done.files_removed) == (True, False, True, 1)
    assert _now(past.lake) == past.present


def _own_name() -> str:
    return f"ducklake-{uuid4()}.parquet"


def test_a_file_that_is_gone_already_stops_nothing(past: Past) -> None:
    _run(past.lake, _later(0))
    with past.lake.cursor() as con:
        call = "CALL ducklake_cleanup_old_files('lake', dry_run => true, cleanup_all => true)"
        paths = [Path(path) for (path,) in con.execute(call).fetchall()]
    paths[0].unlink()
    _run(past.lake, _later())
    assert not any(path.exists() for path in paths)
    assert _now(past.lake) == past.present


def test_killed_at_any_moment_it_loses_nothing(past: Past) -> None:
    lake, version = past.lake, sorted(past.contents)[4]
    for number in range(6):
        arguments = [lake.settings.model_dump_json(), _later(40 + number).isoformat(), str(version)]
        with subprocess.Popen(
            [sys.executable, "-c", MAINTAINER, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            time.sleep(0.08 * 2**number)
            process.send_signal(signal.SIGKILL)
        assert _now(lake) == past.present
        assert _at(lake, version) == past.contents[version]
    _run(lake, _later(60), {version})
    with Lake(lake.settings) as fresh:
        assert (_now(fresh), _at(fresh, version)) == (past.present, past.contents[version])


def test_others_write_and_read_meanwhile(past: Past, tmp_path: Path) -> None:
    lake, version = past.lake, sorted(past.contents)[4]
    _age(lake)
    end = tmp_path / "end"
    reader_arguments = [lake.settings.model_dump_json(), str(version), str(end)]
    reader, writer = (
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for program, arguments in ((READER, reader_arguments), (WRITER, [str(lake.settings.home), "7"]))
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == "begins\n"
    runs = 0
    while writer.poll() is None or runs < 2:
        _run(lake, _later(0), {version})
        runs += 1
    end.touch()
    (told, reader_errors), (_, writer_errors) = reader.communicate(timeout=60), writer.communicate(timeout=60)
    assert (reader.returncode, writer.returncode) == (0, 0), reader_errors + writer_errors
    assert told == "1\n", "the transactions never looked different"
    with lake.cursor() as con:
        rows = con.execute("SELECT segment_id FROM registry.segments WHERE version = 7 ORDER BY ALL").fetchall()
    assert rows == [(number,) for number in range(8)]


def test_duckdb_would_still_spoil_the_past_by_rewriting_files(lake: Lake) -> None:
    """Why maintenance rewrites no files (decision 13). If this fails, DuckLake has been mended, and it may."""
    with lake.cursor() as con:
        many = f"{INTO_SEGMENTS} SELECT 1, i, 'name', 'text' FROM range(100) AS numbers(i)"
        _change(lake, many)
        _change(lake, "DELETE FROM registry.segments WHERE segment_id < 50")
        query = f"SELECT COUNT(*) FROM registry.segments AT (VERSION => {lake.version() - 1}) WHERE segment_id < 20"
        assert con.execute(query).fetchall() == [(20,)]
        rewrite = "CALL ducklake_rewrite_data_files('lake', 'segments', schema => 'registry', delete_threshold => 0)"
        lake.transaction(con, Commit("rewrite"), lambda c: c.execute(rewrite).fetchall())
        assert con.execute(query).fetchall() == [(0,)]
    assert "rewrite_data_files('" not in Path(maintenance.__file__).read_text("utf-8")


def test_a_lake_that_others_keep_busy_is_left_for_later(settings: Settings, past: Past) -> None:
    impatient = settings.model_copy(update={"write_timeout_s": 0.1})
    with Lake(impatient) as late, past.lake.cursor() as con:

        def write(outer: duckdb.DuckDBPyConnection) -> None:
            outer.execute(INSERT, {"version": 9, "segment": 9})
            with pytest.raises(SegmentationError, match="Another process has been writing"):
                _run(late, _later())

        past.lake.transaction(con, Commit("slow"), write)
    assert {version: _at(past.lake, version) for version in past.contents} == past.contents
