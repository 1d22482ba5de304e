"""Order lines written as some shop's software would: in one of many dialects, to one or several files."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

HEADERS: Mapping[str, tuple[str, ...]] = {
    "contract": ("order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at"),
    "English": ("Order Number", "Customer ID", "SKU", "Quantity", "Unit Price", "Order Date"),
    "German": ("Bestellnummer", "Kundennummer", "Artikelnummer", "Menge", "Einzelpreis", "Bestelldatum"),
    "French": (
        "Numéro de commande",
        "Numéro client",
        "Référence produit",
        "Quantité",
        "Prix unitaire",
        "Date commande",
    ),
}
"""Per language, the headers of order, customer, product, quantity, price and time."""

DATES = {
    "ISO": "%Y-%m-%d %H:%M:%S",
    "ISO with T": "%Y-%m-%dT%H:%M:%S",
    "points": "%d.%m.%Y %H:%M:%S",
    "day first": "%d/%m/%Y %H:%M:%S",
    "month first": "%m/%d/%Y %H:%M:%S",
    "year first": "%Y/%m/%d %H:%M:%S",
    "words": "%d %b %Y %H:%M:%S",
}


@dataclass(frozen=True)
class Line:
    """A line of an order; times are in UTC, without a zone."""

    order: str
    customer: str
    product: str
    quantity: int
    price_cents: int
    ordered_at: datetime


@dataclass(frozen=True)
class Dialect:
    """How lines are written.

    Attributes:
        delimiter: Between fields.
        quotes: Whether all fields are quoted, or those that need it.
        line_end: After each line.
        encoding: Of the file.
        decimal: Mark of prices.
        grouped: Whether thousands have the other mark.
        sign: Before each price.
        date: One of `DATES`.
        zone: Whose local time is written.
        has_offset: Whether times say their offset.
        language: One of `HEADERS`.
        titles: Lines above the header.
        carries_down: Whether customer and time stand on the first line of an order only.
        files: How many; each but the first begins with the last order of the one before.
    """

    delimiter: str = ","
    quotes: bool = False
    line_end: str = "\n"
    encoding: str = "utf-8"
    decimal: str = "."
    grouped: bool = False
    sign: str = ""
    date: str = "ISO"
    zone: str = "UTC"
    has_offset: bool = False
    language: str = "contract"
    titles: int = 0
    carries_down: bool = False
    files: int = 1


def write(folder: Path, orders: Sequence[Sequence[Line]], dialect: Dialect) -> None:
    """Write orders, each a few lines, to `export-1.csv` and so on."""
    size = -(-len(orders) // dialect.files)
    for number in range(dialect.files):
        of_file = orders[max(0, number * size - 1) : (number + 1) * size]
        if of_file:
            (folder / f"export-{number + 1}.csv").write_bytes(_text(of_file, dialect).encode(dialect.encoding))


def _text(orders: Sequence[Sequence[Line]], dialect: Dialect) -> str:
    target = io.StringIO()
    for number in range(dialect.titles):
        target.write(f"Export {number + 1}{dialect.line_end}")
    made = csv.writer(
        target,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_ALL if dialect.quotes else csv.QUOTE_MINIMAL,
        lineterminator=dialect.line_end,
    )
    made.writerow(HEADERS[dialect.language])
    for lines in orders:
        for position, line in enumerate(lines):
            made.writerow(_cells(line, dialect, repeats=position > 0 and dialect.carries_down))
    return target.getvalue()


def _cells(line: Line, dialect: Dialect, repeats: bool) -> tuple[str, ...]:
    customer, time = ("", "") if repeats else (line.customer, _time(line.ordered_at, dialect))
    return line.order, customer, line.product, str(line.quantity), _money(line.price_cents, dialect), time


def _money(cents: int, dialect: Dialect) -> str:
    group = ("." if dialect.decimal == "," else ",") if dialect.grouped else ""
    whole = f"{cents // 100:,}".replace(",", group)
    return f"{dialect.sign}{whole}{dialect.decimal}{cents % 100:02}"


def _time(moment: datetime, dialect: Dialect) -> str:
    local = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(dialect.zone))
    return local.strftime(DATES[dialect.date] + (" %z" if dialect.has_offset else ""))
