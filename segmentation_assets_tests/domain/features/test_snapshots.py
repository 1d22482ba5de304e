"""Several dates in one pass, and late lines: always what one date from scratch gives."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import NotEnoughDataError
from segmentation.features import slices
from segmentation.features.records import Snapshot, feature_bases
from segmentation.features.refresh import bases, replacing
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT, order_lines
from segmentation_assets_tests.testing.lines import Line, delete_lines, insert_lines

pytestmark = pytest.mark.takes(50)

DATES = [date(2023, 11, 1), date(2023, 12, 1), date(2024, 1, 1), date(2024, 2, 1), AS_OF]
LOADED = datetime(2030, 1, 1)


def _write(lake: Lake, dates: Sequence[date], *, from_scratch: bool = False) -> list[Snapshot]:
    return write_snapshots(lake, dates, lambda as_of: Commit(str(as_of)), now=LOADED, from_scratch=from_scratch)


def _rows(lake: Lake) -> pl.DataFrame:
    with lake.cursor() as con:
        return con.execute(f"FROM {CUSTOMER_FEATURES.name} ORDER BY as_of, customer_id").pl()


def _clear(lake: Lake, *names: str) -> None:
    with lake.cursor() as con:
        for name in names:
            lake.transaction(con, Commit("clear"), partial(_delete_all, name))


def _delete_all(name: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"DELETE FROM {name}")


def _execute(sql: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute(sql)


def _shop(customers: int = 40, orders: int = 900) -> list[Line]:
    return [
        Line(
            f"c{n % customers}",
            f"o{n}",
            f"p{n % 7}",
            MIDNIGHT - timedelta(hours=7 * n, minutes=n % 50),
            1 + n % 3,
            n * 0.37,
            f"k{n % 5}",
            country=["UK", "France"][n % 3 == 0],
            channel=["web", "app"][n % 2],
        )
        for n in range(1, orders)
    ]


@given(lines=st.lists(order_lines(), min_size=1, max_size=40))
@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_dates_in_one_pass_are_what_each_alone_is(lake: Lake, lines: Sequence[Line]) -> None:
    _clear(lake, "raw.transactions", CUSTOMER_FEATURES.name)
    insert_lines(lake, lines)
    counts = []
    for as_of in DATES:
        try:
            counts.append(_write(lake, [as_of], from_scratch=True)[0].customer_count)
        except NotEnoughDataError:
            counts.append(0)
    alone = _rows(lake)
    _clear(lake, CUSTOMER_FEATURES.name)
    try:
        together = [snapshot.customer_count for snapshot in _write(lake, DATES, from_scratch=True)]
        assert together == counts
    except NotEnoughDataError:
        assert 0 in counts
    assert _rows(lake).equals(alone)


def test_an_order_on_both_sides_of_a_date_counts_in_part(lake: Lake) -> None:
    edge = datetime(2024, 2, 1)
    insert_lines(
        lake,
        [
            Line("a", "1", "p", edge - timedelta(minutes=1), amount=10),
            Line("a", "1", "p", edge + timedelta(minutes=1), amount=5),
            Line("b", "2", "p", edge - timedelta(days=3), amount=7),
            Line("b", "3", "p", edge - timedelta(minutes=1), quantity=-1, amount=-2),
            Line("b", "3", "q", edge + timedelta(minutes=1), quantity=-1, amount=-3),
        ],
    )
    _write(lake, [edge.date(), AS_OF])
    with lake.cursor() as con:
        rows = con.execute(
            "SELECT as_of, customer_id, gross_revenue, returned_revenue, order_count, distinct_products_per_order "
            "FROM features.customer_features ORDER BY ALL"
        ).fetchall()
    assert rows == [
        (edge.date(), "a", 10.0, 0.0, 1, 1.0),
        (edge.date(), "b", 7.0, 2.0, 1, 1.0),
        (AS_OF, "a", 15.0, 0.0, 1, 1.0),
        (AS_OF, "b", 7.0, 5.0, 1, 1.0),
    ]


def test_late_lines_cause_only_their_customers_to_be_computed(lake: Lake) -> None:
    insert_lines(lake, _shop())
    first = _write(lake, DATES)
    assert all(snapshot.computed_count == snapshot.customer_count for snapshot in first)
    insert_lines(lake, [Line("c3", "late", "p1", datetime(2023, 12, 15), amount=1e5, country="UK")])
    insert_lines(lake, [Line("new", "late", "p1", datetime(2024, 2, 15), amount=3, country="UK")])
    delete_lines(lake, "order_id = 'o9'")
    again = _write(lake, DATES)
    assert [snapshot.computed_count for snapshot in again] == [0, 0, 1, 1, 3]
    assert [snapshot.customer_count for snapshot in again] == [40, 40, 40, 40, 41]
    incremental = _rows(lake)
    _write(lake, DATES, from_scratch=True)
    assert _rows(lake).equals(incremental)


def test_a_customer_whose_last_line_went_away_goes_too(lake: Lake) -> None:
    insert_lines(lake, [*_shop(), Line("once", "x", "p", datetime(2024, 1, 5), country="UK")])
    assert _write(lake, [AS_OF])[0].customer_count == 41
    delete_lines(lake, "order_id = 'x'")
    assert _write(lake, [AS_OF])[0].customer_count == 40


@pytest.mark.parametrize("reason", ["window", "market", "code", "damage", "many", "expired"])
def test_everybody_is_computed_if_the_earlier_snapshot_is_no_base(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    insert_lines(lake, _shop())
    _write(lake, [AS_OF])
    settings = lake.settings
    with lake.cursor() as con:
        if reason == "window":
            settings = settings.model_copy(update={"lookback_days": 100})
        elif reason == "market":
            settings = settings.model_copy(update={"home_market": "France"})
        elif reason == "code":
            monkeypatch.setattr(bases, "code_version", lambda _: "another")
        elif reason == "damage":
            damage = "DELETE FROM features.customer_features WHERE customer_id = 'c1'"
            lake.transaction(con, Commit("damage"), lambda c: c.execute(damage))
        elif reason == "many":
            insert_lines(lake, [Line(f"c{n}", f"late{n}", "p", MIDNIGHT - timedelta(days=2)) for n in range(20)])
        else:
            insert_lines(lake, [Line("c1", "late", "p", MIDNIGHT - timedelta(days=2))])
            con.execute("CALL ducklake_expire_snapshots('lake', older_than => now() + INTERVAL 1 DAY)")
    with Lake(settings) as changed:
        snapshot = _write(changed, [AS_OF])[0]
    assert snapshot.computed_count == snapshot.customer_count


def test_snapshots_that_were_thinned_out_after_the_base_hide_no_change(lake: Lake) -> None:
    insert_lines(lake, _shop())
    _write(lake, [AS_OF])
    with lake.cursor() as con:
        (base,) = feature_bases(con)
        delete_lines(lake, "order_id = 'o9'")
        insert_lines(lake, [Line("c3", "late", "p1", datetime(2023, 12, 15), amount=1e5, country="UK")])
        con.execute(f"CALL ducklake_expire_snapshots('lake', versions => {list(range(base + 1, lake.version()))})")
    assert _write(lake, [AS_OF])[0].computed_count == 2
    incremental = _rows(lake)
    _write(lake, [AS_OF], from_scratch=True)
    assert _rows(lake).equals(incremental)


def test_a_deletion_right_after_an_expired_base_is_not_overlooked(lake: Lake) -> None:
    insert_lines(lake, _shop())
    insert_lines(lake, [Line("c3", f"more{n}", "p1", datetime(2024, 2, 1), amount=50, country="UK") for n in range(30)])
    _write(lake, [AS_OF])
    with lake.cursor() as con:
        base = lake.version() + 1
        lake.transaction(con, Commit("change"), partial(_execute, f"UPDATE {SNAPSHOTS.name} SET lake_version = {base}"))
        delete_lines(lake, "order_id LIKE 'more%'")
        old = list(range(base + 1))
        con.execute(f"CALL ducklake_expire_snapshots('lake', versions => {old})")
        changes = f"FROM ducklake_table_changes('lake', 'raw', 'transactions', {base + 1}, {base + 1})"
        assert con.execute(changes).fetchall() == [], "DuckLake doesn't know of the deletion any more, and doesn't say"
    snapshot = _write(lake, [AS_OF])[0]
    assert snapshot.computed_count == snapshot.customer_count
    found = _rows(lake)
    _write(lake, [AS_OF], from_scratch=True)
    assert _rows(lake).equals(found)


def test_the_record_says_what_a_snapshot_was_made_of(lake: Lake) -> None:
    insert_lines(lake, _shop())
    read = lake.version()
    _write(lake, [AS_OF])
    with lake.cursor() as con:
        records = con.execute(f"FROM {SNAPSHOTS.name}").pl().to_dicts()
        commit = con.execute("FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1").pl().to_dicts()[0]
    assert [record["table_name"] for record in records] == [CUSTOMER_FEATURES.name]
    expected = {"as_of": AS_OF, "lake_version": read, "row_count": 40, "home_market": "UK", "engine": "duckdb"}
    assert all(expected.items() <= record.items() for record in records)
    assert all(record["git_commit"] in commit["commit_extra_info"] for record in records)


def test_many_small_slices_give_what_one_gives(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for number, (slice_lines, parallel, file_customers) in enumerate([(400_000, 2_000_000, 250_000), (20, 1, 7)]):
        monkeypatch.setattr(slices, "SLICE_LINES", slice_lines)
        monkeypatch.setattr(slices, "PARALLEL_LINES", parallel)
        monkeypatch.setattr(replacing, "FILE_CUSTOMERS", file_customers)
        with Lake(settings.model_copy(update={"home": settings.home / f"it's {number}"}), create=True) as lake:
            migrate(lake)
            insert_lines(lake, _shop())
            _write(lake, DATES)
            found.append(_rows(lake))
            assert list((lake.settings.home / "tmp").glob("features-*")) == []
    assert found[0].equals(found[1])
