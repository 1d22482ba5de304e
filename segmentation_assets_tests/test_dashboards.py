"""Grafana's dashboards: what they ask for is documented and answered, and their files are what Grafana reads.

Grafana itself isn't here. A real Prometheus answers their queries, with figures of a real scorer under traffic.
"""

import itertools
import json
import math
import re
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import units
from prometheus_client import CollectorRegistry, start_http_server

from scripts.dashboards.assembly import DATASOURCE_UID, TAG
from scripts.dashboards.files import COMMAND, FOLDER, behind, texts
from segmentation.settings import Settings
from segmentation.sources.incremental.deliveries import Receipt
from segmentation.streaming.metrics import StreamMetrics
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.prometheus import (
    Exposition,
    Prometheus,
    running_exposition,
    running_prometheus,
    scraping,
)
from segmentation_assets_tests.testing.running_scorer import RunningScorer, environment_of, running_scorer

pytestmark = pytest.mark.takes(20)

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT / "docs" / "metrics.md"
GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in texts().items()}

METRIC = re.compile(r"\bsegmentation_\w+")
DOCUMENTED = re.compile(r"`(segmentation_\w+)(?:\{([\w,]+)\})?`")
GROUPED = re.compile(r"\b(?:by|on|group_left|ignoring) \(([\w, ]*)\)")
LEGEND_LABEL = re.compile(r"\{\{(\w+)\}\}")
OF_HISTOGRAMS = re.compile("_(bucket|sum|count)$")

DAY_S = 24 * 3600
MOVES = 3
MOVING = (
    "segmentation_scored_customers_total",
    "segmentation_stream_batch_seconds_count",
    "segmentation_runs_total",
)
"""A figure of each target that every round of traffic moves."""

GRAFANAS_VARIABLES = {"$__rate_interval": "1m", "$__range": "5m", "$__interval": "1m"}


@dataclass(frozen=True)
class Metric:
    """A row of `docs/metrics.md`."""

    section: str
    kind: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Asked:
    """A query of a panel."""

    where: str
    panel: Mapping[str, Any]
    expression: str
    legend: str


