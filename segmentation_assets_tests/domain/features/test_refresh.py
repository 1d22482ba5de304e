"""A snapshot made from one that is there: always what everybody computed anew gives, and only what changed is done."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import NotEnoughDataError
from segmentation.features.records import Snapshot
from segmentation.features.refresh import bases, home_markets, planning, replacing
from segmentation.features.refresh.ageing import LONGEST_DAYS, aged
from segmentation.features.refresh.home_markets import HomeMarket
from segmentation.features.snapshots import write_snapshots
from segmentation.features.windows import Window
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.snapshots.dropping import drop_snapshots
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.ledger import Entry, read_entries
from segmentation.warehouse.sql import literal
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT, order_lines
from segmentation_assets_tests.testing.lines import Line, delete_lines, insert_lines
from segmentation_assets_tests.testing.statements import change

pytestmark = pytest.mark.takes(40)

NOW = datetime(2030, 1, 1)
DAY = timedelta(days=1)
PROPERTY = hypothesis_settings(
    max_examples=12,
    deadline=None,
    phases=(Phase.generate,),  # an example makes several snapshots: to shrink one would take minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe")
FILES = f"""
SELECT record_count
FROM {METADATA}.ducklake_data_file
JOIN {METADATA}.ducklake_table USING (table_id)
WHERE table_name = 'customer_features' AND ducklake_data_file.end_snapshot IS NULL
ORDER BY data_file_id
"""


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take rows over from wherever that is possible, also where it would not pay."""
    monkeypatch.setattr(bases, "FURTHEST", 50 * DAY)
    monkeypatch.setattr(planning, "TOUCHED_SHARE", 10)
    monkeypatch.setattr(replacing, "REPLACED_SHARE", 10)


def _write(lake: Lake, *dates: date, from_scratch: bool = False) -> list[Snapshot]:
    return write_snapshots(lake, dates, lambda as_of: Commit(str(as_of)), now=NOW, from_scratch=from_scratch)


def _rows(lake: Lake, as_of: date) -> pl.DataFrame:
    with lake.cursor() as con:
        query = f"FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of ORDER BY customer_id"
        return con.execute(query, {"as_of": as_of}).pl()


def _is_as_from_scratch(lake: Lake, as_of: date) -> bool:
    found = _rows(lake, as_of)
    _write(lake, as_of, from_scratch=True)
    return found.equals(_rows(lake, as_of))


def _files(lake: Lake) -> list[int]:
    """How many rows each file of the features has."""
    with lake.cursor() as con:
        return [rows for (rows,) in con.execute(FILES).fetchall()]


def _entry(lake: Lake, as_of: date = AS_OF) -> Entry:
    with lake.cursor() as con:
        [found] = [e for e in read_entries(con) if (e.table_name, e.as_of) == (CUSTOMER_FEATURES.name, as_of)]
    return found


def _shop(customers: int = 60, days: int = 400) -> list[Line]:
    """Customers who ordered once in each of several months, a few of them on each day."""
    return [
        Line(
            f"c{n % customers:02}",
            f"o{n}",
            f"p{n % 7}",
            MIDNIGHT - n * DAY + timedelta(hours=9),
            1,
            5 + n % 9,
            f"k{n % 5}",
        )
        for n in range(1, days)
    ]


@pytest.mark.usefixtures("eager")
@given(
    lines=st.lists(order_lines(), min_size=1, max_size=40),
    late=st.lists(order_lines(), max_size=3),
    shift=st.integers(1, 40),
    zone=st.sampled_from(ZONES),
    lookback_days=st.sampled_from([365, 90, 45, None]),
    home_market=st.sampled_from([None, "UK"]),
)
@PROPERTY
def test_a_date_made_from_an_earlier_one_is_what_it_is_from_scratch(
    lake: Lake,
    lines: Sequence[Line],
    late: Sequence[Line],
    shift: int,
    zone: str,
    lookback_days: int | None,
    home_market: str | None,
) -> None:
    change(
        lake, "DELETE FROM raw.transactions", f"DELETE FROM {CUSTOMER_FEATURES.name}", "DELETE FROM registry.snapshots"
    )
    settings = lake.settings.model_copy(
        update={"timezone": zone, "lookback_days": lookback_days, "home_market": home_market}
    )
    with Lake(settings) as shop:
        insert_lines(shop, lines)
        try:
            _write(shop, AS_OF - shift * DAY)
            if late:
                insert_lines(shop, late)
            [snapshot] = _write(shop, AS_OF)
        except NotEnoughDataError:
            return
        if home_market:  # else it may be another one
            assert snapshot.base_as_of == AS_OF - shift * DAY
        assert _is_as_from_scratch(shop, AS_OF)


