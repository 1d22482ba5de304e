"""Catalogue and data folder belong together, or nothing is written and nothing deleted."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from segmentation.cli.app import app
from segmentation.clock import utc_now
from segmentation.diagnosis import diagnose
from segmentation.errors import ForeignDataError, NoLakeError, SegmentationError
from segmentation.settings import Settings, as_environment
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.backup import make_backup, restore_backup
from segmentation.warehouse.identity import MARKER
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.object_store import ObjectStore, running_object_store
from segmentation_assets_tests.testing.postgres import Postgres

pytestmark = pytest.mark.takes(20)

DAY = datetime(2024, 3, 1)
OLD = datetime.now(UTC) - timedelta(days=100)
KINDS = ["folder", "bucket"]
MadeLake = Callable[[str], Settings]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """An S3 service for the buckets of this file."""
    with running_object_store() as running:
        yield running


@pytest.fixture
def made(server: Postgres, tmp_path: Path, request: pytest.FixtureRequest) -> MadeLake:
    """Makes a lake with files: an SQLite catalogue and a folder, or PostgreSQL and a bucket."""

    def make(kind: str) -> Settings:
        settings = Settings(home=tmp_path / "warehouse", customer_buckets=2, threads=1)
        if kind == "bucket":
            place = request.getfixturevalue("store").settings_for(tmp_path.name)
            catalog = f"postgres:{server.new_database()}"
            settings = Settings(home=tmp_path / "warehouse", catalog=catalog, customer_buckets=2, threads=1, **place)
        with Lake(settings, create=True, inline_rows=0) as lake:
            migrate(lake)
            insert_lines(lake, [Line(f"c{n}", f"o{n}", "p", DAY) for n in range(40)])
        return settings

    return make


def _elsewhere(settings: Settings, server: Postgres, tmp_path: Path) -> Settings:
    """The same data folder, and a catalogue where none is: what a slip of the finger makes."""
    is_local = settings.catalog_uri.startswith("sqlite:")
    catalog = f"sqlite:{tmp_path}/typo.sqlite" if is_local else f"postgres:{server.new_database()}"
    return settings.model_copy(update={"catalog": catalog, "data_path": settings.data_uri})


def _lines(settings: Settings) -> int:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return int(con.execute("SELECT COUNT(*) FROM raw.transactions").fetchall()[0][0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistyped_catalogue_makes_no_lake_and_deletes_nothing(
    made: MadeLake, server: Postgres, tmp_path: Path, kind: str
) -> None:
    settings = made(kind)
    typo = _elsewhere(settings, server, tmp_path)
    with pytest.raises(NoLakeError, match="segmentation init"):
        Lake(typo)
    with pytest.raises(ForeignDataError, match="no new one is made"):
        Lake(typo, create=True)
    assert not (tmp_path / "typo.sqlite").exists() or not (tmp_path / "typo.sqlite").stat().st_size
    assert _lines(settings) == 40


@pytest.mark.parametrize("kind", KINDS)
def test_two_lakes_in_one_place_are_refused(made: MadeLake, server: Postgres, tmp_path: Path, kind: str) -> None:
    settings = made(kind)
    other = _elsewhere(settings, server, tmp_path)
    with Lake(other.model_copy(update={"data_path": str(tmp_path / "own")}), create=True) as lake:
        migrate(lake)
    with pytest.raises(ForeignDataError, match="two lakes can't share"):
        Lake(other)
    assert _lines(settings) == 40


def test_an_emptied_catalogue_keeps_all_files(made: MadeLake) -> None:
    settings = made("folder")
    files = _files(settings)
    (settings.home / "catalog.sqlite").write_bytes(b"")
    result = CliRunner().invoke(app, ["maintain"], env=as_environment(settings))
    assert isinstance(result.exception, NoLakeError)
    with pytest.raises(ForeignDataError, match="segmentation restore"):
        Lake(settings, create=True)
    assert _files(settings) == files


@pytest.mark.parametrize("kind", KINDS)
def test_a_lake_of_an_earlier_release_is_marked_when_it_is_written_to(made: MadeLake, kind: str) -> None:
    settings = made(kind)
    _forget_identity(settings)
    with Lake(settings) as lake, lake.cursor() as con:
        marked = con.execute(
            "SELECT content FROM read_text($path)", {"path": f"{settings.data_uri}{MARKER}"}
        ).fetchall()
        unread = f"SELECT COUNT(*) FROM {METADATA}.segmentation_files WHERE sha256 IS NULL"
        assert con.execute(unread).fetchall()[0][0] > 0
        assert "lake_id" in marked[0][0]
        maintain(lake, now=utc_now(), keep_days=30, protected=())
        assert con.execute(unread).fetchall()[0][0] == 0


def _forget_identity(settings: Settings) -> None:
    with Lake(settings) as lake, lake.cursor() as con:
        con.execute(f"DROP TABLE {METADATA}.segmentation_files")
        # An object store has no way to delete one object from here; a marker that says nothing stands for none there.
        if "://" not in settings.data_uri:
            Path(settings.data_uri, MARKER).unlink()


@pytest.mark.parametrize("data", ["empty", "of another lake without a marker"])
def test_a_data_folder_that_is_not_the_catalogues_is_refused(made: MadeLake, tmp_path: Path, data: str) -> None:
    settings = made("folder")
    wrong = tmp_path / "wrong"
    if data == "empty":
        wrong.mkdir()
    else:
        with Lake(Settings(home=tmp_path / "other", data_path=str(wrong)), create=True, inline_rows=0) as lake:
            migrate(lake)
        (wrong / MARKER).unlink()
    before = sorted(wrong.rglob("*"))
    with pytest.raises(ForeignDataError, match="none of which the catalogue names"):
        Lake(settings.model_copy(update={"data_path": str(wrong)}))
    assert sorted(wrong.rglob("*")) == before


def test_a_damaged_marker_is_no_leave_to_write(made: MadeLake) -> None:
    settings = made("folder")
    Path(settings.data_uri, MARKER).write_text("{")
    with pytest.raises(ForeignDataError, match="damaged"):
        Lake(settings)


def test_many_orphans_wait_for_a_person(made: MadeLake, tmp_path: Path) -> None:
    """An old copy of the catalogue has the right id, and knows nothing of the files since."""
    settings = made("folder")
    shutil.copy(settings.home / "catalog.sqlite", tmp_path / "old.sqlite")
    with Lake(settings, inline_rows=0) as lake:
        insert_lines(lake, [Line(f"n{n}", f"n{n}", "p", DAY) for n in range(400)])
    for path in _files(settings):
        os.utime(path, (OLD.timestamp(), OLD.timestamp()))
    files = _files(settings)
    shutil.copy(tmp_path / "old.sqlite", settings.home / "catalog.sqlite")
    (settings.home / "catalog.sqlite-wal").unlink(missing_ok=True)
    environment = as_environment(settings)
    for arguments in (["maintain", "--dry-run"], ["maintain"]):
        result = CliRunner().invoke(app, arguments, env=environment)
        assert "--force" in " ".join(result.output.split())
    assert _files(settings) == files
    CliRunner().invoke(app, ["maintain", "--force"], env=environment)
    assert len(_files(settings)) < len(files)
    assert _lines(settings) == 40


def test_a_restored_lake_keeps_its_id_and_is_refused_the_folder_of_another(made: MadeLake, tmp_path: Path) -> None:
    settings = made("folder")
    make_backup(settings, tmp_path / "backups", now=utc_now())
    other = Settings(home=tmp_path / "other", customer_buckets=2)
    with Lake(other, create=True, inline_rows=0) as lake:
        migrate(lake)
        insert_lines(lake, [Line("c", "o", "p", DAY)])
    (other.home / "catalog.sqlite").unlink()
    with pytest.raises(SegmentationError, match="holds the files of another lake"):
        restore_backup(other, tmp_path / "backups")
    restore_backup(other, tmp_path / "backups", force=True)
    with Lake(other) as lake:
        assert _lines(lake.settings) == 40


def test_init_makes_one_lake_for_its_user_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "warehouse")
    first, second = (CliRunner().invoke(app, ["init"], env=as_environment(settings)) for _ in range(2))
    assert first.output.startswith("Made the lake")
    assert second.output.startswith("There is already the lake")
    assert first.output.split()[3] == second.output.split()[5]
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (settings.home, Path(settings.data_uri))]
    assert modes == [0o700, 0o700]
    assert stat.S_IMODE((settings.home / "catalog.sqlite").stat().st_mode) == 0o600


def test_doctor_counts_the_files_and_not_the_catalogue_alone(made: MadeLake) -> None:
    settings = made("folder")
    assert _found(settings, "files").endswith("all there")
    next(iter(_files(settings))).unlink()
    assert "(missing)" in _found(settings, "files")


def _found(settings: Settings, subject: str) -> str:
    return next(finding.detail for finding in diagnose(settings, utc_now()) if finding.subject == subject)


def _files(settings: Settings) -> list[Path]:
    return sorted(Path(settings.data_uri).rglob("*.parquet"))


def test_a_killed_creation_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "warehouse")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("segmentation.warehouse.identity.write_marker", killed)
        with pytest.raises(KeyboardInterrupt):
            Lake(settings, create=True)
    with Lake(settings) as lake:
        migrate(lake)
        with lake.cursor() as con:
            lake.transaction(con, Commit("a"), lambda c: c.execute("CREATE TABLE a AS SELECT 1 AS one"))
    assert Path(settings.data_uri, MARKER).exists()