def contract() -> dict[str, Metric]:
    """All documented metrics by name."""
    found = {}
    section = ""
    for line in CONTRACT.read_text(encoding="utf-8").splitlines():
        section = line.removeprefix("## ") if line.startswith("## ") else section
        if line.startswith("| `segmentation_"):
            names, kind = (cell.strip() for cell in line.split("|")[1:3])
            for name, labels in DOCUMENTED.findall(names):
                found[name] = Metric(section, kind, frozenset(filter(None, labels.split(","))))
    return found


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels of a dashboard that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[Asked]:
    """Every query of every panel."""
    return [
        Asked(f"{name}: {panel['title']}: {target['refId']}", panel, target["expr"], target.get("legendFormat", ""))
        for name, dashboard in DASHBOARDS.items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def annotations() -> list[str]:
    """The expressions of all annotations."""
    return [each["expr"] for dashboard in DASHBOARDS.values() for each in dashboard["annotations"]["list"]]


def substituted(expression: str) -> str:
    """An expression as Grafana would send it."""
    for variable, value in GRAFANAS_VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


KINDS = {
    "job": ["ingest", "snapshot", "retrain"],
    "asset": ["raw/transactions", "segments/customer_segments"],
    "check": ["line_ids_are_unique", "volume_is_usual"],
    "severity": ["error", "warn"],
    "daemon": ["SCHEDULER", "SENSOR"],
    "name": ["new_files", "daily_ingestion"],
    "part": ["lake", "pipeline"],
    "path": ["data", "home"],
    "table": ["raw.transactions", "segments.customer_segments"],
    "source": ["till", "web"],
    "reason": ["no_date", "no_product"],
    "alias": ["champion", "challenger", "none"],
    "cause": ["data_quality", "mix", "behaviour"],
    "state": ["current", "stale", "ahead"],
    "feature": ["recency_days", "order_count", "segment"],
    "metric": ["psi", "ks"],
    "segment_id": [str(number) for number in range(6)],
}
"""Values that labels of the exporter have in the scenario."""

STATUSES = {
    "segmentation_runs_total": ["success", "failure", "canceled"],
    "segmentation_runs_in_progress": ["queued", "starting", "started", "canceling"],
    "segmentation_backfills": ["requested", "completed", "failed"],
    "segmentation_backfill_partitions": ["completed", "failed", "in_progress", "waiting"],
}
QUALITY = ["simplified_silhouette", "smallest_share"]


def label_sets(name: str, labels: frozenset[str]) -> list[dict[str, str]]:
    """The labels of all series of a metric in the scenario."""
    kinds = {**KINDS, "status": STATUSES.get(name, []), **({"metric": QUALITY} if "model_quality" in name else {})}
    names = sorted(labels - {"segment_name"})
    sets = [dict(zip(names, values, strict=True)) for values in itertools.product(*(kinds[each] for each in names))]
    return [
        {**each, "segment_name": f"Segment {each['segment_id']}"} if "segment_name" in labels else each for each in sets
    ]


def exporters_figures(tick: int, others: frozenset[str]) -> dict[str, float]:
    """A sample for each documented series of the exporter, and of `others`; counters grow by the tick."""
    series = {}
    for name, metric in contract().items():
        if not metric.section.startswith("Exporter") and name not in others:
            continue
        for index, labels in enumerate(label_sets(name, metric.labels)):
            text = ",".join(f'{label}="{value}"' for label, value in labels.items())
            series[f"{name}{{{text}}}"] = _figure(name, metric.kind, index, tick)
    return series


def _figure(name: str, kind: str, index: int, tick: int) -> float:
    if kind == "counter":
        return float((index + 1) * tick)
    if name.endswith("_timestamp_seconds"):
        return time.time() - DAY_S * (index + 1)
    if name == "segmentation_asset_check_passed":
        return float(index % 4 > 1)
    return float(index + 1)


@contextmanager
def streaming() -> Iterator[tuple[StreamMetrics, str]]:
    """What a stream consumer tells, and where."""
    registry = CollectorRegistry()
    metrics = StreamMetrics("till", registry)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        yield metrics, f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def traffic(
    scorer: RunningScorer, body: Mapping[str, Any], stream: StreamMetrics, exposition: Exposition
) -> Generator[None]:
    """Rounds of requests and batches without end; each lets every figure move that can."""
    with scorer.client() as client:
        untold = frozenset({"segmentation_is_ready"} - set(METRIC.findall(client.get("/metrics").text)))
        for tick in itertools.count(1):
            client.post("/v1/score", json=body).raise_for_status()
            client.get("/v1/segments").raise_for_status()
            assert client.get("/v1/customers/nobody").status_code == 404
            receipt = Receipt(100, 70 + tick % 5, 10, 10, {"no_date": 10 - tick % 5})
            stream.committed(receipt, 0.1, [time.time() - 0.5] * 100, time.time())
            stream.commit_failed()
            stream.lag({0: 7, 1: 3})
            exposition.show(exporters_figures(tick, untold))
            yield


def has_read(prometheus: Prometheus) -> bool:
    """Whether figures of every target were seen to move often enough for rates."""
    moves = [prometheus.query(f"changes({name}[5m])") for name in MOVING]
    return all(found and all(each.value >= MOVES for each in found) for found in moves)


def answers(prometheus: Prometheus, expressions: Iterable[str]) -> dict[str, list[Mapping[str, str]]]:
    """By expression, the labels of the series that have a figure now; one moment and one connection for all."""
    now = str(time.time())
    found = {}
    with httpx.Client(base_url=prometheus.address, timeout=shop.PATIENCE_S) as client:
        for expression in expressions:
            answer = client.get("/api/v1/query", params={"query": substituted(expression), "time": now}).json()
            assert answer["status"] == "success", f"{expression}: {answer}"
            series = answer["data"]["result"]
            found[expression] = [each["metric"] for each in series if math.isfinite(float(each["value"][1]))]
    return found


@pytest.fixture(scope="module")
def figures(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Mapping[str, str]]]:
    """What a Prometheus that has read a scorer, a stream and an exporter in use answers to all queries."""
    folder = tmp_path_factory.mktemp("dashboards")
    settings = Settings(home=folder / "warehouse", customer_buckets=BUCKETS, threads=1)
    shutil.copytree(empty_lake, settings.home)
    shop.open_shop(settings)
    body = shop.request(shop.scored_customers(settings, shop.JULY))
    with (
        running_scorer(environment_of(settings), folder / "scorer.log") as scorer,
        streaming() as (stream, streams_target),
        running_exposition() as exposition,
    ):
        targets = {
            "scorer": scorer.address.removeprefix("http://"),
            "stream": streams_target,
            "exporter": exposition.target,
        }
        configuration = scraping(targets, "1s")
        for job in configuration["scrape_configs"]:
            job["honor_labels"] = job["job_name"] == "exporter"
            job["authorization"] = {"credentials": shop.KEY}
        with (
            closing(traffic(scorer, body, stream, exposition)) as rounds,
            running_prometheus(folder / "prometheus", configuration) as prometheus,
        ):
            deadline = time.monotonic() + shop.PATIENCE_S
            while not has_read(prometheus):
                assert time.monotonic() < deadline, prometheus.targets()
                next(rounds)
            return answers(prometheus, [*(query.expression for query in queries()), *annotations()])


