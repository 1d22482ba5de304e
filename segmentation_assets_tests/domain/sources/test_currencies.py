"""Currencies: money is stored in one, at the rates of the lines' days, or not at all."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.dry_run import dry_run_on
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.line_contract import TYPES, LineContract
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.readers.exchange_rates import MAX_AGE_DAYS, read_rates
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

NOW = datetime(2025, 6, 1, 12)
CANONICAL = load_profile("canonical")
DAY = date(2025, 3, 10)
RATES = [(DAY - timedelta(days=9), "USD", 0.9), (DAY, "USD", 0.95), (DAY, "JPY", 0.006)]

MONEY = "SELECT line_id, currency, exchange_rate, unit_price, amount, discount FROM raw.transactions ORDER BY line_id"
REJECTS = "SELECT reason, count(*) FROM raw.rejected_transactions GROUP BY ALL ORDER BY ALL"


def _line(number: int, currency: str | None, day: date = DAY, **changes: Any) -> dict[str, Any]:
    return {
        **{"line_id": f"L{number}", "order_id": f"O{number}", "customer_id": "c1", "product_id": "p1"},
        **{"quantity": 2, "unit_price": 10.0, "discount": 1.0, "ordered_at": f"{day}T12:00:00Z", "currency": currency},
        **changes,
    }


def _rates(folder: Path, rows: Sequence[tuple[date, str, float]] = RATES) -> Path:
    path = folder / "rates.csv"
    path.write_text("day,currency,rate\n" + "\n".join(f"{day},{code},{rate!r}" for day, code, rate in rows) + "\n")
    return path


@contextmanager
def _lake(settings: Settings, **changes: Any) -> Iterator[Lake]:
    changed = settings.model_copy(update=changes)
    with Lake(changed, create=True) as lake:
        migrate(lake)
    with Lake(changed, inline_rows=1000) as lake:
        yield lake


def _load(lake: Lake, folder: Path, lines: Sequence[Mapping[str, Any]], name: str = "lines.jsonl") -> None:
    path = folder / name
    path.write_text("\n".join(json.dumps(line) for line in lines))
    done = register(lake, str(path), CANONICAL, now=NOW)
    load_days(lake, done.load_start, done.load_end, Commit("load"), now=NOW)


def _push(lake: Lake, lines: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    (receipt,) = Upserter(lake).upsert([Delivery("app", CANONICAL, lines, "push")], now=NOW)
    return dict(receipt.rejects)


def _rows(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with lake.cursor() as con:
        return con.execute(query).fetchall()


def test_currencies_that_nothing_converts_stop_the_load(settings: Settings, tmp_path: Path) -> None:
    lines = [_line(1, "USD"), _line(2, "USD"), _line(3, "JPY"), _line(4, None)]
    with _lake(settings) as lake:
        with pytest.raises(SourceError) as told:
            _load(lake, tmp_path, lines)
        assert "There are 2 lines in USD and 1 lines in JPY, and no exchange rates" in str(told.value)
        assert "SEGMENTATION_CURRENCY" in str(told.value)
        assert "SEGMENTATION_EXCHANGE_RATES" in str(told.value)
        assert _rows(lake, MONEY) == []
        with pytest.raises(SourceError, match="2 lines in USD and 1 lines in JPY"):
            dry_run_on(lake, str(tmp_path / "lines.jsonl"), CANONICAL, now=NOW)


def test_lines_of_one_currency_need_no_settings(settings: Settings, tmp_path: Path) -> None:
    with _lake(settings) as lake:
        _load(lake, tmp_path, [_line(1, "eur"), _line(2, " EUR "), _line(3, None)])
        assert _rows(lake, MONEY) == [
            ("L1", "EUR", None, 10.0, 19.0, 1.0),
            ("L2", "EUR", None, 10.0, 19.0, 1.0),
            ("L3", None, None, 10.0, 19.0, 1.0),
        ]
        with pytest.raises(SourceError, match="1 lines in USD, while the lake is in EUR, and no exchange rates"):
            _load(lake, tmp_path, [_line(4, "USD", DAY + timedelta(days=1))], "more.jsonl")


def test_lines_in_another_currency_than_the_reporting_one_need_rates(settings: Settings, tmp_path: Path) -> None:
    with _lake(settings, currency="EUR") as lake, pytest.raises(SourceError, match="SEGMENTATION_CURRENCY is EUR"):
        _load(lake, tmp_path, [_line(1, "USD")])


def test_money_is_stored_in_the_reporting_currency(settings: Settings, tmp_path: Path) -> None:
    days = [DAY - timedelta(days=10), DAY - timedelta(days=1), DAY, DAY + timedelta(days=MAX_AGE_DAYS)]
    lines = [_line(number, "USD", day) for number, day in enumerate(days)]
    lines += [_line(4, "EUR"), _line(5, None), _line(6, "GBP"), _line(7, "$"), _line(8, "US$")]
    lines += [_line(9, "USD", DAY + timedelta(days=MAX_AGE_DAYS + 1)), _line(10, "jpy"), _line(11, "JPY", quantity=-2)]
    with _lake(settings, currency="EUR", exchange_rates=_rates(tmp_path)) as lake:
        _load(lake, tmp_path, lines)
        assert _rows(lake, MONEY) == [
            ("L1", "USD", 0.9, 10.0 * 0.9, 19.0 * 0.9, 0.9),
            ("L10", "JPY", 0.006, 10.0 * 0.006, 19.0 * 0.006, 0.006),
            ("L11", "JPY", 0.006, 10.0 * 0.006, -21.0 * 0.006, 0.006),
            ("L2", "USD", 0.95, 10.0 * 0.95, 19.0 * 0.95, 0.95),
            ("L3", "USD", 0.95, 10.0 * 0.95, 19.0 * 0.95, 0.95),
            ("L4", "EUR", None, 10.0, 19.0, 1.0),
            ("L5", None, None, 10.0, 19.0, 1.0),
        ]
        assert _rows(lake, REJECTS) == [("no_exchange_rate", 3), ("unknown_currency", 2)]
        kept = _rows(
            lake, "SELECT original ->> 'unit_price' FROM raw.rejected_transactions WHERE original LIKE '%GBP%'"
        )
        assert kept == [("10.0",)]
        found = dry_run_on(lake, str(tmp_path / "lines.jsonl"), CANONICAL, now=NOW)
    assert found.notes[-3:] == (
        "3 accepted lines are in USD and come to 57.00, which is 53.20 EUR at the rates of their days.",
        "2 accepted lines are in JPY and come to -2.00, which is -0.01 EUR at the rates of their days.",
        "1 accepted lines are in EUR and come to 19.00.",
    )


def test_a_day_comes_out_the_same_whatever_is_loaded_with_it(settings: Settings, tmp_path: Path) -> None:
    lines = [_line(1, "USD"), _line(2, "USD", DAY + timedelta(days=1))]
    with _lake(settings, currency="EUR", exchange_rates=_rates(tmp_path)) as lake:
        _load(lake, tmp_path, lines)
        together = _rows(lake, MONEY)
        load_days(lake, DAY, DAY + timedelta(days=1), Commit("again"), now=NOW)
        assert _rows(lake, MONEY) == together


@pytest.mark.parametrize(("profile_zone", "shop_zone"), [("Europe/Berlin", "UTC"), ("UTC", "Europe/Berlin")])
def test_days_are_those_of_the_source(settings: Settings, tmp_path: Path, profile_zone: str, shop_zone: str) -> None:
    midnight = DAY.isoformat() if profile_zone != "UTC" else f"{DAY - timedelta(days=1)}T23:00:00Z"
    profile = CANONICAL.model_copy(update={"timezone": profile_zone})
    rates = _rates(tmp_path, [(DAY - timedelta(days=1), "USD", 0.5), (DAY, "USD", 0.95)])
    with _lake(settings, currency="EUR", exchange_rates=rates, timezone=shop_zone) as lake:
        Upserter(lake).upsert([Delivery("app", profile, [_line(1, "USD", ordered_at=midnight)], "push")], now=NOW)
        assert _rows(lake, "SELECT exchange_rate FROM raw.transactions") == [(0.95,)]


def test_changed_rates_count_once_days_are_loaded_again(settings: Settings, tmp_path: Path) -> None:
    with _lake(settings, currency="EUR", exchange_rates=_rates(tmp_path)) as lake:
        _load(lake, tmp_path, [_line(1, "USD")])
        _rates(tmp_path, [(DAY, "USD", 0.5)])
        load_days(lake, DAY, DAY + timedelta(days=1), Commit("again"), now=NOW)
        assert _rows(lake, MONEY) == [("L1", "USD", 0.5, 5.0, 9.5, 0.5)]


def test_pushed_lines_are_converted_or_rejected(settings: Settings, tmp_path: Path) -> None:
    lines = [_line(0, "USD"), _line(1, "GBP"), _line(2, "€"), _line(3, "EUR"), _line(4, None), _line(5, "")]
    with _lake(settings, currency="EUR", exchange_rates=_rates(tmp_path)) as lake:
        assert _push(lake, lines) == {1: "no_exchange_rate", 2: "unknown_currency"}
        assert _rows(lake, MONEY)[0] == ("L0", "USD", 0.95, 10.0 * 0.95, 19.0 * 0.95, 0.95)


def test_pushed_lines_without_rates_have_to_be_in_the_first_currency(settings: Settings) -> None:
    with _lake(settings) as lake:
        assert _push(lake, [_line(0, None), _line(1, "?"), _line(2, "SEK"), _line(3, "NOK"), _line(4, "SEK")]) == {
            1: "unknown_currency",
            3: "no_exchange_rate",
        }
        assert _push(lake, [_line(5, "NOK"), _line(6, "SEK")]) == {0: "no_exchange_rate"}
    with _lake(settings, currency="NOK") as lake:
        assert _push(lake, [_line(7, "NOK"), _line(8, "SEK")]) == {1: "no_exchange_rate"}


@given(
    rates=st.lists(st.tuples(st.integers(0, 90), st.sampled_from(["USD", "JPY"]), st.floats(0.001, 1000)), max_size=12),
    lines=st.lists(
        st.tuples(st.sampled_from(["USD", "JPY", "EUR", None]), st.integers(0, 90), st.floats(0.01, 1e6)), min_size=1
    ),
)
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_each_amount_is_the_original_at_the_last_rate_of_a_month_before(
    settings: Settings,
    tmp_path: Path,
    rates: list[tuple[int, str, float]],
    lines: list[tuple[str | None, int, float]],
) -> None:
    first = date(2025, 1, 1)
    table = {(first + timedelta(days=day), code): rate for day, code, rate in rates}
    changed = settings.model_copy(
        update={"currency": "EUR", "exchange_rates": _rates(tmp_path, [(*key, rate) for key, rate in table.items()])}
    )
    contract = LineContract(changed)
    given_lines = [
        SimpleNamespace(
            **dict.fromkeys(TYPES) | _line(0, code, first + timedelta(days=day), discount=None, unit_price=x)
        )
        for code, day, x in lines
    ]
    checked = contract.check(given_lines, NOW)
    contract.close()
    refused = {each.index for each in checked.broken if each.rule == "no_exchange_rate"}
    for number, (code, offset, price) in enumerate(lines):
        day = first + timedelta(days=offset)
        before = [each for each, name in table if name == code and each <= day <= each + timedelta(days=MAX_AGE_DAYS)]
        if code in ("EUR", None):
            assert checked.lines[number]["amount"] == 2 * price
        elif before:
            assert checked.lines[number]["amount"] == 2 * price * table[max(before), code]
        assert (number in refused) == (code in ("USD", "JPY") and not before)


def test_what_is_scored_is_converted_too(settings: Settings, tmp_path: Path) -> None:
    contract = LineContract(settings.model_copy(update={"currency": "EUR", "exchange_rates": _rates(tmp_path)}))
    lines = [SimpleNamespace(**dict.fromkeys(TYPES) | _line(n, code)) for n, code in enumerate(("USD", "GBP", "EUR"))]
    checked = contract.check(lines, NOW)
    assert [line["amount"] for line in checked.lines] == [19.0 * 0.95, 19.0, 19.0]
    assert [(each.index, each.rule, each.fields) for each in checked.broken] == [
        (1, "no_exchange_rate", ("currency", "ordered_at"))
    ]
    contract.close()


def test_lines_that_are_scored_without_a_reporting_currency_are_in_one(settings: Settings) -> None:
    contract = LineContract(settings)
    lines = [SimpleNamespace(**dict.fromkeys(TYPES) | _line(n, code)) for n, code in enumerate((None, "USD", "JPY"))]
    assert [(each.index, each.rule) for each in contract.check(lines, NOW).broken] == [(2, "no_exchange_rate")]
    assert not contract.check(lines[:2], NOW).broken
    contract.close()


def test_where_no_line_names_a_currency_rates_are_not_read(settings: Settings, tmp_path: Path) -> None:
    line = {name: value for name, value in _line(1, None).items() if name != "currency"}
    with _lake(settings, currency="EUR", exchange_rates=tmp_path / "none.csv") as lake:
        _load(lake, tmp_path, [line])
        assert len(_rows(lake, MONEY)) == 1
        with pytest.raises(SourceError, match=r"exchange rates .*none.csv can't be read: No such file"):
            _load(lake, tmp_path, [_line(2, "USD")], "more.jsonl")


def test_rates_need_a_reporting_currency(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="exchange_rates need currency"):
        Settings(exchange_rates=tmp_path / "rates.csv")
    with pytest.raises(ValidationError, match="currency"):
        Settings(currency="euro")


ECB = "Date,USD,JPY,CYP,\n2025-03-11,1.25,N/A,N/A,\n2025-03-10,1.0,160,N/A,\n"


@pytest.mark.parametrize(
    ("reporting", "expected"),
    [
        ("EUR", {("USD", "2025-03-10"): 1.0, ("USD", "2025-03-12"): 0.8, ("JPY", "2025-03-12"): 1 / 160}),
        ("USD", {("EUR", "2025-03-10"): 1.0, ("EUR", "2025-03-11"): 1.25, ("JPY", "2025-03-11"): 1 / 160}),
    ],
)
def test_the_history_of_the_european_central_bank_is_read(
    tmp_path: Path, reporting: str, expected: dict[tuple[str, str], float]
) -> None:
    path = tmp_path / "eurofxref-hist.csv"
    path.write_text(ECB)
    assert expected.items() <= _read(path, reporting).items()


def test_rates_may_be_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rates.parquet"
    pl.DataFrame({"day": [DAY], "currency": ["usd"], "rate": [0.9], "note": ["x"]}).write_parquet(path)
    assert _read(path, "EUR")["USD", "2025-03-10"] == 0.9


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("r.csv", "day,currency\n2025-01-01,USD\n", "lack rate"),
        ("r.csv", "day,currency,rate\n01/02/2025,USD,1\n", "day '01/02/2025', currency 'USD', rate '1'"),
        ("r.csv", 'day,currency,rate\n2025-01-01,USD,"0,92"\n', "rate '0,92'"),
        ("r.csv", "day,currency,rate\n2025-01-01,USD,-1\n", "rate '-1'"),
        ("r.csv", "day,currency,rate\n2025-01-01,dollars,1\n", "currency 'DOLLARS'"),
        ("r.csv", "day,currency,rate\n2025-01-01,USD,1\n2025-01-01,USD,2\n", "two rates on 2025-01-01: 1.0 and 2.0"),
        ("r.xlsx", "", "has to end in .csv or .parquet"),
    ],
)
def test_rates_that_can_not_be_used_are_told(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SourceError) as told:
        _read(path, "EUR")
    assert words in str(told.value)


def _read(path: Path, reporting: str) -> dict[tuple[str, str], float]:
    with duckdb.connect() as con:
        read_rates(con, path, reporting, "rates")
        return {
            (row[0], str(row[1])): row[2] for row in con.execute("SELECT currency, day, rate FROM rates").fetchall()
        }
