"""CSV that people open in spreadsheets: no cell of it is a formula."""

import polars as pl

_STARTS = r"^[\s\x00]*[=+\-@|\t\r\n＝＋－＠]"
_NUMBER = r"^[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?%?$"
_LEADING = r"^[\t\r\n]"
APOSTROPHE = "'"
"""What a spreadsheet takes as `this is text`."""


def write_safe_csv(frame: pl.DataFrame) -> str:
    """A frame as CSV in which texts that a spreadsheet would run, such as `=cmd|…`, begin with an apostrophe.

    Numbers stay what they are, also those in columns of text. All texts are quoted: a spreadsheet that separates by
    semicolons would else begin a cell in the middle of one.

    Raises:
        polars.exceptions.PolarsError: A column can't be written as CSV, such as one of lists.
    """
    texts = pl.col(pl.String, pl.Categorical, pl.Enum).cast(pl.String)
    is_formula = (texts.str.contains(_STARTS) & ~texts.str.contains(_NUMBER)) | texts.str.contains(_LEADING)
    safe = frame.with_columns(pl.when(is_formula).then(APOSTROPHE + texts).otherwise(texts).name.keep())
    safe = safe.rename({name: _safe_name(name) for name in frame.columns})
    return safe.write_csv(quote_style="non_numeric")


def _safe_name(name: str) -> str:
    is_formula = pl.Series([name]).str.contains(_STARTS).item()
    return APOSTROPHE + name if is_formula else name
