"""Dagster's UI as its pages use it: GraphQL over HTTP."""

import json
import time
import urllib.request
from typing import Any

LAUNCH = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status error { message } runs(limit: 100) { runId status tags { key value } } }
  }
}
"""
REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
LAUNCH_RUN = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message }
  }
}
"""
ENDS = ("COMPLETED", "FAILED", "CANCELED")


def graphql(port: int, query: str, **variables: object) -> Any:
    """The answer to a query, which may have no errors."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert "errors" not in answer, answer
    return answer["data"]


def backfill(port: int, timeout_s: float, **params: object) -> Any:
    """Launch a backfill as the page does, and wait for its end; what it says of itself."""
    launched = graphql(port, LAUNCH, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = graphql(port, STATUS, id=launched["backfillId"])["partitionBackfillOrError"]
        if found["status"].startswith(ENDS):
            return found
        time.sleep(1)
    raise AssertionError(f"the backfill did not end in {timeout_s} s: {found}")


def launch(port: int, job: str, config: object) -> str:
    """Launch a run of a job as its launchpad does; the run's id."""
    ((repository, location),) = [
        (node["name"], node["location"]["name"]) for node in graphql(port, REPOSITORIES)["repositoriesOrError"]["nodes"]
    ]
    selector = {"repositoryName": repository, "repositoryLocationName": location, "jobName": job}
    params = {"selector": selector, "runConfigData": config, "mode": "default"}
    launched = graphql(port, LAUNCH_RUN, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])
