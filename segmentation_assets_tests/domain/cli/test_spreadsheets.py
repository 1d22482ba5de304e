"""CSV for spreadsheets: no cell is a formula, and everything else stays as it is."""

import io

import polars as pl
import pytest

from segmentation.spreadsheets import write_safe_csv

FORMULAS = (
    "=cmd|'/C calc'!A0",
    "=1+1",
    "+1+cmd|x",
    "-2+3",
    "@SUM(A1)",
    "  =1+1",
    "\t=1+1",
    "\ttext",
    "\r=1+1",
    "\n=1",
    "\u00a0=1",
    "＝1+1",
    '=HYPERLINK("http://x";"y")',
    "-1e5+2",
    "--5",
    "+",
    "-",
    "=",
)
HARMLESS = (
    "a=b",
    "text",
    "",
    "-5",
    "+49",
    "-1.5",
    "1e-5",
    "-1,5",
    "1,000",
    "-3%",
    "a;=1",
    "it's",
    "Größe",
    "5-3",
    "a@b.c",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    (row,) = pl.read_csv(io.StringIO(write_safe_csv(pl.DataFrame({"a": [text]}))), infer_schema=False).rows()
    assert row == (f"'{text}",)


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    written = write_safe_csv(pl.DataFrame({"a": [text]}))
    assert written == f'"a"\n"{text}"\n'


def test_numbers_dates_and_empty_cells_stay_and_names_of_columns_are_safe() -> None:
    frame = pl.DataFrame({"=a": [-1.5, None], "b": [-3, 4], "c": ["=x", None]}, schema_overrides={"c": pl.Categorical})
    assert write_safe_csv(frame) == '"\'=a","b","c"\n-1.5,-3,"\'=x"\n,4,\n'
