"""The command line as a whole: its table says what its commands say, and help imports none of them."""

import subprocess
import sys

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from segmentation.cli import app as cli
from segmentation.cli.lazy_group import LazyCommand, LazyGroup

HEAVY = {"dagster", "duckdb", "litestar", "numpy", "polars", "pyarrow", "sklearn"}
RUN = """
import sys
from segmentation.cli.app import main
sys.argv[0] = "segmentation"
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def run(*words: str) -> tuple[str, set[str]]:
    """What a command prints, and the modules that its process holds when it ends."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.split())


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_the_table_says_what_the_command_says(command: LazyCommand) -> None:
    assert command.is_installed()
    assert command.help == (command.load().help or "").split("\n")[0]


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_no_command_is_imported_to_be_listed(option: str) -> None:
    printed, modules = run(option)
    assert printed
    assert not HEAVY & modules
    assert not {command.target.partition(":")[0] for command in cli.COMMANDS} & modules


def test_help_names_all_commands() -> None:
    printed, _ = run("--help")
    assert [command.name for command in cli.COMMANDS if f"│ {command.name} " not in printed] == []


def test_a_command_imports_no_other_one() -> None:
    _, modules = run("keys", "--help")
    assert "segmentation.cli.keys" in modules
    assert "segmentation.cli.sources" not in modules


def test_commands_below_a_command_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SEGMENTATION_COMPLETE", "complete_bash")
    for typed, completed in (("segmentation mod", ["models"]), ("segmentation models re", ["reproduce", "rename"])):
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
        assert run()[0].split() == completed


@pytest.mark.parametrize(
    "command",
    [
        LazyCommand("fly", "segmentation.cli.sql:sql", "Fly.", cli.Panel.LOOK, needs="no_such_package"),
        LazyCommand("fly", "no_such_package.commands:fly", "Fly.", cli.Panel.LOOK),
    ],
    ids=["what it needs", "its own package"],
)
def test_a_command_is_only_there_where_its_packages_are(command: LazyCommand) -> None:
    class Commands(LazyGroup):
        lazy_commands = (cli.COMMANDS[-1], command)

    app = typer.Typer(cls=Commands)
    app.callback()(lambda: None)
    tree = typer.main.get_command(app)
    assert isinstance(tree, TyperGroup)
    assert list(tree.commands) == [cli.COMMANDS[-1].name]
    assert CliRunner().invoke(app, ["fly"]).exit_code == 2
