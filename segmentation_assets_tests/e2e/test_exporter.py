"""The exporter as a process: what Prometheus reads, also while the lake is away, and how it ends."""

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.domain.metrics.test_lake import fill
from segmentation_assets_tests.e2e.conftest import segmentation, server
from segmentation_assets_tests.testing.metrics_page import SourceConfig, declared
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.waiting import eventually

pytestmark = pytest.mark.takes(15)

SECTIONS = ("Exporter: the lake", "Exporter: the pipeline", "Exporter: itself")


@pytest.fixture
def home(empty_lake: Path, tmp_path: Path) -> Path:
    home = tmp_path / "warehouse"
    shutil.copytree(empty_lake, home)
    with Lake(Settings(home=home, customer_buckets=4, threads=1), create=True) as lake:
        fill(lake)
    return home


def families(text: str) -> dict[str, Metric]:
    """By the names of their samples."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in text_string_to_metric_families(text)
    }


def value(text: str, name: str, **labels: str) -> float:
    [found] = [sample.value for sample in families(text)[name].samples if sample.labels == labels]
    return found


def check_names_and_labels(text: str) -> None:
    """The metrics are those of the page, and each sample has the labels that the page says."""
    page, exposed = declared(*SECTIONS), families(text)
    assert {name: family.type for name, family in exposed.items()} == {n: each.type for n, each in page.items()}
    for name, family in exposed.items():
        for sample in family.samples:
            assert SourceConfig(family.type, frozenset(sample.labels)) == page[name], name


def test_prometheus_reads_what_the_page_says_also_while_the_lake_is_away(home: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/metrics"

    def scrape() -> str:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return str(answer.read().decode())

    def becomes(is_up: int) -> Callable[[], bool]:
        return lambda: value(scrape(), "segmentation_exporter_up", part="lake") == is_up

    def last_success(part: str) -> float:
        return value(scrape(), "segmentation_exporter_last_success_timestamp_seconds", part=part)

    with server(home, "exporter", "--port", str(port), "--every", "1", ready=address) as process:
        text = scrape()
        check_names_and_labels(text)
        check_with_promtool(text)
        assert value(text, "segmentation_table_rows", table="raw.transactions") == 300
        assert value(text, "segmentation_runs_total", job="retrain", status="failure") == 0
        catalogue, aside = home / "catalog.sqlite", home / "aside.sqlite"
        catalogue.rename(aside)
        eventually(becomes(0))
        away = scrape()
        assert value(away, "segmentation_table_rows", table="raw.transactions") == 300, "the last figures stand"
        assert value(away, "segmentation_exporter_up", part="pipeline") == 1
        eventually(lambda: last_success("lake") < last_success("pipeline"))
        aside.rename(catalogue)
        eventually(becomes(1))
        log = home.parent.joinpath("exporter.log").read_text()
        assert "There is no lake" in log
        assert "Traceback" not in log
    assert process.returncode == 0


def test_one_look_prints_the_figures_and_says_what_failed(tmp_path: Path) -> None:
    done = segmentation(tmp_path / "nowhere", "exporter", "--once")
    assert done.returncode == 1
    assert "There is no lake" in done.stderr
    text = done.stdout
    assert value(text, "segmentation_exporter_up", part="lake") == 0
    assert value(text, "segmentation_exporter_up", part="pipeline") == 1
    assert value(text, "segmentation_runs_total", job="ingest", status="success") == 0
    check_with_promtool(text)


def check_with_promtool(text: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert "CI" not in os.environ, "needs Prometheus' promtool: apt-get install prometheus"
        return
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
