"""Files as shops export them, each with its right outcome: what is accepted, refused by which rule, or told.

Beside the files of `test_corpus`, which are about one format or value each, these are whole exports: with the lines
above the header, the footers, the locale and the tables that their software writes. Accepted + rejected = read, nothing
ends in a traceback, and what can't be known is asked for by the name of the setting.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.dry_run import dry_run_on
from segmentation.sources.profiles.profile import Profile, load_profile, parse_profile
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.sources.shop_files import NOW
from segmentation_assets_tests.testing.dialects import HEADERS

HEADER = ("order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at")
ROW = ("1", "c1", "p1", "2", "2.5", "2024-03-01 10:00")
BASE = """
name: base
inputs:
  order_no: [order_id]
  customer: [customer_id]
  product: [product_id]
  qty: [quantity]
  price: [unit_price]
  day: [ordered_at]
columns:
  {order_id: order_no, customer_id: customer, product_id: product, quantity: qty, unit_price: price, ordered_at: day}
"""


@dataclass(frozen=True)
class Wild:
    """An input and what becomes of it.

    Attributes:
        name: What it is.
        files: Content by file name; a path with a folder for those of a folder.
        profile: YAML, or the name of a bundled profile.
        accepted: Lines that are accepted.
        rejected: Lines that are not, by reason.
        told: What is said instead where it can't be read; all of it has to be there.
        warned: What the dry run warns of.
        first: Values of the first accepted line, in order of time.
    """

    name: str
    files: Mapping[str, bytes]
    profile: str = BASE
    accepted: int = 1
    rejected: Mapping[str, int] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    first: Mapping[str, object] = field(default_factory=dict)


def row(number: int = 1, **changes: str) -> tuple[str, ...]:
    """A line of an order of its own, with some values changed."""
    own = {"order_id": str(number), "customer_id": f"c{number}", "ordered_at": f"2024-03-{number % 28 + 1:02} 10:00"}
    values = dict(zip(HEADER, ROW, strict=True)) | own | changes
    return tuple(values.values())


def text(*rows: tuple[str, ...], mark: str = ",", header: tuple[str, ...] = HEADER, end: str = "\n") -> str:
    """Rows as text, with nothing quoted."""
    return end.join(mark.join(cells) for cells in (header, *rows)) + end


def base(reader: str = "", **top: str) -> str:
    """The plain profile with a reader and further keys."""
    more = "".join(f"{name}: {value}\n" for name, value in top.items())
    return f"{BASE}{f'reader: {{{reader}}}' if reader else ''}\n{more}"


PLAIN = text(row(1), row(2))
BOTH = 2


def _marks_and_quotes() -> Iterator[Wild]:
    inch = text(row(1, product_id='17" screen'), row(2, product_id="plain"), mark="\t")
    yield Wild("an inch mark in a TSV", {"a.tsv": inch.encode()}, accepted=BOTH)
    opened = text(row(1, product_id='"Open'), row(2), row(3), mark="\t")
    yield Wild("a TSV whose quotation never closes", {"a.tsv": opened.encode()}, accepted=3)
    pair = text(row(1, product_id='"Open'), row(2), row(3, product_id='second "'), row(4), mark="\t")
    yield Wild("a TSV whose quotation closes three lines below", {"a.tsv": pair.encode()}, accepted=4)
    yield Wild("the same in a .txt", {"a.txt": pair.encode()}, accepted=4)
    yield Wild("quotes that are off", {"a.csv": pair.replace("\t", ",").encode()}, base("quote: off"), 4)
    yield Wild("an open quotation at the end", {"a.csv": opened.replace("\t", ",").encode()}, told=("quot",))
    cut = text(row(1), row(2, product_id='"a long, long descr'))
    yield Wild("a file cut off inside of a quotation", {"a.csv": cut.rstrip().encode()}, told=("quot",))
    single = text(row(1, product_id="'a,b'"), row(2))
    yield Wild("single quotes", {"a.csv": single.encode()}, base('quote: "\'"'), BOTH, first={"product_id": "a,b"})
    slashed = text(row(1, product_id=r'"a\",b"'), row(2))
    yield Wild(
        "quotes escaped by a backslash",
        {"a.csv": slashed.encode()},
        base('escape: "\\\\"'),
        BOTH,
        first={"product_id": 'a",b'},
    )
    address = text(row(1, product_id='"Main St 1\nBerlin"'), row(2))
    yield Wild("a line break inside of quotes", {"a.csv": address.encode()}, accepted=BOTH)
    yield Wild("the same with CRLF", {"a.csv": address.replace("\n", "\r\n").encode()}, accepted=BOTH)
    quoted = text(*[tuple(f'"{cell}"' for cell in row(n)) for n in (1, 2)], header=tuple(f'"{h}"' for h in HEADER))
    yield Wild("everything quoted", {"a.csv": quoted.encode()}, accepted=BOTH)
    doubled = text(row(1, product_id='"a ""b"" c"'), row(2))
    yield Wild("doubled quotes", {"a.csv": doubled.encode()}, accepted=BOTH, first={"product_id": 'a "b" c'})
    for mark, name in ((";", "semicolons"), ("|", "pipes"), ("\t", "tabs"), ("^", "carets"), ("~", "tildes")):
        reader = f'delimiter: "{mark}"' if mark in "^~" else ""
        yield Wild(f"{name} between fields", {"a.csv": text(row(), mark=mark).encode()}, base(reader))
    yield Wild("tabs in a .txt", {"a.txt": text(row(), mark="\t").encode()})
    columns = text(row(1, ordered_at="20240301"), mark="   ")
    yield Wild("columns by white space", {"a.txt": columns.encode()}, base("delimiter: whitespace"))
    bare = " 00001 19970101  1   11.77\n 00002 20240112  2   89.00\n"
    cdnow = """
