"""Files by what is in them: zips, workbooks of all ages, and names that lie."""

import base64
import gzip
import io
import zipfile
from pathlib import Path

import polars as pl
import pytest

from segmentation.errors import SourceError
from segmentation.sources.batch.registration import files_at
from segmentation.sources.dry_run import DryRun, dry_run_on
from segmentation.sources.profiles.profile import Profile, load_profile
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import (
    LINES,
    NOW,
    changed,
    ingest,
    rows_of,
    write_excel,
)

CANONICAL = load_profile("canonical")
HEADER = "order_id,customer_id,product_id,quantity,unit_price,ordered_at"
ONE = f"{HEADER}\n1,c1,p1,1,2.5,2024-03-01\n"
TWO = f"{HEADER}\n2,c2,p1,1,2.5,2024-03-02\n"


def _found(lake: Lake, path: Path, profile: Profile = CANONICAL) -> DryRun:
    return dry_run_on(lake, str(path), profile, now=NOW)


def _zip(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def _ods(path: Path, *rows: str, repeated: int = 1) -> Path:
    cells = "".join(
        f'<table:table-row table:number-rows-repeated="{repeated}">'
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row.split(",")
        )
        + "</table:table-row>"
        for row in rows
    )
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {names}><office:body><office:spreadsheet>'
        f'<table:table table:name="Sheet1">{cells}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
    return path


@pytest.mark.parametrize("name", ["orders.txt", "orders.tab", "orders.TXT", "orders.txt.gz"])
def test_text_by_other_suffixes_is_read(lake: Lake, tmp_path: Path, name: str) -> None:
    content = ONE.replace(",", "\t").encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert _found(lake, tmp_path / name).report.accepted == 1


def test_any_suffix_is_read_by_a_profile_that_says_what_it_is(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "orders.export"
    path.write_text(ONE)
    with pytest.raises(SourceError, match="reader: {format: csv}"):
        _found(lake, path)
    assert _found(lake, path, changed("canonical", reader={"format": "csv"})).report.accepted == 1


def test_in_folders_notes_are_passed_over_and_tables_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "report.txt").write_text(ONE.replace(",", "\t"))
    (folder / "orders.csv").write_text(TWO)
    (folder / "README.txt").write_text("These are the exports of March,\nas the till writes them.\n\nBye, Ann\n")
    assert [path.name for path in files_at(str(folder), CANONICAL).files] == ["orders.csv", "report.txt"]


def test_the_members_of_a_zip_are_read_as_one_file(lake: Lake, tmp_path: Path) -> None:
    book = write_excel(tmp_path / "book.xlsx", {"Sheet1": LINES[:1]}).read_bytes()
    texts: dict[str, str | bytes] = {"a__csv": ONE, "sub/b__csv": TWO, "README__txt": "Hello, you,\n"}
    path = _zip(tmp_path / "orders.zip", **texts, **{"c__xlsx": book, "__MACOSX/._a__csv": b"x"})
    assert _found(lake, path).report.accepted == 3
    ingest(lake, path)
    ingest(lake, path)
    assert rows_of(lake, "SELECT count(*), count(DISTINCT source_file) FROM raw.loads") == [(3, 1)]


def test_lines_that_are_joined_in_a_zip_are_counted_over_its_members(lake: Lake, tmp_path: Path) -> None:
    text = ONE.replace("p1", '"p\n1"')
    path = _zip(tmp_path / "orders.zip", a__csv=text, b__csv=text.replace("1,c1", "2,c2"))
    assert _found(lake, path).report.lines_joined == 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a__csv": "a,b\n1,2\n"}, r"orders.zip/a.csv lacks"),
        ({"a__csv": ONE, "customers__csv": "a,b\n1,2\n"}, r"orders.zip/customers.csv lacks"),
        ({"a__csv": ONE + '2,c2,"open,1,2.5,2024-03-01\n'}, r"orders.zip/a.csv ends inside of a quotation"),
        ({"a__zip": b"PK"}, "a.zip in it, which can't be read there. Unpack it"),
        ({"a__parquet": b"PAR1"}, "Unpack it"),
        ({"a__pdf": b"x"}, "no file in it that can be read; it has a.pdf"),
        ({}, "it has nothing"),
    ],
)
def test_what_cannot_be_read_in_a_zip_is_named(
    lake: Lake, tmp_path: Path, members: dict[str, str | bytes], message: str
) -> None:
    with pytest.raises(SourceError, match=f"(?s){message}"):
        _found(lake, _zip(tmp_path / "orders.zip", **members))


def test_a_zip_with_a_password_or_cut_off_is_refused(lake: Lake, tmp_path: Path) -> None:
    path = _zip(tmp_path / "orders.zip", a__csv=ONE)
    whole = path.read_bytes()
    locked = bytearray(whole)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[whole.index(mark) + place] |= 1
    path.write_bytes(locked)
    with pytest.raises(SourceError, match="protected by a password"):
        _found(lake, path)
    path.write_bytes(whole[:-30])
    with pytest.raises(SourceError, match="can't be unpacked"):
        _found(lake, path)


def test_a_zip_may_not_hold_much_more_than_itself(lake: Lake, tmp_path: Path) -> None:
    path = _zip(tmp_path / "orders.zip", a__csv=ONE + "\n" * (80 << 20))
    with pytest.raises(SourceError, match="SEGMENTATION_MAX_COMPRESSION_RATIO"):
        _found(lake, path)


