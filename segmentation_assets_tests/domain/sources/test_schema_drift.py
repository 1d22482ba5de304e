"""Schema drift: new, missing and retyped columns are noticed, and told until somebody accepts them."""

from datetime import datetime, timedelta

import pytest

from segmentation.errors import SourceError
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.schema_drift import accept, columns_of, compare, observe, read_drift
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.test_upsert import NOW, delivery, line

BEFORE = {"a": "text", "b": "number", "c": "text"}


def test_the_difference_names_what_is_new_missing_and_retyped() -> None:
    drift = compare(BEFORE, {"a": "text", "b": "text", "d": "date"})
    assert (dict(drift.new), drift.missing, dict(drift.retyped)) == ({"d": "date"}, ("c",), {"b": ("number", "text")})
    assert str(drift) == "new column d (date); column c is missing; column b was number and is text"
    assert not compare(BEFORE, BEFORE)


def test_drift_is_told_until_it_is_accepted(lake: Lake) -> None:
    def told(hours: int = 0) -> str:
        with lake.cursor() as con:
            return str(read_drift(con, "till"))

    with pytest.raises(SourceError, match="hasn't delivered"):
        accept(lake, "till", NOW)
    observe(lake, "till", BEFORE, "1.csv", NOW)
    assert told() == ""
    for day, columns in enumerate(({**BEFORE, "d": "text"}, {**BEFORE, "d": "text"}, BEFORE, {"a": "text"}), start=1):
        observe(lake, "till", columns, f"{day}.csv", NOW + timedelta(days=day))
    assert told() == "column b is missing; column c is missing"
    assert str(accept(lake, "till", NOW + timedelta(days=9))) == "column b is missing; column c is missing"
    assert told() == ""
    assert not accept(lake, "till", NOW)
    with lake.cursor() as con:
        assert con.execute("SELECT count(*) FROM raw.source_schemas").fetchall() == [(4,)]


def test_records_may_lack_columns_but_bring_new_ones(lake: Lake) -> None:
    upserter = Upserter(lake)
    upserter.upsert([delivery(line("1", note="x"))], now=NOW)
    upserter.upsert([delivery(line("2"))], now=NOW + timedelta(hours=1))
    with lake.cursor() as con:
        assert not read_drift(con, "app")
    upserter.upsert([delivery(line("3", quantity="4", shop={"id": 1}))], now=NOW + timedelta(hours=2))
    with lake.cursor() as con:
        drift = read_drift(con, "app")
    assert str(drift) == "new column shop (object); column quantity was number and is number or text"
    assert drift.seen_in == f"push, {NOW + timedelta(hours=2):%Y-%m-%d %H:%M} UTC"
    # A process that begins anew knows them.
    Upserter(lake).upsert([delivery(line("4"))], now=datetime(2025, 7, 1))
    with lake.cursor() as con:
        assert con.execute("SELECT count(*) FROM raw.source_schemas").fetchall() == [(2,)]


def test_null_says_nothing_about_a_type() -> None:
    records: list[dict[str, object]] = [{"a": None, "b": 1}, {"a": "x", "b": 2.5}, {"c": True, "b": [1]}]
    assert columns_of(records, {"z": "text"}) == {"z": "text", "a": "text", "b": "list or number", "c": "boolean"}