name: cdnow-like
reader: {delimiter: whitespace, names: [customer, day, pieces, paid]}
inputs: {customer: [customer], day: [day], pieces: [pieces], paid: [paid]}
columns:
  order_id: customer || '/' || day
  customer_id: customer
  product_id: "'CD'"
  quantity: pieces
  amount: paid
  ordered_at: day
"""
    yield Wild(
        "no header at all", {"a.txt": bare.encode()}, cdnow, 1, {"implausible_date": 1}, first={"customer_id": "00002"}
    )
    semis = text(row(1, product_id="a,b,c,d,e,f,g"), row(2), mark=";")
    yield Wild("more commas than semicolons", {"a.csv": semis.encode()}, accepted=BOTH)
    longer = text(row(1), row(2)).replace("10:00\n", "10:00,\n")
    yield Wild("one delimiter too many at the ends", {"a.csv": longer.encode()}, accepted=BOTH)
    trailing = PLAIN.replace("\n", ",\n")
    yield Wild("one too many in the header as well", {"a.csv": trailing.encode()}, accepted=BOTH)


def _headers() -> Iterator[Wild]:
    title = f"Sales report\nGenerated 2024-04-01\n\n{PLAIN}"
    yield Wild("title rows", {"a.csv": title.encode()}, accepted=BOTH)
    yield Wild("title rows that are skipped", {"a.csv": title.encode()}, base("skip: 3"), BOTH)
    commas = "Sales report,,,,,\nShop: Flowers & Co,,,,,\n" + PLAIN
    yield Wild("title rows with commas", {"a.csv": commas.encode()}, accepted=BOTH)
    yield Wild("sep=;", {"a.csv": ("sep=;\n" + text(row(), mark=";")).encode()})
    yield Wild("sep=, with a BOM", {"a.csv": b"\xef\xbb\xbf" + ("sep=,\n" + text(row())).encode()})
    yield Wild("a quoted sep", {"a.csv": ('"sep=;"\n' + text(row(), mark=";")).encode()})
    yield Wild("upper case", {"a.csv": text(row(), header=tuple(h.upper() for h in HEADER)).encode()})
    nbsp = tuple(f"\u00a0{h}\u00a0" for h in HEADER)
    yield Wild("no-break spaces around headers", {"a.csv": text(row(), header=nbsp).encode()})
    broken = tuple(f'"{h.replace("_", chr(10))}"' for h in HEADER)
    profile = BASE.replace("[order_id]", "[order id]").replace("[customer_id]", "[customer id]")
    profile = profile.replace("[product_id]", "[product id]").replace("[unit_price]", "[unit price]")
    profile = profile.replace("[ordered_at]", "[ordered at]")
    yield Wild("line breaks inside of headers", {"a.csv": text(row(), header=broken).encode()}, profile)
    zero = ("\ufefforder_id", *HEADER[1:])
    yield Wild("two BOMs", {"a.csv": b"\xef\xbb\xbf" + text(row(), header=zero).encode()})
    yield Wild("a header without lines", {"a.csv": text().encode()}, told=("no lines",))
    yield Wild(
        "a header twice", {"a.csv": text((*row(), "x"), header=(*HEADER, "order_id")).encode()}, told=("2 times",)
    )
    lacking = text(row()[:-1], header=HEADER[:-1])
    yield Wild("a column that is lacking", {"a.csv": lacking.encode()}, told=("ordered_at",))
    synonyms = {language: HEADERS[language] for language in ("English", "German", "French")} | {
        "Spanish": ("Número de pedido", "Código cliente", "SKU", "Cantidad", "Precio unitario", "Fecha del pedido"),
        "Italian": ("Numero ordine", "Codice cliente", "SKU", "Quantità", "Prezzo unitario", "Data ordine"),
        "Dutch": ("Bestelnummer", "Klantnummer", "Artikelnummer", "Aantal", "Stukprijs", "Besteldatum"),
        "Portuguese": (
            "Número do pedido",
            "Código do cliente",
            "SKU",
            "Quantidade",
            "Preço unitário",
            "Data do pedido",
        ),
    }
    for language, header in synonyms.items():
        yield Wild(f"headers in {language}", {"a.csv": text(row(), header=header).encode()}, "canonical")
    yield Wild("blank lines", {"a.csv": PLAIN.replace("\n", "\n\n").encode()}, accepted=BOTH)
    footer = PLAIN + "Total,,,4,5.0,\n"
    yield Wild("a line of totals", {"a.csv": footer.encode()}, accepted=BOTH, rejected={"missing_customer": 1})
    affected = PLAIN + "\n(2 rows affected)\n"
    yield Wild("rows affected", {"a.csv": affected.encode()}, accepted=BOTH, rejected={"malformed_line": 1})
    again = PLAIN + text(row(3))
    yield Wild("the header again in the middle", {"a.csv": again.encode()}, accepted=3, rejected={"unparsable_date": 1})
    yield Wild("old Macintosh", {"a.csv": text(row(1), row(2), end="\r").encode()}, accepted=BOTH)
    yield Wild("ends that differ", {"a.csv": PLAIN.replace("\n", "\r\n", 2).encode()}, accepted=BOTH)


def workbook(*rows: tuple[str, ...]) -> bytes:
    """A workbook of one sheet, rows as they are."""
    import xlsxwriter  # type: ignore[import-untyped]

    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Orders")
        for number, cells in enumerate(rows):
            sheet.write_row(number, 0, cells)
    return target.getvalue()


def archive(**members: bytes) -> bytes:
    """A zip; `_` stands for the point before the suffix."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name if "/" in name else name.replace("_", "."), content)
    return target.getvalue()


