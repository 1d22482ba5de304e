"""The sheets of a workbook as tables of text, each with its header found.

Whether a workbook may be read at all is decided in `workbooks`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation.errors import SourceError
from segmentation.sources.profiles.headers import shown
from segmentation.sources.readers.binding import Wanted
from segmentation.sources.readers.headers import LINES_LOOKED_AT
from segmentation.sources.readers.workbooks import check_workbook

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".xlsx", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True)
class Sheet:
    """One sheet.

    Attributes:
        header: The columns' names; empty where a column has none.
        lines: What is below, as text, in columns by position.
    """

    header: tuple[str, ...]
    lines: "pl.DataFrame"


def read_sheets(path: Path, wanted: Wanted) -> list[Sheet]:
    """The sheets that have what is wanted, or else the first one.

    Raises:
        SourceError: The workbook can't be read, or lacks the sheet that the profile names.
    """
    sheets = [_with_header(frame, wanted) for frame in _frames(path, wanted).values()]
    return [sheet for sheet in sheets if not wanted.lacking(sheet.header)] or sheets[:1]


def _frames(path: Path, wanted: Wanted) -> "dict[str, pl.DataFrame]":
    import polars as pl  # heavy, and only who reads workbooks needs it

    check_workbook(path, wanted.limits)
    try:
        frames = pl.read_excel(
            # The engine goes by the suffix; by the content where that may lie.
            path if path.suffix.lower() == ".xlsx" else path.read_bytes(),
            sheet_id=0,
            engine="calamine",
            has_header=False,
            infer_schema_length=0,
            raise_if_empty=False,
            drop_empty_rows=False,
            drop_empty_cols=False,
        )
    except ModuleNotFoundError as error:
        raise SourceError(f"Reading {path} needs the package fastexcel: pip install fastexcel") from error
    except Exception as error:
        raise SourceError(f"{path} can't be read as an Excel workbook: {error}") from error
    named = wanted.reader.sheet
    if named is None:
        return frames
    if named not in frames:
        raise SourceError(
            f"{path} has no sheet {named!r}, which the profile {wanted.profile} names; it has {', '.join(frames)}."
        )
    return {named: frames[named]}


def _with_header(frame: "pl.DataFrame", wanted: Wanted) -> Sheet:
    import polars as pl  # heavy, and only who reads workbooks needs it

    reader = wanted.reader
    if reader.names is not None:
        header, below = reader.names, reader.skip or 0
    else:
        rows = [tuple(map(_name, row)) for row in frame.head((reader.skip or 0) + LINES_LOOKED_AT).iter_rows()]
        at = _header_row(rows, wanted)
        header, below = rows[at] if at < len(rows) else (), at + 1
    lines = frame.slice(below)
    return Sheet(header, lines.filter(~pl.all_horizontal(pl.all().is_null())) if lines.width else lines)


def _header_row(rows: Sequence[tuple[str, ...]], wanted: Wanted) -> int:
    if wanted.reader.skip is not None:
        return wanted.reader.skip
    filled = [number for number, row in enumerate(rows) if any(row)]
    return min(filled, key=lambda number: wanted.lacking(rows[number]), default=0)


def _name(value: object) -> str:
    return "" if value is None else shown(str(value))
