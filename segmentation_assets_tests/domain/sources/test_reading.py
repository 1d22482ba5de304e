"""Reading files: every format gives the same lines, messy ones are kept apart, and unreadable ones are refused."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import Profile, load_profile
from segmentation.warehouse import Lake
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.sources.shop_files import (
    LINES,
    NOW,
    Row,
    changed,
    ingest,
    line,
    reasons,
    rows_of,
    write,
    write_excel,
)

ACCEPTED = """
SELECT line_id, order_id, customer_id, product_id, quantity, unit_price, amount, discount, ordered_at
FROM raw.transactions ORDER BY line_id
"""

EXPECTED = [
    ("1", "A1", "ann", "p1", 2.0, 5.0, 10.0, 0.0, datetime(2024, 1, 1, 10)),
    ("2", "A1", "ann", "p2", 1.0, 7.5, 7.5, 0.0, datetime(2024, 1, 1, 10)),
    ("3", "B1", "bob", "p1", -2.0, 5.0, -10.0, 0.0, datetime(2024, 1, 2, 23, 59, 59)),
]

UCI_COLUMNS = "order_id, customer_id, product_id, quantity, unit_price, amount, ordered_at, country"
UCI_LINES = f"SELECT {UCI_COLUMNS} FROM raw.transactions ORDER BY order_id, product_id"
UCI_EXPECTED = [
    ("536365", "17850", "85123A", 6.0, 2.55, 15.299999999999999, datetime(2010, 12, 1, 8, 26), "United Kingdom"),
    ("C536379", "14527", "22632", -1.0, 1.85, -1.85, datetime(2011, 7, 1, 8, 41), "EIRE"),
]


@pytest.fixture(scope="module")
def untouched_lake(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake for tests that must not change it; opening one takes longer than most of them."""
    home = tmp_path_factory.mktemp("untouched") / "warehouse"
    shutil.copytree(empty_lake, home)
    with Lake(Settings(home=home, customer_buckets=BUCKETS, threads=1), create=True) as opened:
        yield opened


def uci_rows(variant: int, moments: tuple[object, object], customers: tuple[object, object]) -> list[Row]:
    """Two lines of Online Retail I or II, the second a cancellation in summer time."""
    first = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
    second = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country")
    header = first if variant == 1 else second
    values = [
        ("536365", "85123a", "HOLDER", 6, moments[0], 2.55, customers[0], "United Kingdom"),
        ("C536379", "22632", None, -1, moments[1], 1.85, customers[1], "EIRE"),
    ]
    return [dict(zip(header, row, strict=True)) for row in values]


@pytest.mark.parametrize(
    "suffix", [".csv", ".tsv", ".csv.gz", ".csv.zst", ".json", ".jsonl", ".ndjson.gz", ".parquet", ".xlsx"]
)
def test_every_format_gives_the_same_lines(lake: Lake, tmp_path: Path, suffix: str) -> None:
    registration, report = ingest(lake, write(tmp_path / f"orders{suffix}", LINES))

    assert rows_of(lake, ACCEPTED) == EXPECTED
    assert report.rejected_by_reason == {"missing_customer": 1}
    assert (registration.line_count, registration.first_day, registration.last_day) == (
        4,
        date(2024, 1, 1),
        date(2024, 1, 3),
    )


def test_a_folder_may_mix_formats_headers_and_lists(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "shop/a.csv", LINES[:1])
    write(tmp_path / "shop/deeper/b.jsonl", LINES[1:2])
    write(tmp_path / "shop/c.parquet", [{**LINES[2], "country": "FR"}])
    write(tmp_path / "shop/products.csv", [{"product_id": "p1", "category": "toys"}])
    (tmp_path / "shop/readme.txt").write_text("not data")
    write(tmp_path / "shop/.hidden.csv", [{"x": 1}])

    ingest(lake, tmp_path / "shop")

    assert rows_of(lake, ACCEPTED) == EXPECTED
    assert rows_of(lake, "SELECT line_id, country, category FROM raw.transactions ORDER BY 1") == [
        ("1", None, "toys"),
        ("2", None, None),
        ("3", "FR", "toys"),
    ]


