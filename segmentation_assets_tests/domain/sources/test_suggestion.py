"""Drafts for files that no profile describes: they parse, read what the file holds, and name what is open."""

import contextlib
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from segmentation.cli.app import app
from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import parse_profile
from segmentation.sources.profiles.yaml_text import parse_yaml_text
from segmentation.sources.suggestion.dialects import best_reading, encoding_of, header_of
from segmentation.sources.suggestion.drafts import scalar
from segmentation.sources.suggestion.samples import Column
from segmentation.sources.suggestion.suggesting import NoColumnError, Suggestion, suggest
from segmentation.sources.suggestion.values import Facts, date_order, decimal_mark, is_date, is_number
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import CASES, ingest, reasons, rows_of

GERMAN = """\
Belegnr;Pos;Kundennr;Artikel;Bezeichnung;Menge;Einzelpreis;Rabatt %;Datum;Uhrzeit;Kasse
1001;1;K17;r-12;Rosen - rot, langstielig;12;1,50;10;03.03.2025;09:15;1
1001;2;K17;v-03;Vasen - Glas;1;1.024,90;;03.03.2025;09:15;1
1002;1;K18;t-01;Tulpen - für dich;1;4,90;;03.03.2025;10:02;2
1004;1;K21;t-01;Tulpen - gemischt;-1;4,90;;04.03.2025;00:30;WEB
"""

SHOP = """\
Name,Email,Financial Status,Created at,Currency,Lineitem sku,Lineitem quantity,Lineitem price
#1,a@example.com,paid,2024-03-01T10:00:00+01:00,EUR,s1,1,10.00
#1,a@example.com,,2024-03-01T10:00:00+01:00,,s2,1,20.00
#2,b@example.com,voided,2024-03-02T10:00:00+01:00,EUR,s1,1,10.00
#2,b@example.com,,2024-03-02T10:00:00+01:00,,s2,1,500.00
"""


def suggested(path: Path, text: str, *, encoding: str = "utf-8", timezone: str | None = None) -> Suggestion:
    path.write_bytes(text.encode(encoding))
    return suggest([str(path)], timezone=timezone)


def headers(found: Suggestion) -> dict[str, str]:
    return {name: entry.headers[0] for name, entry in found.profile.inputs.items()}


def test_a_foreign_export_is_read_by_its_headers_and_its_spelling(tmp_path: Path) -> None:
    found = suggested(tmp_path / "till.csv", GERMAN, encoding="cp1252", timezone="Europe/Berlin")

    reader = found.profile.reader
    assert (reader.delimiter, reader.encoding, reader.decimal) == (";", "cp1252", ",")
    assert found.profile.timezone == "Europe/Berlin"
    assert headers(found) == {
        "order_no": "Belegnr",
        "customer": "Kundennr",
        "product": "Artikel",
        "pieces": "Menge",
        "price": "Einzelpreis",
        "ordered": "Datum",
        "clock": "Uhrzeit",
        "label": "Bezeichnung",
    }
    assert found.profile.columns["ordered_at"] == "as_timestamp(ordered || ' ' || clock)"


def test_columns_without_a_telling_name_are_told_by_their_values(tmp_path: Path) -> None:
    found = suggested(tmp_path / "orders.csv", SHOP)

    assert headers(found)["order_no"] == "Name"
    assert found.profile.columns["customer_id"] == "lower(customer)"
    assert [rule.reject for rule in found.profile.rules] == ["lower(input.status) IN ('voided')"]


def test_what_is_not_sure_is_told_with_its_line(tmp_path: Path) -> None:
    found = suggested(tmp_path / "orders.csv", SHOP)
    lines = found.text.splitlines()

    by_text = {doubt.text: lines[doubt.line - 1] for doubt in found.doubts}

    assert by_text["Name was taken for the order id by its values alone."] == "  order_no: [Name]"


def test_times_without_an_offset_ask_for_their_zone(tmp_path: Path) -> None:
    found = suggested(tmp_path / "till.csv", GERMAN)

    assert any(
        "--timezone" in doubt.text and "timezone: UTC" in found.text.splitlines()[doubt.line - 1]
        for doubt in found.doubts
    )
    assert not any("--timezone" in doubt.text for doubt in suggested(tmp_path / "orders.csv", SHOP).doubts)


def test_a_bundled_profile_that_fits_is_used(tmp_path: Path) -> None:
    text = "order_id,customer_id,product_id,quantity,unit_price,ordered_at\n1,c,p,1,2.5,2024-03-01\n"

    found = suggested(tmp_path / "orders.csv", text, timezone="Asia/Tokyo")

    assert (found.bundled, found.profile.timezone) == ("canonical", "Asia/Tokyo")


def test_tables_that_belong_together_are_joined_by_what_they_share(lake: Lake) -> None:
    found = suggest([str(CASES / "11-tables-that-belong-together")])

    ingest(lake, CASES / "11-tables-that-belong-together", found.profile)

    assert rows_of(lake, "SELECT customer_id, count(*), round(sum(amount), 2) FROM raw.transactions GROUP BY ALL") == [
        ("u1", 2, 39.99)
    ]
    assert reasons(lake) == {"cancelled": 1}


