import threading
from dataclasses import replace

import pytest

from segmentation.errors import SegmentationError
from segmentation.metadata.table import Column
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse import schema as schema_module
from segmentation.warehouse.schema import SCHEMA_VERSION, customer_buckets, migrate


def _declared(lake: Lake) -> dict[tuple[str, str], tuple[str, str]]:
    with lake.cursor() as con:
        rows = con.execute(
            "SELECT schema_name || '.' || table_name, column_name, data_type, comment FROM duckdb_columns() "
            "SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name) WHERE database_name = 'lake'"
        ).fetchall()
    return {(table, column): (kind, comment) for table, column, kind, comment in rows}


def test_every_table_and_column_is_there_with_its_comment(lake: Lake) -> None:
    assert _declared(lake) == {(t.name, c.name): (c.type, c.comment) for t in TABLES for c in t.columns}
    with lake.cursor() as con:
        comments = con.execute(
            "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables() WHERE database_name = 'lake'"
        ).fetchall()
    assert dict(comments) == {t.name: t.comment for t in TABLES}


def test_migrating_again_changes_nothing(lake: Lake) -> None:
    before = lake.version()
    assert not migrate(lake)
    assert lake.version() == before


def test_processes_that_start_together_create_the_lake_once(settings: Settings) -> None:
    changed = []

    def start() -> None:
        with Lake(settings, create=True) as lake:
            changed.append(migrate(lake))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False, False, False, True]


def test_a_new_column_is_added_and_old_rows_keep_their_values(lake: Lake) -> None:
    with lake.cursor() as con:
        values = "'2024-01-01', 'c', 1, 'n', 2, 0.1, 0.2, 0.5, false, 1, '2024-01-01', 1, 'model', NULL"
        row = f"INSERT INTO segments.customer_segments VALUES ({values})"
        lake.transaction(con, Commit("row"), lambda c: c.execute(row))
    mood = Column("mood", "VARCHAR", "How the customer feels.")
    wider = replace(CUSTOMER_SEGMENTS, columns=(*CUSTOMER_SEGMENTS.columns, mood))
    assert migrate(lake, tuple(wider if table is CUSTOMER_SEGMENTS else table for table in TABLES))
    assert _declared(lake)[wider.name, "mood"] == ("VARCHAR", "How the customer feels.")
    with lake.cursor() as con:
        assert con.execute("SELECT customer_id, mood FROM segments.customer_segments").fetchall() == [("c", None)]


def test_rows_of_an_older_release_are_the_models_and_others_need_none_of_its_figures(settings: Settings) -> None:
    added = {"segmentation_name", "segmentation_version"}
    then = replace(
        CUSTOMER_SEGMENTS,
        columns=tuple(replace(c, nullable=False) for c in CUSTOMER_SEGMENTS.columns if c.name not in added),
    )
    row = "'2024-01-01', 'c', 1, 'n', 2, 0.1, 0.2, 0.5, false, 1, '2024-01-01', 1"
    insertion = (
        "INSERT INTO segments.customer_segments BY NAME SELECT DATE '2024-01-01' AS as_of, 'd' AS customer_id, "
        "7 AS segment_id, 'x' AS segment_name, 'own' AS segmentation_name"
    )
    with Lake(settings, create=True) as lake, lake.cursor() as con:
        migrate(lake, tuple(then if table is CUSTOMER_SEGMENTS else table for table in TABLES))
        lake.transaction(con, Commit("row"), lambda c: c.execute(f"INSERT INTO {then.name} VALUES ({row})"))
        of_the_model = f"SELECT customer_id FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = DATE '2024-01-01'"
        assert con.execute(of_the_model).fetchall() == [("c",)]
        assert migrate(lake)
        lake.transaction(con, Commit("row"), lambda c: c.execute(insertion))
        query = f"SELECT customer_id, segmentation_name, confidence FROM {CUSTOMER_SEGMENTS.name} ORDER BY 1"
        assert con.execute(query).fetchall() == [("c", "model", 0.5), ("d", "own", None)]
        assert con.execute(of_the_model).fetchall() == [("c",)]


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_table_with_a_new_column_is_read_on_when_others_flush(lake: Lake, is_empty: bool) -> None:
    with lake.cursor() as con:
        if not is_empty:
            values = "'2024-01-01', 'c', 1, 'n', 2, 0.1, 0.2, 0.5, false, 1, '2024-01-01', 1, 'model', NULL"
            row = f"INSERT INTO segments.customer_segments VALUES ({values})"
            lake.transaction(con, Commit("row"), lambda c: c.execute(row))
        wider = replace(
            CUSTOMER_SEGMENTS, columns=(*CUSTOMER_SEGMENTS.columns, Column("mood", "VARCHAR", "Their mood."))
        )
        assert migrate(lake, tuple(wider if table is CUSTOMER_SEGMENTS else table for table in TABLES))
        query = "SELECT customer_id, mood FROM segments.customer_segments"
        found = con.execute(query).fetchall()
        with Lake(lake.settings) as other, other.cursor() as theirs:
            flush = "CALL ducklake_flush_inlined_data('lake')"
            other.transaction(theirs, Commit("flush"), lambda c: c.execute(flush).fetchall())
        assert con.execute(query).fetchall() == found == ([] if is_empty else [("c", None)])


def test_a_numbered_migration_runs_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[object] = []
    monkeypatch.setattr(schema_module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(schema_module, "MIGRATIONS", {SCHEMA_VERSION + 1: runs.append})
    assert migrate(lake)
    assert not migrate(lake)
    assert len(runs) == 1


def test_a_lake_of_a_newer_release_is_left_alone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_module, "SCHEMA_VERSION", 0)
    with pytest.raises(SegmentationError, match=f"schema version {SCHEMA_VERSION}.*Update the software"):
        migrate(lake)


def test_a_process_of_an_older_release_stops_writing_once_a_newer_one_has_migrated(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two releases on one lake: what the older one has open since before the update."""
    monkeypatch.setattr("segmentation.warehouse.lake.LOOK_EVERY_S", 0.0)
    write = "INSERT INTO registry.segments (version, segment_id, segment_name, description) VALUES (1, 0, 'a', 'b')"
    migrate(lake)
    with lake.cursor() as con:
        lake.transaction(con, Commit("before"), lambda c: c.execute(write))
        with Lake(lake.settings) as newer, monkeypatch.context() as released:
            released.setattr(schema_module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
            migrate(newer)
        with pytest.raises(SegmentationError, match="restart it with the new release"):
            lake.transaction(con, Commit("after"), lambda c: c.execute(write))
        assert con.execute("SELECT COUNT(*) FROM registry.segments").fetchall() == [(1,)]


def test_a_lake_keeps_its_number_of_buckets_where_nobody_chooses_another(
    lake: Lake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(lake)
    monkeypatch.setattr(schema_module, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with Lake(Settings(home=settings.home), create=True) as other:
        assert migrate(other)
        with other.cursor() as con:
            assert customer_buckets(con) == 4


def test_another_number_of_buckets_is_refused(lake: Lake, settings: Settings) -> None:
    with (
        Lake(settings.model_copy(update={"customer_buckets": 8}), create=True) as other,
        pytest.raises(SegmentationError, match="created with 4 customer buckets"),
    ):
        migrate(other)
