"""What the doctor says of snapshots: how many are current, and what to do about the others."""

from datetime import date, datetime

from segmentation.diagnosis import CheckResult, diagnose
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf, record
from segmentation_assets_tests.testing.lines import Line, insert_lines

NOW = datetime(2024, 9, 1)
JUNE, JULY = date(2024, 6, 1), date(2024, 7, 1)


def _record(lake: Lake, as_of: date, code_version: str) -> None:
    made_of = MadeOf(lake.version(), code_version, window_start=date(as_of.year - 1, as_of.month, 2))
    with lake.cursor() as con:
        lake.transaction(
            con, Commit("test"), lambda c: record(c, [CUSTOMER_FEATURES], as_of, made_of, Commit("test"), NOW)
        )


def _found(lake: Lake, subject: str = "snapshots") -> CheckResult:
    return {each.subject: each for each in diagnose(lake.settings, NOW)}[subject]


def test_the_doctor_counts_what_is_stale_and_refuses_what_is_ahead(lake: Lake) -> None:
    insert_lines(lake, [Line("c", "o", "p", datetime(2024, 6, 30, 12))])
    _record(lake, JUNE, code_version_of(CUSTOMER_FEATURES))
    assert _found(lake) == CheckResult("snapshots", True, "1 current")
    _record(lake, JULY, "another")
    stale = _found(lake)
    assert stale.is_ok, "it still answers"
    assert stale.detail == "1 current, 1 stale; `segmentation snapshots refresh` makes them anew"
    _record(lake, date(2024, 8, 1), "another")
    ahead = _found(lake)
    assert not ahead.is_ok
    assert "1 ahead of the data, which `segmentation snapshots drop --ahead` removes" in ahead.detail


def test_segments_ahead_of_the_data_are_nobodys(lake: Lake) -> None:
    made_of = MadeOf(lake.version(), code_version_of(CUSTOMER_SEGMENTS), model_version=1)

    def write(as_of: date) -> None:
        statement = (
            f"INSERT INTO {CUSTOMER_SEGMENTS.name} "
            f"SELECT DATE '{as_of}', 'c', 1, 'One', 1, 0.1, 0.2, 0.5, false, 1, NULL, 1, 'model', NULL"
        )
        with lake.cursor() as con:
            lake.transaction(con, Commit("test"), lambda c: c.execute(statement))
            lake.transaction(
                con, Commit("test"), lambda c: record(c, [CUSTOMER_SEGMENTS], as_of, made_of, Commit("test"), NOW)
            )

    write(JULY)
    assert "that the data reaches" in _found(lake, "segments").detail
    insert_lines(lake, [Line("c", "o", "p", datetime(2024, 6, 3, 12))])
    write(JUNE)
    assert _found(lake, "segments") == CheckResult("segments", True, f"1 customers as of {JUNE}")
