"""A sample of a workbook."""

from pathlib import Path

from segmentation.errors import SourceError
from segmentation.sources.suggestion.dialects import header_of
from segmentation.sources.suggestion.samples import MAX_ROWS, Sample, columns_of


def sample_workbook(path: Path) -> Sample:
    """A sample of the sheet of a workbook that has the most cells.

    Raises:
        SourceError: It can't be read.
    """
    import polars as pl  # heavy, and only who reads workbooks needs it

    try:
        sheets = pl.read_excel(
            path, sheet_id=0, engine="calamine", infer_schema_length=0, has_header=False, raise_if_empty=False
        )
    except Exception as error:
        raise SourceError(f"{path} can't be read as an Excel workbook: {error}") from error
    name, sheet = max(sheets.items(), key=lambda each: each[1].height * each[1].width)
    rows = [["" if cell is None else str(cell) for cell in row] for row in sheet.head(MAX_ROWS).iter_rows()]
    _, header, body = header_of(rows)
    reader: dict[str, object] = {"sheet": name} if len(sheets) > 1 else {}
    remarks = {"sheet": f"The largest of the sheets {', '.join(sheets)} was taken."}
    return Sample(path, "excel", columns_of(header, body), reader, remarks if reader else {})
