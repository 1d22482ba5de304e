"""Files that mean harm, or look as if they did: small ones that hold gigabytes, lines without an end, lying archives.

Each is made by a function; add one per attack. `MESSAGES` says what is to be told about each.
"""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = b"line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at\n"
LINE = b"l1,o1,c1,p1,2,2.5,2025-01-05 12:00:00\n"
RECORD = json.dumps(dict(zip(HEADER.decode().strip().split(","), LINE.decode().strip().split(","), strict=True)))
MEGABYTE = 1_000_000
SHEET = b'<worksheet><sheetData><row r="1"><c r="A1"><v>1</v></c></row>%s</sheetData></worksheet>'

TOO_LONG, TOO_DENSE, DAMAGED = "line of more than 4 MB", "SEGMENTATION_MAX_COMPRESSION_RATIO", "can't be read"


def _zstd(content: bytes) -> bytes:
    sink = io.BytesIO()
    with pa.CompressedOutputStream(pa.PythonFile(sink, "w"), "zstd") as stream:
        stream.write(content)
        stream.flush()
        return sink.getvalue()


def _workbook(sheet: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
    return target.getvalue()


def _lying_workbook() -> bytes:
    """Its directory and its headers say that the sheet has ten bytes."""
    content = SHEET % (b" " * 100 * MEGABYTE)
    return _workbook(content).replace(len(content).to_bytes(4, "little"), (10).to_bytes(4, "little"))


def _rows_that_repeat() -> bytes:
    target = io.BytesIO()
    rows = 12_000_000
    values = pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()).fill_null(0), pa.array(["x"]))
    pq.write_table(pa.table({"order_id": values}), target, row_group_size=rows, write_statistics=False)
    return target.getvalue()


HOSTILE_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "zeros.csv.gz": (lambda: gzip.compress(b"0" * 40 * MEGABYTE), TOO_LONG),
    "zeros_below_header.csv.gz": (lambda: gzip.compress(HEADER + b"0" * 40 * MEGABYTE), TOO_LONG),
    "open_quote.csv": (lambda: HEADER + b'l0,o0,c0,"p,1,1,2025-01-05\n' + LINE * 200_000, TOO_LONG),
    "open_quote_later.csv": (
        lambda: HEADER + LINE * 120_000 + b'l0,o0,c0,"p,1,1,2025-01-05\n' + LINE * 200_000,
        TOO_LONG,
    ),
    "quotes.csv": (lambda: HEADER + b'"' * 9 * MEGABYTE, TOO_LONG),
    "nuls.csv": (lambda: HEADER + b"\0" * 9 * MEGABYTE, TOO_LONG),
    "endless.jsonl": (lambda: b'{"a": "' + b"a" * 9 * MEGABYTE, TOO_LONG),
    "wide_header.csv": (lambda: b"a," * 100_000 + b"\n", "can't be a header"),
    "many_columns.csv": (lambda: b",".join(b"%d" % n for n in range(20_000)) + b"\n1\n", "and 19980 more"),
    "blank_lines.csv.gz": (lambda: gzip.compress(HEADER + b"\n" * 90 * MEGABYTE), TOO_DENSE),
    "repeated_line.csv.zst": (lambda: _zstd(HEADER + LINE * 2_500_000), TOO_DENSE),
    "repeated_line.jsonl.zst": (lambda: _zstd((RECORD.encode() + b"\n") * 600_000), TOO_DENSE),
    "array.json.gz": (lambda: gzip.compress(b"[" + b" " * 90 * MEGABYTE + b"]"), TOO_DENSE),
    "nested.json": (lambda: b"[" * MEGABYTE, "not a complete JSON array"),
    "truncated.csv.gz": (lambda: gzip.compress(HEADER + LINE * 1000)[:-9], DAMAGED),
    "truncated.csv.zst": (lambda: _zstd(HEADER + LINE * 1000)[:-9], DAMAGED),
    "wrong_sum.csv.gz": (lambda: gzip.compress(HEADER + LINE)[:-8] + b"\0" * 8, DAMAGED),
    "noise.csv": (lambda: HEADER + bytes(range(256)) * 1000, "not written in utf-8"),
    "dense.xlsx": (lambda: _workbook(SHEET % (b" " * 100 * MEGABYTE)), TOO_DENSE),
    "lying.xlsx": (_lying_workbook, TOO_DENSE),
    "far_cell.xlsx": (lambda: _workbook(SHEET % b'<row r="1048576"><c r="XFD1048576"/></row>'), "1,048,576 rows"),
    "no_member.xlsx": (lambda: _workbook(b"")[:-5], DAMAGED),
    "repeated.parquet": (_rows_that_repeat, TOO_DENSE),
}
"""By file name: how it is made, and what is told about it."""


def write_hostile_files(folder: Path) -> None:
    """Make all of them."""
    for name, (make, _) in HOSTILE_FILES.items():
        (folder / name).write_bytes(make())
