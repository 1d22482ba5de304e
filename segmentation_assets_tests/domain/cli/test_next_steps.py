"""`segmentation` without a command: what people are shown of their lake."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from segmentation.cli import app as cli
from segmentation.cli.invocation import home_prefix, invocation, program_name
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.cli.test_commands import RUN
from segmentation_assets_tests.testing.forked_commands import run_command


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEGMENTATION_HOME", str(settings.home))
    monkeypatch.chdir(tmp_path)


def shown() -> Result:
    return CliRunner().invoke(cli.app, [])


def test_without_a_lake_the_ways_to_one_are_shown(settings: Settings) -> None:
    result = shown()
    before = invocation(settings)
    assert result.exit_code == 0
    assert result.output == (
        f"There is no lake in {settings.home} yet.\n"
        "\n"
        "Next:\n"
        f"  {before} demo\n"
        "      shows the whole job on a made-up shop, in a minute or so\n"
        f"  {before} ingest orders.csv --dry-run\n"
        "      shows what a file of yours would bring, and writes nothing\n"
        f"  {before} ingest orders.csv\n"
        "      brings it in; --profile says how to read it if its columns have other names\n"
        "\n"
        f"`{before} --help` lists all commands.\n"
    )
    assert not settings.home.exists()


def test_a_lake_is_told_in_its_first_line(lake: Lake, settings: Settings) -> None:
    result = shown()
    assert result.exit_code == 0
    assert result.output.startswith(f"The lake in {settings.home} holds no lines yet.\n")
    assert result.output.count("\n  SEGMENTATION_HOME=") == 3


def test_a_look_imports_no_more_than_it_needs(lake: Lake, settings: Settings) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith(f"The lake in {settings.home} holds")
    heavy = {"dagster", "litestar", "numba", "pandas", "polars", "pyarrow", "scipy", "sklearn"}
    assert not heavy & set(done.stderr.split())


def test_a_lake_that_can_not_be_read_is_a_failure(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "catalog.sqlite").write_bytes(b"no database" * 1000)
    result = shown()
    assert result.exit_code == 1
    assert "can't be read: " in result.output
    assert "segmentation doctor\n" in result.output


def test_a_program_shows_the_same_whatever_the_width(settings: Settings, tmp_path: Path) -> None:
    done = run_command([], {"SEGMENTATION_HOME": str(settings.home), "COLUMNS": "20", "PATH": ""}, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\n\n`{invocation_without_path(settings)} --help` lists all commands.\n" in done.stdout


def invocation_without_path(settings: Settings) -> str:
    return home_prefix(settings) + program_name(Path(sys.prefix), settings.home.parent, "")


def test_the_default_home_needs_no_variable() -> None:
    assert home_prefix(Settings(home=Path("warehouse"))) == ""
    assert shlex.split(home_prefix(Settings(home=Path("my lake")))) == ["SEGMENTATION_HOME=my lake"]


def test_the_program_is_called_as_it_can_be_from_where_one_is(tmp_path: Path) -> None:
    environment = tmp_path / "project" / ".venv"
    environment.mkdir(parents=True)
    assert program_name(environment, environment.parent, "/usr/bin") == ".venv/bin/segmentation"
    assert program_name(environment, environment.parent, f"/usr/bin:{environment}/bin") == "segmentation"
    assert program_name(environment, tmp_path, "/usr/bin") == f"{environment}/bin/segmentation"
    assert program_name(Path("/usr"), tmp_path, "") == "segmentation"