def labels_of_rows(panel: Mapping[str, Any]) -> set[str]:
    """The labels by which a table has its rows (and columns)."""
    (last,) = [each["options"] for each in panel["transformations"] if each["id"] != "merge"]
    if "renameByName" in last:
        return {name for name in last["renameByName"] if not name.startswith("Value")}
    return {last["rowField"], last["columnField"]}


def named(legend: str, labels: Mapping[str, str]) -> str:
    """What a series is called."""
    return LEGEND_LABEL.sub(lambda match: labels[match[1]], legend)


def rectangle(panel: Mapping[str, Any]) -> set[tuple[int, int]]:
    """The cells of the grid that a panel takes."""
    place = panel["gridPos"]
    columns = range(place["x"], place["x"] + place["w"])
    return set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))


def told_units(panel: Mapping[str, Any]) -> list[str]:
    """The units of a panel: the one of all its figures, and those of columns."""
    config = panel["fieldConfig"]
    overrides = [each["properties"] for each in config.get("overrides", [])]
    own = [each["value"] for properties in overrides for each in properties if each["id"] == "unit"]
    return [config["defaults"].get("unit", ""), *own]


def test_the_files_are_what_the_code_says() -> None:
    assert behind() == [], f"run {COMMAND}"


def test_a_file_that_is_behind_missing_or_left_over_is_named(tmp_path: Path) -> None:
    service, pipeline, *others = sorted(texts(), reverse=True)
    for name in (service, *others):
        (tmp_path / name).write_text(texts()[name], encoding="utf-8")
    (tmp_path / service).write_text("{}", encoding="utf-8")
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert behind(tmp_path) == sorted([service, pipeline, "old.json"])


def test_every_query_asks_for_documented_metrics_only() -> None:
    documented = contract()
    for expression in [*(query.expression for query in queries()), *annotations()]:
        for name in METRIC.findall(expression):
            base = OF_HISTOGRAMS.sub("", name)
            is_known = name in documented or (base in documented and documented[base].kind == "histogram")
            assert is_known, f"{name} in {expression}"


def test_every_query_groups_by_documented_labels_only() -> None:
    documented = contract()
    for query in queries():
        names = {OF_HISTOGRAMS.sub("", name) for name in METRIC.findall(query.expression)}
        labels = {"le", "instance"}.union(*(documented[name].labels for name in names))
        used = {label for group in GROUPED.findall(query.expression) for label in group.split(", ") if label}
        assert used <= labels, query.where


def test_every_documented_metric_is_on_a_dashboard() -> None:
    shown = {OF_HISTOGRAMS.sub("", name) for query in queries() for name in METRIC.findall(query.expression)}
    assert contract().keys() - shown == set()


def test_dashboards_have_uids_and_lead_to_each_other() -> None:
    uids = {name: dashboard["uid"] for name, dashboard in DASHBOARDS.items()}
    assert {f"{uid}.json" for uid in uids.values()} == uids.keys()
    for name, dashboard in DASHBOARDS.items():
        assert {link["url"] for link in dashboard["links"]} == {f"/d/{uid}" for uid in uids.values()} - {
            f"/d/{uids[name]}"
        }
        assert dashboard["tags"] == [TAG]