def test_a_name_that_numbers_lines_is_no_quantity(tmp_path: Path) -> None:
    rows = "1,1,c1,a,2.5,2024-03-01\n1,2,c1,b,2.5,2024-03-01\n2,1,c2,a,2.5,2024-03-02\n"

    found = suggested(tmp_path / "o.csv", "order id,order item id,customer id,sku,price,order date\n" + rows)

    assert found.profile.columns["quantity"] == "1"


DAY_FIRST = (
    "order_id,customer_id,product_id,quantity,unit_price,ordered_at\n1,c,p,1,2.5,03/01/2024\n2,c,p,1,2.5,13/03/2024\n"
)


def test_the_canonical_columns_alone_do_not_make_a_file_canonical(tmp_path: Path) -> None:
    found = suggested(tmp_path / "orders.csv", DAY_FIRST)

    assert (found.bundled, found.profile.reader.dates) == (None, "day_first")


def test_what_stands_on_first_lines_only_is_carried(tmp_path: Path) -> None:
    carry = suggested(tmp_path / "orders.csv", SHOP).profile.carry

    assert carry is not None
    assert (carry.by, set(carry.inputs)) == ("order_no", {"currency", "status"})


def test_columns_by_white_space_without_a_header_get_names(tmp_path: Path) -> None:
    text = "".join(f" {c:05d} 1997{m:02d}1{c}  {c % 3 + 1}  {10 + c}.77\n" for c in range(1, 9) for m in (1, 5))

    found = suggested(tmp_path / "master.csv", text)

    assert (found.profile.reader.delimiter, found.profile.reader.names) == (
        "whitespace",
        ("customer", "ordered", "pieces", "paid"),
    )


def test_quotation_marks_that_quote_nothing_are_characters(tmp_path: Path) -> None:
    rows = [
        "order id\tcustomer id\tsku\tprice\torder date\tname",
        *(f"{n}\tc{n}\tp\t2.5\t2024-03-0{n}\t{name}" for n, name in ((1, "plain"), (2, '"Open'), (3, "x"), (4, 'y "'))),
    ]

    assert suggested(tmp_path / "orders.tsv", "\n".join(rows) + "\n").profile.reader.quote == "off"


def test_several_currencies_ask_for_rates(tmp_path: Path) -> None:
    found = suggested(tmp_path / "orders.csv", SHOP.replace("EUR", "USD", 1))

    assert found.profile.columns["currency"] == "currency"
    assert any("SEGMENTATION_EXCHANGE_RATES" in doubt.text for doubt in found.doubts)


def test_a_file_without_what_a_profile_needs_is_refused_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="looks like the ordered at and customer id.*It has colour, size"):
        suggested(tmp_path / "other.csv", "colour,size\nred,big\nblue,small\n")


def test_negative_amounts_of_positive_counts_are_returns(tmp_path: Path) -> None:
    text = "order no,customer no,sku,qty,line total,order date\n1,7,a,2,20.00,2024-03-01\n1,7,a,1,-10.00,2024-03-05\n"

    found = suggested(tmp_path / "orders.csv", text)

    assert found.profile.columns["quantity"].startswith("CASE WHEN as_number(paid) < 0 THEN -abs(")


NESTED = [
    {
        "id": number,
        "created_at": f"2024-03-0{number}T10:00:00+01:00",
        "customer": {"id": 6 + number, "email": f"c{number}@example.com"},
        "line_items": [{"id": 10 * number + at, "sku": f"s{at}", "quantity": 1 + at, "price": "5.00"} for at in (1, 2)],
    }
    for number in (1, 2)
]


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("\n".join(map(json.dumps, NESTED)), None),
        (json.dumps(NESTED), None),
        (json.dumps({"orders": NESTED}), "orders"),
        (json.dumps({"data": {"orders": NESTED}}, indent=1), "data.orders"),
    ],
)
def test_nested_lines_are_found_wherever_they_are(tmp_path: Path, text: str, way: str | None) -> None:
    found = suggested(tmp_path / "orders.json", text)

    assert (found.profile.reader.path, found.profile.reader.each) == (way, "line_items")
    assert headers(found) == {
        "order_no": "id",
        "customer": "customer.id",
        "line_no": "line_items.id",
        "product": "line_items.sku",
        "pieces": "line_items.quantity",
        "price": "line_items.price",
        "ordered": "created_at",
    }


def test_a_workbook_is_read_below_its_title(tmp_path: Path) -> None:
    rows = [["Sales of March", "", "", "", ""], ["Order No", "Customer No", "SKU", "Price", "Order Date"]]
    rows += [[str(number), f"k{number}", "a", "2.50", f"2024-03-0{number}"] for number in (1, 2, 3)]
    pl.DataFrame(rows, orient="row").write_excel(tmp_path / "sales.xlsx", include_header=False)

    assert headers(suggest([str(tmp_path / "sales.xlsx")]))["order_no"] == "Order No"