def _containers() -> Iterator[Wild]:
    yield Wild("a zip of one file", {"orders.zip": archive(orders_csv=PLAIN.encode())}, accepted=BOTH)
    both = archive(a_csv=text(row(1)).encode(), b_csv=text(row(2)).encode())
    yield Wild("a zip of two files", {"orders.zip": both}, accepted=BOTH)
    mac = archive(a_csv=PLAIN.encode(), **{"__MACOSX/._a.csv": b"\0\0"})
    yield Wild("a zip made on a Macintosh", {"orders.zip": mac}, accepted=BOTH)
    yield Wild("a zip without data", {"orders.zip": archive(read_me=b"hello")}, told=("orders.zip",))
    yield Wild("a zip that is none", {"orders.zip": PLAIN.encode()}, told=("orders.zip",))
    yield Wild("a zip in a zip", {"orders.zip": archive(a_zip=archive(a_csv=PLAIN.encode()))}, told=("orders.zip",))
    yield Wild("a workbook", {"a.xlsx": workbook(HEADER, row(1), row(2))}, accepted=BOTH)
    titled = workbook(("Sales report",), ("Generated", "2024-04-01"), (), HEADER, row(1), row(2))
    yield Wild("a workbook with title rows", {"a.xlsx": titled}, accepted=BOTH)
    yield Wild("a workbook that is called .csv", {"a.csv": workbook(HEADER, row())})
    yield Wild("text that is called .xls", {"a.xls": text(row(1), row(2), mark="\t").encode()}, accepted=BOTH)
    html = "<html><table><tr><td>order_id</td></tr></table></html>"
    yield Wild("a web page that is called .xls", {"a.xls": html.encode()}, told=("a.xls",))
    yield Wild("UTF-16 with a BOM", {"a.csv": PLAIN.encode("utf-16")}, accepted=BOTH)
    yield Wild("UTF-16 by the profile", {"a.csv": PLAIN.encode("utf-16-le")}, base("encoding: utf-16-le"), BOTH)
    umlaut = text(row(1, product_id="Jäger"), row(2))
    yield Wild("cp1252 unsaid", {"a.csv": umlaut.encode("cp1252")}, told=("encoding",))
    said = base("encoding: cp1252")
    yield Wild("cp1252", {"a.csv": umlaut.encode("cp1252")}, said, BOTH, first={"product_id": "Jäger"})
    yield Wild("data without a suffix for it", {"a.dat": PLAIN.encode()}, told=("suffix",))
    yield Wild("a format by the profile", {"a.dat": PLAIN.encode()}, base("format: csv"), BOTH)
    yield Wild("an empty file", {"a.csv": b""}, told=("empty",))
    yield Wild("a NUL in the text", {"a.csv": text(row(1, product_id="a\0b"), row(2)).encode()}, accepted=BOTH)


