"""Help as a newcomer meets it: panels, examples that fit a terminal, and what a wrong call is told."""

import re
import shlex
import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage

import pytest
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.testing import CliRunner

from scripts.generate_docs import command_tree, walk
from segmentation.cli import app as cli
from segmentation.cli.lazy_group import EXAMPLE, LazyCommand, example_of
from segmentation_assets_tests.testing.command_line import parse

TREE = command_tree()
BELOW = [(path, command) for path, command in walk(TREE) if path != "segmentation"]
WIDTH = 78
"""Of a terminal of 80 columns, inside the margins of the help."""
HELP_CPU_S = 0.2
MANY_OPTIONS = 6


def help_of(*words: str) -> str:
    """What a pipe is given."""
    result = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert result.exit_code == 0
    return result.output


def panels_in(text: str) -> dict[str, list[str]]:
    """The names that each panel lists, by title."""
    found: dict[str, list[str]] = {}
    for text_line in text.splitlines():
        if title := re.match(r"╭─ (.*?) ─+╮", text_line):
            found[title[1]] = []
        elif name := re.match(r"│ (\S+) ", text_line):
            found[list(found)[-1]].append(name[1])
    return found


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.name)
def test_each_command_is_in_a_panel(command: LazyCommand) -> None:
    assert command.panel in list(cli.Panel)
    assert command.load().rich_help_panel == command.panel


def test_the_help_lists_the_commands_in_three_panels() -> None:
    panels = panels_in(help_of())
    assert list(panels) == ["Options", *cli.Panel]
    for panel in cli.Panel:
        assert panels[panel] == [command.name for command in cli.COMMANDS if command.panel == panel]


def test_commands_stand_in_the_table_panel_by_panel() -> None:
    panels = [command.panel for command in cli.COMMANDS]
    assert panels == sorted(panels, key=lambda panel: [str(each) for each in cli.Panel].index(panel))


def test_help_takes_little_time() -> None:
    def cpu_s() -> float:
        usage = getrusage(RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    taken = []
    for _ in range(5):  # the least of them: others work on this machine, too
        before = cpu_s()
        subprocess.run([sys.executable, "-m", "segmentation.cli", "--help"], capture_output=True, check=True)
        taken.append(cpu_s() - before)
    assert min(taken) <= HELP_CPU_S


@pytest.mark.parametrize(("path", "command"), BELOW, ids=[path for path, _ in BELOW])
def test_each_command_shows_an_example_that_can_be_called(path: str, command: TyperCommand | TyperGroup) -> None:
    example = example_of(command.help or "")
    assert example is not None
    assert len(EXAMPLE + example) <= WIDTH, "it would be broken in two"
    assert " ".join(parse(TREE, shlex.split(example.partition(" > ")[0])[1:])).startswith(path)
    assert EXAMPLE + example in help_of(*path.split()[1:])


@pytest.mark.parametrize(("path", "command"), BELOW, ids=[path for path, _ in BELOW])
def test_many_options_come_in_panels(path: str, command: TyperCommand | TyperGroup) -> None:
    options = [param for param in command.params if isinstance(param, TyperOption)]
    assert len([option for option in options if option.rich_help_panel is None]) <= MANY_OPTIONS
    assert all(option.help for option in options)


def test_lines_are_broken_where_the_terminal_ends_and_nowhere_else() -> None:
    lines = [text_line.strip() for text_line in help_of("stream").splitlines()]
    begin = lines.index(next(text_line for text_line in lines if text_line.startswith("Offsets")))
    paragraph = lines[begin : lines.index("", begin)]
    assert len(paragraph) == 3
    assert all(len(text_line) > WIDTH - 12 for text_line in paragraph[:-1])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("restore", "segmentation restore /mnt/backups/lake"),
        ("keys create till", "segmentation keys create checkout --scope score --scope read"),
        ("explain", "segmentation explain --segment 1"),
        ("demo --customers none", "segmentation demo --customers 5000 --no-serve"),
    ],
)
def test_who_gives_a_wrong_value_or_none_is_shown_the_example(words: str, told: str) -> None:
    result = CliRunner().invoke(cli.app, words.split(), env={"COLUMNS": "160"})
    assert result.exit_code == 2
    assert EXAMPLE + told in result.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("modles", "Did you mean 'models'?"),
        ("models shw", "Did you mean 'show'?"),
        ("sql --fromat csv", "Possible options: --format"),
    ],
)
def test_a_slip_of_the_pen_is_told_the_nearest_word(words: str, told: str) -> None:
    result = CliRunner().invoke(cli.app, words.split())
    assert result.exit_code == 2
    assert told in result.output


def test_a_help_without_an_example_shows_none() -> None:
    assert example_of("Fly.\n\nHigh.") is None
    assert example_of("Fly.\n\nFor example: segmentation fly") == "segmentation fly"
