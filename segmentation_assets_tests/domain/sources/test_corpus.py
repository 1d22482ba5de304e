"""A corpus of files as they come in real life, each with its outcome: what is accepted, refused, or told to be wrong.

Accepted + rejected = read for every one, and what is accepted has the values that the file means.
"""

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.dry_run import dry_run_on
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.sources.shop_files import NOW

CANONICAL = load_profile("canonical")
HEADER = "line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at"
NOON = "2024-01-05 12:00:00"


@dataclass(frozen=True)
class Case:
    """A file and what becomes of it.

    Attributes:
        name: Of the file.
        content: Its bytes.
        accepted: Lines that are accepted.
        rejected: Lines that are not, by reason.
        error: What is told instead, if the file can't be read at all.
        first: Values of the first accepted line, in order of time.
    """

    name: str
    content: bytes
    accepted: int = 2
    rejected: Mapping[str, int] = field(default_factory=dict)
    error: str = ""
    first: Mapping[str, object] = field(default_factory=dict)


def _line(number: int = 1, **changes: object) -> str:
    values = {
        **{"line_id": f"L{number}", "order_id": f"O{number}", "customer_id": f"c{number}", "product_id": "p1"},
        **{"quantity": "2", "unit_price": "2.5", "ordered_at": NOON},
        **changes,
    }
    return ",".join(map(str, values.values()))


def _csv(*lines: str, header: str = HEADER, end: str = "\n", encoding: str = "utf-8") -> bytes:
    return (end.join([header, *lines]) + end).encode(encoding)


def _row(number: int = 1, **changes: object) -> dict[str, object]:
    return {
        **{"line_id": f"L{number}", "order_id": f"O{number}", "customer_id": f"c{number}", "product_id": "p1"},
        **{"quantity": 2, "unit_price": 2.5, "ordered_at": NOON},
        **changes,
    }


