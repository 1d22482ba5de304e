"""What the catalogue tells about changes since a snapshot, with both kinds of catalogue."""

from collections.abc import Iterator
from datetime import date, datetime

import pytest

from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changes import has_changed_outside
from segmentation.warehouse.partition_files import partition_files
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.lines import Line, insert_lines

MAY, JUNE = date(2024, 5, 1), date(2024, 6, 1)
SEGMENT = """
INSERT INTO segments.customer_segments BY NAME
SELECT DATE '{as_of}' AS as_of, 'C' || i AS customer_id, 1 AS segment_id, 'One' AS segment_name, 2 AS runner_up_id,
    0.5 AS distance, 1.0 AS runner_up_distance, 0.5 AS confidence, 1 AS model_version
FROM range({first}, {last}) AS numbers(i)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def lake(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Lake]:
    """A migrated lake without rows."""
    chosen = request.getfixturevalue("postgres") if request.param == "postgres" else settings
    with Lake(chosen, create=True) as opened:
        migrate(opened)
        yield opened


def test_rows_of_the_schema_do_not_count_and_all_else_does(lake: Lake) -> None:
    before = lake.version()
    assert not _has_changed(lake, before)
    for number in (1, 300):  # in the catalogue, and in a file
        insert_lines(lake, [Line("a", f"o{i}", "p", datetime(2024, 5, 1)) for i in range(number)])
        assert lake.version() > before
        assert not _has_changed(lake, before)
    _change(lake, "DELETE FROM raw.transactions WHERE order_id = 'o1'")
    assert not _has_changed(lake, before)
    assert _has_changed(lake, before - 1)  # the tables themselves were made there
    _change(lake, SEGMENT.format(as_of=MAY, first=0, last=2))
    assert _has_changed(lake, before)
    assert not _has_changed(lake, lake.version())


def test_a_new_table_counts_even_in_the_schema(lake: Lake) -> None:
    before = lake.version()
    _change(lake, "CREATE TABLE raw.more (x INTEGER)")
    assert _has_changed(lake, before)


def test_snapshots_that_have_expired_count(lake: Lake) -> None:
    before = lake.version()
    for number in range(3):
        insert_lines(lake, [Line("a", f"o{number}", "p", datetime(2024, 5, 1))])
    assert not _has_changed(lake, before)
    _change(lake, f"CALL ducklake_expire_snapshots('lake', versions => [{before + 1}])")
    assert _has_changed(lake, before)


def test_a_partition_is_read_as_files_only_where_they_are_the_whole_of_it(lake: Lake) -> None:
    assert _files(lake, MAY) is None
    _change(lake, SEGMENT.format(as_of=MAY, first=0, last=2))
    assert _files(lake, MAY) is None  # two rows are kept in the catalogue
    _change(lake, SEGMENT.format(as_of=JUNE, first=0, last=500))
    assert _files(lake, MAY) is None
    relation = _files(lake, JUNE)
    assert relation is not None
    with lake.cursor() as con:
        names = CUSTOMER_SEGMENTS.column_list
        direct = con.execute(f"SELECT {names} FROM {relation} ORDER BY customer_id").fetchall()
        assert (
            direct
            == con.execute(
                f"SELECT {names} FROM segments.customer_segments WHERE as_of = DATE '{JUNE}' ORDER BY customer_id"
            ).fetchall()
        )
    _change(lake, "DELETE FROM segments.customer_segments WHERE customer_id = 'C7'")
    assert _files(lake, JUNE) is None


def test_a_partition_that_was_written_before_a_column_was_added_is_not_read_as_files(lake: Lake) -> None:
    _change(lake, SEGMENT.format(as_of=JUNE, first=0, last=500))
    assert _files(lake, JUNE) is not None
    _change(lake, "ALTER TABLE segments.customer_segments DROP COLUMN nearest_since")
    _change(lake, "ALTER TABLE segments.customer_segments ADD COLUMN nearest_since DATE")
    _change(lake, "DELETE FROM segments.customer_segments")
    _change(lake, "ALTER TABLE segments.customer_segments DROP COLUMN nearest_id")
    _change(lake, SEGMENT.format(as_of=JUNE, first=0, last=500))
    _change(lake, "ALTER TABLE segments.customer_segments ADD COLUMN nearest_id INTEGER")
    assert _files(lake, JUNE) is None


def _has_changed(lake: Lake, since: int) -> bool:
    with lake.cursor() as con:
        return has_changed_outside(con, "raw", since, lake.version())


def _files(lake: Lake, as_of: date) -> str | None:
    with lake.cursor() as con:
        con.begin()
        return partition_files(con, CUSTOMER_SEGMENTS, as_of)


def _change(lake: Lake, statement: str) -> None:
    with lake.cursor() as con:
        lake.transaction(con, Commit("change"), lambda c: c.execute(statement).fetchall())