@pytest.mark.usefixtures("eager")
@given(lines=st.lists(order_lines(), min_size=1, max_size=40), late=st.lists(order_lines(), max_size=5))
@PROPERTY
def test_a_date_made_from_itself_is_what_it_is_from_scratch(
    lake: Lake, lines: Sequence[Line], late: Sequence[Line]
) -> None:
    change(
        lake, "DELETE FROM raw.transactions", f"DELETE FROM {CUSTOMER_FEATURES.name}", "DELETE FROM registry.snapshots"
    )
    insert_lines(lake, lines)
    try:
        _write(lake, AS_OF)
        if late:
            insert_lines(lake, late)
        delete_lines(lake, f"order_id = {literal(lines[0].order_id)}")
        _write(lake, AS_OF)
    except NotEnoughDataError:
        return
    assert _is_as_from_scratch(lake, AS_OF)


@given(micros=st.integers(0, LONGEST_DAYS * 86_400_000_000))
@hypothesis_settings(deadline=None)
def test_days_tell_their_microseconds(micros: int) -> None:
    earlier, later = Window(AS_OF, date(2023, 3, 1)), Window(AS_OF + DAY, date(2023, 3, 2))
    assert round(micros / 86400e6 * 86400e6) == micros
    sql = aged("days", earlier, later)
    ((found,),) = duckdb.execute(f"SELECT {sql} FROM (SELECT CAST(? AS DOUBLE) AS days)", [micros / 86400e6]).fetchall()
    assert found == (micros + 86_400_000_000) / 86400e6


def test_customers_of_long_ago_are_computed(lake: Lake) -> None:
    with Lake(lake.settings.model_copy(update={"lookback_days": None})) as shop:
        insert_lines(shop, [*_shop(), Line("old", "o", "p", datetime(1931, 7, 5, 4, 3, 2, 123457), country="UK")])
        _write(shop, AS_OF)
        [snapshot] = _write(shop, AS_OF + DAY)
        assert snapshot.base_as_of == AS_OF
        assert _is_as_from_scratch(shop, AS_OF + DAY)


def test_names_of_features_tell_how_many_days_they_count() -> None:
    assert {f.name for f in FEATURES if f.within_days} == {
        f.name for f in FEATURES if f.name.endswith("0d") or "365d" in f.name
    }
    assert all(f.name.endswith(f"_{f.within_days}d") for f in FEATURES if f.within_days)


def test_the_next_day_computes_only_those_with_a_line_that_matters(lake: Lake) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    insert_lines(lake, [Line("c07", "new", "p1", MIDNIGHT + timedelta(hours=1))])
    [snapshot] = _write(lake, AS_OF + DAY)
    enters, leaves, edges = {"c07"}, {f"c{366 % 60:02}", f"c{365 % 60:02}"}, {f"c{n % 60:02}" for n in (30, 90)}
    assert (snapshot.base_as_of, snapshot.customer_count) == (AS_OF, 60)
    assert len(enters) < snapshot.computed_count <= len(enters | leaves | edges)
    assert (_entry(lake, AS_OF + DAY).computed_count, _entry(lake).computed_count) == (snapshot.computed_count, 60)
    assert _is_as_from_scratch(lake, AS_OF + DAY)


def test_of_several_dates_the_nearest_earlier_one_is_the_base(lake: Lake) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF - 3 * DAY, AS_OF - DAY, AS_OF + DAY)
    [snapshot] = _write(lake, AS_OF)
    assert snapshot.base_as_of == AS_OF - DAY
    [far] = _write(lake, AS_OF - 3 * DAY - bases.FURTHEST)
    assert far.base_as_of is None


def test_nothing_changed_reads_no_line_and_writes_no_row(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    before, files, rows = _entry(lake), _files(lake), _rows(lake, AS_OF)
    insert_lines(lake, [Line("c1", "after the window", "p", MIDNIGHT + DAY)])
    change(lake, "CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL 1 DAY)")
    monkeypatch.setattr(home_markets, "COUNTRIES", "no SQL")
    monkeypatch.setattr("segmentation.features.duckdb_engine.compute_slices", None)
    [snapshot] = _write(lake, AS_OF)
    after = _entry(lake)
    assert (snapshot.customer_count, snapshot.computed_count, snapshot.base_as_of) == (60, 0, AS_OF)
    assert (after.written_version, _files(lake)) == (before.written_version, files)
    assert after.lake_version > before.lake_version
    assert _rows(lake, AS_OF).equals(rows)


@pytest.mark.usefixtures("eager")
def test_late_lines_leave_other_rows_where_they_are_until_there_are_many_files(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "MOST_REPLACEMENTS", 2)
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    files = [_files(lake)]
    for customer in ("c07", "c50", "c33"):
        insert_lines(lake, [Line(customer, "late", "p1", MIDNIGHT - 3 * DAY)])
        assert _write(lake, AS_OF)[0].computed_count == 1
        files.append(_files(lake))
    assert [len(each) for each in files] == [1, 2, 3, 1]
    assert all(each[0] == 60 for each in files)
    assert all(rows < 60 for each in files for rows in each[1:])
    assert _is_as_from_scratch(lake, AS_OF)
    assert _files(lake) == [60]


def test_where_many_rows_differ_the_date_is_written_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacing, "REPLACED_SHARE", 0)
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    insert_lines(lake, [Line("c07", "late", "p1", MIDNIGHT - 3 * DAY)])
    assert _write(lake, AS_OF)[0].computed_count == 1
    assert _files(lake) == [60]
    assert _is_as_from_scratch(lake, AS_OF)


