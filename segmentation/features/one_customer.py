"""One customer, or a handful, in memory: features of lines that need not be in any lake, by the kernel, interpreted."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from segmentation.errors import SegmentationError
from segmentation.features.kernel.arranging import LARGEST
from segmentation.features.kernel.customers import fill_rows
from segmentation.features.kernel.memory import PlainObjects, make_work
from segmentation.features.kernel.numbers import MILLION, millionths
from segmentation.features.kernel.records import COMPUTED, MISSING, NAME_COLUMNS, ROW, WINDOW, Clock, Lines
from segmentation.features.moments import MICROSECOND, micros
from segmentation.features.windows import EARLIEST, Window
from segmentation.shop_calendar import first_moment, utc_offsets

COLUMNS = (
    "customer_id",
    "order_id",
    "product_id",
    "category",
    "quantity",
    "amount",
    "discount",
    "ordered_at",
    "country",
    "channel",
)
"""What is read of the transaction contract."""

OPTIONAL = ("category", "discount", "country", "channel")
"""Columns that a line may lack, which is the same as None."""

NAMES = ("category", "country", "channel")

CLOCKS_KNOWN_UNTIL = date(2100, 1, 1)

Codes = Mapping[str, Mapping[str | None, int]]
"""By column of names, the code of each."""

OrderLine = Mapping[str, Any]
"""A line in these columns, with `ordered_at` as a naive datetime (UTC)."""

MEMORY = PlainObjects()


class _Bounds(NamedTuple):
    start: int
    as_of: int


def compute_features(
    transactions: Sequence[OrderLine], window: Window, home_market: str | None = None
) -> dict[str, dict[str, Any]]:
    """The features of the customers in some lines, by customer id.

    Args:
        transactions: Lines in the columns of the transaction contract; `category`, `discount`, `country` and `channel`
            may be missing.
        window: Lines out of it do not count.
        home_market: The shop's home market, where known.

    Returns:
        Per customer with a purchase in the window, every feature but those that compare customers.

    Raises:
        SegmentationError: A line lacks a column, or has a value that does not fit it.
    """
    bounds = _Bounds(micros(window.starts_at), micros(window.ends_at))
    try:
        by_customer = _by_customer(transactions, bounds)
        names = {name: sorted({line[name] for line in transactions if line.get(name) is not None}) for name in NAMES}
        codes: Codes = {name: {text: code for code, text in enumerate(known)} for name, known in names.items()}
        market = MISSING if home_market is None else codes["country"].get(home_market, len(names["country"]))
        clock = _clock(window.zone)
        found = {customer: _row(own, codes, bounds, market, clock) for customer, own in by_customer.items()}
    except KeyError as error:
        raise SegmentationError(_missing(transactions)) from error
    except (OverflowError, TypeError, ValueError) as error:
        raise SegmentationError(f"A transaction has a value that does not fit: {error}") from error
    return {customer: _values(row, names) for customer, row in found.items() if row.is_customer}


def _by_customer(transactions: Iterable[OrderLine], bounds: _Bounds) -> dict[str, list[tuple[int, OrderLine]]]:
    """By customer, the moments and lines of the window in order of time."""
    found: dict[str, list[tuple[int, OrderLine]]] = {}
    for line in transactions:
        moment = micros(line["ordered_at"])
        own = found.setdefault(line["customer_id"], [])
        if bounds.start <= moment < bounds.as_of:
            own.append((moment, line))
    for own in found.values():
        own.sort(key=itemgetter(0))
    return found


def _row(
    own: Sequence[tuple[int, OrderLine]],
    codes: Codes,
    bounds: _Bounds,
    market: int,
    clock: Clock,
) -> Any:
    lines = _lines(own, codes)
    span = bounds.as_of - bounds.start
    work = make_work(MEMORY, len(own), span, {name: len(known) for name, known in codes.items()})
    (window,) = MEMORY.records(WINDOW, 1)
    window.start, window.as_of, window.home_market = bounds.start, bounds.as_of, market
    rows = MEMORY.records(ROW, 1)
    fill_rows(lines, [0, len(own)], [window], clock, work, rows)
    return rows[0]


def _lines(own: Sequence[tuple[int, OrderLine]], codes: Codes) -> Lines:
    moments = [moment for moment, _ in own]
    given = [line for _, line in own]
    quantity = [millionths(line["quantity"]) for line in given]
    amount = [millionths(line["amount"]) for line in given]
    discount = [millionths(line.get("discount") or 0.0) for line in given]
    if not sum(map(abs, quantity)) + sum(map(abs, amount)) + sum(map(abs, discount)) < LARGEST * MILLION:
        raise ValueError("numbers are too large to be added exactly")
    orders: dict[str, int] = {}
    products: dict[str, int] = {}
    return Lines(
        order=[orders.setdefault(line["order_id"], len(orders)) for line in given],
        product=[products.setdefault(line["product_id"], len(products)) for line in given],
        **{name: _codes(given, name, known) for name, known in codes.items()},
        ordered_at=moments,
        quantity=quantity,
        amount=amount,
        discount=discount,
    )


def _codes(lines: Sequence[OrderLine], name: str, known: Mapping[str | None, int]) -> list[int]:
    return [known.get(line.get(name), MISSING) for line in lines]


@cache
def _clock(zone: str) -> Clock:
    changes = utc_offsets(zone, first_moment(EARLIEST, zone), first_moment(CLOCKS_KNOWN_UNTIL, zone))
    return Clock(tuple(micros(moment) for moment, _ in changes), tuple(offset // MICROSECOND for _, offset in changes))


def _values(row: Any, names: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A row as Python values, by feature."""
    values: dict[str, Any] = {}
    for feature in COMPUTED:
        value = getattr(row, feature.name)
        if feature.type == "DOUBLE":
            values[feature.name] = None if value != value else float(value)
        elif feature.type == "BIGINT":
            values[feature.name] = int(value)
        elif value == MISSING:
            values[feature.name] = None
        elif feature.type == "BOOLEAN":
            values[feature.name] = bool(value)
        else:
            values[feature.name] = names[NAME_COLUMNS[feature.name]][value]
    return values


def _missing(transactions: Sequence[OrderLine]) -> str:
    """What the first line that lacks a column lacks."""
    needed = [name for name in COLUMNS if name not in OPTIONAL]
    for number, line in enumerate(transactions, start=1):
        missing = [name for name in needed if name not in line]
        if missing:
            return f"Transaction {number} has no {', '.join(missing)}."
    return "A transaction has an unknown column."
