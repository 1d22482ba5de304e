"""Backups: what comes back is what was there, whatever the catalogue, whoever wrote, whenever it was killed."""

import itertools
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.backup import Backup, make_backup, restore_backup
from segmentation.warehouse.backup.manifest import MANIFEST, POOL, backups_in, read_manifest
from segmentation.warehouse.backup.sqlite_files import CLOSE_JOURNAL
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.lines import INTO_SEGMENTS, Line, insert_lines

pytestmark = pytest.mark.takes(70)

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
DAY = datetime(2024, 3, 1)
Rows = list[str]

TYPES = {
    "a": ("BOOLEAN", ["true", "false"]),
    "b": ("TINYINT", ["-128", "127"]),
    "c": ("SMALLINT", ["-32768"]),
    "d": ("INTEGER", ["-2147483648"]),
    "e": ("BIGINT", ["-9223372036854775808"]),
    "f": ("HUGEINT", ["-7"]),
    "g": ("UBIGINT", ["18446744073709551615"]),
    "h": ("UINTEGER", ["4294967295"]),
    "i": ("FLOAT", ["0.1", "'nan'", "'-inf'", "1e-40"]),
    "j": ("DOUBLE", ["0.1", "1/3", "'nan'", "'inf'", "5e-324", "-0.0", "1.7976931348623157e308"]),
    "k": ("DECIMAL(18, 4)", ["-12345678901234.5678"]),
    "l": ("VARCHAR", ["''", "'ä''\"\\\\x00😀'", "chr(0) || 'nul' || chr(10)"]),
    "m": ("BLOB", [r"'\x00\xFF\x80'::BLOB", "''::BLOB"]),
    "n": ("DATE", ["'0001-01-01'", "'9999-12-31'", "'infinity'"]),
    "o": ("TIMESTAMP", ["'2024-02-29 23:59:59.999999'", "'-infinity'", "'1500-01-01'"]),
    "p": ("TIMESTAMPTZ", ["'2024-02-29 23:59:59.999999+05'"]),
    "q": ("TIME", ["'23:59:59.999999'"]),
    "r": ("UUID", ["'00112233-4455-6677-8899-aabbccddeeff'"]),
    "s": ("VARCHAR[]", ["['a', NULL, 'b,''']", "[]"]),
    "t": ("STRUCT(x INTEGER, y VARCHAR)", ["{'x': 1, 'y': 'z'}"]),
    "u": ("MAP(VARCHAR, DOUBLE)", ["MAP {'k': 0.1}"]),
    "v": ("INTERVAL", ["INTERVAL '1 year 2 days 3.5 seconds'"]),
    "w": ("JSON", ['\'{"a": [1, "ü"]}\'']),
    "x": ("TIMESTAMP_NS", ["'2024-01-01 01:02:03.123456789'"]),
}

SETTINGS_OF_TABLES = f"""
SELECT t.table_name, 'partition' AS kind, p.transform AS detail, c.column_name AS name
FROM {METADATA}.ducklake_partition_column AS p
JOIN {METADATA}.ducklake_table AS t USING (table_id)
JOIN {METADATA}.ducklake_column AS c USING (table_id, column_id)
UNION ALL
SELECT t.table_name, 'sort', s.sort_direction, s.expression
FROM {METADATA}.ducklake_sort_expression AS s
JOIN {METADATA}.ducklake_table AS t USING (table_id)
UNION ALL
SELECT table_name, 'comment', comment, NULL FROM duckdb_tables() WHERE database_name = 'lake'
UNION ALL
SELECT table_name, 'column', data_type || is_nullable || comment, column_name
FROM duckdb_columns() WHERE database_name = 'lake'
UNION ALL
SELECT view_name, 'view', sql, comment FROM duckdb_views() WHERE database_name = 'lake'
ORDER BY ALL
"""

WRITER = """
import sys
from pathlib import Path
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
settings, writer, end = Settings.model_validate_json(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
INTO = "INSERT INTO registry.segments (version, segment_id, segment_name, description)"
with Lake(settings) as lake:
    print("begins", flush=True)
    number = 0
    while not end.exists():
        with lake.cursor() as con:
            def write(c):
                if number % 5 == 4:
                    c.execute(f"DELETE FROM registry.segments WHERE version = {writer} AND segment_id % 3 = 1")
                rows = (1, 3, 200)[number % 3]
                c.execute(f"{INTO} SELECT {writer}, {number} * 1000 + i, 'name', 'text' FROM range({rows}) AS t(i)")
            lake.transaction(con, Commit(f"writer {writer} {number}"), write)
        number += 1
"""

