"""A run that is canceled in Dagster's UI: it ends, leaves nothing half-made, and can be had again."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import segmentation, server, sql
from segmentation_assets_tests.testing.dagster_ui import graphql, launch
from segmentation_assets_tests.testing.ports import free_port

pytestmark = pytest.mark.takes(90)

RUNS = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
CANCEL = """
mutation Cancel($run: String!) {
  terminateRun(runId: $run) { __typename ... on TerminateRunFailure { message } ... on PythonError { message } }
}
"""
AS_OF = "2024-11-15"
ENDED = {"CANCELED", "FAILURE", "SUCCESS"}
TIMEOUT_S = 120
STATES = "SELECT table_name, row_count FROM registry.snapshots WHERE as_of = DATE '2024-11-15' ORDER BY ALL"


def _runs(port: int) -> dict[str, str]:
    return {run["runId"]: run["status"] for run in graphql(port, RUNS)["runsOrError"]["results"]}


def _await(port: int, is_reached: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        found = _runs(port)
        if is_reached(found):
            return found
        time.sleep(0.2)
    raise AssertionError(f"not reached in {TIMEOUT_S} s: {found}")


@pytest.mark.timeout(500)
def test_a_canceled_run_ends_and_leaves_nothing_half_made(year_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "warehouse"
    shutil.copytree(year_home, home)
    port = free_port()
    config = {"ops": {"make_snapshot": {"config": {"as_of": AS_OF}}}}
    with server(home, "ui", "--port", str(port), ready=f"http://127.0.0.1:{port}/server_info"):
        before = _runs(port)
        asked = launch(port, "snapshot_on_demand", config)
        started = _await(port, lambda runs: sum(runs[run] == "STARTED" for run in runs.keys() - before) == 2)
        canceled = graphql(port, CANCEL, run=asked)["terminateRun"]
        assert canceled["__typename"] == "TerminateRunSuccess", canceled
        ended = _await(port, lambda runs: all(runs[run] in ENDED for run in started.keys() - before))
        assert ended[asked] == "CANCELED"
        written = dict(line.split(",") for line in sql(home, STATES).split())
        assert {
            table: int(sql(home, f"SELECT COUNT(*) FROM {table} WHERE as_of = '{AS_OF}'")) for table in written
        } == {table: int(rows) for table, rows in written.items()}
        again = launch(port, "snapshot_on_demand", config)
        done = _await(port, lambda runs: runs.get(again) in ENDED)
        assert done[again] == "SUCCESS"
    listed = json.loads(segmentation(home, "snapshots", "list", "--json").stdout)
    assert {each["state"] for each in listed["snapshots"] if each["as_of"] == AS_OF} == {"current"}
