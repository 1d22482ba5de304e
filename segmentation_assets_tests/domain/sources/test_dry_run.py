"""Trying a source out: it tells what a load would do, and does nothing."""

import hashlib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.dry_run import dry_run_files, facts_of
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.sources.shop_files import LINES, NOW, ingest, line, rows_of, write

CANONICAL = load_profile("canonical")
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "quantity": st.sampled_from([0, -1, 3, "x", "", 1e12]),
        "unit_price": st.sampled_from([-1, 0, 2.5, "?", "inf"]),
        "customer_id": st.sampled_from(["", "c", " "]),
        "ordered_at": st.sampled_from(["2024-01-05 00:00:00", "2024-01-06", "never", "", "2999-01-01"]),
        "line_id": st.sampled_from(["same", ""]),
    },
)


def test_a_trial_needs_no_lake_and_leaves_none(settings: Settings, tmp_path: Path) -> None:
    path = write(tmp_path / "orders.csv", LINES)
    found = dry_run_files(settings, str(path), CANONICAL, now=NOW)
    assert (found.source, found.paths) == ("canonical", (str(path),))
    assert (found.first_day, found.last_day) == (date(2024, 1, 1), date(2024, 1, 3))
    assert (found.report.lines_read, found.report.accepted) == (4, 3)
    assert found.rejects.rows() == [("missing_customer", 1, found.rejects["example"][0])]
    assert '"line_id":"4"' in found.rejects["example"][0]
    assert found.preview["order_id"].to_list() == ["A1", "A1", "B1"]
    assert facts_of(found)["lines_rejected"] == 1
    assert not settings.home.exists()


@hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(changes=st.lists(CHANGES, min_size=1, max_size=8))
def test_a_trial_tells_what_a_load_then_does(lake: Lake, tmp_path: Path, changes: list[dict[str, object]]) -> None:
    plain = [line(number) for number in range(100, 120)]  # with few of them the file would be refused
    rows = [*LINES, *plain, *(line(number, **change) for number, change in enumerate(changes, start=10))]
    name = hashlib.sha256(repr(rows).encode()).hexdigest()[:12]
    own = [{**row, "line_id": f"{name}-{row['line_id']}-{row['ordered_at']}"} for row in rows]  # no id on two days
    path = write(tmp_path / f"{name}.csv", own)
    version = lake.version()

    found = dry_run_files(lake.settings, str(path), CANONICAL, source=name, now=NOW)

    assert lake.version() == version
    ingest(lake, path, CANONICAL, source=name)
    [(read, accepted, rejected)] = rows_of(
        lake,
        f"SELECT SUM(lines_read), SUM(lines_accepted), SUM(lines_rejected) FROM raw.loads WHERE source = '{name}'",
    )
    assert (found.report.lines_read, found.report.accepted, found.report.rejected) == (read, accepted, rejected)
    reasons = rows_of(
        lake, f"SELECT reason, COUNT(*) FROM raw.rejected_transactions WHERE source = '{name}' GROUP BY ALL ORDER BY 1"
    )
    assert sorted((row["reason"], row["lines"]) for row in found.rejects.to_dicts()) == reasons


def test_an_id_that_the_lake_has_on_another_day_is_told_beforehand(lake: Lake, tmp_path: Path) -> None:
    ingest(lake, write(tmp_path / "a.csv", LINES), CANONICAL)
    again = write(tmp_path / "b.csv", [{**LINES[0], "ordered_at": "2024-02-01 00:00:00"}])
    with pytest.raises(SourceError, match="line_id '1' occurs twice"):
        dry_run_files(lake.settings, str(again), CANONICAL, source="other", now=NOW)


@pytest.mark.parametrize("content", ["", "line_id\n", "a,b\n1,2\n"])
def test_a_file_that_cannot_be_read_is_told(settings: Settings, tmp_path: Path, content: str) -> None:
    (tmp_path / "orders.csv").write_text(content)
    with pytest.raises(SourceError):
        dry_run_files(settings, str(tmp_path / "orders.csv"), CANONICAL, now=NOW)