def test_a_glob_takes_what_it_matches(lake: Lake, tmp_path: Path) -> None:
    for number, row in enumerate(LINES[:3]):
        write(tmp_path / f"2024/day-{number}.csv.gz", [row])
    write(tmp_path / "2024/other.csv", [{"x": 1}])

    registration, _ = ingest(lake, tmp_path / "*" / "day-*.csv.gz")

    assert len(registration.paths) == 3
    assert rows_of(lake, ACCEPTED) == EXPECTED


@pytest.mark.parametrize("variant", [1, 2])
@pytest.mark.parametrize(
    ("name", "moments", "customers"),
    [
        ("text.csv", ("12/1/2010 8:26", "7/1/2011 9:41"), ("17850", "14527")),
        ("floats.csv", ("2010-12-01 08:26:00", "2011-07-01 09:41:00"), ("17850.0", "14527.0")),
        ("text.parquet", ("2010-12-01 08:26:00", "2011-07-01 09:41:00"), (17850.0, 14527.0)),
        ("times.parquet", (datetime(2010, 12, 1, 8, 26), datetime(2011, 7, 1, 9, 41)), (17850, 14527)),
        ("times.xlsx", (datetime(2010, 12, 1, 8, 26), datetime(2011, 7, 1, 9, 41)), (17850, 14527)),
    ],
)
def test_both_online_retail_headers_are_read_whatever_the_types(
    lake: Lake,
    tmp_path: Path,
    variant: int,
    name: str,
    moments: tuple[object, object],
    customers: tuple[object, object],
) -> None:
    ingest(lake, write(tmp_path / name, uci_rows(variant, moments, customers)), "uci-online-retail")

    assert rows_of(lake, UCI_LINES) == UCI_EXPECTED


def test_online_retail_refuses_what_is_no_sale(lake: Lake, tmp_path: Path) -> None:
    good = uci_rows(2, ("2010-12-01 08:26:00",) * 2, ("17850", "14527"))[0]
    rows = [
        good,
        good,
        {**good, "Customer ID": ""},
        *({**good, "StockCode": code} for code in ("POST", "m", "BANK CHARGES", "gift_0001_30", "TEST001")),
        {**good, "StockCode": "PADS"},
        {**good, "Price": 0},
        {**good, "Price": -1},
        {**good, "InvoiceDate": "soon"},
        {**good, "Quantity": 0},
    ]

    ingest(lake, write(tmp_path / "retail.csv", rows), "uci-online-retail")

    assert reasons(lake) == {
        "exact_duplicate": 1,
        "missing_customer": 1,
        "not_a_product": 5,
        "zero_price": 1,
        "negative_price": 1,
        "unparsable_date": 1,
        "zero_quantity": 1,
    }
    assert rows_of(lake, "SELECT product_id FROM raw.transactions ORDER BY 1") == [("85123A",), ("PADS",)]


def test_a_workbook_keeps_invoice_numbers_of_mixed_types_and_reads_all_its_years(lake: Lake, tmp_path: Path) -> None:
    rows = uci_rows(2, (datetime(2010, 12, 1, 8, 26), datetime(2011, 7, 1, 9, 41)), (17850, 14527))
    sheets: dict[str, list[Row]] = {
        "Year 2009-2010": [{**rows[0], "Invoice": 536365}],
        "Year 2010-2011": [rows[1]],
        "Notes": [{"written by": "me"}],
    }

    registration, _ = ingest(lake, write_excel(tmp_path / "retail.xlsx", sheets), "uci-online-retail")

    assert registration.line_count == 2
    assert rows_of(lake, UCI_LINES) == UCI_EXPECTED


def test_a_profile_may_name_the_sheet(lake: Lake, tmp_path: Path) -> None:
    path = write_excel(tmp_path / "two.xlsx", {"old": LINES[:1], "new": LINES[1:2]})

    registration, _ = ingest(lake, path, changed("canonical", reader={"sheet": "new"}))

    assert registration.line_count == 1
    assert rows_of(lake, ACCEPTED) == EXPECTED[1:2]