def test_the_past_of_the_lake_keeps_the_rows_that_were_replaced(lake: Lake) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    before, version = _rows(lake, AS_OF), lake.version()
    insert_lines(lake, [Line("c07", "late", "p1", MIDNIGHT - 3 * DAY)])
    _write(lake, AS_OF)
    with lake.at(version) as con:
        past = con.execute(
            f"FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of ORDER BY customer_id", {"as_of": AS_OF}
        ).pl()
    assert past.equals(before)
    assert not _rows(lake, AS_OF).equals(before)


def _refresh(lake: Lake) -> None:
    insert_lines(lake, [Line("c08", "later", "p1", MIDNIGHT - 4 * DAY)])
    _write(lake, AS_OF)


def _drop(lake: Lake) -> None:
    drop_snapshots(lake, [AS_OF], Commit("drop"))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("other", [_refresh, _drop])
def test_a_date_that_others_write_meanwhile_is_replaced_as_a_whole(lake: Lake, other: Callable[[Lake], None]) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    insert_lines(lake, [Line("c07", "late", "p1", MIDNIGHT - 3 * DAY)])
    read = lake.version()

    def interfere(as_of: date) -> Commit:
        with Lake(lake.settings) as theirs:
            other(theirs)
        return Commit(str(as_of))

    write_snapshots(lake, [AS_OF], interfere, now=NOW)
    assert (_entry(lake).lake_version, _files(lake)) == (read, [60])
    _write(lake, AS_OF)
    assert _is_as_from_scratch(lake, AS_OF)


def test_a_date_that_others_drop_while_nothing_changed_stays_dropped(lake: Lake) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF)

    def interfere(as_of: date) -> Commit:
        with Lake(lake.settings) as theirs:
            _drop(theirs)
        return Commit(str(as_of))

    write_snapshots(lake, [AS_OF], interfere, now=NOW)
    with lake.cursor() as con:
        assert read_entries(con) == []


@pytest.mark.parametrize("late_lines", [3, 400])
def test_the_home_market_is_counted_only_if_it_may_be_another_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, late_lines: int
) -> None:
    insert_lines(lake, [Line(**{**vars(line), "country": "UK"}) for line in _shop()])
    _write(lake, AS_OF)
    assert (_entry(lake).home_market, _entry(lake).home_market_lead) == ("UK", 365)
    counted: list[Sequence[Window]] = []

    def count(
        con: duckdb.DuckDBPyConnection, version: int, windows: Sequence[Window], setting: str | None
    ) -> list[HomeMarket]:
        counted.extend([windows] if windows else [])
        return home_markets.count_home_markets(con, version, windows, setting)

    monkeypatch.setattr(planning, "count_home_markets", count)
    insert_lines(lake, [Line("c07", f"late{n}", "p", MIDNIGHT - DAY, country="UK") for n in range(late_lines)])
    _write(lake, AS_OF)
    assert len(counted) == (0 if late_lines == 3 else 1)
    assert (_entry(lake).home_market, _entry(lake).home_market_lead) == ("UK", 362 if late_lines == 3 else 765)
    assert _is_as_from_scratch(lake, AS_OF)


def test_another_home_market_computes_everybody(lake: Lake) -> None:
    insert_lines(lake, [Line(**{**vars(line), "country": "UK"}) for line in _shop()])
    _write(lake, AS_OF)
    insert_lines(lake, [Line("c07", f"late{n}", "p", MIDNIGHT - DAY, country="France") for n in range(400)])
    [snapshot] = _write(lake, AS_OF)
    assert (snapshot.computed_count, snapshot.base_as_of, _entry(lake).home_market) == (60, None, "France")


def test_a_home_market_that_was_set_is_counted_once_it_is_not(lake: Lake) -> None:
    insert_lines(lake, [Line(**{**vars(line), "country": "UK"}) for line in _shop()])
    with Lake(lake.settings.model_copy(update={"home_market": "France"})) as shop:
        _write(shop, AS_OF)
        assert _write(shop, AS_OF)[0].computed_count == 0
    assert _write(lake, AS_OF)[0].computed_count == 60
    assert _entry(lake).home_market == "UK"


def test_nothing_of_a_run_is_left_behind(lake: Lake) -> None:
    insert_lines(lake, _shop())
    _write(lake, AS_OF)
    insert_lines(lake, [Line("c07", "late", "p1", MIDNIGHT - 3 * DAY)])
    _write(lake, AS_OF, AS_OF + DAY)
    assert list(Path(lake.settings.home / "tmp").glob("features-*")) == []