def test_the_command_writes_the_profile_and_shows_its_dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENTATION_HOME", str(tmp_path / "home"))
    (tmp_path / "till.csv").write_bytes(GERMAN.encode("cp1252"))
    target = tmp_path / "till.yaml"

    shown = CliRunner().invoke(app, ["sources", "suggest", str(tmp_path / "till.csv"), "-o", str(target)])

    assert shown.exit_code == 0, shown.output
    assert "4 lines read, 4 accepted, 0 rejected" in shown.output
    assert "Not sure:" in shown.output
    assert parse_profile(target.read_text(), "written").name == "till"
    again = CliRunner().invoke(app, ["sources", "suggest", str(tmp_path / "till.csv"), "-o", str(target)])
    assert isinstance(again.exception, SourceError)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GERMAN.encode(), "utf-8"),
        (GERMAN.encode("utf-16"), "utf-16"),
        (GERMAN.encode("utf-16-le"), "utf-16-le"),
        (GERMAN.encode("cp1252"), "cp1252"),
        ("注文,顧客\n1,山田太郎\n".encode("shift_jis"), "shift_jis"),
    ],
)
def test_encodings_are_told_by_trial(text: bytes, expected: str) -> None:
    assert encoding_of(text) == expected


@pytest.mark.parametrize(
    ("text", "delimiter", "quotes"),
    [
        ('a,b\n"1,5",2\n"2,5",3\n', ",", True),
        ("a;b\n1,5;2\n2,5;3\n", ";", True),
        ('a\tb\n"x\t1\ny\t2\nz"\t3\n', "\t", False),
        (" 1 19970101  1 11.77\n 2 19970112  5 77.00\n", "whitespace", True),
        ('a|b\n"x\ny"|1\nz|2\n', "|", True),
    ],
)
def test_delimiters_and_quotation_marks_are_those_that_give_even_lines(text: str, delimiter: str, quotes: bool) -> None:
    assert best_reading(text)[:2] == (delimiter, quotes)


def test_titles_above_a_header_and_files_without_one_are_told_apart() -> None:
    assert header_of([["Sales"], ["2024"], ["id", "day"], ["1", "2024-03-01"], ["2", "2024-03-02"]])[:2] == (
        2,
        ["id", "day"],
    )
    assert header_of([["1", "2024-03-01"], ["2", "2024-03-02"]])[:2] == (0, [])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("03/01/2024", "13/03/2024"), ("day_first", False)),
        (("03/01/2024", "03/13/2024"), ("month_first", False)),
        (("03/01/2024", "05/02/2024"), ("month_first", True)),
        (("13/01/2024", "05/22/2024"), ("day_first", True)),
        (("2024-03-01", "1.3.2024"), (None, False)),
    ],
)
def test_the_order_of_dates_is_told_by_those_that_have_one_reading(
    values: tuple[str, ...], expected: tuple[str | None, bool]
) -> None:
    assert date_order(Facts.of(Column("day", values))) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1.234,50", "2"), ","),
        (("1,234.50",), "."),
        (("1,234", "2"), None),
        (("12,50 EUR",), ","),
        (("1.234.567",), ","),
        (("($18.00)", "18.00-"), "."),
    ],
)
def test_decimal_marks_are_told_by_the_digits_behind_them(values: tuple[str, ...], expected: str | None) -> None:
    assert decimal_mark([Facts.of(Column("paid", values))]) == expected


@pytest.mark.parametrize(
    "text", ["2024-03-01", "1/3/24 10:00", "1.3.2024", "20240301", "May 13, 2021", "2021年5月13日"]
)
def test_dates_are_known_by_their_looks(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize("text", ["1001", "12.50", "K17", "a@may.example", "99999999", "WEB"])
def test_other_things_are_no_dates(text: str) -> None:
    assert not is_date(text)


@pytest.mark.parametrize("text", ["12,50 EUR", "R$ 12.50", "($5.00)", "5.00-", "1'234.50", "-3"])
def test_numbers_are_known_in_the_spellings_of_money(text: str) -> None:
    assert is_number(text)


HEADER = st.text(
    st.characters(codec="utf-8", exclude_characters='\r\n\0"', exclude_categories=["Cs"]), min_size=1, max_size=12
)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_the_same_after_yaml(text: str) -> None:
    assert parse_yaml_text(f"a: [{scalar(text)}]") == {"a": [text]}


@example_settings(deadline=None, max_examples=60)
@given(names=st.lists(HEADER, min_size=6, max_size=6, unique_by=lambda name: name.strip().casefold()))
def test_a_draft_parses_whatever_the_headers_are(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    rows = [
        names,
        ["o1", "c@x.org", "p1", "1", "2.50", "2024-03-01"],
        ["o2", "d@x.org", "p2", "3", "4.50", "2024-03-02"],
    ]

    with contextlib.suppress(NoColumnError):
        found = suggested(path, "\n".join("\t".join(row) for row in rows) + "\n")
        assert parse_profile(found.text, "again") == found.profile
