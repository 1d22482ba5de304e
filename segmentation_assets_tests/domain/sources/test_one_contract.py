"""One contract: a line is refused by the same rule in a file, a push, a stream, and where it is to be scored."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.line_contract import CHECKED, TYPES, LineContract
from segmentation.sources.profiles.contract import GENERIC_RULES, NO_EXCHANGE_RATE
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.rules.plain_lines import as_plain
from segmentation.streaming.messages import from_json
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

NOW = datetime(2025, 6, 1, 12)
CANONICAL = load_profile("canonical")

GOOD: dict[str, Any] = {
    "order_id": "o1",
    "customer_id": "c1",
    "product_id": "p1",
    "quantity": 2,
    "unit_price": 2.5,
    "ordered_at": "2025-05-30T10:00:00Z",
}

WILD: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"customer_id": ""}, "missing_customer"),
    ({"customer_id": " \t"}, "missing_customer"),
    ({"customer_id": "\u00a0"}, "missing_customer"),
    ({"customer_id": None}, "missing_customer"),
    ({"customer_id": "a\0b"}, "nul_in_customer"),
    ({"customer_id": " 13085.0 "}, None),
    ({"order_id": " "}, "missing_order"),
    ({"product_id": ""}, "missing_product"),
    ({"order_id": "", "customer_id": "", "product_id": ""}, "missing_order"),
    ({"ordered_at": "2025-05-30"}, None),
    ({"ordered_at": "2025-05-30 10:00"}, None),
    ({"ordered_at": "2025-05-30T10:00:00+02:00"}, None),
    ({"ordered_at": "12/1/2010 8:26"}, None),
    ({"ordered_at": "2025-02-30"}, "unparsable_date"),
    ({"ordered_at": "yesterday"}, "unparsable_date"),
    ({"ordered_at": ""}, "unparsable_date"),
    ({"ordered_at": None}, "unparsable_date"),
    ({"ordered_at": "2004-12-31T23:59:59Z"}, "implausible_date"),
    ({"ordered_at": "2025-06-03T10:00:00Z"}, "implausible_date"),
    ({"quantity": None}, "missing_quantity"),
    ({"quantity": -2}, None),
    ({"quantity": 1e11}, "quantity_out_of_range"),
    ({"quantity": -1e300, "unit_price": 1e-300}, "quantity_out_of_range"),
    ({"unit_price": None}, "missing_price"),
    ({"unit_price": None, "amount": 5.0}, None),
    ({"unit_price": None, "amount": -5.0}, "negative_price"),
    ({"unit_price": -2.5}, "negative_price"),
    ({"unit_price": 1e300, "quantity": 1e10}, "not_finite"),
    ({"unit_price": 1e10, "quantity": 100}, "amount_out_of_range"),
    ({"quantity": 0}, "zero_quantity"),
    ({"currency": "€"}, "unknown_currency"),
    ({"currency": " eur"}, None),
    ({"amount": -5.0}, "sign_mismatch"),
    ({"quantity": -2, "amount": 5.0}, "sign_mismatch"),
    ({"amount": 1e11}, "amount_out_of_range"),
    ({"discount": 1e11, "amount": 5.0}, "amount_out_of_range"),
    ({"discount": None, "category": " ", "country": "", "channel": "web "}, None),
]
"""What is changed in a good line, and which rule refuses it then."""

TEXTS = st.text(max_size=3).filter(lambda text: "\0" not in text) | st.sampled_from(
    [
        *("NULL", "nan", "None", "n/a", "#N/A", "-", "\\N", "1.0", "013", "5E08", " c1", "c1\u00a0", "Ünï", "1-2_3"),
        *("0", "a@b.org", "@", "-@-", "1.", ".1", "+1", "1.5", "10.0", "1e5", "-1", "1_0", "x.0", "N.A.1", "-0"),
    ]
)
NUMBERS = st.integers(-3, 3) | st.floats(-1e12, 1e12) | st.sampled_from([1e-300, -1e-300, 1e-7, 1e11, 99999999999.0])
MOMENTS = st.sampled_from(
    [
        *("2025-05-30T10:00:00Z", "2025-05-30", "2025-05-30 10:00:00", "2025-13-01", "2025-05-30T25:00:00Z"),
        *("1999-01-01", "2025-06-02T11:59:00", "2025-06-02T12:01:00", "20250530", "30.05.2025", "May 30"),
        *("2025-05-30T10:00:00.123Z", "2025-05-30 10:00:00.123456+05:30", "2025-05-30T23:59:59.999999-13:59"),
        *("2025-05-30T10:00:00-03:00", "2025-05-30T10:00:00+00:00", "2025-02-30T10:00:00"),
    ]
)


def _lines() -> st.SearchStrategy[dict[str, Any]]:
    kinds = {name: TEXTS if kind == "VARCHAR" else NUMBERS for name, kind in TYPES.items()} | {"ordered_at": MOMENTS}
    kinds["currency"] = st.sampled_from(["EUR", "eur ", "€", "US$", ""])
    fields = {name: st.just(good) | kinds.pop(name) for name, good in GOOD.items()}
    return st.fixed_dictionaries(fields, optional=kinds)


@pytest.fixture
def contract() -> Iterator[LineContract]:
    opened = LineContract(Settings())
    yield opened
    opened.close()


@pytest.mark.parametrize("way", ["file", "push", "stream", "score"])
def test_the_same_line_is_refused_by_the_same_rule_wherever_it_comes_from(
    settings: Settings, tmp_path: Path, way: str
) -> None:
    lines = [{**GOOD, **changes} for changes, _ in WILD]
    found = WAYS[way](settings, tmp_path, lines)
    assert [(changes, reason) for (changes, _), reason in zip(WILD, found, strict=True)] == WILD


def test_every_rule_is_tried() -> None:
    assert {name for name, _ in GENERIC_RULES} - {reason for _, reason in WILD} == {NO_EXCHANGE_RATE}


@given(lines=st.lists(_lines(), min_size=20, max_size=40))
@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_what_is_scored_is_what_a_push_would_store(
    settings: Settings, contract: LineContract, lines: list[dict[str, Any]]
) -> None:
    with _lake(settings) as lake:
        reasons = _pushed(lake, lines)
        columns = ", ".join(CHECKED)
        with lake.cursor() as con:
            query = f"SELECT CAST(line_id AS INTEGER), {columns} FROM raw.transactions ORDER BY 1"
            stored = {row[0]: dict(zip(CHECKED, row[1:], strict=True)) for row in con.execute(query).fetchall()}
            lake.transaction(con, Commit("again"), _empty)  # or they would be repeated ones
    checked = contract.check([_as_given(line) for line in lines], NOW)
    assert _first_rules(checked.broken, len(lines)) == reasons
    assert {n: line for n, line in enumerate(checked.lines) if reasons[n] is None} == stored


@given(lines=st.lists(_lines(), min_size=1, max_size=5))
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_plain_line_is_neither_refused_nor_changed_by_the_rules(
    contract: LineContract, lines: list[dict[str, Any]]
) -> None:
    given_lines = [_as_given({**line, "currency": None}) for line in lines]  # it is looked at apart
    bounds: dict[str, Any] = {"earliest": datetime(2005, 1, 1), "latest": NOW + timedelta(days=1), "is_utc": True}
    plain = [as_plain(line, texts={None}, products=(), **bounds) for line in given_lines]
    spoilt = _as_given({**GOOD, "customer_id": ""})  # one that isn't plain has all of them checked
    checked = contract.check([*given_lines, spoilt], NOW)
    for number, line in enumerate(plain):
        if line is not None:
            assert line == checked.lines[number]
            assert number not in {each.index for each in checked.broken}


def test_plain_lines_are_plain(contract: LineContract) -> None:
    line = _as_given({**GOOD, "product_id": "shoe", "customer_id": "a@b.org", "discount": 1.0, "country": "France"})
    first, second = contract.check([line], NOW), contract.check([line], NOW)  # France and the shoe are known by then
    assert (first.lines, list(first.broken)) == (second.lines, list(second.broken))
    bounds: dict[str, Any] = {"earliest": datetime(2005, 1, 1), "latest": NOW, "is_utc": True}
    assert as_plain(line, texts={None, "France"}, products={"shoe"}, **bounds) is not None


def test_all_rules_that_a_line_breaks_are_named_with_their_columns(contract: LineContract) -> None:
    line = _as_given({**GOOD, "customer_id": "", "product_id": "", "amount": -19.9})
    found = contract.check([_as_given(GOOD), line], NOW).broken
    assert [(each.index, each.rule, each.fields) for each in found] == [
        (1, "missing_customer", ("customer_id",)),
        (1, "missing_product", ("product_id",)),
        (1, "sign_mismatch", ("quantity", "amount")),
    ]


def test_times_are_those_of_the_shop(contract: LineContract) -> None:
    berlin = LineContract(Settings(), "Europe/Berlin")
    line = _as_given({**GOOD, "ordered_at": "2025-05-30"})
    assert berlin.check([line], NOW).lines[0]["ordered_at"] == datetime(2025, 5, 29, 22)
    assert contract.check([line], NOW).lines[0]["ordered_at"] == datetime(2025, 5, 30)
    berlin.close()


def test_the_bounds_of_plausible_times_move_with_the_clock(contract: LineContract) -> None:
    line = _as_given({**GOOD, "ordered_at": "2025-06-03T10:00:00Z"})
    assert [each.rule for each in contract.check([line], NOW).broken] == ["implausible_date"]
    assert not contract.check([line], NOW + timedelta(days=1)).broken


def _lake(settings: Settings) -> Lake:
    with Lake(settings, create=True) as lake:
        migrate(lake)
    return Lake(settings, inline_rows=1000)


def _empty(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("DELETE FROM raw.transactions")
    con.execute("DELETE FROM raw.rejected_transactions")


def _by_file(settings: Settings, folder: Path, lines: Sequence[Mapping[str, Any]]) -> list[str | None]:
    path = folder / "lines.jsonl"
    path.write_text("\n".join(json.dumps({"line_id": str(n), **line}) for n, line in enumerate(lines)))
    with _lake(settings) as lake:
        done = register(lake, str(path), CANONICAL, now=NOW)
        load_days(lake, done.load_start, done.load_end, Commit("load"), now=NOW)
        with lake.cursor() as con:
            accepted = con.execute("SELECT CAST(line_id AS INTEGER), NULL FROM raw.transactions").fetchall()
            query = "SELECT CAST(original ->> 'line_id' AS INTEGER), reason FROM raw.rejected_transactions"
            return [reason for _, reason in sorted(accepted + con.execute(query).fetchall())]


def _pushed(lake: Lake, lines: Sequence[Any]) -> list[str | None]:
    records = [{"line_id": str(n), **line} for n, line in enumerate(lines)]
    (receipt,) = Upserter(lake).upsert([Delivery("app", CANONICAL, records, "push")], now=NOW)
    return [dict(receipt.rejects).get(n) for n in range(len(lines))]


def _by_push(settings: Settings, folder: Path, lines: Sequence[Mapping[str, Any]]) -> list[str | None]:
    with _lake(settings) as lake:
        return _pushed(lake, lines)


def _by_stream(settings: Settings, folder: Path, lines: Sequence[Mapping[str, Any]]) -> list[str | None]:
    records = [record for line in lines for record in from_json(json.dumps(line).encode())]
    with _lake(settings) as lake:
        return _pushed(lake, records)


def _by_score(settings: Settings, folder: Path, lines: Sequence[Mapping[str, Any]]) -> list[str | None]:
    contract = LineContract(Settings())
    checked = contract.check([_as_given(line) for line in lines], NOW)
    contract.close()
    return _first_rules(checked.broken, len(lines))


WAYS = {"file": _by_file, "push": _by_push, "stream": _by_stream, "score": _by_score}


def _first_rules(broken: Sequence[Any], count: int) -> list[str | None]:
    first: dict[int, str] = {}
    for each in broken:
        first.setdefault(each.index, each.rule)
    return [first.get(number) for number in range(count)]


def _as_given(line: Mapping[str, Any]) -> Any:
    return SimpleNamespace(**{name: line.get(name) for name in TYPES})