def _parquet() -> bytes:
    target = io.BytesIO()
    pl.DataFrame(list(LINES[:1])).write_parquet(target)
    return target.getvalue()


def test_content_counts_more_than_the_suffix(lake: Lake, tmp_path: Path) -> None:
    book = write_excel(tmp_path / "book.xlsx", {"Sheet1": LINES[:1]}).read_bytes()
    zipped = _zip(tmp_path / "a.zip", a__csv=ONE).read_bytes()
    for number, (name, content) in enumerate(
        (
            ("a.xls", book),
            ("b.csv", book),
            ("c.csv", gzip.compress(ONE.encode())),
            ("d.csv", _parquet()),
            ("e.xls", ONE.replace(",", "\t").encode()),
            ("f.xls", ONE.replace(",", "\t").encode("utf-16")),
            ("g.csv", zipped),
            (
                "h.txt",
                b'{"order_id": 1, "customer_id": "c", "product_id": "p", "quantity": 1, "unit_price": 1, '
                b'"ordered_at": "2024-03-01"}\n',
            ),
        )
    ):
        path = tmp_path / f"{number}{name}"
        path.write_bytes(content)
        assert _found(lake, path).report.accepted == 1, name


@pytest.mark.parametrize("name", ["a.xls", "a.csv"])
def test_a_web_page_by_another_name_is_told(lake: Lake, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<html><body><table><tr><td>order_id</td></tr></table></body></html>")
    with pytest.raises(SourceError, match="is a web page"):
        _found(lake, tmp_path / name)


def test_titles_above_the_header_of_a_sheet_are_passed_over(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    names = list(LINES[0])
    rows = [{"a": "Generated 2024-04-01"}, {}, {str(n): name for n, name in enumerate(names)}, *LINES]
    write_excel(path, {"Cover": [{"Sales": "x"}], "Lines": [{"Sales report": 1}, *rows]})
    found = _found(lake, path)
    assert (found.report.lines_read, found.report.accepted) == (4, 3)


def test_an_open_document_is_read_and_one_that_repeats_too_much_is_not(lake: Lake, tmp_path: Path) -> None:
    rows = ("Report", *ONE.strip().split("\n"))
    assert _found(lake, _ods(tmp_path / "orders.ods", *rows)).report.accepted == 1
    with pytest.raises(SourceError, match="25,|rows"):
        _found(lake, _ods(tmp_path / "bomb.ods", *rows, repeated=10_000_000))


def test_a_workbook_of_before_2007_is_read(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "orders.xls"
    path.write_bytes(gzip.decompress(base64.b64decode(OLD_WORKBOOK)))
    assert _found(lake, path).report.accepted == 1
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3_000))
    with pytest.raises(SourceError, match="can't be read as an Excel workbook"):
        _found(lake, path)


OLD_WORKBOOK = (
    "H4sIAAAAAAACA+1YTWgTQRT+djd/XZs2ranYCiUUWrW2h+JFCm2qVNtLarWIP4gxTfYQWpO42RzqQau1R0HwpHgp1IOXqhd/UEFvHoSKHgRBSB"
    "W89CQoeGi7vnnZjWlEaEADlf2WeTPvzZt5M/Pmzc7um8WG/NyDliWUoR8K1swaeEpkEqUamwmA6k1TFO3cR8l0sKlQ4yNHetx46n/tFT4U/l6C"
    "jPuul0SBT5ROI4ORdEoLVREHeAwxSYyhj6iE2ySpQzOPqpFpnOlWpvdY8xnTAZZcY9pHunnpFBbDI537rF18Qm7jujqIfh9xmw8s6UETXoldfO"
    "m6VNB1Y7+ejE1usopWVy3mQQ4d0lKaLvjtuEMrhZOE7kike3AwNDzcG4n0jo3lESSvz+O7GQK+2eH9IuTIqyuXQPIf6+XeP8h95M1y+Q3ZBUzD"
    "PMvRMku7+4yrENGH9YSmZ1cwyae3SLXAWGxSy4Z0LZPWDTq400InmkxsobDKZY30OeZUIKOnE7m4QQxpnc/FUkbSmCJ5LpU0ohk9GddUq7WWiM"
    "YMiqJ4D5FMjyps8ekSWHe6+DnqaokmUM/lBo69AM1q5e7Xt5Hx0XCUJdP8Rim8d9rF7GDismhBjeu4hifIvXZyiz1Mr3CvO7jcwjRIgUF5x2iT"
    "VTg0wzpXubaD7OxlvAvvLCnvovLs8pHHrbOfw7upvDC0dCG48D48hzZaxQS1F88MuqQu6dZNgSdhO5esM+oj0+bfziufHLDmZlov13qsQuViA1"
    "OhIfPs1mvIrCHWpMDZ61fgZOKUIqcQ5ypyLuLcRc5NnMeyo5TZuSirLCtoCH2F7XiLnLAjvPOc5qmwHQ/rLyvCKwr5RyELjThG8Ld/GeiXG/FQ"
    "DJNO519Q4cCBAwcOHDhw4KC6EPdIcS1TrNu027pPe63/OquU1pzfJP8tjiJNj0HfkgeRolzHVEX7Zxvckt2XtME29v9CgeNkXccExnkcExXvX/"
    "rKkkrns+GGgb8XQpXaX6tknP/Y/k9RySJrABYAAA=="
)
"""What xlwt writes: a title, a blank row, a header and a line with a date, gzipped."""