def _json(*rows: Mapping[str, object]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def _parquet(*rows: Mapping[str, object]) -> bytes:
    target = io.BytesIO()
    pl.DataFrame(list(rows) or {name: [] for name in _row()}).write_parquet(target)
    return target.getvalue()


ONE, TWO = _line(), _line(2)
BOTH = _csv(ONE, TWO)
NO_LINES = "has no lines below its header"


def _text_files() -> Iterator[Case]:
    yield Case("plain.csv", BOTH, first={"customer_id": "c1", "quantity": 2.0, "amount": 5.0, "ordered_at": NOON})
    yield Case("bom.csv", b"\xef\xbb\xbf" + BOTH)
    yield Case("utf16.csv", _csv(ONE, TWO, encoding="utf-16"))
    yield Case("latin1.csv", _csv(_line(customer_id="Ren\xe9e"), encoding="latin-1"), error="not written in utf-8")
    yield Case("nul.csv", _csv(_line(customer_id="a\0b"), TWO), 1, {"nul_in_customer": 1})
    yield Case("crlf.csv", _csv(ONE, TWO, end="\r\n"))
    yield Case("cr.csv", _csv(ONE, TWO, end="\r"))
    yield Case("mixed_ends.csv", f"{HEADER}\r\n{ONE}\n{TWO}\r\n".encode())
    yield Case("no_last_end.csv", BOTH.rstrip())
    yield Case("blank_lines.csv", _csv(ONE, "", TWO, "", ""))
    for name, mark in (("semicolons.csv", ";"), ("tabs.tsv", "\t"), ("pipes.csv", "|")):
        yield Case(name, BOTH.replace(b",", mark.encode()))
    yield Case("only_header.csv", _csv(), error=NO_LINES)
    yield Case("empty.csv", b"", error="empty")
    yield Case("white_space.csv", b"  \n \n", error="lacks what the profile canonical reads")
    yield Case("header_case.csv", _csv(ONE, TWO, header=HEADER.replace("order_id", " ORDER_ID ")))
    yield Case(
        "lacks_column.csv", _csv("L1,O1,c1,p1,2,2.5", header=HEADER.removesuffix(",ordered_at")), error="ordered_at"
    )
    yield Case("header_twice.csv", _csv(f"{ONE},c9", header=f"{HEADER},customer_id"), error="'customer_id' 2 times")
    yield Case("more_columns.csv", _csv(f"{ONE},red", f"{TWO},", header=f"{HEADER},colour"))
    yield Case(
        "columns_in_another_order.csv",
        _csv("2,c1,O1,p1,2.5," + NOON, header="quantity,customer_id,order_id,product_id,unit_price,ordered_at"),
        1,
    )
    yield Case("[glob]*?.csv", BOTH)
    yield Case("unknown.dat", BOTH, error="suffix that can't be read")


def _cells() -> Iterator[Case]:
    yield Case("comma_in_quotes.csv", _csv(_line(product_id='"a,b"'), TWO), first={"product_id": "a,b"})
    yield Case("newline_in_quotes.csv", _csv(_line(product_id='"a\nb"'), TWO), first={"product_id": "a\nb"})
    yield Case("doubled_quotes.csv", _csv(_line(product_id='"a""b"'), TWO), first={"product_id": 'a"b'})
    yield Case("quote_inside.csv", _csv(_line(product_id='a"b'), TWO), first={"product_id": 'a"b'})
    yield Case(
        "open_quote.csv",
        _csv(_line(product_id='"a'), TWO, _line(3)),
        error="ends inside of a quotation that begins in line 2",
    )
    yield Case("extra_cell.csv", _csv(f"{ONE},more", TWO), 1, {"malformed_line": 1})
    yield Case("missing_cells.csv", _csv("L1,O1,c1", TWO), 1, {"malformed_line": 1})
    yield Case("ten_megabytes.csv", _csv(_line(product_id="x" * 10_000_000), TWO), error="more than 4 MB")
    yield Case("blank_customer.csv", _csv(_line(customer_id=" "), TWO), 1, {"missing_customer": 1})
    yield Case("formula.csv", _csv(_line(customer_id="=1+1"), TWO), first={"customer_id": "=1+1"})
    yield Case(
        "unicode.csv", _csv(_line(customer_id="\u202ec\U0001f600"), TWO), first={"customer_id": "\u202ec\U0001f600"}
    )
    yield Case("exact_repeat.csv", _csv(ONE, ONE), 1, {"duplicate_line_id": 1})
    yield Case("same_id_other_content.csv", _csv(ONE, _line(quantity=3)), 1, {"duplicate_line_id": 1})


NUMBERS: dict[str, float | str] = {
    "-0": "zero_quantity",
    "0": "zero_quantity",
    "-0.0": "zero_quantity",
    "1e308": "not_finite",  # so is what it costs
    "1e12": "quantity_out_of_range",
    "1e400": "not_finite",
    "inf": "not_finite",
    "NaN": "missing_quantity",  # what pandas writes for nothing
    '"2,5"': "missing_quantity",  # a decimal comma is the profile's to name
    "0x10": "missing_quantity",
    "two": "missing_quantity",
    "": "missing_quantity",
    "\u0662": "missing_quantity",
    '"1,000"': 1000.0,
    "1e1": 10.0,
    " 2 ": 2.0,
    "+2": 2.0,
    "0.5": 0.5,
    "-3": -3.0,
}

PRICES: dict[str, float | str] = {
    "-1": "negative_price",
    "-inf": "not_finite",
    "free": "missing_price",
    "0": 0.0,
    "$5.00": 10.0,
    "5 \u20ac": 10.0,
}

DATES: dict[str, str] = {
    "2024-01-04T12:00:00": "2024-01-04 12:00:00",
    "2024-01-04T12:00:00Z": "2024-01-04 12:00:00",
    "2024-01-04T12:00:00+05:30": "2024-01-04 06:30:00",
    "2024-01-04 12:00:00.123456789": "2024-01-04 12:00:00.123456",
    "2024-01-04": "2024-01-04 00:00:00",
    "2024/01/04": "2024-01-04 00:00:00",
    "20240104": "2024-01-04 00:00:00",
    "2023-02-28 24:00:00": "2023-03-01 00:00:00",
    "1704369600": "2024-01-04 12:00:00",
    "1704369600000": "2024-01-04 12:00:00",
    "2024-02-30": "",
    "2023-02-29": "",
    "0001-01-01": "implausible_date",
    "1969-12-31": "implausible_date",
    "1970-01-01": "implausible_date",
    "1980-01-01": "implausible_date",
    "2000-01-01": "implausible_date",
    "2004-12-31 23:59:59.999999": "implausible_date",
    "2005-01-01": "2005-01-01 00:00:00",
    "2261-01-01": "implausible_date",
    "9999-12-31": "implausible_date",
    "12024-01-05": "",
    "2016-12-31 23:59:60": "",
    "yesterday": "",
    "4 Jan 2024": "2024-01-04 00:00:00",
    "-0044-03-15": "",
    "infinity": "",
}


def _values() -> Iterator[Case]:
    for number, (text, expected) in enumerate(NUMBERS.items()):
        content = _csv(_line(quantity=text), _line(2, ordered_at="2024-01-06"))
        if isinstance(expected, str):
            yield Case(f"quantity_{number}.csv", content, 1, {expected: 1})
        else:
            yield Case(f"quantity_{number}.csv", content, first={"quantity": expected, "amount": expected * 2.5})
    for number, (text, expected) in enumerate(PRICES.items()):
        content = _csv(_line(unit_price=text), _line(2, ordered_at="2024-01-06"))
        if isinstance(expected, str):
            yield Case(f"price_{number}.csv", content, 1, {expected: 1})
        else:
            yield Case(f"price_{number}.csv", content, first={"amount": expected})
    for number, (text, moment) in enumerate(DATES.items()):
        content = _csv(_line(ordered_at=text), TWO)
        if moment == "implausible_date":
            yield Case(f"date_{number}.csv", content, 1, {moment: 1})
        elif moment:
            yield Case(f"date_{number}.csv", content, first={"ordered_at": moment, "customer_id": "c1"})
        else:
            yield Case(f"date_{number}.csv", content, 1, {"unparsable_date": 1})


def _compressed() -> Iterator[Case]:
    long = _csv(*(_line(number) for number in range(2000)))
    yield Case("plain.csv.gz", gzip.compress(BOTH))
    yield Case("two_members.csv.gz", gzip.compress(_csv(ONE)) + gzip.compress(f"{TWO}\n".encode()))
    yield Case("truncated.csv.gz", gzip.compress(long)[:-2000], error="incomplete or damaged")
    yield Case("no_gzip.csv.gz", BOTH, error="incomplete or damaged")
    yield Case("twice.csv.gz", gzip.compress(gzip.compress(BOTH)), error="not written in utf-8")
    yield Case("empty.csv.gz", gzip.compress(b""), error="empty")
    yield Case("no_zst.csv.zst", BOTH, error="incomplete or damaged")


def _parquet_files() -> Iterator[Case]:
    noon = datetime(2024, 1, 5, 12)
    yield Case("plain.parquet", _parquet(_row(), _row(2)))
    yield Case("typed.parquet", _parquet(_row(1, ordered_at=noon, customer_id=17)), 1, first={"customer_id": "17"})
    yield Case(
        "null_column.parquet",
        _parquet(_row(1, customer_id=None), _row(2, customer_id=None)),
        0,
        {"missing_customer": 2},
    )
    yield Case("nan.parquet", _parquet(_row(1, quantity=float("nan")), _row(2, quantity=2.0)), 1, {"not_finite": 1})
    yield Case("nested.parquet", _parquet(_row(1, customer_id=["a"])), error="columns.customer_id")
    yield Case("no_rows.parquet", _parquet(), error=NO_LINES)
    yield Case("truncated.parquet", _parquet(_row())[:-50], error="not a complete Parquet file")
    yield Case("no_parquet.parquet", BOTH, error="not a complete Parquet file")
    yield Case("text.xlsx", BOTH)


def _json_files() -> Iterator[Case]:
    both = _json(_row(), _row(2))
    yield Case("plain.jsonl", both)
    yield Case("array.json", json.dumps([_row(), _row(2)]).encode())
    yield Case("bom.jsonl", b"\xef\xbb\xbf" + both)
    yield Case("empty.jsonl", b"", error="empty")
    yield Case("broken_line.jsonl", _json(_row()) + b"\n{broken\n" + _json(_row(2)), 2, {"malformed_line": 1})
    yield Case("truncated.jsonl", both[:-20], 1, {"malformed_line": 1})
    yield Case("scalars.jsonl", b'1\n"a"\nnull\n' + both, 2, {"malformed_line": 3})
    yield Case("surrogate.jsonl", both.replace(b'"c1"', b'"\\ud800"'), 1, {"malformed_line": 1})
    yield Case("lacks_key.jsonl", both.replace(b'"customer_id": "c1", ', b""), 1, {"missing_customer": 1})
    yield Case("extra_key.jsonl", _json(_row(1, colour="red"), _row(2)))
    yield Case("numbers_as_text.jsonl", _json(_row(1, quantity="2", unit_price="2.5")), 1, first={"amount": 5.0})
    yield Case("nan.jsonl", both.replace(b"2.5", b"NaN", 1), 1, {"missing_price": 1})
    big = 12345678901234567890123
    yield Case("big_integer.jsonl", _json(_row(1, customer_id=big)), 1, first={"customer_id": str(big)})


CASES = [*_text_files(), *_cells(), *_values(), *_compressed(), *_parquet_files(), *_json_files()]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """An empty lake for all of them; trying files out leaves it empty."""
    settings = Settings(home=tmp_path_factory.mktemp("corpus") / "warehouse", customer_buckets=BUCKETS, threads=1)
    with Lake(settings, create=True) as opened:
        migrate(opened)
        yield opened


def test_the_corpus_is_large_enough_to_be_one() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_file_comes_out_as_it_should(lake: Lake, tmp_path: Path, case: Case) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.content)
    if case.error:
        with pytest.raises(SourceError) as told:
            dry_run_on(lake, str(path), CANONICAL, now=NOW)
        assert case.error in str(told.value)
        assert case.name in str(told.value) or "profile canonical" in str(told.value)
        return
    found = dry_run_on(lake, str(path), CANONICAL, now=NOW)
    report = found.report
    assert (report.accepted, report.rejected_by_reason) == (case.accepted, dict(case.rejected))
    assert report.lines_read == report.accepted + report.rejected
    if case.first:
        assert case.first.items() <= found.preview.row(0, named=True).items()
