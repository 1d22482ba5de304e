"""Quotation marks: whether they quote, how, and what becomes of lines that a quotation joins."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Reader
from segmentation.sources.readers import text_blocks
from segmentation.sources.readers.limits import ReadingLimits
from segmentation.sources.readers.line_accounts import LineAccount
from segmentation.sources.readers.text_files import CsvFile

LIMITS = ReadingLimits(seconds=60, content_bytes=1 << 30, ratio=1e9)
HEADER = ("order", "customer", "name")


def _read(path: Path, reader: Reader | None = None) -> tuple[list[tuple[str | None, ...]], list[str], LineAccount]:
    found = CsvFile(path, reader or Reader(), LIMITS)
    rows, malformed = [], []
    for table in found.tables():
        rows += [tuple(row.values()) for row in table.to_pylist()]
        malformed += found.malformed
    return rows, malformed, found.account


def _file(folder: Path, *lines: str, name: str = "a.tsv") -> Path:
    path = folder / name
    mark = "\t" if name.endswith(".tsv") else ","
    path.write_bytes("".join(line.replace("|", mark) + "\n" for line in ("order|customer|name", *lines)).encode())
    return path


def test_tabs_with_marks_that_open_and_close_nothing_keep_every_line(tmp_path: Path) -> None:
    path = _file(tmp_path, '1|a|"Best" mug', '2|b|17" screen', '3|c|"Open', "4|d|plain", '5|e|close "', "6|f|x")
    rows, malformed, account = _read(path)
    assert [row[0] for row in rows] == list("123456")
    assert rows[0][2] == '"Best" mug'
    assert not malformed
    assert account.has_literal_quotes
    assert account.joined == 0


def test_tabs_with_a_mark_that_is_never_closed_keep_every_line(tmp_path: Path) -> None:
    rows, _, _ = _read(_file(tmp_path, "1|a|x", '2|b|"Open', "3|c|x", "4|d|x"))
    assert [row[0] for row in rows] == list("1234")


def test_tabs_with_quotations_that_quote_are_read_as_such(tmp_path: Path) -> None:
    path = _file(tmp_path, '1|a|"two\nlines"', '2|b|"a ""big"" one"', '3|c|"tab|inside"')
    rows, malformed, account = _read(path)
    assert [row[2] for row in rows] == ["two\nlines", 'a "big" one', "tab\tinside"]
    assert not malformed
    assert (account.joined, account.first_joined) == (1, 2)


def test_commas_with_several_lines_in_a_quotation_are_read_and_told(tmp_path: Path) -> None:
    path = _file(tmp_path, '1|a|"Main Street 1,\nBerlin,\nGermany"', '2|b|"x,y"', name="a.csv")
    rows, _, account = _read(path)
    assert rows == [("1", "a", "Main Street 1,\nBerlin,\nGermany"), ("2", "b", "x,y")]
    assert (account.physical, account.joined, account.first_joined) == (5, 2, 2)
    assert account.told == "5 physical lines; 2 lines joined to others by quotations, first to line 2"


def test_commas_whose_quotation_could_have_swallowed_lines_are_refused_with_the_setting(tmp_path: Path) -> None:
    path = _file(tmp_path, "0|z|x", '1|a|"Open', "2|b|x", '3|c|close"', "4|d|x", name="a.csv")
    with pytest.raises(SourceError, match=r"(?s)joins lines 3 to 5.*quote: off.*quote: '\"'"):
        _read(path)
    assert [row[0] for row in _read(path, Reader(quote="off"))[0]] == list("01234")
    rows, _, account = _read(path, Reader(quote='"'))
    assert [row[0] for row in rows] == list("014")
    assert account.joined == 2


def test_whole_lines_that_became_one_malformed_line_are_refused_with_the_setting(tmp_path: Path) -> None:
    path = _file(tmp_path, '1|a|"Open', "2|b|x", "3|c|x", '4|"d"|x', name="a.csv")
    with pytest.raises(SourceError, match="joins lines 2 to 5"):
        _read(path)
    _, malformed, account = _read(path, Reader(quote='"'))
    assert (len(malformed), account.malformed, account.joined) == (1, 1, 3)


@pytest.mark.parametrize("quote", [None, '"'])
def test_a_file_that_ends_inside_of_a_quotation_is_refused_with_its_line(tmp_path: Path, quote: str | None) -> None:
    path = _file(tmp_path, "1|a|x", '2|b|"Open', "3|c|x", name="a.csv")
    with pytest.raises(SourceError, match=r"(?s)inside of a quotation that begins in line 3: '2,b,\"Open'.*quote: off"):
        _read(path, Reader(quote=quote))


def test_a_file_of_tabs_that_was_cut_off_inside_of_a_quotation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('order\tcustomer\tname\n1\ta\t"fine"\n2\tb\t"cut o')
    with pytest.raises(SourceError, match="begins in line 3"):
        _read(path)


def test_a_quotation_that_ends_in_the_middle_of_a_field_is_told(tmp_path: Path) -> None:
    path = _file(tmp_path, '1|a|"Best" mug', '2|b|17" x', '3|c|"fine, ""too"""', name="a.csv")
    rows, _, account = _read(path)
    assert rows[0][2] == "Best mug"
    assert (account.odd_quotes, account.first_odd) == (1, '"Best" mug')
    assert 'first "Best" mug' in (account.told or "")


