"""A file that rots is found: each has a checksum, whoever wrote it, and whatever catalogue keeps it."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segmentation.cli.app import app
from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.metrics.cache import MarkerCache
from segmentation.metrics.lake import lake_families
from segmentation.settings import Settings, as_environment
from segmentation.warehouse import Lake
from segmentation.warehouse.backup import make_backup, restore_backup
from segmentation.warehouse.checksums import read_entries, sha256_of
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.schema import migrate
from segmentation.warehouse.verification import verify_due_files, verify_files
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.postgres import Postgres

pytestmark = pytest.mark.takes(15)

DAY = datetime(2024, 3, 1)
FLIPS = 150


@pytest.fixture(params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Lake]:
    """A lake with files, on either catalogue."""
    place = settings if request.param == "sqlite" else request.getfixturevalue("postgres")
    with Lake(place, create=True, inline_rows=0) as lake:
        migrate(lake)
        _fill(lake, "a")
        yield lake


def _fill(lake: Lake, name: str, lines: int = 200) -> None:
    insert_lines(lake, [Line(f"{name}{n}", f"{name}{n}", f"p{n % 7}", DAY + timedelta(hours=n)) for n in range(lines)])


def _flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _transactions(lake: Lake) -> list[Path]:
    return sorted(Path(lake.settings.data_uri, "raw/transactions").rglob("*.parquet"))


def _entries(lake: Lake) -> dict[str, str | None]:
    with lake.cursor() as con:
        return {entry.path: entry.sha256 for entry in read_entries(con, METADATA)}


def test_every_file_has_its_checksum_once_the_writer_is_through(filled: Lake) -> None:
    for number in range(3):
        _fill(filled, f"b{number}", lines=20)
    filled.close()
    data = Path(filled.settings.data_uri)
    with Lake(filled.settings, read_only=True) as lake:
        there = {path.relative_to(data).as_posix(): sha256_of(path) for path in data.rglob("*.parquet")}
        assert _entries(lake) == there
        assert len(there) > 3


def test_what_a_killed_writer_left_out_the_next_one_enters(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Lake, "_note_commit", lambda _: None)
        _fill(filled, "b")
    before = len(_entries(filled))
    filled.enter_new_files()
    assert len(_entries(filled)) == len(list(Path(filled.settings.data_uri).rglob("*.parquet"))) > before


def test_any_single_bit_that_flips_is_found(filled: Lake) -> None:
    """DuckDB answers nearly half of these flips with other results, and no error."""
    seeded, path = random.Random(16), _transactions(filled)[0]
    whole = path.read_bytes()
    filled.enter_new_files()
    for bit in seeded.sample(range(len(whole) * 8), FLIPS):
        _flip(path, bit)
        ((entry, damage),) = verify_files(filled).damaged
        assert (Path(filled.settings.data_uri, entry.path), damage) == (path, "another checksum")
        path.write_bytes(whole)
    assert verify_files(filled).damaged == ()


def test_maintenance_tells_counts_and_leaves_a_damaged_file_until_it_is_whole(filled: Lake) -> None:
    path = _transactions(filled)[0]
    filled.enter_new_files()
    whole = path.read_bytes()
    _flip(path, len(whole) * 4)
    later = utc_now() + timedelta(days=31)
    for _ in range(6):
        _fill(filled, "c", lines=3)
    done = maintain(filled, now=later, keep_days=100, protected=())
    assert done.verification is not None
    assert [damage for _, damage in done.verification.damaged] == ["another checksum"]
    assert path.exists(), "what is damaged is not merged into another file"
    assert _damaged_in_metrics(filled) == 1
    path.write_bytes(whole)
    assert verify_due_files(filled, now=later, every_days=30).damaged == ()
    assert _damaged_in_metrics(filled) == 0
    maintain(filled, now=later, keep_days=100, protected=())
    assert verify_files(filled).damaged == ()


def _damaged_in_metrics(lake: Lake) -> float:
    with lake.cursor() as con:
        families = lake_families(con, MarkerCache(), lake.settings, utc_now())
    return next(family.samples[()] for family in families if family.name == "segmentation_damaged_files")


def test_files_are_read_in_rotation(filled: Lake) -> None:
    filled.enter_new_files()
    young = verify_due_files(filled, now=utc_now() + timedelta(days=29), every_days=30)
    due = verify_due_files(filled, now=utc_now() + timedelta(days=31), every_days=30)
    again = verify_due_files(filled, now=utc_now() + timedelta(days=32), every_days=30)
    assert (young.files, due.files, again.files) == (0, len(_entries(filled)), 0)


@pytest.mark.parametrize("wrong", ["missing", "shorter"])
def test_a_missing_or_cut_file_is_damaged(filled: Lake, wrong: str) -> None:
    path = _transactions(filled)[0]
    filled.enter_new_files()
    if wrong == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    ((_, damage),) = verify_files(filled).damaged
    assert "missing" in damage or "bytes instead of" in damage


def test_doctor_verifies_and_names_the_file(filled: Lake) -> None:
    filled.close()
    environment = as_environment(filled.settings)
    assert "are what they were" in CliRunner().invoke(app, ["doctor", "--verify"], env=environment).output
    path = _transactions(filled)[0]
    _flip(path, 1000)
    result = CliRunner().invoke(app, ["doctor", "--verify", "--json"], env=environment)
    assert result.exit_code == 1
    assert path.name in result.output
    assert "another checksum" in result.output


def test_no_backup_is_made_of_a_damaged_file(filled: Lake, tmp_path: Path) -> None:
    filled.close()
    path = _transactions(filled)[0]
    _flip(path, 1000)
    with pytest.raises(SegmentationError, match=path.name):
        make_backup(filled.settings, tmp_path / "backups", now=utc_now())
    _flip(path, 1000)
    made = make_backup(filled.settings, tmp_path / "backups", now=utc_now())
    data = Path(filled.settings.data_uri)
    assert {file.path: file.sha256 for file in made.manifest.files} == {
        file.path: sha256_of(data / file.path) for file in made.manifest.files
    }


@pytest.mark.parametrize("target", ["sqlite", "postgres"])
def test_checksums_come_back_from_a_backup(
    filled: Lake, tmp_path: Path, request: pytest.FixtureRequest, target: str
) -> None:
    filled.close()
    make_backup(filled.settings, tmp_path / "backups", now=utc_now())
    catalog = "" if target == "sqlite" else request.getfixturevalue("other_postgres")
    restored = Settings(home=tmp_path / "restored", catalog=catalog, threads=1)
    restore_backup(restored, tmp_path / "backups")
    with Lake(restored) as lake, Lake(filled.settings, read_only=True) as before:
        assert _entries(lake) == _entries(before) != {}
        assert verify_files(lake).damaged == ()
        _fill(lake, "later", lines=20)
        lake.enter_new_files()
        assert None not in _entries(lake).values()


@pytest.fixture
def other_postgres(server: Postgres) -> str:
    """An empty database of PostgreSQL."""
    return f"postgres:{server.new_database()}"
