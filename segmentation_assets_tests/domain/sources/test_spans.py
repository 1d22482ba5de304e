"""Spans: days that lie years apart are loaded apart, and nothing is planned for those between."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from segmentation.settings import Settings
from segmentation.sources.batch.registration import register
from segmentation.sources.batch.spans import LONGEST_GAP, joined, spans_of
from segmentation.sources.config import FilesSource
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.reading import read
from segmentation.warehouse import Lake
from segmentation_assets.partitions import spans_to_load
from segmentation_assets_tests.domain.sources.shop_files import NOW, changed, ingest, line, write

DAYS = st.sets(st.dates(date(2005, 1, 1), date(2030, 1, 1)), min_size=1, max_size=40)
FAR, NEAR = (date(2006, 1, 1), date(2006, 1, 1)), (date(2024, 1, 2), date(2024, 1, 3))


@given(days=DAYS)
def test_spans_cover_all_days_and_no_long_gap(days: set[date]) -> None:
    spans = spans_of(days)
    assert all(any(first <= day <= last for first, last in spans) for day in days)
    assert {day for span in spans for day in span} <= days
    assert all(after[0] - before[1] > LONGEST_GAP for before, after in pairwise(spans))
    assert joined(reversed(spans)) == spans


def test_an_outlier_is_a_span_of_its_own(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(1), line(2), line(3, ordered_at="2006-01-01 10:00")])
    assert register(lake, str(path), load_profile("canonical"), now=NOW).spans == (FAR, NEAR)
    write(tmp_path / "more" / "orders.csv", [line(4, ordered_at="2006-01-02 10:00")])
    found = read(lake.settings, FilesSource(name="till", type="files", path=str(tmp_path / "more")))
    assert found.spans == ((date(2006, 1, 2), date(2006, 1, 2)),)


def test_days_that_a_file_held_before_are_in_a_span(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(1), line(2), line(3, ordered_at="2006-01-01 10:00")])
    ingest(lake, path)
    write(path, [line(1), line(2)])
    assert register(lake, str(path), changed("canonical"), now=NOW).spans == (FAR, NEAR)


def test_spans_before_the_start_that_is_set_hold_up_no_others() -> None:
    settings = Settings(partitions_start=date(2020, 1, 1))
    assert spans_to_load(settings, [FAR, NEAR], NOW) == [NEAR]
    today = (NOW.date(), NOW.date() + timedelta(days=1))
    assert spans_to_load(Settings(), [FAR, today], NOW) == [FAR]