COMMAND = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from segmentation.settings import Settings
from segmentation.warehouse.backup import make_backup, restore_backup
settings, folder = Settings.model_validate_json(sys.argv[1]), Path(sys.argv[2])
print("begins", flush=True)
if sys.argv[3] == "backup":
    make_backup(settings, folder, now=datetime.now(UTC).replace(tzinfo=None), keep=2)
else:
    restore_backup(settings, folder, force=True)
print("done", flush=True)
"""


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _back_up(settings: Settings, destination: Path, **options: Any) -> Backup:
    return make_backup(settings, destination, now=_now(), **options)


def _change(lake: Lake, *statements: str) -> None:
    with lake.cursor() as con:
        lake.transaction(con, Commit("change"), lambda c: [c.execute(sql) for sql in statements])


def _tables(con: duckdb.DuckDBPyConnection) -> list[str]:
    name = con.execute("SELECT current_database()").fetchall()[0][0]
    sql = "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = $name ORDER BY ALL"
    return [table for (table,) in con.execute(sql, {"name": name}).fetchall()]


WRITTEN = {"raw.transactions", "registry.segments", "odd.t"}


def _rows(con: duckdb.DuckDBPyConnection) -> dict[str, Rows]:
    """All rows of all tables that these tests write to, as text."""
    names = WRITTEN & set(_tables(con))
    return {name: sorted(map(repr, con.execute(f"FROM {name}").fetchall())) for name in names}


def _present(lake: Lake) -> dict[str, Rows]:
    with lake.cursor() as con:
        return _rows(con)


def _past(lake: Lake, version: int) -> dict[str, Rows]:
    with lake.at(version) as con:
        return _rows(con)


def _facts(settings: Settings) -> tuple[list[Any], list[Any], dict[int, dict[str, Rows]]]:
    """How tables are made, who committed what and when, and what the lake holds at some snapshots."""
    with Lake(settings, read_only=True) as lake:
        with lake.cursor() as con:
            snapshots = con.execute("FROM ducklake_snapshots('lake') ORDER BY snapshot_id").fetchall()
            made = con.execute(SETTINGS_OF_TABLES).fetchall()
        return made, snapshots, {row[0]: _past(lake, row[0]) for row in snapshots[:0:-6]}


def _odd_values(lake: Lake) -> None:
    """A table with all kinds of columns and their odd values, in the catalogue, then in a file, then changed."""
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in TYPES.items())
    height = max(len(values) for _, values in TYPES.values())
    rows = [", ".join(values[n] if n < len(values) else "NULL" for _, values in TYPES.values()) for n in range(height)]
    inserts = [f"INSERT INTO odd.t ({', '.join(TYPES)}) VALUES ({row})" for row in rows]
    _change(lake, "CREATE SCHEMA odd", f"CREATE TABLE odd.t ({columns})", *inserts)
    _change(lake, "CALL ducklake_flush_inlined_data('lake', schema_name => 'odd', table_name => 't')")
    _change(lake, "ALTER TABLE odd.t ADD COLUMN later INTEGER", *inserts)
    _change(lake, "ALTER TABLE odd.t ALTER COLUMN later TYPE BIGINT", "ALTER TABLE odd.t RENAME COLUMN b TO renamed")
    _change(lake, "INSERT INTO odd.t (a, later) VALUES (true, 5000000000)")
    _change(lake, "DELETE FROM odd.t WHERE a")


def _write(lake: Lake, choose: random.Random) -> None:
    day = choose.randrange(3)
    moment = DAY + timedelta(days=day)
    match choose.randrange(6):
        case 0 | 1:
            count = choose.choice([1, 4, 60])
            lines = [Line(f"c{n % 7}", f"{choose.random()}", f"p{n}", moment, amount=n / 8) for n in range(count)]
            insert_lines(lake, lines)
        case 2:
            _change(lake, f"DELETE FROM raw.transactions WHERE customer_id = 'c{choose.randrange(7)}'")
        case 3:
            _change(lake, "DELETE FROM registry.segments WHERE segment_id % 2 = 0")
        case 4:
            rows = choose.choice([1, 3, 100])
            _change(lake, f"{INTO_SEGMENTS} SELECT {day}, i, 'näme', 'text' FROM range({rows}) AS numbers(i)")
        case 5:
            _tidy(lake)


def _tidy(lake: Lake, *more: tuple[str, str]) -> None:
    """What maintenance does, to the tables that have something."""
    old = f"CALL ducklake_expire_snapshots('lake', versions => [{max(lake.version() - 2, 0)}])"
    tables = (("registry", "segments"), ("raw", "transactions"), *more)
    flushes = [
        f"CALL ducklake_flush_inlined_data('lake', schema_name => '{schema}', table_name => '{table}')"
        for schema, table in tables
    ]
    merges = [
        f"CALL ducklake_merge_adjacent_files('lake', '{table}', schema => '{schema}')" for schema, table in tables
    ]
    for statement in (old, *flushes, *merges):
        _change(lake, statement)


def _filled(lake: Lake, seed: int, count: int = 10) -> None:
    choose = random.Random(seed)
    for _ in range(count):
        _write(lake, choose)


Kinds = Callable[[str, str], Settings]


@pytest.fixture
def at(tmp_path: Path, request: pytest.FixtureRequest) -> Kinds:
    """Settings of a lake that is not there yet, by name and by the kind of its catalogue."""

    def settings(name: str, kind: str) -> Settings:
        catalog = "" if kind == "sqlite" else f"postgres:{request.getfixturevalue('server').new_database()}"
        return Settings(home=tmp_path / name, catalog=catalog, customer_buckets=4, threads=1)

    return settings


KINDS = ("sqlite", "postgres")


@pytest.mark.parametrize(("before", "after"), list(itertools.product(KINDS, KINDS)))
def test_a_lake_comes_back_whatever_its_catalogue_was_and_will_be(
    at: Kinds, tmp_path: Path, before: str, after: str
) -> None:
    one, other = at("one", before), at("other", after)
    with Lake(one, create=True) as lake:
        migrate(lake)
        _filled(lake, 1)
        _odd_values(lake)
        made = _back_up(one, tmp_path / "backups")
        restore_backup(other, tmp_path / "backups")
        assert _facts(other) == _facts(one)
        counts = {name: len(rows) for name, rows in _present(lake).items()}
        assert {name: made.manifest.tables[name] for name in counts} == counts
        shutil.rmtree(tmp_path / "backups")
        with Lake(other, create=True) as restored:
            assert migrate(restored) is False
            for each in (lake, restored):
                _filled(each, 2, 6)
                _odd = "INSERT INTO odd.t (l, m, w) VALUES ('ü' || chr(0), '\\xFF'::BLOB, '{}')"
                _change(each, _odd, "UPDATE odd.t SET d = 7 WHERE a IS NULL")
            assert _present(restored) == _present(lake)
            for each in (lake, restored):
                _tidy(each, ("odd", "t"))
            assert _present(restored) == _present(lake)
            assert _inlined(restored) == 0
        assert _facts(other)[2] == _facts(one)[2]


def _inlined(lake: Lake) -> int:
    """Rows of the tables that these tests write to that are in the catalogue."""
    sql = f"""
    SELECT i.table_name FROM {METADATA}.ducklake_inlined_data_tables AS i JOIN {METADATA}.ducklake_table AS t
    USING (table_id) WHERE t.table_name IN ('segments', 'transactions', 't')
    """
    with lake.cursor() as con:
        names = con.execute(sql).fetchall()
        return sum(con.execute(f"SELECT COUNT(*) FROM {METADATA}.{name}").fetchall()[0][0] for (name,) in names)


@pytest.mark.parametrize("seed", range(2))
def test_each_backup_of_a_folder_brings_back_its_moment(at: Kinds, tmp_path: Path, seed: int) -> None:
    settings, moments = at("one", "sqlite"), {}
    with Lake(settings, create=True) as lake:
        migrate(lake)
        for number in range(3):
            _filled(lake, seed * 10 + number, 4)
            moments[_back_up(settings, tmp_path / "backups").path] = (lake.version(), _present(lake))
    for path, (version, rows) in moments.items():
        assert restore_backup(settings, path, force=True).manifest.snapshot == version
        with Lake(settings) as lake:
            assert (lake.version(), _present(lake)) == (version, rows)


@pytest.mark.parametrize("kind", KINDS)
def test_writers_go_on_and_the_backup_is_one_moment(at: Kinds, tmp_path: Path, kind: str) -> None:
    settings, end = at("one", kind), tmp_path / "end"
    with Lake(settings, create=True) as lake:
        migrate(lake)
        arguments = [settings.model_dump_json()]
        writers = [_begin(WRITER, *arguments, str(number), str(end)) for number in range(2)]
        made = [_back_up(settings, tmp_path / "backups")]
        while lake.version() == made[0].manifest.snapshot:
            time.sleep(0.05)
        made.append(_back_up(settings, tmp_path / "backups"))
        end.touch()
        outputs = [writer.communicate(timeout=60) for writer in writers]
        assert [writer.returncode for writer in writers] == [0, 0], outputs
        assert made[1].manifest.snapshot > made[0].manifest.snapshot, "the writers wrote meanwhile"
        for number, backup in enumerate(made):
            other = at(f"other{number}", "sqlite")
            restore_backup(other, backup.path)
            with Lake(other) as restored:
                assert restored.version() == backup.manifest.snapshot
                assert _present(restored) == _past(lake, backup.manifest.snapshot)


def _begin(program: str, *arguments: str) -> "subprocess.Popen[str]":
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    words = [sys.executable, "-c", program, *arguments]
    process = subprocess.Popen(words, env=ENVIRONMENT, start_new_session=True, **pipes)
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n", process.communicate()
    return process


def _killed(settings: Settings, folder: Path, what: str, after_s: float) -> None:
    process = _begin(COMMAND, settings.model_dump_json(), str(folder), what)
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)  # with what it has started
    process.communicate()


def test_a_killed_backup_is_none_and_the_next_one_is_whole(at: Kinds, tmp_path: Path) -> None:
    settings, folder = at("one", "sqlite"), tmp_path / "backups"
    with Lake(settings, create=True) as lake:
        migrate(lake)
        for number in range(4):
            _filled(lake, number, 3)
            _killed(settings, folder, "backup", 0.02 * 4**number)
            for path in backups_in(folder):
                restore_backup(settings, path, dry_run=True, force=True)
        made = _back_up(settings, folder, keep=1)
        assert backups_in(folder) == [made.path]
        assert sorted(path.name for path in folder.iterdir()) == [".lock", made.path.name, POOL]
        pooled = {path.relative_to(folder / POOL).as_posix() for path in (folder / POOL).rglob("*.parquet")}
        assert pooled == {file.path for file in made.manifest.files}
        present = _present(lake)
    restore_backup(settings, folder, force=True)
    with Lake(settings) as lake:
        assert _present(lake) == present


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_restore_leaves_the_old_lake_or_the_new_one(at: Kinds, tmp_path: Path, kind: str) -> None:
    settings, folder = at("one", kind), tmp_path / "backups"
    with Lake(settings, create=True) as lake:
        migrate(lake)
        _filled(lake, 1)
        _back_up(settings, folder)
        new = _present(lake)
        _filled(lake, 2, 5)
        old, versions = _present(lake), {lake.version(), read_manifest(_only(folder)).snapshot}
    assert new != old
    for number in range(3):
        for path in itertools.islice(Path(settings.data_uri).rglob("*.parquet"), 0, None, 3):
            if path.relative_to(settings.data_uri).as_posix() in {f.path for f in read_manifest(_only(folder)).files}:
                path.write_bytes(b"damaged")
        _killed(settings, folder, "restore", 0.05 * 4**number)
        with Lake(settings, read_only=True) as lake:
            assert lake.version() in versions
    restore_backup(settings, folder, force=True)
    with Lake(settings) as lake:
        assert _present(lake) == new
        _filled(lake, 3, 3)


def test_a_catalogue_that_was_about_to_be_replaced_can_be_read(lake: Lake) -> None:
    catalogue, expected = lake.settings.home / "catalog.sqlite", _present(lake)
    lake.close()
    steps = [line.strip() for line in CLOSE_JOURNAL.splitlines() if line.strip().startswith("con")]
    assert len(steps) > 3
    for number in range(len(steps) + 1):
        program = "\n".join(["import os, sqlite3, sys", *steps[:number], "os._exit(0)"])  # as if killed
        subprocess.run([sys.executable, "-c", program, str(catalogue)], check=True, timeout=60)
        with Lake(lake.settings, read_only=True) as reader:
            assert _present(reader) == expected


def test_what_a_killed_restore_was_writing_is_not_taken_for_the_next_one(lake: Lake, backed_up: Path) -> None:
    expected = _present(lake)
    lake.close()
    draft = lake.settings.home / "catalog.sqlite.restoring"
    shutil.copy(lake.settings.home / "catalog.sqlite", draft)
    steps = ["PRAGMA journal_mode = WAL", "DROP TABLE ducklake_snapshot"]
    begun = (
        f"con = sqlite3.connect(sys.argv[1], isolation_level=None); [con.execute(step).fetchall() for step in {steps}]"
    )
    subprocess.run(
        [sys.executable, "-c", f"import os, sqlite3, sys; {begun}; os._exit(0)", str(draft)], check=True, timeout=60
    )
    assert draft.with_name(f"{draft.name}-wal").stat().st_size > 0
    restore_backup(lake.settings, backed_up, force=True)
    with Lake(lake.settings) as restored:
        assert _present(restored) == expected


def _only(folder: Path) -> Path:
    (path,) = backups_in(folder)
    return path


@pytest.fixture(scope="module")
def made_once(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with rows in files and in the catalogue, and the only backup of it; tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    settings = Settings(home=folder / "warehouse", customer_buckets=4, threads=1)
    shutil.copytree(empty_lake, settings.home)
    (settings.home / "first_day").write_text("2024-03-01\n")
    with Lake(settings) as lake:
        insert_lines(lake, [Line("c1", f"{n}", "p", DAY) for n in range(60)])
        _change(lake, f"{INTO_SEGMENTS} SELECT 1, i, 'name', 'text' FROM range(3) AS numbers(i)")
    _back_up(settings, folder / "backups", home_files=["first_day", "no_such_file"])
    return folder


@pytest.fixture
def lake(settings: Settings, made_once: Path) -> Iterator[Lake]:
    """The lake of which there is a backup."""
    shutil.copytree(made_once / "warehouse", settings.home)
    with Lake(settings) as opened:
        yield opened


@pytest.fixture
def backed_up(made_once: Path, tmp_path: Path) -> Path:
    """The only backup in its folder."""
    return _only(shutil.copytree(made_once / "backups", tmp_path / "backups"))


def test_only_what_is_new_is_copied_and_what_no_backup_needs_is_removed(
    lake: Lake, backed_up: Path, tmp_path: Path
) -> None:
    again = _back_up(lake.settings, backed_up.parent)
    assert (again.copied_files, again.copied_bytes, again.dropped) == (0, 0, ())
    insert_lines(lake, [Line("c1", f"{n}", "p", DAY) for n in range(60)])
    more = _back_up(lake.settings, backed_up.parent)
    assert more.copied_files > 0
    maintain(lake, now=_now() + timedelta(days=80), keep_days=30, protected=())
    last = _back_up(lake.settings, backed_up.parent, keep=1)
    assert last.dropped == (backed_up, again.path, more.path)
    assert last.removed_files > 0
    assert restore_backup(lake.settings, last.path, force=True, dry_run=True).manifest == last.manifest


def test_small_files_come_back_too(lake: Lake, backed_up: Path, tmp_path: Path) -> None:
    other = lake.settings.model_copy(update={"home": tmp_path / "other", "data_path": str(tmp_path / "elsewhere")})
    restore_backup(other, backed_up)
    assert (tmp_path / "other" / "first_day").read_text() == "2024-03-01\n"
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == [
        "catalog.lock",
        "catalog.sqlite",
        "first_day",
    ]
    with Lake(other) as restored:
        assert _present(restored) == _present(lake)
        assert restored.version() == lake.version()
    with closing(sqlite3.connect(tmp_path / "other" / "catalog.sqlite")) as con:
        assert con.execute("SELECT value FROM ducklake_metadata WHERE key = 'data_path'").fetchall() == [
            (f"{tmp_path}/elsewhere/",)
        ]


def test_a_lake_with_data_is_replaced_only_by_force(lake: Lake, backed_up: Path) -> None:
    before = _present(lake)
    insert_lines(lake, [Line("c9", "new", "p", DAY)])
    after = _present(lake)
    with pytest.raises(SegmentationError, match="lake with data already.*--force"):
        restore_backup(lake.settings, backed_up)
    assert _present(lake) == after
    lake.close()
    restore_backup(lake.settings, backed_up, force=True)
    with Lake(lake.settings) as restored:
        assert _present(restored) == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_lake_is_replaced_without_force(at: Kinds, backed_up: Path, kind: str) -> None:
    settings = at("other", kind)
    with Lake(settings, create=True) as lake:
        migrate(lake)
    restore_backup(settings, backed_up)
    with Lake(settings) as lake:
        assert lake.version() == read_manifest(backed_up).snapshot


def test_a_damaged_lake_is_replaced_by_force(lake: Lake, backed_up: Path) -> None:
    before = _present(lake)
    lake.close()
    (lake.settings.home / "catalog.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(SegmentationError, match="(?s)There may be a lake already.*--force"):
        restore_backup(lake.settings, backed_up)
    restore_backup(lake.settings, backed_up, force=True)
    with Lake(lake.settings) as restored:
        assert _present(restored) == before


def test_a_lake_at_work_is_not_replaced(lake: Lake, backed_up: Path) -> None:
    def refused() -> None:
        with pytest.raises(SegmentationError, match="Somebody has the lake at .* open"):
            restore_backup(lake.settings, backed_up, force=True)

    with lake.cursor() as con:
        lake.transaction(con, Commit("slow"), lambda _: refused())
        con.begin()
        before = con.execute("FROM registry.segments").fetchall()
        refused()
        assert con.execute("FROM registry.segments").fetchall() == before
        con.rollback()


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "instead of": _truncate,
    "another checksum": _flip,
}


@pytest.mark.parametrize("message", DAMAGES)
@pytest.mark.parametrize("part", ["data", "catalogue", "home"])
def test_damage_is_found_before_anything_is_touched(lake: Lake, backed_up: Path, part: str, message: str) -> None:
    present = _present(lake)
    paths = {
        "data": next((backed_up.parent / POOL).rglob("*.parquet")),
        "catalogue": backed_up / "catalog.sqlite",
        "home": backed_up / "home" / "first_day",
    }
    DAMAGES[message](paths[part])
    with pytest.raises(SegmentationError, match=rf"(?s)damaged, and nothing was restored:.*{paths[part]}.*{message}"):
        restore_backup(lake.settings, backed_up, force=True)
    assert _present(lake) == present


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged, or no manifest"),
        ("[]", "damaged, or no manifest"),
        ('{"format": 1}', "damaged, or no manifest"),
        ('{"format": 2}', "newer release"),
    ],
)
def test_a_manifest_that_is_none_is_refused(lake: Lake, backed_up: Path, content: str, message: str) -> None:
    (backed_up / MANIFEST).write_text(content)
    with pytest.raises(SegmentationError, match=message):
        restore_backup(lake.settings, backed_up, force=True)
    with pytest.raises(SegmentationError, match=message):
        _back_up(lake.settings, backed_up.parent)


def test_a_manifest_names_nothing_outside_of_the_backup(lake: Lake, backed_up: Path) -> None:
    manifest = json.loads((backed_up / MANIFEST).read_text())
    manifest["files"][0]["path"] = "../../elsewhere.parquet"
    (backed_up / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(SegmentationError, match="names a file outside"):
        restore_backup(lake.settings, backed_up, force=True)


def test_what_is_no_backup_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SegmentationError, match="is no folder"):
        restore_backup(settings, tmp_path / "nowhere")
    with pytest.raises(SegmentationError, match="holds no whole backup"):
        restore_backup(settings, tmp_path)


def test_no_lake_no_backup(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SegmentationError, match="There is no lake at"):
        _back_up(settings, tmp_path / "backups")
    assert not (tmp_path / "backups").exists()


def test_a_place_that_makes_no_sense_is_refused(lake: Lake, tmp_path: Path) -> None:
    for inside in (Path(lake.settings.data_uri), Path(lake.settings.data_uri) / "backups"):
        with pytest.raises(SegmentationError, match="in the lake's own data folder"):
            _back_up(lake.settings, inside)
    (tmp_path / "file").touch()
    with pytest.raises(SegmentationError, match="is a file"):
        _back_up(lake.settings, tmp_path / "file")
    bucket = lake.settings.model_copy(update={"data_path": "s3://bucket/lake"})
    with pytest.raises(SegmentationError, match="only data in a folder"):
        _back_up(bucket, tmp_path / "backups")


def test_each_lake_has_a_folder_of_its_own(at: Kinds, backed_up: Path) -> None:
    other = at("other", "sqlite")
    with Lake(other, create=True) as lake:
        migrate(lake)
    with pytest.raises(SegmentationError, match="another lake"):
        _back_up(other, backed_up.parent)
    assert backups_in(backed_up.parent) == [backed_up]


def test_one_backup_at_a_time(lake: Lake, backed_up: Path) -> None:
    def within(_done: int, _total: int) -> None:
        with pytest.raises(SegmentationError, match="Another backup to .* is running"):
            _back_up(lake.settings, backed_up.parent)

    _back_up(lake.settings, backed_up.parent, progress=within)


def test_a_file_that_the_lake_lacks_is_named(lake: Lake, tmp_path: Path) -> None:
    path = next(Path(lake.settings.data_uri).rglob("*.parquet"))
    _truncate(path)
    with pytest.raises(SegmentationError, match=re.escape(f"{path} is damaged")):
        _back_up(lake.settings, tmp_path / "backups")
    path.unlink()
    with pytest.raises(SegmentationError, match=re.escape(f"needs {path}, which isn't there")):
        _back_up(lake.settings, tmp_path / "backups")
    assert backups_in(tmp_path / "backups") == []


def test_a_full_disk_is_said_and_harms_nothing(lake: Lake, backed_up: Path, tmp_path: Path) -> None:
    _change(lake, f"{INTO_SEGMENTS} SELECT 9, i, CAST(hash(i) AS VARCHAR), 'text' FROM range(100000) AS numbers(i)")
    _back_up(lake.settings, tmp_path / "elsewhere")
    lake.close()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    for what in ("backup", "restore"):
        if what == "restore":
            for path in Path(lake.settings.data_uri).rglob("*.parquet"):
                path.unlink()
        process = _begin(limit + COMMAND, lake.settings.model_dump_json(), str(backed_up.parent), what)
        _, told = process.communicate()
        assert process.returncode == 1
        assert "SegmentationError: The" in told.splitlines()[-1], told
        assert "could not be" in told
    assert backups_in(backed_up.parent) == [backed_up]
    restore_backup(lake.settings, backed_up, force=True)
    with Lake(lake.settings) as restored:
        assert restored.version() == read_manifest(backed_up).snapshot


def test_files_that_other_engines_wrote_are_backed_up(lake: Lake, tmp_path: Path) -> None:
    folder = f"{lake.settings.data_uri}registry/segments/spark-1"
    Path(folder).mkdir(parents=True)
    with lake.cursor() as con:
        con.execute(
            f"COPY (SELECT 1 AS version, 2 AS segment_id, 'name' AS segment_name, 'text' AS description, "
            f"'' AS colour, '' AS event, '' AS relatives) TO '{folder}/part.parquet'"
        )
    _change(lake, f"CALL ducklake_add_data_files('lake', 'segments', ['{folder}/part.parquet'], schema => 'registry')")
    made = _back_up(lake.settings, tmp_path / "backups")
    assert "registry/segments/spark-1/part.parquet" in [file.path for file in made.manifest.files]
    outside = tmp_path / "outside.parquet"
    shutil.copy(f"{folder}/part.parquet", outside)
    _change(lake, f"CALL ducklake_add_data_files('lake', 'segments', ['{outside}'], schema => 'registry')")
    with pytest.raises(SegmentationError, match=re.escape(str(outside))):
        _back_up(lake.settings, tmp_path / "backups")


def test_what_is_waiting_to_be_deleted_is_not_the_restored_lakes_to_delete(lake: Lake, tmp_path: Path) -> None:
    _change(lake, "DELETE FROM raw.transactions")
    _change(lake, f"CALL ducklake_expire_snapshots('lake', versions => {list(range(lake.version()))})")
    waiting = f"SELECT COUNT(*) FROM {METADATA}.ducklake_files_scheduled_for_deletion"
    with lake.cursor() as con:
        assert con.execute(waiting).fetchall()[0][0] > 0
    made = _back_up(lake.settings, tmp_path / "backups")
    with closing(sqlite3.connect(made.path / "catalog.sqlite")) as con:
        assert con.execute("SELECT COUNT(*) FROM ducklake_files_scheduled_for_deletion").fetchall() == [(0,)]
