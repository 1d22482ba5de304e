"""Views of the lake: they show their table at every version, and take the place of the tables that they once were."""

from datetime import date, datetime, timedelta

import duckdb
import pytest

from segmentation.errors import SegmentationError
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.table import Column, Relation, View
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.views import VIEWS
from segmentation.settings import Settings
from segmentation.snapshots.dropping import drop_snapshots
from segmentation.snapshots.states import read_standings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import read_entries
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.schema import migrate, open_current
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.statements import change

FEB, MAR = date(2024, 2, 1), date(2024, 3, 1)
NOW = datetime(2024, 3, 2)

Rows = dict[str, list[tuple[object, ...]]]


def _fill(lake: Lake) -> None:
    """Features as of two dates."""
    lines = [Line(f"c{n % 7}", f"o{n}", "p", datetime(2024, 1, 1) + timedelta(days=n)) for n in range(60)]
    insert_lines(lake, lines)
    write_snapshots(lake, [FEB, MAR], lambda _: Commit("features"), now=NOW)


def _shown(con: duckdb.DuckDBPyConnection, at: str = "") -> Rows:
    return {view.name: con.execute(f"FROM {view.name} {at} ORDER BY ALL").fetchall() for view in VIEWS}


def _held(con: duckdb.DuckDBPyConnection) -> Rows:
    """The same from the table."""
    query = f"SELECT {{}} FROM {CUSTOMER_FEATURES.name} ORDER BY ALL"
    return {view.name: con.execute(query.format(view.column_list)).fetchall() for view in VIEWS}


def _as_a_table(view: View) -> list[str]:
    """Statements that leave a view of today as release 2 had it: a table with rows and a ledger of its own."""
    columns = ", ".join(f"{column.name} {column.type}{_null(column)}" for column in view.columns)
    return [
        f"DROP VIEW {view.name}",
        f"CREATE TABLE {view.name} ({columns})",
        f"ALTER TABLE {view.name} SET PARTITIONED BY (as_of)",
        f"ALTER TABLE {view.name} SET SORTED BY (customer_id)",
        f"COMMENT ON TABLE {view.name} IS 'one customer'",
        f"COMMENT ON COLUMN {view.name}.customer_id IS 'the customer'",
        f"INSERT INTO {view.name} SELECT {view.column_list} FROM {CUSTOMER_FEATURES.name}",
        f"INSERT INTO registry.snapshots SELECT * REPLACE ('{view.name}' AS table_name) FROM registry.snapshots "
        f"WHERE table_name = '{CUSTOMER_FEATURES.name}'",
    ]


def _null(column: Column) -> str:
    return "" if column.nullable else " NOT NULL"


def _of_the_release_before(lake: Lake) -> None:
    statements = [statement for view in VIEWS for statement in _as_a_table(view)]
    change(lake, *statements, "UPDATE registry.schema_versions SET version = 2, fingerprint = 'of release 2'")


def _names(lake: Lake, kind: str) -> set[str]:
    query = f"SELECT schema_name || '.' || {kind}_name FROM duckdb_{kind}s() WHERE database_name = 'lake'"
    with lake.cursor() as con:
        return {name for (name,) in con.execute(query).fetchall()}


def _name_set(relations: tuple[Relation, ...]) -> set[str]:
    return {each.name for each in relations}


def test_every_view_shows_the_columns_of_its_table_and_says_where_their_comments_are(lake: Lake) -> None:
    _fill(lake)
    with lake.cursor() as con:
        assert _shown(con) == _held(con)
        assert all(len(rows) == 14 for rows in _shown(con).values())
        comments = dict(
            con.execute(
                "SELECT schema_name || '.' || view_name, comment FROM duckdb_views() WHERE database_name = 'lake'"
            ).fetchall()
        )
    assert comments == {view.name: view.comment for view in VIEWS}
    assert all(view.table.name in view.comment for view in VIEWS)


def test_a_view_shows_the_past_and_what_was_dropped_is_gone_from_it(lake: Lake) -> None:
    _fill(lake)
    before = lake.version()
    with lake.cursor() as con:
        held = _held(con)
        drop_snapshots(lake, [MAR], Commit("drop"))
        assert {as_of for rows in _shown(con).values() for as_of, *_ in rows} == {FEB}
        assert _shown(con, f"AT (VERSION => {before})") == held
    with lake.at(before) as past:
        assert _shown(past) == held


def test_a_view_is_found_whatever_the_lake_is_attached_as(lake: Lake) -> None:
    _fill(lake)
    with lake.cursor() as con, duckdb.connect() as other:
        held = _held(con)
        other.execute("LOAD ducklake; LOAD sqlite_scanner; CREATE SCHEMA features")
        other.execute("CREATE TABLE features.customer_features (misleading INTEGER)")
        other.execute(f"ATTACH 'ducklake:{lake.settings.catalog_uri}' AS shop (READ_ONLY, META_JOURNAL_MODE 'WAL')")
        for view in VIEWS:
            assert other.execute(f"FROM shop.{view.name} ORDER BY ALL").fetchall() == held[view.name]


@pytest.mark.parametrize("kind", ["settings", "postgres"])
def test_tables_of_the_release_before_become_views_beside_its_readers(
    kind: str, request: pytest.FixtureRequest
) -> None:
    settings: Settings = request.getfixturevalue(kind)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        _fill(lake)
        _of_the_release_before(lake)
        before = lake.version()
        assert _names(lake, "view") == set()
        with Lake(settings, read_only=True) as reader, reader.cursor() as reading, lake.cursor() as con:
            held = _held(con)
            assert _shown(reading) == held
            reading.begin()
            assert _shown(reading) == held
            with open_current(settings) as current:
                assert current.version() == before + 1
            assert _shown(reading) == held, "its transaction still has the tables"
            reading.rollback()
            assert _shown(reading) == held

            assert not migrate(lake)
            assert _names(lake, "table") == _name_set(TABLES)
            assert _names(lake, "view") == _name_set(VIEWS)
            assert _shown(con) == held
            assert _shown(con, f"AT (VERSION => {before})") == held, "from the tables"
            assert {entry.table_name for entry in read_entries(con)} == {CUSTOMER_FEATURES.name}
            assert {standing.state for standing in read_standings(con, settings, NOW)} == {"current"}

            maintain(lake, now=lake.clock() + timedelta(days=9), keep_days=0, protected=())
            assert _shown(con) == held
            written = write_snapshots(lake, [MAR], lambda _: Commit("again"), now=NOW, from_scratch=True)
            assert written[0].computed_count == 7
            assert _shown(con) == held
        if kind == "settings":
            folders = {path.parts[-3] for path in settings.home.glob("data/features/*/*/*.parquet")}
            assert folders == {"customer_features"}, "the files of the tables are gone"


def test_a_writer_of_the_release_before_stops(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmentation.warehouse.lake.LOOK_EVERY_S", 0.0)
    _fill(lake)
    _of_the_release_before(lake)
    with Lake(lake.settings) as older:
        older.schema_version = 2
        migrate(lake)
        with older.cursor() as con, pytest.raises(SegmentationError, match="restart it with the new release"):
            older.transaction(con, Commit("late"), lambda c: c.execute("DELETE FROM features.customer_features"))
        with lake.cursor() as con:
            assert len(_shown(con)["features.rfm"]) == 14
