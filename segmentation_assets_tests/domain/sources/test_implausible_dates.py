"""Dates that can be read and mean nothing: refused by name on each way into the lake, unless the floor is another."""

from datetime import date
from pathlib import Path

import pytest

from segmentation.clock import utc_now
from segmentation.settings import Settings
from segmentation.snapshots.coverage import read_coverage
from segmentation.sources.batch.registration import register
from segmentation.sources.dry_run import dry_run_on
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Lake
from segmentation_assets.partitions import build_partitions, days_to_load
from segmentation_assets_tests.domain.sources.shop_files import NOW, ingest, line, reasons, rows_of, write

CANONICAL = load_profile("canonical")
OUTLIERS = ["1970-01-01 00:00:00", "1900-01-01", "0001-01-01", "1980-01-01", "2000-01-01", "2261-01-01", "9999-12-31"]


def _with_outliers(path: Path) -> Path:
    outliers = [line(10 + number, ordered_at=day) for number, day in enumerate(OUTLIERS)]
    return write(path, [line(1), *outliers, line(2)])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".xlsx"])
def test_files_have_them_refused_and_days_begin_with_the_others(lake: Lake, tmp_path: Path, suffix: str) -> None:
    path = _with_outliers(tmp_path / f"orders{suffix}")
    assert dry_run_on(lake, str(path), CANONICAL, now=NOW).report.rejected_by_reason == {
        "implausible_date": len(OUTLIERS)
    }

    registration, report = ingest(lake, path)

    assert report.rejected_by_reason == {"implausible_date": len(OUTLIERS)}
    assert report.lines_read == report.accepted + report.rejected == len(OUTLIERS) + 2
    assert (registration.load_start, registration.load_end) == (date(2024, 1, 2), date(2024, 1, 4))
    with lake.cursor() as con:
        coverage = read_coverage(con, lake.settings, NOW)
    assert coverage.first_day == date(2024, 1, 2)
    days = build_partitions(lake.settings, coverage).days
    assert days.get_partition_keys(current_time=NOW) == ["2024-01-02", "2024-01-03"]


def test_deliveries_have_them_refused(lake: Lake) -> None:
    records = [line(1), *(line(10 + n, ordered_at=day) for n, day in enumerate(OUTLIERS))]
    (receipt,) = Upserter(lake).upsert([Delivery("web", CANONICAL, records, "push")], now=NOW)
    assert receipt.rejected_by_reason == {"implausible_date": len(OUTLIERS)}
    assert (receipt.lines_new, receipt.first_day) == (1, date(2024, 1, 2))
    assert reasons(lake) == {"implausible_date": len(OUTLIERS)}


def test_the_order_of_deliveries_makes_no_difference(lake: Lake, tmp_path: Path) -> None:
    outlier = write(tmp_path / "a.csv", [line(9, ordered_at="1970-01-01"), line(3)])
    ingest(lake, outlier)
    ingest(lake, write(tmp_path / "b.csv", [line(1), line(2)]))
    assert reasons(lake) == {"implausible_date": 1}
    assert rows_of(lake, "SELECT MIN(first_day) FROM raw.source_files") == [(date(2024, 1, 2),)]


def test_with_another_floor_they_are_accepted_and_refused_again(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(1), line(2, ordered_at="1998-03-01 10:00")])
    ingest(lake, path)
    assert reasons(lake) == {"implausible_date": 1}

    with Lake(lake.settings.model_copy(update={"earliest_day": date(1990, 1, 1)})) as older:
        ingest(older, path)
    assert reasons(lake) == {}
    assert rows_of(lake, "SELECT MIN(ordered_at)::DATE FROM raw.transactions") == [(date(1998, 3, 1),)]

    ingest(lake, path)
    assert reasons(lake) == {"implausible_date": 1}
    with lake.cursor() as con:
        assert read_coverage(con, lake.settings, NOW).first_day == date(2024, 1, 2)


def test_a_file_of_nothing_else_says_which_setting_decides(lake: Lake, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", [line(1, ordered_at="1998-03-01 10:00")])
    with pytest.raises(Exception, match="SEGMENTATION_EARLIEST_DAY"):
        register(lake, str(path), CANONICAL, now=NOW)


def test_days_from_before_the_floor_was_raised_can_be_loaded_away() -> None:
    first, last = date(1970, 1, 1), date(2024, 1, 3)
    assert days_to_load(Settings(), first, last, utc_now()) == (first, last)
