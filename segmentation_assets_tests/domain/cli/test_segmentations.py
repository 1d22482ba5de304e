"""`segmentation segmentations`, as people and programs call it."""

import json
from datetime import date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from segmentation.cli.app import app
from segmentation.clock import utc_now
from segmentation.diagnosis import diagnose
from segmentation.features.snapshots import write_snapshots
from segmentation.segmentations.config import EXAMPLE, declared_segmentations
from segmentation.segmentations.versions import take_over
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing.lines import Line, insert_lines

FEB = date(2024, 2, 1)
DECLARED = """
segmentations:
  orders:
    description: By number of orders
    segments:
      - {name: many, when: order_count > 2, advice: "Thank [them]"}
      - {name: some, when: order_count > 1}
      - {name: too many, when: order_count > 99}
"""


def _run(settings: Settings, *arguments: str) -> Result:
    environment = {
        "SEGMENTATION_HOME": str(settings.home),
        "SEGMENTATION_CUSTOMER_BUCKETS": str(BUCKETS),
        "SEGMENTATION_SEGMENTATIONS": str(settings.segmentations),
        "COLUMNS": "200",
    }
    return CliRunner().invoke(app, ["segmentations", *arguments], env=environment)


@pytest.fixture
def shop(lake: Lake, tmp_path: Path) -> Settings:
    """A lake with features of customers with one to three orders, and a file."""
    insert_lines(
        lake, [Line(f"c{n}", f"{n}-{k}", "p", datetime(2024, 1, 31 - k)) for n in range(6) for k in range(n % 3 + 1)]
    )
    write_snapshots(lake, [FEB], lambda _: Commit("features"), now=datetime(2024, 2, 1))
    lake.close()
    file = tmp_path / "own.yaml"
    file.write_text(DECLARED)
    return lake.settings.model_copy(update={"segmentations": file})


def test_whoever_has_none_is_shown_an_example(settings: Settings, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"segmentations": tmp_path / "none.yaml"})
    told = _run(chosen, "list")
    assert told.exit_code == 0
    assert EXAMPLE.splitlines()[1] in told.stdout
    assert json.loads(_run(chosen, "list", "--json").stdout) == []
    assert _run(chosen, "check").exit_code == 1
    assert not settings.home.exists()


def test_a_file_is_checked_without_a_lake(settings: Settings, tmp_path: Path) -> None:
    chosen = settings.model_copy(update={"segmentations": tmp_path / "own.yaml"})
    chosen.segmentations.write_text(DECLARED)
    told = _run(chosen, "check")
    assert told.exit_code == 0
    assert "nobody can be counted" in told.stdout
    chosen.segmentations.write_text(DECLARED.replace("order_count > 2", "order_cont > 2"))
    wrong = _run(chosen, "check")
    assert wrong.exit_code == 1
    assert "did you mean order_count" in str(wrong.exception)
    [finding] = [each for each in diagnose(chosen, utc_now()) if each.subject == "segmentations"]
    assert not finding.is_ok
    assert "order_cont" in finding.detail


def test_a_check_counts_without_writing(shop: Settings) -> None:
    with Lake(shop) as lake:
        before = lake.version()
    told = json.loads(_run(shop, "check", "orders", "--json").stdout)
    assert told == {
        "as_of": str(FEB),
        "segmentations": {
            "orders": [
                {"name": "many", "customers": 2, "meeting": 2},
                {"name": "some", "customers": 2, "meeting": 4},
                {"name": "too many", "customers": 0, "meeting": 0},
                {"name": "Everybody else", "customers": 2, "meeting": None},
            ]
        },
    }
    shown = _run(shop, "check").stdout
    assert "2 of them are taken by segments before" in shown
    assert "nobody" in shown
    assert _run(shop, "check", "nix").exit_code == 1
    with Lake(shop) as lake:
        assert lake.version() == before


def test_what_the_lake_has_is_listed_and_shown(shop: Settings) -> None:
    assert [each["state"] for each in json.loads(_run(shop, "list", "--json").stdout)] == [
        "new; the next snapshot has it"
    ]
    assert _run(shop, "show", "orders").exit_code == 1
    with Lake(shop) as lake:
        take_over(lake, declared_segmentations(shop) or {}, Commit("test"), utc_now())
    assert [each["state"] for each in json.loads(_run(shop, "list", "--json").stdout)] == ["in force"]
    told = json.loads(_run(shop, "show", "orders", "--json").stdout)
    assert [each["segment_id"] for each in told["segments"]] == [1, 2, 3, 4]
    assert told["segments"][0]["when"] == "order_count > 2"
    assert "Thank [them]" in _run(shop, "show", "orders").stdout
    shop.segmentations.write_text("segmentations:\n")
    assert "no longer declared" in _run(shop, "list").stdout
    with Lake(shop) as lake:
        take_over(lake, {}, Commit("test"), utc_now())
    assert "version 2" in _run(shop, "show", "orders").stdout


def test_columns_are_listed(settings: Settings) -> None:
    told = _run(settings, "columns").stdout
    assert all(name in told for name in ("net_revenue", "rfm_segment", "segment_name", "confidence"))
    assert "segmentation_name" not in told
