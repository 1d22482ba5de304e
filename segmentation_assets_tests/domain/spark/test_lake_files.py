from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pytest

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings
from segmentation.spark.lake_files import hand_over, pin
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.lines import Line, insert_lines

AS_OF = date(2024, 3, 1)
MIDNIGHT = datetime(2024, 3, 1)
COMMIT = Commit("test")
FOLDER = Path("segments/customer_segments") / f"as_of={AS_OF}"


def _lines(count: int, order: str = "o") -> list[Line]:
    return [Line(f"c{n % 40}", f"{order}{n}", "p", MIDNIGHT - timedelta(hours=n)) for n in range(count)]


def _line_orders(paths: tuple[str, ...]) -> list[str]:
    rows = duckdb.execute("SELECT order_id FROM read_parquet($paths) ORDER BY order_id", {"paths": list(paths)})
    return [order for (order,) in rows.fetchall()]


def test_pinned_files_hold_every_row_and_nothing_that_was_deleted(lake: Lake) -> None:
    insert_lines(lake, _lines(300))
    insert_lines(lake, _lines(3, "small"))
    with lake.cursor() as con:
        deletion = "DELETE FROM raw.transactions WHERE order_id IN ('o7', 'small1')"
        lake.transaction(con, COMMIT, lambda c: c.execute(deletion))
        pinned = pin(lake, TRANSACTIONS)
        rows = con.execute("SELECT order_id FROM raw.transactions ORDER BY order_id").fetchall()
    assert pinned.row_count == 301
    assert pinned.version == lake.version()
    assert _line_orders(pinned.paths) == [order for (order,) in rows]


def test_a_table_that_is_all_files_is_pinned_as_it_is(lake: Lake) -> None:
    insert_lines(lake, _lines(300))
    before = lake.version()
    assert pin(lake, TRANSACTIONS).version == before == lake.version()


def test_pinned_files_stay_what_they_were_when_lines_are_added(lake: Lake) -> None:
    insert_lines(lake, _lines(300))
    pinned = pin(lake, TRANSACTIONS)
    insert_lines(lake, _lines(300, "late"))
    assert len(_line_orders(pinned.paths)) == 300


def test_an_empty_table_has_no_files(lake: Lake) -> None:
    assert pin(lake, TRANSACTIONS).paths == ()


def test_additions_and_deletions_in_the_catalogue_that_cancel_out_are_seen(lake: Lake) -> None:
    insert_lines(lake, _lines(300))
    insert_lines(lake, _lines(2, "small"))
    with lake.cursor() as con:
        deletion = "DELETE FROM raw.transactions WHERE order_id IN ('o7', 'o8')"
        lake.transaction(con, COMMIT, lambda c: c.execute(deletion))
    orders = _line_orders(pin(lake, TRANSACTIONS).paths)
    assert len(orders) == 300
    assert {"small0", "small1"} <= set(orders)


def test_a_read_only_lake_is_refused(lake: Lake) -> None:
    with Lake(lake.settings, read_only=True) as reader, pytest.raises(SegmentationError, match="to be writable"):
        pin(reader, TRANSACTIONS)


def test_a_table_from_which_others_keep_deleting_is_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    insert_lines(lake, _lines(300))
    with lake.cursor() as con:
        lake.transaction(con, COMMIT, lambda c: c.execute("DELETE FROM raw.transactions WHERE order_id = 'o7'"))
    monkeypatch.setattr("segmentation.spark.lake_files._rewrite", lambda *_: None)
    with pytest.raises(SegmentationError, match=r"keep deleting from raw\.transactions"):
        pin(lake, TRANSACTIONS)


def _write_segments(folders: Mapping[str, str], count: int, segment: int) -> None:
    folder = Path(folders[CUSTOMER_SEGMENTS.name])
    folder.mkdir(parents=True)
    (folder / "_SUCCESS").touch()
    (folder / ".part-0.parquet.crc").touch()
    duckdb.execute(
        f"COPY (SELECT DATE '{AS_OF}' AS as_of, 'c' || i AS customer_id, {segment}::INT AS segment_id, "
        "'x' AS segment_name, 2::INT AS runner_up_id, 1.0::DOUBLE AS distance, 2.0::DOUBLE AS runner_up_distance, "
        "0.5::DOUBLE AS confidence, false AS is_low_confidence, 1::INT AS nearest_id, "
        f"DATE '{AS_OF}' AS nearest_since, 1::INT AS model_version, 'model' AS segmentation_name, "
        f"NULL::INT AS segmentation_version FROM range({count}) AS t(i)) "
        "TO $path (FORMAT parquet)",
        {"path": str(folder / "part-0.parquet")},
    )


def _files(lake: Lake) -> list[str]:
    return sorted(path.name for path in (Path(lake.settings.data_uri) / FOLDER).rglob("*") if path.is_file())


def _segments(lake: Lake) -> list[tuple[date, int, int]]:
    with lake.cursor() as con:
        return con.execute("SELECT as_of, segment_id, COUNT(*) FROM segments.customer_segments GROUP BY ALL").fetchall()


@pytest.fixture
def odd_lake(settings: Settings) -> Lake:
    """A lake in a folder whose name means something to globs and URLs."""
    lake = Lake(settings.model_copy(update={"home": settings.home / "a b [x]%20é"}), create=True)
    migrate(lake)
    return lake


def test_files_replace_a_snapshot_in_one_commit(odd_lake: Lake) -> None:
    with odd_lake as lake:
        for segment in (1, 2):
            before = lake.version()
            hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, COMMIT, partial(_write_segments, count=50, segment=segment))
            assert lake.version() == before + 1
        assert _segments(lake) == [(AS_OF, 2, 50)]
        assert _files(lake) == ["part-0.parquet", "part-0.parquet"]


def test_rows_of_registered_files_can_be_deleted_and_merged(lake: Lake) -> None:
    hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, COMMIT, lambda f: _write_segments(f, 50, 1))
    with lake.cursor() as con:
        lake.transaction(
            con, COMMIT, lambda c: c.execute("DELETE FROM segments.customer_segments WHERE customer_id = 'c7'")
        )
        pinned = pin(lake, CUSTOMER_SEGMENTS)
    assert pinned.row_count == 49
    assert _segments(lake) == [(AS_OF, 1, 49)]


def test_a_failure_before_the_commit_leaves_no_file(lake: Lake) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no")

    before = lake.version()
    with pytest.raises(RuntimeError):
        hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, COMMIT, lambda f: _write_segments(f, 5, 1), fail)
    assert (_files(lake), _segments(lake), lake.version()) == ([], [], before)


def test_a_failure_after_the_commit_leaves_the_files_that_it_registered(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = lake.transaction

    def interrupted(*args: object) -> None:
        commit(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(lake, "transaction", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hand_over(lake, [CUSTOMER_SEGMENTS], AS_OF, COMMIT, lambda f: _write_segments(f, 5, 1))
    assert _segments(lake) == [(AS_OF, 1, 5)]
