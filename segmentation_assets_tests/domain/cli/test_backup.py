"""`segmentation backup` and `segmentation restore`, as people and programs call them."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from segmentation.cli.app import app
from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing.lines import Line, insert_lines


def _run(home: Path, *arguments: str) -> Result:
    environment = {"SEGMENTATION_HOME": str(home), "SEGMENTATION_CUSTOMER_BUCKETS": str(BUCKETS)}
    return CliRunner().invoke(app, arguments, env=environment)


@pytest.fixture
def home(lake: Lake, settings: Settings) -> Path:
    """A home with a lake of sixty lines."""
    insert_lines(lake, [Line(f"c{n}", f"{n}", "p", datetime(2024, 3, 1)) for n in range(60)])
    lake.close()
    return settings.home


def test_a_program_learns_what_was_done(home: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "backups", tmp_path / "other"
    made = json.loads(_run(home, "backup", str(folder), "--keep", "1", "--json").stdout)
    assert made["files"] == made["files_copied"] > 0
    assert made["tables"]["raw.transactions"] == 60
    told = json.loads(_run(other, "restore", str(folder), "--dry-run", "--json").stdout)
    assert not (other / "catalog.sqlite").exists()
    done = json.loads(_run(other, "restore", str(folder), "--json").stdout)
    assert {**told, "files_copied": made["files"]} == done
    assert {name: made[name] for name in done} == done


def test_people_read_a_sentence(home: Path, tmp_path: Path) -> None:
    made = _run(home, "backup", str(tmp_path / "backups"))
    assert made.exit_code == 0
    assert "dropped 0 backups" in made.stdout
    restored = _run(tmp_path / "other", "restore", str(tmp_path / "backups"))
    assert restored.exit_code == 0
    assert "restored" in restored.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["restore", "{home}"], "holds no whole backup"),
        (["restore", "{home}/nowhere"], "is no folder"),
        (["backup", "{home}/data/backups"], "in the lake's own data folder"),
        (["backup", "{home}/catalog.sqlite"], "is a file"),
        (["backup", "/proc/backups"], "Can't write to /proc/backups"),
    ],
)
def test_bad_input_is_said(home: Path, arguments: list[str], message: str) -> None:
    result = _run(home, *(argument.format(home=home) for argument in arguments))
    assert isinstance(result.exception, SegmentationError)
    assert message in str(result.exception)


@pytest.mark.parametrize("arguments", [["backup"], ["restore"], ["backup", "x", "--keep", "0"]])
def test_wrong_calls_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    assert _run(tmp_path, *arguments).exit_code == 2
