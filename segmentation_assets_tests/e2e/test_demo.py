import re
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import run_demo, segmentation, sql

TABLES = "raw.transactions raw.products features.customer_features segments.customer_segments segments.segment_profiles"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo's home and what the demo printed."""
    home = tmp_path_factory.mktemp("demo") / "warehouse"
    return home, run_demo(home)


def test_the_demo_ends_in_a_table_of_named_segments(demo: tuple[Path, str]) -> None:
    _, printed = demo
    assert "Segments as of 2026-01-01 (model 1)" in printed
    assert re.search(r"│\s+1 │ \S.+ │\s+\d+ │\s+[\d.]+% │", printed)
    assert "true archetypes: adjusted Rand index 0." in printed


def test_a_second_demo_changes_nothing(demo: tuple[Path, str]) -> None:
    home, _ = demo

    def content() -> list[str]:
        lines = "(SELECT CAST(to_json(t) AS VARCHAR) AS line FROM {} AS t)"
        hashed = "SELECT COUNT(*), md5(string_agg(line, chr(10) ORDER BY line)) FROM "
        return [sql(home, hashed + lines.format(name)) for name in names]

    names = TABLES.split()
    before = content()
    run_demo(home)
    assert content() == before
    assert sql(home, "SELECT COUNT(*) FROM registry.models") == "1"


def test_a_demo_does_not_mix_two_shops(demo: tuple[Path, str]) -> None:
    home, _ = demo
    done = segmentation(home, "demo", "--data", "complete-journey", "--no-serve")
    assert done.returncode == 1
    assert "already holds synthetic" in done.stderr
    assert "SEGMENTATION_HOME=warehouse-complete-journey" in done.stderr
