"""Files as a shop would hand them over, and what has become of them in the lake."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import xlsxwriter  # type: ignore[import-untyped]
import yaml

from segmentation.sources.batch.loading import LoadReport, load_days
from segmentation.sources.batch.registration import Registration, register
from segmentation.sources.profiles.profile import Profile, load_profile, parse_profile
from segmentation.warehouse import Commit, Lake

NOW = datetime(2025, 1, 1, 12)
CASES = Path(__file__).parents[2] / "cases"
"""Inputs that people have come with, a folder for each."""
Row = Mapping[str, object]

_HEADER = ("line_id", "order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at")

LINES: tuple[Row, ...] = tuple(
    dict(zip(_HEADER, values, strict=True))
    for values in (
        ("1", "A1", "ann", "p1", 2, 5.0, "2024-01-01 10:00:00"),
        ("2", "A1", "ann", "p2", 1, 7.5, "2024-01-01 10:00:00"),
        ("3", "B1", "bob", "p1", -2, 5.0, "2024-01-02 23:59:59"),
        ("4", "C1", "", "p1", 1, 5.0, "2024-01-03 00:00:00"),
    )
)
"""Three good lines over two days and one without a customer on a third."""


def line(number: int, **changes: object) -> Row:
    """A good canonical line, changed."""
    made: dict[str, object] = {
        "line_id": f"L{number}",
        "order_id": f"O{number}",
        "customer_id": f"c{number % 5}",
        "product_id": f"p{number % 3}",
        "quantity": 1 + number % 4,
        "unit_price": 2.5,
        "ordered_at": f"2024-01-{1 + number % 9:02d} 12:00:00",
    }
    return made | changes


def write(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = path.suffixes[0]
    if kind == ".parquet":
        pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(path)
    elif kind == ".xlsx":
        write_excel(path, {"Sheet1": rows})
    else:
        path.write_bytes(_compressed(path, _text(kind, rows).encode()))
    return path


def write_excel(path: Path, sheets: Mapping[str, Sequence[Row]]) -> Path:
    """Write a workbook; numbers and dates become Excel's own."""
    with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate([list(rows[0]), *(list(row.values()) for row in rows)] if rows else []):
                sheet.write_row(number, 0, row)
    return path


def ingest(
    lake: Lake,
    path: Path | str,
    profile: Profile | str = "canonical",
    *,
    source: str | None = None,
    now: datetime = NOW,
) -> tuple[Registration, LoadReport]:
    """Register files and load the days that they cover."""
    known = load_profile(profile) if isinstance(profile, str) else profile
    registration = register(lake, str(path), known, source=source, now=now)
    return registration, load(lake, registration.load_start, registration.load_end)


def load(lake: Lake, start: date, end: date) -> LoadReport:
    """Load days."""
    return load_days(lake, start, end, Commit("load", asset="raw/transactions"), now=NOW)


def changed(profile: str, **changes: object) -> Profile:
    """A bundled profile with other values for some of its keys."""
    content = load_profile(profile).model_dump(mode="json", exclude_defaults=True)
    return parse_profile(json.dumps(content | changes), "a test")


def case_profile(case: str, **changes: object) -> Profile:
    """The profile of a case, with other values for some of its keys."""
    content = yaml.safe_load((CASES / case / "profile.yaml").read_text())
    return parse_profile(json.dumps(content | changes), case)


def rows_of(lake: Lake, query: str) -> list[tuple[object, ...]]:
    """What a query gives."""
    with lake.cursor() as con:
        return con.execute(query).fetchall()


def reasons(lake: Lake) -> dict[object, object]:
    """Rejected lines by reason, as the lake has them."""
    return dict(rows_of(lake, "SELECT reason, count(*) FROM raw.rejected_transactions GROUP BY reason"))  # type: ignore[arg-type]


def content(lake: Lake) -> str:
    """Hash of all rows of the tables that a load writes."""
    digest = hashlib.sha256()
    for table in ("transactions", "rejected_transactions", "loads"):
        for row in rows_of(lake, f"SELECT * FROM raw.{table} ORDER BY ALL"):
            digest.update(repr(row).encode())
    return digest.hexdigest()


def _text(kind: str, rows: Sequence[Row]) -> str:
    if kind == ".json":
        return json.dumps(list(rows))
    if kind in (".jsonl", ".ndjson"):
        return "".join(json.dumps(row) + "\n" for row in rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if kind == ".tsv" else ",")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _compressed(path: Path, text: bytes) -> bytes:
    if path.suffix == ".gz":
        return gzip.compress(text)
    return pa.compress(text, codec="zstd", asbytes=True) if path.suffix == ".zst" else text
