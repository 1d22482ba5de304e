"""The whole platform with its catalogue in PostgreSQL and its files in a bucket, by settings alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from segmentation.settings import Settings, as_environment
from segmentation.warehouse import Lake
from segmentation_assets_tests.e2e.conftest import segmentation, server
from segmentation_assets_tests.testing.object_store import SECRET, ObjectStore, running_object_store
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.postgres import running_postgres

pytestmark = pytest.mark.takes(60)

CUSTOMERS = 12
AS_OF = "SELECT MAX(as_of) FROM segments.customer_segments"
SOME = f"SELECT customer_id FROM segments.customer_segments WHERE as_of = ({AS_OF}) ORDER BY ALL LIMIT {CUSTOMERS}"
TOTALS = f"""
SELECT
    (SELECT SUM(hash(s)) FROM segments.customer_segments AS s WHERE as_of = ({AS_OF})) AS segments,
    (SELECT SUM(hash(f)) FROM features.customer_features AS f WHERE as_of = ({AS_OF})) AS features
"""
QUESTIONS: tuple[dict[str, str], ...] = ({}, {"fresh": "true", "as_of": "2026-01-01"})
WRONG_SECRET = "a-wrong-secret"


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """An S3 service."""
    with running_object_store() as running:
        yield running


@pytest.fixture
def remote(store: ObjectStore, tmp_path: Path) -> Iterator[Settings]:
    """Settings that put catalogue and files elsewhere."""
    with running_postgres() as postgres:
        catalog = f"postgres:{postgres.new_database()}"
        yield Settings(home=tmp_path / "warehouse", catalog=catalog, **store.settings_for("lake"))


def _variables(settings: Settings) -> dict[str, str]:
    names = ("CATALOG", "DATA_PATH", "S3_ENDPOINT", "S3_REGION", "S3_KEY_ID", "S3_SECRET")
    variables = as_environment(settings)
    return {name: variables[name] for name in (f"SEGMENTATION_{name}" for name in names)}


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).fetchall()


def _answers(home: Path, names: Sequence[str], **extra: str) -> list[dict[str, Any]]:
    """What the scorer says about some customers: from the snapshot, and fresh."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    serve = ("serve", f"--port={port}", "--workers=1")
    with (
        server(home, *serve, ready=f"{address}/health/ready", timeout_s=60, SEGMENTATION_AUTH="off", **extra),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        return [
            client.get(f"/v1/customers/{name}", params={"include": "features", **asked}).raise_for_status().json()
            for name in names
            for asked in QUESTIONS
        ]


def test_a_shop_in_a_bucket_has_the_segments_and_the_answers_of_one_in_a_folder(
    home: Path, remote: Settings, store: ObjectStore
) -> None:
    elsewhere, variables, local = remote.home, _variables(remote), Settings(home=home)
    for arguments in (("ingest", str(home / "demo" / "transactions"), "--profile", "canonical"), ("materialize",)):
        done = segmentation(elsewhere, *arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
    assert list(elsewhere.rglob("ducklake-*.parquet")) == []
    assert store.objects("lake")
    assert _rows(remote, TOTALS) == _rows(local, TOTALS)
    names = [name for (name,) in _rows(local, SOME)]
    answers = _answers(elsewhere, names, **variables)
    assert len(answers) == 2 * CUSTOMERS
    assert answers == _answers(home, names)
    for command in (("explain", names[0]), ("materialize", "--select", "group:features")):
        _check_refusal(segmentation(elsewhere, *command, **variables | {"SEGMENTATION_S3_SECRET": WRONG_SECRET}))


def _check_refusal(done: CompletedProcess[str]) -> None:
    """A command that may not read says so in a sentence, and shows no key."""
    assert done.returncode == 1
    assert "Can't read from object storage: access is refused" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in (WRONG_SECRET, SECRET))
