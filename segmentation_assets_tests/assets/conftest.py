"""A small synthetic shop in a lake, and the graph's assets on it."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from segmentation.clock import utc_now
from segmentation.settings import Settings
from segmentation.snapshots.coverage import Coverage
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Lake
from segmentation_assets.cli.runs import QUIET
from segmentation_assets.definitions import build_definitions
from segmentation_assets.partitions import range_tags
from segmentation_assets.resources import WarehouseResource
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing.made_once import made_once

START, END = date(2024, 1, 1), date(2025, 1, 1)
YEAR = range_tags("2024-01-01", "2024-12-31")
AS_OF = "2025-01-01"
CHECKS = "checks.json"

defs = build_definitions(Settings(home=Path("/nonexistent")), coverage=Coverage(START, END - timedelta(days=1), END))
"""The graph of a shop whose data goes from `START` to `END`, wherever its lake is: resources say."""


@dataclass(frozen=True)
class Graph:
    """The graph on one lake and one instance."""

    instance: dg.DagsterInstance
    overrides: dict[str, object]

    def run(
        self,
        *keys: str,
        partition: str | None = None,
        tags: dict[str, str] | None = None,
        checks_only: bool = False,
        ops: dict[str, Any] | None = None,
        **changes: object,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets (or only run their checks), with config of their ops and changed settings."""
        wanted = [dg.AssetKey(key.split("/")) for key in keys]
        select = dg.AssetSelection.checks_for_assets if checks_only else dg.AssetSelection.assets
        selection: dg.AssetSelection = select(*wanted)
        job = dg.define_asset_job("test", selection=selection)
        resources = {"warehouse": WarehouseResource(overrides={**self.overrides, **changes}), "clock": utc_now}
        resolved = dg.Definitions(
            assets=defs.assets, asset_checks=defs.asset_checks, jobs=[job], resources=resources
        ).resolve_job_def("test")
        return resolved.execute_in_process(
            instance=self.instance,
            partition_key=partition,
            tags=tags or {},
            run_config={**QUIET, "ops": ops or {}},
            raise_on_error=False,
        )

    def failed_checks(self, result: dg.ExecuteInProcessResult) -> set[str]:
        """Names of the checks that failed in a run."""
        return {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}


def ingest(graph: Graph) -> dg.ExecuteInProcessResult:
    return graph.run("raw/transactions", "raw/products", tags=YEAR)


def segment(graph: Graph, **changes: Any) -> dg.ExecuteInProcessResult:
    return graph.run(*EVERYTHING_AFTER_RAW, partition=AS_OF, **changes)


EVERYTHING_AFTER_RAW: Sequence[str] = (
    "features/rfm",
    "features/diversity",
    "features/temporal",
    "features/behaviour",
    "features/customer_features",
    "segments/customer_predictions",
    "segments/prediction_models",
    "training/training_set",
    "training/candidate_model",
    "training/champion_model",
    "segments/customer_segments",
    "segments/segment_profiles",
    "segments/segment_transitions",
    "segments/segment_events",
    "segments/segment_explanations",
    "monitoring/feature_drift",
    "monitoring/model_quality",
)


def _graph(home: Path, instance: dg.DagsterInstance) -> Graph:
    overrides: dict[str, object] = {
        "home": str(home),
        "customer_buckets": BUCKETS,
        "min_segments": 3,
        "max_segments": 5,
        "min_stability": 0.5,
    }
    return Graph(instance, overrides)


@pytest.fixture(scope="session")
def registered_lake(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that knows the shop's files but has loaded none of them."""

    def fill(folder: Path) -> None:
        write(folder / "shop", customers=250, start=START, end=END, seed=3)
        home = folder / "warehouse"
        shutil.copytree(empty_lake, home)
        now = datetime(2025, 2, 1, tzinfo=UTC).replace(tzinfo=None)
        with Lake(Settings(home=home, customer_buckets=BUCKETS), create=True) as lake:
            register(lake, str(folder / "shop" / "transactions"), load_profile("canonical"), source="shop", now=now)

    return made_once(tmp_path_factory, "registered lake", fill) / "warehouse"


def _materialized(lake: Path, folder: Path, run: Callable[[Graph], dg.ExecuteInProcessResult]) -> None:
    """Copy a lake to a folder and run something on it; what checks said is beside it."""
    shutil.copytree(lake.parent, folder, dirs_exist_ok=True)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(_graph(folder / "warehouse", instance))
    assert result.success
    path = folder / CHECKS
    earlier = json.loads(path.read_text()) if path.exists() else {}
    checks = {
        f"{check.asset_key.to_user_string()}: {check.check_name}": check.passed
        for check in result.get_asset_check_evaluations()
    }
    path.write_text(json.dumps(earlier | checks))


@pytest.fixture(scope="session")
def loaded_lake(registered_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the lines of all days, and nothing made of them yet."""
    fill = partial(_materialized, registered_lake, run=ingest)
    return made_once(tmp_path_factory, "loaded lake", fill) / "warehouse"


@pytest.fixture(scope="session")
def filled_lake(loaded_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with everything materialized."""
    fill = partial(_materialized, loaded_lake, run=segment)
    return made_once(tmp_path_factory, "filled lake", fill) / "warehouse"


@pytest.fixture(scope="session")
def checks_on_good_data(filled_lake: Path) -> dict[str, bool]:
    """Whether each check passed as `filled_lake` was made, by `asset: check`."""
    passed: dict[str, bool] = json.loads(filled_lake.with_name(CHECKS).read_text())
    return passed


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    """The lake of `graph`, `loaded` or `filled`, whichever the test uses."""
    with Lake(settings, create=True) as opened:
        yield opened


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def graph(settings: Settings, registered_lake: Path, instance: dg.DagsterInstance) -> Graph:
    """The graph on a copy of `registered_lake`."""
    shutil.copytree(registered_lake, settings.home)
    return _graph(settings.home, instance)


@pytest.fixture
def loaded(settings: Settings, loaded_lake: Path, instance: dg.DagsterInstance) -> Graph:
    """The graph on a copy of `loaded_lake`."""
    shutil.copytree(loaded_lake, settings.home)
    return _graph(settings.home, instance)


@pytest.fixture
def filled(settings: Settings, filled_lake: Path, instance: dg.DagsterInstance) -> Graph:
    """The graph on a copy of `filled_lake`."""
    shutil.copytree(filled_lake, settings.home)
    return _graph(settings.home, instance)
