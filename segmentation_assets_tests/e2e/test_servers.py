import subprocess
import sys
import time
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import command, environment, segmentation, server, sql
from segmentation_assets_tests.testing.dagster_ui import backfill, graphql
from segmentation_assets_tests.testing.ports import free_port

pytestmark = pytest.mark.takes(100)

JOBS = """
{
  repositoriesOrError {
    ... on RepositoryConnection {
      nodes { jobs { name runs(limit: 10) { status repositoryOrigin { repositoryLocationName } } } }
    }
  }
}
"""
WRITTEN = 'key:"raw/transactions" or group:features or group:segments'
REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"


def test_a_quarter_is_backfilled_from_the_ui_as_one_run_and_one_commit(home: Path) -> None:
    days = [
        f"{date}"
        for date in sql(
            home, "SELECT d::DATE FROM range(DATE '2024-01-01', DATE '2024-04-01', INTERVAL 1 DAY) t(d)"
        ).split()
    ]
    before = sql(home, "SELECT MAX(snapshot_id) FROM ducklake_snapshots('lake')")
    lines = sql(home, "SELECT COUNT(*) FROM raw.transactions")
    port = free_port()
    with server(home, "ui", "--port", str(port), ready=f"http://127.0.0.1:{port}/server_info"):
        (repository,) = graphql(port, REPOSITORIES)["repositoriesOrError"]["nodes"]
        assert repository["location"]["name"] == "segmentation"
        [found] = graphql(port, JOBS)["repositoriesOrError"]["nodes"]
        run = {"status": "SUCCESS", "repositoryOrigin": {"repositoryLocationName": "segmentation"}}
        listed = {job["name"]: job["runs"] for job in found["jobs"] if job["runs"]}
        assert listed == {"ingest": [run], "segment": [run]}  # of the commands that made the shop
        selection = [{"path": ["raw", "transactions"]}]
        done = backfill(port, 180, assetSelection=selection, partitionNames=days)
    assert done["status"] == "COMPLETED_SUCCESS", done
    assert len(done["runs"]) == 1
    commits = sql(
        home, f"SELECT commit_message FROM ducklake_snapshots('lake') WHERE snapshot_id > {before} ORDER BY ALL"
    )
    assert commits == "raw/transactions 2024-01-01…2024-03-31"
    assert sql(home, "SELECT COUNT(*) FROM raw.transactions") == lines


def test_queries_are_answered_while_a_materialization_runs(home: Path) -> None:
    from segmentation.warehouse.extensions import wheel_path

    duckdb_cli = [
        str(Path(sys.executable).parent / "duckdb"),
        "-csv",
        "-noheader",
        "-c",
        f"LOAD '{wheel_path('ducklake')}'; LOAD '{wheel_path('sqlite_scanner')}'; "
        f"ATTACH 'ducklake:sqlite:{home}/catalog.sqlite' AS lake "
        f"(DATA_PATH '{home}/data/', OVERRIDE_DATA_PATH true, READ_ONLY); SELECT COUNT(*) FROM lake.raw.transactions",
    ]
    expected = sql(home, "SELECT COUNT(*) FROM raw.transactions")
    answers = []
    with subprocess.Popen(
        command("materialize", "--select", WRITTEN), env=environment(home), stdout=subprocess.DEVNULL
    ) as writing:
        while writing.poll() is None:
            done = segmentation(home, "sql", "SELECT COUNT(*) FROM raw.transactions", "--format", "csv")
            assert done.returncode == 0, done.stderr
            answers.append(done.stdout.split()[-1])
            other = subprocess.run(
                duckdb_cli, env=environment(home), capture_output=True, text=True, timeout=60, check=False
            )
            assert other.returncode == 0, other.stderr
            answers.append(other.stdout.strip())
            time.sleep(0.5)  # the writer wants some of the machine, too
    assert writing.returncode == 0
    assert len(answers) >= 4
    assert set(answers) == {expected}


def test_the_doctor_still_finds_everything_in_order(home: Path) -> None:
    assert segmentation(home, "doctor").returncode == 0