def _dates() -> Iterator[Wild]:
    def days(*values: str) -> bytes:
        return text(*[row(n, ordered_at=f'"{value}"') for n, value in enumerate(values, 1)]).encode()

    slashes = ("03/01/2024", "05/02/2024", "13/03/2024", "28/04/2024")
    yield Wild("day first and slashes", {"a.csv": days(*slashes)}, told=("dates", "day_first"))
    yield Wild(
        "day first, said",
        {"a.csv": days(*slashes)},
        base("dates: day_first"),
        4,
        first={"ordered_at": "2024-01-03 00:00:00"},
    )
    month = ("01/03/2024", "02/05/2024", "03/13/2024", "04/28/2024")
    yield Wild("month first", {"a.csv": days(*month)}, accepted=4, first={"ordered_at": "2024-01-03 00:00:00"})
    yield Wild("both in one column", {"a.csv": days("13/03/2024", "03/13/2024", "05/06/2024")}, told=("two orders",))
    yield Wild("dashes that could be either", {"a.csv": days("05-06-2021", "05-07-2021")}, told=("dates",))
    dashed = base("dates: day_first")
    yield Wild("dashes, said", {"a.csv": days("05-06-2021")}, dashed, first={"ordered_at": "2021-06-05 00:00:00"})
    single = {
        "an offset after a space": ("2021-05-13 11:01:12 +0200", "2021-05-13 09:01:12"),
        "a Z": ("2021-05-13T11:01Z", "2021-05-13 11:01:00"),
        "a Z and its zone": ("2021-05-13T11:01:12Z[UTC]", "2021-05-13 11:01:12"),
        "a zone's name": ("2021-05-13 11:01:12 UTC", "2021-05-13 11:01:12"),
        "Pacific time": ("Jan 7, 2013 7:35:42 AM PST", "2013-01-07 15:35:42"),
        "compact ISO": ("20210513T110112Z", "2021-05-13 11:01:12"),
        "points and a comma": ("13.05.2021, 11:01", "2021-05-13 11:01:00"),
        "points and an offset": ("13.05.2021 11:01 +0200", "2021-05-13 09:01:00"),
        "a month's name": ("May 13, 2021", "2021-05-13 00:00:00"),
        "a month's name after the day": ("13 May 2021 11:01", "2021-05-13 11:01:00"),
        "Oracle": ("13-MAY-21", "2021-05-13 00:00:00"),
        "German": ("13. Mai 2021", "2021-05-13 00:00:00"),
        "French": ("13 mai 2021 11:01", "2021-05-13 11:01:00"),
        "French with accents": ("5 août 2021", "2021-08-05 00:00:00"),
        "Spanish": ("13 de mayo de 2021", "2021-05-13 00:00:00"),
        "Italian": ("13 maggio 2021", "2021-05-13 00:00:00"),
        "Japanese": ("2021年05月13日 11:01", "2021-05-13 11:01:00"),
        "mail": ("Thu, 13 May 2021 11:01:12 GMT", "2021-05-13 11:01:12"),
        "half past one": ("2021-05-13 01:01 PM", "2021-05-13 13:01:00"),
        "a space behind": ("2021-05-13 11:01 ", "2021-05-13 11:01:00"),
        "Excel": ("44329.4590278", "2021-05-13 11:01:00"),
        "seconds since 1970": ("1620903660", "2021-05-13 11:01:00"),
        "milliseconds since 1970": ("1620903660000", "2021-05-13 11:01:00"),
        "microseconds since 1970": ("1620903660000000", "2021-05-13 11:01:00"),
        "digits": ("20210513", "2021-05-13 00:00:00"),
        "full-width digits": ("２０２１-０５-１３", "2021-05-13 00:00:00"),
    }
    for name, (value, moment) in single.items():
        found = moment if name != "Excel" else None
        yield Wild(
            f"a date: {name}",
            {"a.csv": days(value)},
            first={"ordered_at": found} if found else {},
        )
    yield Wild("dates that nobody reads", {"a.csv": days("soon", "later", "never")}, told=("date",))
    mostly = [f"2024-03-{day:02}" for day in range(1, 10)] + ["soon"]
    yield Wild("one of ten that nobody reads", {"a.csv": days(*mostly)}, accepted=9, rejected={"unparsable_date": 1})
    half = [f"2024-03-{day:02}" for day in range(1, 6)] + ["soon"] * 5
    yield Wild("half of them", {"a.csv": days(*half)}, told=("soon",))
    yield Wild("times of a zone", {"a.csv": days("2024-03-01")}, base(timezone="Europe/Berlin"),
               first={"ordered_at": "2024-02-29 23:00:00"})  # fmt: skip


