"""What reaches a terminal: data as it is, never as a command, an emoji, markup or megabytes."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import segmentation
from segmentation.cli.output import table_of
from segmentation.errors import SegmentationError, SeveralProblemsError
from segmentation.quoting import bounded, shown, visible
from segmentation.settings import Settings
from segmentation.terminal import make_console
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.statements import change

ROOT = Path(segmentation.__file__).parents[1]
SHIPPED = ("segmentation", "segmentation_assets", "serving")
HOSTILE = (
    "\x1b]0;title\x07",
    "\x1b[2J",
    "a\rb",
    "\x9b31m",
    "\u202eabc",
    "a\x00b",
    "\x08\x7f",
    ":x: :smile:",
    "[red]b[/]",
    "[/]",
)


def printed(*things: object) -> str:
    """What a console shows."""
    console = make_console(width=300)
    with console.capture() as captured:
        for thing in things:
            console.print(thing)
    return captured.get()


@pytest.mark.parametrize("value", HOSTILE)
def test_data_in_a_table_is_shown_as_it_is(value: str) -> None:
    shown_table = printed(table_of(pl.DataFrame({value: [value]})))
    assert shown_table.count(visible(value)) == 2
    assert not set("\x1b\r\x9b\u202e\x00\x08\x7f\x07") & set(shown_table)


@pytest.mark.parametrize("value", HOSTILE)
def test_data_in_an_error_is_shown_as_it_is(value: str) -> None:
    assert str(SegmentationError(f"wrong: {value}")) == f"wrong: {visible(value)}"
    assert visible(value).isprintable()


def test_messages_are_bounded_and_keep_what_to_do() -> None:
    message = str(SegmentationError(f"The value {'x' * 6_000_000} is wrong. Correct it."))
    assert len(message) < 4200
    assert message.startswith("The value xxx")
    assert "characters left out" in message
    assert message.endswith("is wrong. Correct it.")
    assert bounded("short") == "short"
    assert len(shown("\x1b" * 1_000_000)) < 1000
    assert shown("it's \x1b[2J") == '"it\'s \\\\x1b[2J"'.replace("\\\\", "\\")


def test_a_cell_of_a_table_is_bounded() -> None:
    assert len(printed(table_of(pl.DataFrame({"a": ["y" * 1_000_000]})))) < 20_000


def test_nobody_else_makes_a_console() -> None:
    made = []
    for path in (path for package in SHIPPED for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom | ast.Import) else []
            module = getattr(node, "module", "") or ""
            if "rich.console" in names or (
                module.startswith("rich") and {"Console", "get_console", "print"} & set(names)
            ):
                made.append(str(path.relative_to(ROOT)))
    assert made == ["segmentation/terminal.py"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with names beyond ASCII."""
    home = tmp_path_factory.mktemp("lake")
    with Lake(Settings(home=home, customer_buckets=2, threads=1), create=True) as lake:
        migrate(lake)
        change(lake, "CREATE TABLE main.names AS SELECT 'Größe 日本 ' || i AS größe FROM range(20000) AS t(i)")
    return home


def run(home: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """A command, run in a process of its own."""
    environment = {**os.environ, "SEGMENTATION_HOME": str(home), **variables}
    command = [sys.executable, "-m", "segmentation.cli", *words]
    return subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False, cwd=home)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["sql", "FROM names ORDER BY 1 LIMIT 1"], 0, b"Gr\\xf6\\xdfe \\u65e5\\u672c 0"),
        (["sql", "SELECT größer FROM names"], 1, b"gr\\xf6\\xdfer"),
        (["sql", "FROM names ORDER BY 1 LIMIT 1", "--format", "csv"], 0, "größe\nGröße 日本 0".encode()),
        (["sql", "--help"], 0, b"read-only"),
        (["doctor"], 1, b"lake"),
    ],
    ids=["table", "error", "csv", "help", "doctor"],
)
def test_a_terminal_that_only_knows_ascii_gets_escapes(home: Path, words: list[str], code: int, says: bytes) -> None:
    done = run(home, *words, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert b"Traceback" not in done.stderr
    assert done.returncode == code, done.stderr
    assert says in done.stdout + done.stderr


@pytest.mark.parametrize("output_format", ["table", "csv", "json"])
def test_a_reader_that_goes_away_is_no_error(home: Path, output_format: str) -> None:
    command = f"{sys.executable} -m segmentation.cli sql 'FROM names' --format {output_format} | head -c 100"
    environment = {**os.environ, "SEGMENTATION_HOME": str(home)}
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=environment, timeout=120, check=True, cwd=home
    )
    assert done.stdout
    assert done.stderr == b""


def test_of_several_problems_each_is_bounded_and_all_are_named() -> None:
    told = str(SeveralProblemsError([f"source {n}: \x1b[31m{'x' * 100_000}" for n in range(150)]))
    assert all(f"source {n}: \\x1b[31m" in told for n in range(100))
    assert told.endswith("And 50 more.")
    assert max(map(len, told.splitlines())) < 1_100
