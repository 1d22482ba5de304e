"""How values are spelled: each spelling of the table is read as what it means, or refused, by one definition."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.settings import Settings
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.staging import Staging
from segmentation.warehouse import Lake
from segmentation_assets_tests.corpora.values import (
    DATES,
    NO_NOTHING,
    NO_NOTHING_IN_TEXTS,
    NOTHING,
    NOTHING_IN_TEXTS,
    NUMBERS,
)
from segmentation_assets_tests.domain.sources.shop_files import NOW, changed, line, reasons, rows_of

MOMENTS = st.datetimes(datetime(2006, 1, 1), datetime(2024, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S +0000",
    "%Y/%m/%d %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y, %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%Y%m%dT%H%M%SZ",
    "%d %B %Y %H:%M:%S",
    "%b %d, %Y %I:%M:%S %p UTC",
    "%A, %B %d, %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y",
    "%H:%M:%S %b %d, %Y",
    "%d-%b-%y %H:%M:%S",
    "%Y年%m月%d日 %H:%M:%S",
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        Staging(opened, Settings()).begin(NOW)
        yield opened


def read(con: duckdb.DuckDBPyConnection, macro: str, text: str, *, timezone: str = "UTC", **reader: object) -> object:
    """What a macro makes of a text, through a profile with these settings."""
    Staging(con, Settings()).use_profile(changed("canonical", timezone=timezone, reader=reader))
    row = con.execute(f"SELECT {macro}(CAST($text AS VARCHAR))", {"text": text}).fetchone()
    assert row is not None
    return row[0]


def test_the_tables_are_long_enough() -> None:
    assert min(len(DATES), len(NUMBERS), len(NOTHING)) >= 60


@pytest.mark.parametrize(("text", "expected"), DATES.items())
def test_dates_are_read_as_they_are_meant(con: duckdb.DuckDBPyConnection, text: str, expected: str | None) -> None:
    assert read(con, "utc", text) == (expected and datetime.fromisoformat(expected))


@pytest.mark.parametrize(("text", "expected"), NUMBERS.items())
def test_numbers_are_read_as_they_are_meant(con: duckdb.DuckDBPyConnection, text: str, expected: float | None) -> None:
    assert read(con, "as_number", text) == expected


@pytest.mark.parametrize("text", NOTHING)
def test_spellings_of_nothing_are_nothing(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert [read(con, macro, text) for macro in ("clean_id", "as_number", "utc")] == [None] * 3


@pytest.mark.parametrize("text", NO_NOTHING)
def test_ids_that_look_like_nothing_stay(con: duckdb.DuckDBPyConnection, text: str) -> None:
    assert read(con, "clean_id", text) == text


def test_texts_are_nothing_only_where_it_is_unmistakable(con: duckdb.DuckDBPyConnection) -> None:
    assert [read(con, "clean_text", text) for text in NOTHING_IN_TEXTS] == [None] * len(NOTHING_IN_TEXTS)
    assert [read(con, "clean_text", text) for text in NO_NOTHING_IN_TEXTS] == list(NO_NOTHING_IN_TEXTS)


@pytest.mark.parametrize(
    ("dates", "text", "expected"),
    [
        ("day_first", "03/01/2024", "2024-01-03"),
        ("day_first", "13/03/2024 10:00", "2024-03-13 10:00"),
        ("day_first", "3-1-24 5:00 PM", "2024-01-03 17:00"),
        ("day_first", "13/03/2024 10:00 +0200", "2024-03-13 08:00"),
        ("day_first", "05/13/2024", None),
        ("month_first", "03/01/2024", "2024-03-01"),
        ("month_first", "03-01-2024", "2024-03-01"),
        ("month_first", "03.13.2024", "2024-03-13"),
        ("month_first", "13/03/2024", None),
        ("year_first", "21/05/13", "2021-05-13"),
        ("year_first", "21-05-13 10:00", "2021-05-13 10:00"),
        ("year_first", "13/05/2021", None),
        ("day_first", "2024-03-01 10:00", "2024-03-01 10:00"),
        ("day_first", "Mar 3, 2024", "2024-03-03"),
    ],
)
def test_a_setting_says_which_number_is_the_day(
    con: duckdb.DuckDBPyConnection, dates: str, text: str, expected: str | None
) -> None:
    assert read(con, "utc", text, dates=dates) == (expected and datetime.fromisoformat(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,56", 1234.56),
        ("12,5", 12.5),
        ("1.234", 1234.0),
        ("1,234", 1.234),
        ("0,123", 0.123),
        ("1.234.567", 1234567.0),
        ("€ -12,50", -12.5),
        ("(1.234,50)", -1234.5),
        ("12,50-", -12.5),
        ("1'234,50", 1234.5),
        ("1,234.56", 1234.56),
        ("12.50", None),
        ("0.123", None),
        ("1,234,567", None),
    ],
)
def test_a_decimal_comma_is_read_where_the_profile_has_it(
    con: duckdb.DuckDBPyConnection, text: str, expected: float | None
) -> None:
    assert read(con, "as_number", text, decimal=",") == expected


def test_a_profile_may_name_more_spellings_of_nothing(con: duckdb.DuckDBPyConnection) -> None:
    nulls = ["0", "Unknown"]
    assert [read(con, "clean_id", text, nulls=nulls) for text in ("0", "0.0", " UNKNOWN", "10")] == [None] * 3 + ["10"]
    assert read(con, "clean_text", "unknown", nulls=nulls) is None
    assert read(con, "as_number", "0", nulls=nulls) == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-31 02:30:00", "2024-03-31 01:30:00"),  # the clocks leave it out: it counts as 03:30 summer time
        ("2024-10-27 02:30:00", "2024-10-27 01:30:00"),  # the clocks have it twice: the second one counts
        ("31.03.2024, 02:30", "2024-03-31 01:30:00"),
        ("45382.104166666664", "2024-03-31 01:30:00"),
        ("1711845000", "2024-03-31 00:30:00"),
    ],
)
def test_hours_that_the_clocks_skip_or_repeat(con: duckdb.DuckDBPyConnection, text: str, expected: str) -> None:
    assert read(con, "utc", text, timezone="Europe/Berlin") == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("12.50 zł", "PLN"),
        ("€5", "EUR"),
        ("USD 5", "USD"),
        ("R$ 5", "BRL"),
        ("SFr. 5", "CHF"),
        ("-5.00 EUR", "EUR"),
        ("(£5.00)", "GBP"),
        ("$12.50 USD", "USD"),
        ("₹12,34,567.00", "INR"),
        ("€", "EUR"),
        ("EUR", "EUR"),
        ("$5", None),
        ("kr 5", None),
        ("¥5", None),
        ("12.50", None),
        ("5 kg", None),
        ("5 pcs", None),
    ],
)
def test_a_text_names_its_currency_where_there_is_no_doubt(
    con: duckdb.DuckDBPyConnection, text: str, code: str | None
) -> None:
    assert read(con, "currency_of", text) == code


@example_settings(deadline=None, max_examples=60)
@given(moment=MOMENTS, pattern=st.sampled_from(FORMATS), padding=st.sampled_from(["", " ", "\u00a0"]))
def test_any_moment_in_any_known_format_is_read_back(
    con: duckdb.DuckDBPyConnection, moment: datetime, pattern: str, padding: str
) -> None:
    assert read(con, "utc", padding + moment.strftime(pattern) + padding) == moment


@example_settings(deadline=None, max_examples=40)
@given(moment=MOMENTS, scale=st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]))
def test_any_moment_as_a_number_is_read_back(con: duckdb.DuckDBPyConnection, moment: datetime, scale: int) -> None:
    seconds = (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)
    assert read(con, "utc", str(seconds * scale)) == moment
    days = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    assert read(con, "utc", repr(days)) == moment


@example_settings(deadline=None, max_examples=60)
@given(
    cents=st.integers(-(10**9), 10**9),
    sign=st.sampled_from(["", "$", "EUR ", "R$ "]),
    group=st.sampled_from(",' \u00a0"),
)
def test_any_amount_is_read_back(con: duckdb.DuckDBPyConnection, cents: int, sign: str, group: str) -> None:
    text = f"{abs(cents) / 100:,.2f}".replace(",", group)
    expected = cents / 100
    written = [f"{'-' if cents < 0 else ''}{sign}{text}", f"({sign}{text})" if cents < 0 else f"{text} {sign}".strip()]
    assert [read(con, "as_number", each) for each in written] == [expected, expected]


def test_pushed_lines_are_read_by_the_same_definitions(lake: Lake) -> None:
    texts = [text for text, expected in DATES.items() if expected and text.strip()]
    records = [
        line(1, ordered_at="2021-05-13 11:01:12 +0200", unit_price="$1,234.50"),
        line(2, customer_id="NULL"),
        *(line(number, ordered_at=text) for number, text in enumerate(texts, start=10)),
    ]
    (receipt,) = Upserter(lake).upsert([Delivery("web", load_profile("canonical"), records, "push")], now=NOW)
    assert receipt.lines_new == len(records) - 1
    assert reasons(lake) == {"missing_customer": 1}
    assert rows_of(lake, "SELECT unit_price, ordered_at FROM raw.transactions WHERE line_id = 'L1'") == [
        (1234.5, datetime(2021, 5, 13, 9, 1, 12))
    ]
