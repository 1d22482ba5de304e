"""What the documentation says is so: commands, options, links, settings, targets and queries exist and work."""

import os
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from typer.core import TyperGroup

from scripts import generate_docs
from segmentation.modeling.fitting.metrics import MEANINGS
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.extensions import load_extension
from segmentation_assets_tests.testing.command_line import parse
from segmentation_assets_tests.testing.lines import Line, insert_lines

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
CONFIGURATION = [ROOT / ".env.example", ROOT / "docker-compose.yml", ROOT / "Dockerfile", ROOT / "CHANGELOG.md"]

BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
SETTING = re.compile(r"\bSEGMENTATION_[A-Z][A-Z0-9_]*\b")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [block["text"] for block in found if block["language"] == language]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def shell_lines(page: Path) -> Iterator[list[str]]:
    """The words of each command in the shell blocks of a page; what follows a pipe is a command of its own."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in lexer:
                if set(word) <= set("|&;<>"):
                    yield words
                    words = []
                else:
                    words.append(word)
            yield words


def mentioned_commands(page: Path) -> Iterator[list[str]]:
    """What shell blocks and inline code call the `segmentation` command with."""
    for words in shell_lines(page):
        programs = [Path(word).name for word in words]
        if "segmentation" in programs:
            yield words[programs.index("segmentation") + 1 :]
    for code in CODE.findall(prose(page)):
        words = shlex.split(code) if code.startswith("segmentation ") else []
        yield from [words[1:]] if words else []


def commands_of(pages: list[Path]) -> list[tuple[str, tuple[str, ...]]]:
    found = {(name_of(page), tuple(words)) for page in pages for words in mentioned_commands(page)}
    return sorted(found)


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def mentioned_targets(page: Path) -> set[str]:
    in_blocks = {word for words in shell_lines(page) if words[:1] == ["make"] for word in words[1:]}
    in_prose = {word for code in CODE.findall(prose(page)) if code.startswith("make ") for word in code.split()[1:]}
    return {word for word in in_blocks | in_prose if re.fullmatch("[a-z]+", word)}


def queries_of(pages: list[Path]) -> list[tuple[str, str]]:
    found = {(page, words[1]) for page, words in commands_of(pages) if words[:1] == ("sql",) and len(words) > 1}
    return sorted(found)


def anchors(page: Path) -> set[str]:
    """The anchors that a Markdown renderer gives to the headings of a page."""
    titles = HEADING.findall(BLOCK.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.fixture(scope="module")
def tree() -> TyperGroup:
    return generate_docs.command_tree()


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """A lake with a past: one order in snapshot 2, and another one since."""
    for number, day in enumerate((datetime(2025, 1, 1), datetime(2025, 1, 2))):
        insert_lines(lake, [Line("A", f"{number}", "p", day)])
    return lake


def test_generated_pages_say_what_the_code_says() -> None:
    assert generate_docs.behind() == [], f"run {generate_docs.COMMAND}"


def test_generated_pages_do_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = generate_docs.commands()
    monkeypatch.setenv("COLUMNS", "20")
    assert generate_docs.commands() == wide


def test_a_page_that_is_behind_is_named(tmp_path: Path) -> None:
    for name, make in generate_docs.PAGES.items():
        (tmp_path / name).write_text(make(), encoding="utf-8")
    (tmp_path / "settings.md").write_text("outdated", encoding="utf-8")
    (tmp_path / "commands.md").unlink()
    assert generate_docs.behind(tmp_path) == ["settings.md", "commands.md"]


def test_every_command_is_documented(tree: TyperGroup) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    undocumented = [path for path, _ in generate_docs.walk(tree) if f"## `{path}`\n" not in text]
    assert undocumented == []


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in Settings.model_fields if f"`SEGMENTATION_{name.upper()}`" not in text] == []


@pytest.mark.parametrize(("page", "words"), commands_of(PAGES))
def test_a_documented_command_can_be_called_like_that(page: str, words: tuple[str, ...], tree: TyperGroup) -> None:
    assert parse(tree, list(words))[0] == "segmentation"


@pytest.mark.parametrize("words", ["nonsense", "sql --fromat csv", "sql x --format yaml", "models nonsense", "ui x"])
def test_a_command_that_does_not_exist_would_be_noticed(words: str, tree: TyperGroup) -> None:
    with pytest.raises(Exception, match=r"No such|is not one of|unexpected"):
        parse(tree, words.split())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        if "://" in link["target"]:
            continue
        target = (page.parent / link["target"]).resolve() if link["target"] else page
        assert target.exists(), f"{name_of(page)} links to {link['target']}"
        if link["anchor"]:
            assert link["anchor"] in anchors(target), f"{name_of(page)} links to {link[0]}"


@pytest.mark.parametrize("page", [*PAGES, *CONFIGURATION], ids=name_of)
def test_settings_that_are_named_exist(page: Path) -> None:
    named = set(SETTING.findall(page.read_text(encoding="utf-8")))
    assert named - {f"SEGMENTATION_{name.upper()}" for name in Settings.model_fields} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_that_are_named_exist(page: Path) -> None:
    assert mentioned_targets(page) - make_targets() == set()


def test_the_readme_leads_to_every_page() -> None:
    linked = {(ROOT / link["target"]).resolve() for link in LINK.finditer((ROOT / "README.md").read_text("utf-8"))}
    assert [name_of(page) for page in DOCS if page not in linked and page.parent not in linked] == []


@pytest.mark.parametrize(("page", "query"), queries_of(PAGES))
def test_a_documented_query_runs(page: str, query: str, shop: Lake) -> None:
    with shop.cursor() as con:
        con.execute(query).fetchall()


def test_the_documented_past_is_the_past(shop: Lake) -> None:
    (query,) = [query for _, query in queries_of([ROOT / "docs" / "sql.md"]) if "VERSION" in query]
    with shop.cursor() as con:
        assert con.execute(query).fetchall() == [(1,)]


def test_another_duckdb_attaches_the_lake_as_documented(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = blocks(ROOT / "docs" / "sql.md", "sql")
    install, _, rest = script.partition("\n")
    assert re.fullmatch(r"(INSTALL \w+; ?)+", install)
    monkeypatch.chdir(shop.settings.home.parent)
    assert shop.settings.home.name == str(Settings.model_fields["home"].default)
    with duckdb.connect() as con:
        for name in ("ducklake", "sqlite_scanner"):
            load_extension(con, name)
        assert con.execute(rest).fetchall() == []


def test_scripts_that_are_named_exist_and_can_be_run() -> None:
    named = {code for page in PAGES for code in CODE.findall(prose(page)) if re.fullmatch(r"scripts/\w+\.sh", code)}
    assert named
    assert all(os.access(ROOT / script, os.X_OK) for script in named)


def test_every_figure_of_a_model_is_explained() -> None:
    page = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    figures = {name: meaning for name, meaning in MEANINGS.items() if name != "segments"}
    assert [name for name, meaning in figures.items() if f"| `{name}` | {meaning} |" not in page] == []