def test_what_yaml_makes_of_off_is_off() -> None:
    assert Reader.model_validate({"quote": False}).quote == "off"


@pytest.mark.parametrize("settings", [{"quote": ","}, {"escape": '"'}, {"quote": "'", "escape": "'"}])
def test_delimiter_quote_and_escape_are_three_characters(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="same character"):
        Reader(delimiter=",", **settings)


CELLS = st.text(st.sampled_from("ab1 ,;\t|\"'\\\n\r\u00e9"), max_size=6)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=12)


@example_settings(max_examples=300, deadline=None)
@given(
    table=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from(['"', "'", "off"]),
    escapes=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    block=st.integers(40, 90),
    is_told=st.booleans(),
)
def test_what_python_writes_is_read_back_or_refused_with_the_setting(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[tuple[str, str, str]],
    delimiter: str,
    quote: str,
    escapes: bool,
    end: str,
    block: int,
    is_told: bool,
) -> None:
    text = io.StringIO()
    escape = "\\" if escapes or quote == "off" else None
    writer = csv.writer(
        text,
        delimiter=delimiter,
        quotechar="\x07" if quote == "off" else quote,
        quoting=csv.QUOTE_NONE if quote == "off" else csv.QUOTE_MINIMAL,
        escapechar=escape,
        doublequote=escape is None,
        lineterminator=end,
    )
    # Python neither quotes nor escapes a return that isn't in its line ends.
    cells = [[cell.replace("\r", "" if end == "\n" else "\r") for cell in row] for row in table]
    written = [(f"k{number}", *row) for number, row in enumerate(cells)]
    writer.writerows([("key", *HEADER), *written])
    path = tmp_path_factory.mktemp("dialect") / "a.csv"
    path.write_bytes(text.getvalue().encode())
    reader = Reader(delimiter=delimiter, quote=quote, escape=escape) if is_told else Reader(escape=escape)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text_blocks, "BLOCK_BYTES", block)
        refused = ""
        try:
            rows, malformed, account = _read(path, reader)
        except SourceError as error:
            refused = str(error)
    if refused:
        assert not is_told or "more than 0 MB" in refused
        assert "`reader: {" in refused
        return
    if is_told:
        assert [tuple(value or "" for value in row) for row in rows] == written
        assert not malformed
    assert account.physical == account.above + account.records + account.malformed + account.joined + account.blank