def _money() -> Iterator[Wild]:
    def prices(*values: str, quantity: str = "1") -> bytes:
        lines = [row(n, quantity=quantity, unit_price=f'"{value}"') for n, value in enumerate(values, 1)]
        return text(*lines).encode()

    commas = ("12,50", "7,99", "1,5")
    yield Wild("decimal commas unsaid", {"a.csv": prices(*commas)}, told=("decimal",))
    yield Wild("decimal commas", {"a.csv": prices(*commas)}, base('decimal: ","'), 3, first={"amount": 12.5})
    thousands = ("12,500", "7,999", "3,25", "9,75", "1,10")
    yield Wild("decimal commas, some like thousands", {"a.csv": prices(*thousands)}, told=("decimal",))
    yield Wild("thousands", {"a.csv": prices("1,200", "3,500.25")}, accepted=2, first={"amount": 1200.0})
    german = base('decimal: ","')
    yield Wild("points and commas", {"a.csv": prices("1.234,56")}, german, first={"amount": 1234.56})
    single = {
        "dollars": ("$1,234.50", 1234.5),
        "a code before": ("USD 12.50", 12.5),
        "a code behind": ("12.50 EUR", 12.5),
        "reais": ("R$ 12.50", 12.5),
        "kroner": ("kr 12", 12.0),
        "Swiss": ("CHF 1'234.50", 1234.5),
        "zloty": ("12.50 zł", 12.5),
        "Indian": ("₹12,34,567.00", 1234567.0),
        "yen": ("￥800", 800.0),
        "yen in thousands": ("¥1,200", 1200.0),
        "no-break spaces": ("1\u00a0234.50", 1234.5),
        "narrow spaces": ("1\u202f234.50", 1234.5),
        "full-width digits": ("１２.５０", 12.5),
        "a plus": ("+5", 5.0),
        "an exponent": ("1.5e3", 1500.0),
    }
    for name, (price, amount) in single.items():
        yield Wild(f"money: {name}", {"a.csv": prices(price)}, first={"amount": amount})
    returned = {"accountants' parentheses": "($18.00)", "a minus behind": "18.00-", "a minus and a sign": "-$18.00"}
    returned |= {"a sign and a minus": "$-18.00", "a real minus": "\u221218.00", "an apostrophe": "'-18"}
    paid = BASE.replace("unit_price: price", "amount: price")
    for name, value in returned.items():
        yield Wild(f"money: {name}", {"a.csv": prices(value, quantity="-1")}, paid, first={"amount": -18.0})
    kept = ["1.50"] * 9
    yield Wild("one price in ten that is none", {"a.csv": prices(*kept, "free")}, accepted=9,
               rejected={"missing_price": 1})  # fmt: skip
    yield Wild("two points", {"a.csv": prices(*kept, "12.50.30")}, accepted=9, rejected={"missing_price": 1})
    yield Wild("percents", {"a.csv": prices(*kept, "12%")}, accepted=9, rejected={"missing_price": 1})


