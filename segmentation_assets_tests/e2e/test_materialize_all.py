"""The biggest button of Dagster's UI, in a real Dagster: it must end well, and make nothing ahead of the data."""

import json
import shutil
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import segmentation, server, sql
from segmentation_assets_tests.testing.dagster_ui import backfill, graphql
from segmentation_assets_tests.testing.ports import free_port

pytestmark = pytest.mark.takes(150)

NODES = "{ assetNodes { assetKey { path } isMaterializable isPartitioned partitionKeys } }"
TIMEOUT_S = 840


@pytest.mark.timeout(900)
def test_materialize_all_ends_well_and_makes_nothing_ahead_of_the_data(year_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    shutil.copytree(year_home, home)
    lines = sql(home, "SELECT COUNT(*) FROM raw.transactions")
    port = free_port()
    with server(home, "ui", "--port", str(port), ready=f"http://127.0.0.1:{port}/server_info"):
        nodes = [node for node in graphql(port, NODES)["assetNodes"] if node["isMaterializable"]]
        keys = {"/".join(node["assetKey"]["path"]): node["partitionKeys"] for node in nodes}
        assert keys["raw/transactions"][-1] == "2024-12-31"
        assert keys["features/customer_features"][-1] == "2025-01-01"
        selection = [{"path": node["assetKey"]["path"]} for node in nodes]
        done = backfill(port, TIMEOUT_S, assetSelection=selection, allPartitions=True)
    assert done["status"] == "COMPLETED_SUCCESS", done
    assert sql(home, "SELECT COUNT(*) FROM raw.transactions") == lines
    dates = sql(home, "SELECT DISTINCT as_of FROM registry.snapshots ORDER BY as_of").split()
    assert dates == keys["features/customer_features"]
    listed = json.loads(segmentation(home, "snapshots", "list", "--json").stdout)
    assert {each["state"] for each in listed["snapshots"]} == {"current"}
    assert listed["coverage"]["latest"] == "2025-01-01"
