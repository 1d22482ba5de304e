import re
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import DEMO, segmentation, sql

pytestmark = pytest.mark.takes(25)

TABLES = "raw.transactions raw.products features.customer_features segments.customer_segments segments.segment_profiles"


def test_the_demo_ends_in_a_table_of_named_segments(demo_printed: str) -> None:
    assert "Segments as of 2026-01-01 (model 1)" in demo_printed
    assert re.search(r"│\s+1 │ \S.+ │\s+\d+ │\s+[\d.]+% │", demo_printed)
    assert "true archetypes: adjusted Rand index 0." in demo_printed


def test_a_second_demo_changes_nothing(home: Path) -> None:
    def content() -> list[str]:
        lines = "(SELECT CAST(to_json(t) AS VARCHAR) AS line FROM {} AS t)"
        hashed = "SELECT COUNT(*), md5(string_agg(line, chr(10) ORDER BY line)) FROM "
        return [sql(home, hashed + lines.format(name)) for name in names]

    names = TABLES.split()
    before = content()
    done = segmentation(home, *DEMO)
    assert done.returncode == 0, done.stderr
    assert content() == before
    assert sql(home, "SELECT COUNT(*) FROM registry.models") == "1"


def test_a_demo_does_not_mix_two_shops(home: Path) -> None:
    done = segmentation(home, "demo", "--data", "complete-journey", "--no-serve")
    assert done.returncode == 1
    assert "already holds synthetic" in done.stderr
    assert "SEGMENTATION_HOME=warehouse-complete-journey" in done.stderr