def _nothing() -> Iterator[Wild]:
    spellings = ("NULL", r"\N", "nan", "NaN", "None", "#N/A", "N/A", "n/a", "null", "<NA>", "(null)", "-", "", " ")
    for spelling in spellings:
        lines = text(row(1, customer_id=spelling), row(2)).encode()
        yield Wild(f"{spelling!r} for a customer", {"a.csv": lines}, rejected={"missing_customer": 1})
    guests = text(row(1, customer_id="unknown"), row(2, customer_id="0"), row(3)).encode()
    yield Wild("nothing by the profile", {"a.csv": guests}, base('nulls: [unknown, "0"]'), 1, {"missing_customer": 2})
    namibia = BASE.replace("ordered_at: day}", "ordered_at: day, country: \"'NA'\"}")
    yield Wild("Namibia", {"a.csv": text(row()).encode()}, namibia, first={"country": "NA"})


ITEMS = b"order_id,position,sku,price\no1,1,p1,29.99\no1,2,p2,10.00\no2,1,p1,29.99\n"
ORDERS = b"order_id,customer,status,bought\no1,k1,delivered,2024-03-01 10:00\no2,k2,canceled,2024-03-02 10:00\n"
JOINED = """
name: joined
files: [items.csv]
inputs: {order_no: [order_id], position: [position], sku: [sku], price: [price]}
tables:
  orders:
    files: [orders.csv]
    key: {order_key: order_no}
    inputs: {order_key: [order_id], account: [customer], status: [status], bought: [bought]}
columns:
  {order_id: order_no, customer_id: account, product_id: sku, quantity: 1, unit_price: price, ordered_at: bought}
rules: [{name: canceled, reject: "input.status = 'canceled'"}]
"""
RECORD = {"id": 1, "at": "2024-03-01T10:00:00Z", "buyer": {"id": 7}}
ITEM = {"sku": "a", "count": 2, "price": "5.00"}
EACH = """
name: nested
reader: {READER}
inputs: {oid: [id], at: [at], buyer: [buyer.id], sku: [lines.sku], pieces: [lines.count], price: [lines.price]}
columns: {order_id: oid, customer_id: buyer, product_id: sku, quantity: pieces, unit_price: price, ordered_at: at}
"""


