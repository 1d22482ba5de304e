"""Random orders, written in a random dialect and read back through the profile that is suggested for them.

What comes out is what was written, or somebody is told which setting is missing; nothing comes out otherwise, silently.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources import dry_run
from segmentation.sources.suggestion.suggesting import suggest
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.domain.sources.shop_files import NOW
from segmentation_assets_tests.testing.dialects import DATES, HEADERS, Dialect, Line, write

SETTINGS = ("reader:", "timezone", "decimal", "dates", "day_first", "month_first", "encoding", "delimiter")
"""What a message or a doubt names."""

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")


@st.composite
def _orders(draw: st.DrawFn) -> list[list[Line]]:
    """Orders of one to three lines, each with its own time, in the order of their numbers."""
    count = draw(st.integers(3, 12))
    return [_order(draw, number) for number in range(1, count + 1)]


def _order(draw: st.DrawFn, number: int) -> list[Line]:
    moment = datetime(2023, 1, 5, 9) + timedelta(minutes=draw(st.integers(0, 500_000)))
    customer = f"K{draw(st.integers(1, 6)):03}"
    products = draw(st.lists(st.sampled_from(["A-1", "B 2", "Ünder;1", "x,y"]), min_size=1, max_size=3, unique=True))
    return [
        Line(f"A{number:04}", customer, product, draw(st.integers(1, 9)), draw(st.integers(50, 250_000)), moment)
        for product in products
    ]


DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quotes=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    decimal=st.sampled_from([".", ","]),
    grouped=st.booleans(),
    sign=st.sampled_from(["", "€", "$"]),
    date=st.sampled_from(sorted(DATES)),
    zone=st.sampled_from(ZONES),
    has_offset=st.booleans(),
    language=st.sampled_from(sorted(HEADERS)),
    titles=st.integers(0, 2),
    carries_down=st.booleans(),
    files=st.integers(1, 3),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """An empty lake; trying files out leaves it empty."""
    settings = Settings(home=tmp_path_factory.mktemp("trip") / "warehouse", customer_buckets=BUCKETS, threads=1)
    with Lake(settings, create=True) as opened:
        migrate(opened)
        yield opened


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(orders=_orders(), dialect=DIALECTS)
def test_what_was_written_is_read_back_or_the_setting_is_told(
    lake: Lake, tmp_path_factory: pytest.TempPathFactory, orders: list[list[Line]], dialect: Dialect
) -> None:
    wanted, read, told = _round_trip(lake, tmp_path_factory.mktemp("export"), orders, dialect)
    is_told = any(setting in told for setting in SETTINGS)
    assert read == wanted or is_told, (dialect, told, read - wanted, wanted - read)


USUAL = {
    "German": Dialect(delimiter=";", decimal=",", grouped=True, date="points", zone="Europe/Berlin", language="German"),
    "French": Dialect(delimiter=";", decimal=",", date="day first", zone="Europe/Berlin", language="French"),
    "American": Dialect(quotes=True, sign="$", grouped=True, date="month first", zone="America/New_York"),
    "shop software": Dialect(has_offset=True, zone="Asia/Kolkata", carries_down=True, language="English"),
    "a spreadsheet": Dialect(delimiter="\t", encoding="utf-16", line_end="\r\n", titles=2, date="words"),
    "months that overlap": Dialect(files=3, date="year first", encoding="cp1252"),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_dialects_come_back_as_they_were(lake: Lake, tmp_path: Path, name: str) -> None:
    products = ["A-1", "Ünder;1", "x,y"]
    orders = [
        [
            Line(f"A{day:04}", f"K{day % 7}", product, 1 + day % 3, 5_000 * day + 99, datetime(2023, 3, day, 14, 5))
            for product in products[: 1 + day % 3]
        ]
        for day in range(1, 29)
    ]
    wanted, read, _ = _round_trip(lake, tmp_path, orders, USUAL[name])
    assert read == wanted


Compared = Counter[tuple[object, ...]]


def _round_trip(lake: Lake, folder: Path, orders: list[list[Line]], dialect: Dialect) -> tuple[Compared, Compared, str]:
    """What was written, what was accepted of it, and what somebody was told."""
    write(folder, orders, dialect)
    wanted = Counter(_as_read(line) for order in orders for line in order)
    try:
        suggested = suggest([str(folder)], timezone=dialect.zone)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(dry_run, "PREVIEW_LINES", 1_000)
            found = dry_run.dry_run_on(lake, str(folder), suggested.profile, now=NOW)
    except SourceError as error:
        return wanted, Counter(), str(error)
    told = " ".join([*(doubt.text for doubt in suggested.doubts), *found.stops, *found.warnings])
    return wanted, Counter(map(_as_compared, found.preview.iter_rows(named=True))), told


def _as_read(line: Line) -> tuple[object, ...]:
    cents = line.quantity * line.price_cents
    return line.order, line.customer, line.product, line.quantity, cents, str(line.ordered_at)


def _as_compared(row: dict[str, Any]) -> tuple[object, ...]:
    ids = row["order_id"], row["customer_id"], row["product_id"]
    return *ids, row["quantity"], round(row["amount"] * 100), row["ordered_at"]