def test_panels_are_told_apart_described_and_have_units() -> None:
    known = {value for value in vars(units).values() if isinstance(value, str)} | {"none", "short"}
    for name, dashboard in DASHBOARDS.items():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))
        titles = [panel["title"] for panel in panels(dashboard)]
        assert all(titles)
        for panel in panels(dashboard):
            assert panel["description"].endswith((".", ")")), f"{name}: {panel['title']}"
            assert set(told_units(panel)) <= known, f"{name}: {panel['title']}"


def test_panels_lie_on_the_grid_beside_each_other() -> None:
    for name, dashboard in DASHBOARDS.items():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            cells = rectangle(panel)
            assert not cells & taken, f"{name}: {panel['title']}"
            assert max(x for x, _ in cells) < 24, f"{name}: {panel['title']}"
            taken |= cells


def test_rows_of_panels_fill_the_width() -> None:
    for name, dashboard in DASHBOARDS.items():
        for y, together in itertools.groupby(panels(dashboard), key=lambda panel: panel["gridPos"]["y"]):
            row = list(together)
            assert sum(panel["gridPos"]["w"] for panel in row) == 24, f"{name}: {y}: {[p['title'] for p in row]}"
            assert len({panel["gridPos"]["h"] for panel in row}) == 1, f"{name}: {y}"


def test_the_data_source_is_the_one_that_is_provisioned() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text("utf-8"))
    (source,) = provisioned["datasources"]
    assert (source["uid"], source["type"]) == (DATASOURCE_UID, "prometheus")
    for dashboard in DASHBOARDS.values():
        (variable,) = dashboard["templating"]["list"]
        assert (variable["type"], variable["query"], variable["current"]["value"]) == (
            "datasource",
            source["type"],
            source["uid"],
        )
        asked = [*panels(dashboard), *(target for panel in panels(dashboard) for target in panel["targets"])]
        for each in [*asked, *dashboard["annotations"]["list"]]:
            assert each["datasource"] == {"type": "prometheus", "uid": f"${{{variable['name']}}}"}


def test_compose_mounts_what_is_provisioned() -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]["grafana"]
    mounts = dict(each.split(":")[:2] for each in service["volumes"])
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "segmentation.yaml").read_text("utf-8"))
    assert provider["providers"][0]["options"]["path"] == mounts["./deploy/grafana/dashboards"]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (FOLDER / Path(home).name).is_file()


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_what_grafanas_own_types_read_and_write(name: str) -> None:
    register_default_plugins()
    dashboard = json.loads(texts()[name])
    again = json.loads(json.dumps(sdk.Dashboard.from_json(dashboard), cls=JSONEncoder))
    for annotation in dashboard["annotations"]["list"]:
        assert (annotation.pop("step"), annotation.pop("titleFormat")) == ("1m", annotation["name"])
    assert again == dashboard
    assert dashboard["schemaVersion"] == 41
    assert "id" not in dashboard


def test_the_scenario_has_every_metric_of_the_exporter() -> None:
    shown = {series.partition("{")[0] for series in exporters_figures(1, frozenset())}
    assert shown == {name for name, metric in contract().items() if metric.section.startswith("Exporter")}


def test_every_query_of_every_panel_finds_figures(figures: dict[str, list[Mapping[str, str]]]) -> None:
    assert [query.where for query in queries() if not figures[query.expression]] == []


def test_series_have_the_labels_that_legends_and_tables_name(figures: dict[str, list[Mapping[str, str]]]) -> None:
    for query in queries():
        found = figures[query.expression]
        if query.panel["type"] == "stat":
            assert len(found) == 1, query.where
        elif query.panel["type"] == "table":
            assert all(set(labels) == labels_of_rows(query.panel) for labels in found), query.where
        else:
            names = [named(query.legend, labels) for labels in found]
            assert all(names), query.where
            assert len(names) == len(set(names)), f"{query.where}: series of one name"


def test_nobody_is_told_of_a_new_champion_while_there_is_none(figures: dict[str, list[Mapping[str, str]]]) -> None:
    assert [figures[expression] for expression in annotations()] == [[]] * len(DASHBOARDS)
