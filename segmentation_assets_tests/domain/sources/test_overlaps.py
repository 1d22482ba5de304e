"""Exports that overlap: a line counts as often as the file that has it most often, and the same file once."""

import shutil
from collections import Counter
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from segmentation.sources.batch.registration import register
from segmentation.sources.dry_run import dry_run_files
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.sources.shop_files import (
    CASES,
    LINES,
    NOW,
    Row,
    case_profile,
    changed,
    content,
    ingest,
    line,
    load,
    reasons,
    rows_of,
    write,
)

CASE = "13-exports-that-overlap"
START = date(2024, 1, 1)
LATER = NOW + timedelta(days=1)

ACCEPTED = "SELECT order_id, CAST(ordered_at AS DATE), count(*) FROM raw.transactions GROUP BY ALL"
IDS = "SELECT line_id FROM raw.transactions ORDER BY 1"
UNBALANCED = "SELECT * FROM raw.loads WHERE lines_read <> lines_accepted + lines_rejected"


def anonymous(number: int, day: int = 1) -> Row:
    """A line without an id."""
    return {
        name: value
        for name, value in line(number, ordered_at=f"2024-01-{day:02d} 12:00:00").items()
        if name != "line_id"
    }


def forget_all(lake: Lake) -> None:
    """As if nothing had been registered."""
    with lake.cursor() as con:
        for table in ("source_files", "transactions", "rejected_transactions", "loads", "changed_days"):
            delete = f"DELETE FROM raw.{table}"
            lake.transaction(con, Commit("forget"), partial(duckdb.DuckDBPyConnection.execute, query=delete))


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_exports_that_overlap_by_a_day_give_each_line_once(lake: Lake, names: tuple[str, str]) -> None:
    for number, name in enumerate(names):
        ingest(lake, CASES / CASE / f"exports/{name}.csv", case_profile(CASE), now=NOW + timedelta(hours=number))

    assert sorted(rows_of(lake, "SELECT order_id FROM raw.transactions")) == [("1",), ("1",), ("2",), ("3",)]
    assert reasons(lake) == {"repeated_in_other_file": 1}
    assert rows_of(lake, "SELECT source_file[-5:] FROM raw.rejected_transactions") == [(f"{names[1]}.csv",)]
    assert rows_of(lake, UNBALANCED) == []


def test_a_folder_of_them_comes_out_the_same(lake: Lake) -> None:
    _, report = ingest(lake, CASES / CASE / "exports", case_profile(CASE))

    assert (report.lines_read, report.accepted) == (5, 4)
    assert report.rejected_by_reason == {"repeated_in_other_file": 1}


numbers = count()
exports = st.lists(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=8), min_size=1, max_size=4
)


@example_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(exports=exports, data=st.data())
def test_a_line_counts_as_often_as_the_file_that_has_it_most_often(
    lake: Lake, tmp_path: Path, exports: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    forget_all(lake)
    folder = tmp_path / str(next(numbers))
    paths = [
        write(folder / f"{number}.csv", [anonymous(*each) for each in export]) for number, export in enumerate(exports)
    ]
    expected = Counter[tuple[int, int]]()
    for export in exports:
        expected |= Counter(export)

    for hour, path in enumerate(data.draw(st.permutations(paths))):
        ingest(lake, path, now=NOW + timedelta(hours=hour))
    together, ids = content(lake), rows_of(lake, IDS)
    for day in data.draw(st.permutations([1, 2])):
        load(lake, date(2024, 1, day), date(2024, 1, day + 1))

    found = {(int(str(order)[1:]), day.day): lines for order, day, lines in rows_of(lake, ACCEPTED)}  # type: ignore[attr-defined]
    assert found == expected
    assert content(lake) == together
    assert rows_of(lake, UNBALANCED) == []
    forget_all(lake)
    ingest(lake, folder)
    assert rows_of(lake, IDS) == ids


def test_the_ids_of_repeats_within_a_file_stay_as_they_were(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "a.csv", [anonymous(1), anonymous(1), anonymous(1)]))

    first, second, third = (str(row[0]) for row in rows_of(lake, IDS))
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_is_duplicate_goes_on_telling_what_any_file_has_said_before(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "in/a.csv", [anonymous(1), anonymous(1)])
    write(tmp_path / "in/b.csv", [anonymous(2), anonymous(1)])

    ingest(lake, tmp_path / "in", changed("canonical", rules=[{"name": "said_before", "reject": "is_duplicate"}]))

    assert reasons(lake) == {"said_before": 2}


def test_lines_with_ids_of_their_own_go_by_these(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "in/a.csv", [line(1), line(2)])
    write(tmp_path / "in/b.csv", [line(2), line(3)])

    ingest(lake, tmp_path / "in")

    assert reasons(lake) == {"duplicate_line_id": 1}
    assert len(rows_of(lake, IDS)) == 3


def test_the_same_file_under_two_names_is_taken_once_and_told(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "in/export.csv", LINES)
    shutil.copy(tmp_path / "in/export.csv", tmp_path / "in/export (1).csv")

    trial = dry_run_files(lake.settings, str(tmp_path / "in"), load_profile("canonical"), now=NOW)
    registered, report = ingest(lake, tmp_path / "in")

    assert registered.paths == (str(tmp_path / "in/export.csv"),)
    assert registered.notes == (
        f"{tmp_path}/in/export (1).csv is the same as {tmp_path}/in/export.csv, which is taken; it is left alone.",
    )
    assert report.lines_read == len(LINES)
    assert trial.notes == registered.notes
    assert trial.report.lines_read == len(LINES)


def test_a_copy_of_a_registered_file_is_left_alone_whatever_its_name(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "export (1).csv", LINES))
    before, version = content(lake), lake.version()
    shutil.copy(tmp_path / "export (1).csv", tmp_path / "export.csv")

    registered = register(lake, str(tmp_path / "export.csv"), load_profile("canonical"), now=LATER)

    assert registered.notes == (
        f"{tmp_path}/export.csv is the same as {tmp_path}/export (1).csv, which is registered; it is left alone.",
    )
    assert (content(lake), lake.version()) == (before, version)


def test_files_of_one_size_need_not_be_the_same(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "in/a.csv", [line(1)])
    write(tmp_path / "in/b.csv", [line(2, ordered_at="2024-01-02 12:00:00")])
    assert len({path.stat().st_size for path in (tmp_path / "in").iterdir()}) == 1

    registered, _ = ingest(lake, tmp_path / "in")

    assert (len(registered.paths), registered.notes) == (2, ())