def test_semicolons_and_decimal_commas_are_understood(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "europe.csv"
    path.write_text(
        "order_id;customer_id;product_id;quantity;unit_price;ordered_at\nA;ann;p;1,5;1.234,50;31.12.2023 18:30\n"
    )

    ingest(lake, path, changed("canonical", reader={"decimal": ","}))

    assert rows_of(lake, "SELECT quantity, unit_price, ordered_at FROM raw.transactions") == [
        (1.5, 1234.5, datetime(2023, 12, 31, 18, 30))
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig"])
def test_a_profile_may_name_the_encoding(lake: Lake, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(write(tmp_path / "new.csv", [{**LINES[0], "country": "España"}]).read_text().encode(encoding))

    ingest(lake, path, changed("canonical", reader={"encoding": encoding}))

    assert rows_of(lake, "SELECT country FROM raw.transactions") == [("España",)]


def test_malformed_csv_lines_are_rejected_as_they_are_and_counted(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "messy.csv"
    path.write_bytes(
        b"order_id,customer_id,product_id,quantity,unit_price,ordered_at\r\n"
        b'A,ann,"p, ""quoted""\nand broken",1,2,2024-01-01\r\n'
        b"B,bob,p\n"
        b"\n"
        b"C,cid,p,1,2,2024-01-01,and,more\r\n"
        b"D,dan,p,1,2,2024-01-01\n"
    )

    registration, report = ingest(lake, path)

    assert registration.line_count == report.lines_read == 4
    assert rows_of(lake, "SELECT order_id, product_id FROM raw.transactions ORDER BY 1") == [
        ("A", 'p, "quoted"\nand broken'),
        ("D", "p"),
    ]
    assert rows_of(lake, "SELECT reason, ordered_on, original FROM raw.rejected_transactions ORDER BY 3") == [
        ("malformed_line", None, json.dumps("B,bob,p")),
        ("malformed_line", None, json.dumps("C,cid,p,1,2,2024-01-01,and,more")),
    ]


def test_lines_that_are_no_json_objects_are_rejected_as_they_are(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.jsonl", LINES[:3])
    path.write_text(path.read_text() + '{"order_id": "cut o\n\n[1, 2]\n')

    registration, report = ingest(lake, path)

    assert registration.line_count == report.lines_read == 5
    assert rows_of(lake, ACCEPTED) == EXPECTED
    assert rows_of(lake, "SELECT json_extract_string(original, '$') FROM raw.rejected_transactions ORDER BY 1") == [
        ("[1, 2]",),
        ('{"order_id": "cut o',),
    ]


def test_a_rejected_line_is_kept_under_the_files_own_headers(lake: Lake, tmp_path: Path) -> None:
    rows = uci_rows(1, ("12/1/2010 8:26", "7/1/2011 9:41"), ("", "14527"))

    ingest(lake, write(tmp_path / "retail.csv", rows), "uci-online-retail")

    [(original, day, file)] = rows_of(lake, "SELECT original, ordered_on, source_file FROM raw.rejected_transactions")
    assert json.loads(str(original)) == {k: str(v) if v != "" else None for k, v in rows[0].items()}
    assert (day, file) == (date(2010, 12, 1), str(tmp_path / "retail.csv"))


def test_numbers_that_json_does_not_know_are_kept_as_text(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "x.parquet", [line(1, unit_price=float("inf")), line(2, quantity=float("nan"))]))

    originals = rows_of(lake, "SELECT original FROM raw.rejected_transactions WHERE reason = 'not_finite' ORDER BY 1")
    assert [json.loads(str(text))["unit_price"] for (text,) in originals] == ["inf", 2.5]


def test_identifiers_of_big_integers_stay_exact(lake: Lake, tmp_path: Path) -> None:
    exact = 2**62 + 1

    ingest(lake, write(tmp_path / "big.parquet", [line(1, order_id=exact)]))

    assert rows_of(lake, "SELECT order_id FROM raw.transactions") == [(str(exact),)]


# What can be wrong with files: each writes one into the folder that it is given and returns the path to ingest.


def _missing(folder: Path) -> Path:
    return folder / "nowhere.csv"


def _no_match(folder: Path) -> Path:
    return folder / "*.csv"


def _empty_folder(folder: Path) -> Path:
    (folder / "sub").mkdir()
    return folder / "sub"


def _unknown_suffix(folder: Path) -> Path:
    (folder / "orders.docx").write_text("x")
    return folder / "orders.docx"


def _no_bytes(folder: Path) -> Path:
    (folder / "empty.csv").touch()
    return folder / "empty.csv"


def _header_only(folder: Path) -> Path:
    (folder / "bare.csv").write_text(",".join(LINES[0]) + "\n")
    return folder / "bare.csv"


def _no_rows(folder: Path) -> Path:
    path = write(folder / "none.parquet", LINES)
    pl.read_parquet(path).head(0).write_parquet(path)
    return path


def _truncated_parquet(folder: Path) -> Path:
    path = write(folder / "cut.parquet", LINES)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def _truncated_gzip(folder: Path) -> Path:
    path = write(folder / "cut.csv.gz", [line(n) for n in range(5000)])
    path.write_bytes(path.read_bytes()[:-200])
    return path


def _not_gzip(folder: Path) -> Path:
    path = folder / "plain.csv.gz"
    path.write_text("order_id\n1\n")
    return path


def _broken_array(folder: Path) -> Path:
    path = write(folder / "cut.json", LINES)
    path.write_text(path.read_text()[:-30])
    return path


def _not_a_workbook(folder: Path) -> Path:
    path = folder / "fake.xlsx"
    path.write_text("not a workbook")
    return path


def _lacking_column(folder: Path) -> Path:
    return write(folder / "lacking.csv", [{k: v for k, v in LINES[0].items() if k != "customer_id"}])


def _lacking_column_later(folder: Path) -> Path:
    write(folder / "all/a.csv", LINES)
    write(folder / "all/b.csv", [{k: v for k, v in LINES[0].items() if k != "unit_price"}])
    return folder / "all"


def _wrong_encoding(folder: Path) -> Path:
    path = folder / "latin.csv"
    path.write_bytes(write(folder / "utf.csv", [{**LINES[0], "country": "España"}]).read_text().encode("latin-1"))
    (folder / "utf.csv").unlink()
    return path


def _wrong_encoding_far_down(folder: Path) -> Path:
    path = write(folder / "late.csv", [line(n) for n in range(4)])
    path.write_bytes(path.read_bytes() + b"too,few\n" * 600_000 + "L,O,é,p\n".encode("latin-1"))
    return path


def _unreadable_dates(folder: Path) -> Path:
    return write(folder / "dates.csv", [line(1, ordered_at="31/31/2024"), line(2, ordered_at="")])


def _never_closed_quote(folder: Path) -> Path:
    path = write(folder / "quote.csv", [line(n) for n in range(4)])
    path.write_text(path.read_text().replace("\nL3,", '\n"L3,', 1) + "and so on\n" * 900_000)
    return path


def _corrupt_product_list(folder: Path) -> Path:
    (folder / "products.parquet").write_text("PAR1")
    return write(folder / "orders.csv", LINES)


def _malformed_product_list(folder: Path) -> Path:
    (folder / "products.csv").write_text("product_id,category\np1,toys,extra\n")
    return write(folder / "orders.csv", LINES)


BAD_FILES: tuple[tuple[Callable[[Path], Path], str], ...] = (
    (_missing, r"nowhere\.csv does not exist\. Check the path"),
    (_no_match, r"\*\.csv matches no file"),
    (_empty_folder, r"folder .*sub holds no file that can be read\. Readable are \.csv"),
    (_unknown_suffix, r"orders\.docx has a suffix that can't be read\. Readable are \.csv"),
    (_no_bytes, r"empty\.csv is empty \(0 bytes\)"),
    (_header_only, r"bare\.csv has no lines below its header"),
    (_no_rows, r"none\.parquet has no lines"),
    (_truncated_parquet, r"cut\.parquet is not a complete Parquet file.*fetch it again"),
    (_truncated_gzip, r"cut\.csv\.gz can't be read; it may be incomplete or damaged"),
    (_not_gzip, r"plain\.csv\.gz can't be read; it may be incomplete or damaged"),
    (_broken_array, r"cut\.json is not a complete JSON array"),
    (_not_a_workbook, r"fake\.xlsx can't be read as an Excel workbook"),
    (
        _lacking_column,
        r"lacking\.csv lacks what the profile canonical reads: `customer_id` \(as customer_id\)\. "
        r"The file has line_id, order_id, product_id, quantity, unit_price, ordered_at",
    ),
    (_lacking_column_later, r"b\.csv lacks .*`unit_price`"),
    (_wrong_encoding, r"latin\.csv is not written in utf-8\. Name its encoding"),
    (_wrong_encoding_far_down, r"late\.csv is not written in utf-8\. Name its encoding"),
    (_unreadable_dates, r"None of the 2 lines of .*dates\.csv has a date that can be read.*31/31/2024"),
    (_never_closed_quote, r"quote\.csv has a line of more than 4 MB, most likely since a quotation mark"),
    (_corrupt_product_list, r"products\.parquet is not a complete Parquet file"),
    (_malformed_product_list, r"product list .*products\.csv has a line that can't be read: 'p1,toys,extra'"),
)


@pytest.mark.parametrize(("make", "message"), BAD_FILES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_bad_file_is_refused_with_a_reason_and_leaves_no_trace(
    untouched_lake: Lake, tmp_path: Path, make: Callable[[Path], Path], message: str
) -> None:
    before = untouched_lake.version()

    with pytest.raises(SourceError, match=f"(?s){message}"):
        register(untouched_lake, str(make(tmp_path)), load_profile("canonical"), now=NOW)

    assert untouched_lake.version() == before


BAD_PROFILES: tuple[tuple[Mapping[str, object], str], ...] = (
    ({"reader": {"sheet": "May"}}, r"has no sheet 'May', which the profile canonical names; it has Sheet1"),
    (
        {"columns": {"quantity": "unit(quantity)"}},
        r"faulty expression in columns\.quantity.*may use the inputs line_id",
    ),
    ({"columns": {"quantity": "make_date(1, 1, 1)"}}, r"faulty expression in columns\.quantity"),
    ({"columns": {"quantity": "CAST(customer_id AS DOUBLE)"}}, r"Could not convert string 'ann'.*TRY_CAST"),
    (
        {"rules": [{"name": "odd", "reject": "colour = 'red'"}]},
        r"faulty expression in rules\.odd.*colour.*line_id",
    ),
    ({"products": {"optional": False}}, r"product list that the profile canonical names is not there: tried"),
)


@pytest.mark.parametrize(("change", "message"), BAD_PROFILES)
def test_a_profile_that_does_not_fit_the_file_is_refused_with_the_place(
    lake: Lake, tmp_path: Path, change: Mapping[str, object], message: str
) -> None:
    path = write(tmp_path / "orders.xlsx", LINES)
    before = lake.version()

    with pytest.raises(SourceError, match=f"(?s){message}"):
        ingest(lake, path, _adapted(change))

    assert rows_of(lake, "SELECT count(*) FROM raw.transactions") == [(0,)]
    assert lake.version() - before in (0, 1)  # a value may turn up only when days are loaded, after registration


def _adapted(change: Mapping[str, object]) -> Profile:
    base = load_profile("canonical").model_dump(mode="json", exclude_defaults=True)
    merged = {
        key: {**base[key], **value} if isinstance(value, dict) and key in base else value
        for key, value in change.items()
    }
    return changed("canonical", **merged)


def test_a_url_is_refused_for_now(untouched_lake: Lake) -> None:
    with pytest.raises(SourceError, match="only local files"):
        register(untouched_lake, "https://example.org/orders.csv", load_profile("canonical"), now=NOW)


def test_an_archive_that_is_no_archive_of_text_is_refused(untouched_lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "orders.parquet.gz"
    path.write_bytes(gzip.compress(b"x"))

    with pytest.raises(SourceError, match=r"orders\.parquet\.gz has a suffix that can't be read"):
        register(untouched_lake, str(path), load_profile("canonical"), now=NOW)
