"""The whole platform with its catalogue in PostgreSQL and its files in a bucket, by settings alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from segmentation.settings import Settings, as_environment
from segmentation_assets_tests.e2e.conftest import free_port, segmentation, server, sql
from segmentation_assets_tests.object_store import ObjectStore, running_object_store
from segmentation_assets_tests.postgres import running_postgres

CUSTOMERS = 12
AS_OF = "SELECT MAX(as_of) FROM segments.customer_segments"
SOME = f"SELECT customer_id FROM segments.customer_segments WHERE as_of = ({AS_OF}) ORDER BY ALL LIMIT {CUSTOMERS}"
TOTALS = f"""
SELECT
    (SELECT SUM(hash(s)) FROM segments.customer_segments AS s WHERE as_of = ({AS_OF})) AS segments,
    (SELECT SUM(hash(f)) FROM features.customer_features AS f WHERE as_of = ({AS_OF})) AS features
"""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """An S3 service."""
    with running_object_store() as running:
        yield running


@pytest.fixture(scope="module")
def remote(store: ObjectStore) -> Iterator[dict[str, str]]:
    """The variables that put catalogue and files elsewhere."""
    with running_postgres() as postgres:
        values = store.settings_for("lake") | {"catalog": f"postgres:{postgres.new_database()}"}
        variables = as_environment(Settings(**values))
        yield {name: variables[name] for name in variables if name.removeprefix("SEGMENTATION_").lower() in values}


@contextmanager
def _scorer(home: Path, **extra: str) -> Iterator[httpx.Client]:
    made = segmentation(home, "keys", "create", "test", "--scope", "read", "--json", **extra)
    address = f"http://127.0.0.1:{(port := free_port())}"
    with (
        server(home, "serve", f"--port={port}", "--workers=1", ready=f"{address}/health/ready", timeout_s=60, **extra),
        httpx.Client(
            base_url=address, headers={"authorization": f"Bearer {json.loads(made.stdout)['key']}"}, timeout=60
        ) as opened,
    ):
        yield opened


def _answers(home: Path, **extra: str) -> list[dict[str, Any]]:
    """What the scorer says about some customers: from the snapshot, and fresh."""
    names = segmentation(home, "sql", SOME, "--format", "json", **extra)
    assert names.returncode == 0, names.stderr
    with _scorer(home, **extra) as client:
        return [
            client.get(f"/v1/customers/{row['customer_id']}", params=asked).raise_for_status().json()
            for row in json.loads(names.stdout)
            for asked in ({"include": "features"}, {"fresh": "true", "as_of": "2026-01-01", "include": "features"})
        ]


def test_a_shop_in_a_bucket_has_the_segments_and_the_answers_of_one_in_a_folder(
    home: Path, tmp_path: Path, remote: dict[str, str], store: ObjectStore
) -> None:
    lines = str(home / "demo" / "transactions")
    elsewhere = tmp_path / "warehouse"
    for arguments in (("ingest", lines, "--profile", "canonical"), ("materialize",)):
        done = segmentation(elsewhere, *arguments, **remote)
        assert done.returncode == 0, done.stdout + done.stderr
    assert list(elsewhere.rglob("ducklake-*.parquet")) == []
    assert store.objects("lake")
    totals = segmentation(elsewhere, "sql", TOTALS, "--format", "csv", **remote)
    assert totals.stdout.partition("\n")[2].strip() == sql(home, TOTALS)
    answers = _answers(elsewhere, **remote)
    assert len(answers) == 2 * CUSTOMERS
    assert answers == _answers(home)