def _relations() -> Iterator[Wild]:
    def folder(**files: bytes) -> dict[str, bytes]:
        return {f"shop/{name}.csv": content for name, content in files.items()}

    yield Wild("items and orders", folder(items=ITEMS, orders=ORDERS), JOINED, 2, {"canceled": 1})
    fewer = ORDERS[: ORDERS.index(b"o2")]
    yield Wild("an order that is lacking", folder(items=ITEMS, orders=fewer), JOINED, 2, {"unmatched_orders": 1})
    twice = ORDERS + b"o1,k9,delivered,2024-03-03 10:00\n"
    yield Wild("an order twice", folder(items=ITEMS, orders=twice), JOINED, told=("o1",))
    yield Wild("no orders at all", folder(items=ITEMS), JOINED, told=("orders.csv",))
    both = {**RECORD, "lines": [ITEM, {**ITEM, "sku": "b"}]}
    each = EACH.replace("READER", "each: lines")
    wrapped = EACH.replace("READER", "path: orders, each: lines")
    yield Wild("nested lines", {"a.jsonl": json.dumps(both).encode()}, each, BOTH, first={"customer_id": "7"})
    yield Wild("nested lines of an array", {"a.json": json.dumps([both]).encode()}, each, BOTH)
    yield Wild("nested lines of a document", {"a.json": json.dumps({"orders": [both]}).encode()}, wrapped, BOTH)
    yield Wild(
        "a document without the path", {"a.json": json.dumps({"data": [both]}).encode()}, wrapped, told=("orders",)
    )
    for name, expression in (("unnest", "unnest([price])"), ("an aggregate", "sum(as_number(price))")):
        profile = BASE.replace("unit_price: price", f'unit_price: "{expression}"')
        yield Wild(f"an expression with {name}", {"a.csv": PLAIN.encode()}, profile, told=("unit_price",))
    header = (*HEADER, "status")
    first = text((*row(1), "paid"), (*row(1, product_id="p2"), ""), (*row(2), "void"), (*row(2), ""), header=header)
    carried = BASE.replace("day: [ordered_at]", "day: [ordered_at]\n  status: [status]")
    carried += (
        "rules: [{name: not_paid, reject: \"input.status <> 'paid'\"}]\ncarry: {by: order_no, inputs: [status]}\n"
    )
    yield Wild("a status on the first line only", {"a.csv": first.encode()}, carried, 2, {"not_paid": 2})
    one, two = text(row(1), row(1), row(2)), text(row(2), row(3))
    files = {"x/a.csv": one.encode(), "x/b.csv": two.encode()}
    yield Wild("exports that overlap", files, BASE, 4, {"repeated_in_other_file": 1})
    yield Wild("an article twice in an order", {"a.csv": one.encode()}, BASE, 3)
    money = text(row(1), row(1, quantity="0", unit_price=""), row(2), header=HEADER)
    yield Wild("a line that sells nothing", {"a.csv": money.encode()}, BASE, 2, {"zero_quantity": 1})
    refund = BASE.replace("price: [unit_price]", "price: [unit_price]\n  paid: [paid]")
    refund = refund.replace("unit_price: price", "unit_price: price, amount: paid")
    lines = text((*row(1), "5"), (*row(1, quantity="0", unit_price=""), "-3"), header=(*HEADER, "paid"))
    yield Wild("a refund of money", {"a.csv": lines.encode()}, refund, 2)
    wrong = text((*row(1), "5"), (*row(2), "-5"), header=(*HEADER, "paid"))
    yield Wild("goods given and money taken", {"a.csv": wrong.encode()}, refund, 1, {"sign_mismatch": 1})


