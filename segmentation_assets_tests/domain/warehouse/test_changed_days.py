"""`raw.changed_days` of a lake that had none, and how it stays small."""

import threading
from datetime import date, datetime, timedelta

import duckdb
import pytest

from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.views import VIEWS
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake, changed_days, maintenance
from segmentation.warehouse.changed_days import note_changes, sum_up_if_many
from segmentation.warehouse.maintenance import flush, maintain
from segmentation.warehouse.schema import SCHEMA_VERSION, migrate
from segmentation_assets_tests.testing.lines import Line, insert_lines

DAY = datetime(2024, 3, 1)
TOTALS = """
SELECT source, ordered_on, sum(line_count_change), max(lake_version) FROM raw.changed_days GROUP BY ALL ORDER BY ALL
"""
AS_BEFORE = (
    *(f"DROP VIEW {view.name}" for view in VIEWS),
    "DROP TABLE raw.changed_days",
    "DELETE FROM registry.schema_versions",
    "INSERT INTO registry.schema_versions VALUES (1, 'of an earlier release', {buckets}, now())",
)


def rows(lake: Lake, query: str) -> list[tuple[object, ...]]:
    """What a query gives."""
    with lake.cursor() as con:
        return con.execute(query).fetchall()


def insert(lake: Lake, day: int, count: int) -> None:
    """Add lines of a day, numbered from March 1st."""
    moment = DAY + timedelta(days=day)
    insert_lines(lake, [Line(f"c{n}", f"o{n}", f"p{n}", moment, amount=day + n) for n in range(count)])


def note(lake: Lake, *changes: tuple[int, int, int]) -> None:
    """Add rows: day, change and version."""
    with lake.cursor() as con:
        for version in sorted({each[2] for each in changes}):
            told = ", ".join(f"(DATE '{DAY:%Y-%m-%d}' + {d}, {n})" for d, n, v in changes if v == version)
            note_changes(
                con,
                f"SELECT 'test' AS source, * FROM (VALUES {told}) t(ordered_on, line_count_change)",
                version=version,
            )


def as_an_earlier_release_left_it(lake: Lake) -> None:
    """Take back what migrations did."""
    with lake.cursor() as con:

        def take_back(c: duckdb.DuckDBPyConnection) -> None:
            for statement in AS_BEFORE:
                c.execute(statement.format(buckets=lake.settings.customer_buckets))

        lake.transaction(con, Commit("as before"), take_back)


def test_an_older_lake_gets_the_days_of_its_lines(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "MOST_FILES", 1)
    for day in range(3):
        insert(lake, day, 40)  # to files
        insert(lake, day + 1, 3)  # to the catalog
        if day == 1:
            flush(lake, [TRANSACTIONS])
    told = rows(lake, TOTALS)
    as_an_earlier_release_left_it(lake)
    assert migrate(lake)
    assert rows(lake, TOTALS) == told
    assert rows(lake, "SELECT max(version) FROM registry.schema_versions") == [(SCHEMA_VERSION,)]
    assert not migrate(lake)

    insert(lake, 1, 2)
    assert rows(lake, "SELECT sum(line_count_change) FROM raw.changed_days") == rows(
        lake, "SELECT count(*) FROM raw.transactions"
    )


def test_merged_files_still_tell_when_their_lines_came(lake: Lake) -> None:
    for day in (0, 1, 0):
        insert(lake, day, 40)
    told = rows(lake, TOTALS)
    maintain(lake, now=datetime(2040, 1, 1), keep_days=1, protected=())
    as_an_earlier_release_left_it(lake)
    migrate(lake)
    assert rows(lake, TOTALS) == told


def test_processes_that_start_together_fill_the_table_once(lake: Lake) -> None:
    insert(lake, 0, 40)
    told = rows(lake, TOTALS)
    as_an_earlier_release_left_it(lake)
    changed = []

    def start(settings: Settings) -> None:
        with Lake(settings, create=True) as own:
            changed.append(migrate(own))

    threads = [threading.Thread(target=start, args=(lake.settings,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [False, False, False, True]
    assert rows(lake, TOTALS) == told


def test_an_older_lake_without_lines_gets_an_empty_table(lake: Lake) -> None:
    as_an_earlier_release_left_it(lake)
    assert migrate(lake)
    assert rows(lake, TOTALS) == []


def test_many_rows_become_one_per_source_and_day(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_days, "FEW_SPARE_ROWS", 5)
    note(lake, (0, 4, 3), (0, -1, 4), (0, 0, 7), (1, 2, 3), (1, -2, 5), (0, 1, 6))
    with lake.cursor() as con:
        assert not sum_up_if_many(lake, con)  # four rows could be spared
        note(lake, (0, 1, 8), (0, 1, 9), (0, -1, 10))
        assert sum_up_if_many(lake, con)
        assert not sum_up_if_many(lake, con)
    march = date(2024, 3, 1)
    assert rows(lake, "FROM raw.changed_days ORDER BY ALL") == [
        ("test", march, 5, 10),
        ("test", march + timedelta(days=1), 0, 5),  # it has lost its lines, and that was in 5
    ]


def test_rows_beyond_a_limit_are_summed_up_however_many_days_there_are(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_days, "MOST_SPARE_ROWS", 3)
    note(lake, *((day, 1, 2) for day in range(20)), *((day, 1, 3) for day in range(3)))
    with lake.cursor() as con:
        assert not sum_up_if_many(lake, con)
        note(lake, (3, 1, 3))
        assert sum_up_if_many(lake, con)
    assert rows(lake, "SELECT count(*), sum(line_count_change) FROM raw.changed_days") == [(20, 24)]


def test_maintenance_sums_up_and_leaves_the_past_as_it_was(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_days, "FEW_SPARE_ROWS", 1)
    for _ in range(6):
        insert(lake, 0, 2)
    before, version = rows(lake, "FROM raw.changed_days ORDER BY ALL"), lake.version()
    maintain(lake, now=datetime(2030, 1, 1), keep_days=100_000, protected=())
    assert rows(lake, "SELECT line_count_change, lake_version FROM raw.changed_days") == [(12, version)]
    with lake.at(version) as con:
        assert con.execute("FROM raw.changed_days ORDER BY ALL").fetchall() == before