def _profiles() -> Iterator[Wild]:
    for word in ("order", "group", "from", "to", "table", "column", "desc", "select", "where", "union", "case", "end"):
        profile = BASE.replace("order_no", word)
        yield Wild(f"an input called {word}", {"a.csv": text(row()).encode()}, profile)
    profile = BASE.replace("order_no", "default")
    yield Wild("an input called default", {"a.csv": text(row()).encode()}, profile, told=("inputs.default",))
    for word in ("off", "no", "yes", "on", "y", "n", "null", "true"):
        profile = BASE.replace("price: [unit_price]", f"{word}: [unit_price]").replace(
            "unit_price: price", f'unit_price: "{word}"' if word in ("null", "true") else f"unit_price: {word}"
        )
        told = ("null",) if word == "null" else ("true",) if word == "true" else ()
        yield Wild(f"an input called {word}", {"a.csv": text(row()).encode()}, profile, told=told)
    for country in ("NO", "no", "DE", "web"):
        profile = BASE.replace("ordered_at: day}", f"ordered_at: day, country: {country}}}")
        yield Wild(f"a country called {country}", {"a.csv": text(row()).encode()}, profile, told=("columns.country",))
    twice = BASE.replace("  customer: [customer_id]", "  customer: [customer_id]\n  customer: [buyer]")
    yield Wild("a key twice", {"a.csv": text(row()).encode()}, twice, told=("customer",))
    yield Wild("a key that nobody knows", {"a.csv": text(row()).encode()}, base(readers="{}"), told=("readers",))


def _warnings() -> Iterator[Wild]:
    exponents = text(*[row(n, product_id="5.01E+08") for n in range(1, 4)])
    yield Wild("ids with exponents", {"a.csv": exponents.encode()}, accepted=3, warned=("5.01E+08",))
    one = text(*[row(n, customer_id="guest@example.com" if n % 2 else f"c{n}") for n in range(1, 201)])
    yield Wild(
        "a customer with half of the lines", {"a.csv": one.encode()}, accepted=200, warned=("guest@example.com",)
    )
    cases = text(row(1, customer_id="Ann@example.com"), row(2, customer_id="ann@example.com"))
    yield Wild("e-mail addresses that differ by case", {"a.csv": cases.encode()}, accepted=2, warned=("case",))
    either = text(row(1, ordered_at="03/04/2024"), row(2, ordered_at="05/06/2024"))
    yield Wild("dates that could be either", {"a.csv": either.encode()}, accepted=2, warned=("month",))


WILD = [
    *(*_marks_and_quotes(), *_headers(), *_containers(), *_dates(), *_money()),
    *(*_nothing(), *_relations(), *_profiles(), *_warnings()),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """An empty lake for all of them; trying files out leaves it empty."""
    settings = Settings(home=tmp_path_factory.mktemp("wild") / "warehouse", customer_buckets=BUCKETS, threads=1)
    with Lake(settings, create=True) as opened:
        migrate(opened)
        yield opened


def test_there_are_enough_of_them() -> None:
    assert len({wild.name for wild in WILD}) == len(WILD) >= 150


@pytest.mark.parametrize("wild", WILD, ids=[wild.name for wild in WILD])
def test_an_export_comes_out_as_it_should(lake: Lake, tmp_path: Path, wild: Wild) -> None:
    for name, content in wild.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (path,) = {(tmp_path / name).parent if "/" in name else tmp_path / name for name in wild.files}

    if wild.told:
        told = _told(lake, str(path), wild)
        assert all(words in told for words in wild.told), told
        return
    found = dry_run_on(lake, str(path), _profile(wild), now=NOW)

    assert (found.report.accepted, found.report.rejected_by_reason) == (wild.accepted, dict(wild.rejected))
    assert found.report.lines_read == found.report.accepted + found.report.rejected
    assert all(any(words in warning for warning in found.warnings) for words in wild.warned), found.warnings
    if wild.first:
        assert wild.first.items() <= found.preview.row(0, named=True).items()


def _told(lake: Lake, path: str, wild: Wild) -> str:
    """Why it isn't loaded; nothing if it is."""
    try:
        return " ".join(dry_run_on(lake, path, _profile(wild), now=NOW).stops)
    except SourceError as error:
        return str(error)


def _profile(wild: Wild) -> Profile:
    return load_profile(wild.profile) if wild.profile == "canonical" else parse_profile(wild.profile, wild.name)
