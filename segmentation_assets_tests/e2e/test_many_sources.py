"""A database, a bucket, files, pushes and a topic, one lake: the union of what was delivered, however often it is.

The lake itself is in PostgreSQL and a bucket, as in production.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
import polars as pl
import psycopg2
import pytest
import yaml
from obstore.store import S3Store

from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.broker import Broker, running_broker
from segmentation_assets_tests.testing.forked_commands import run_command
from segmentation_assets_tests.testing.object_store import BUCKET, KEY_ID, SECRET, ObjectStore, running_object_store
from segmentation_assets_tests.testing.postgres import Postgres, running_postgres
from segmentation_assets_tests.testing.running_scorer import running_scorer
from serving.client import ScorerClient

pytestmark = pytest.mark.takes(60)

LINES = 750
PLACES = ("till", "bucket", "shop", "web", "app")
COLUMNS = ["line_id", "order_id", "customer_id", "product_id", "category", "quantity", "unit_price", "ordered_at"]

IN_LAKE = f"SELECT {', '.join(COLUMNS)}, source FROM raw.transactions ORDER BY line_id"
CONTENT = "SELECT md5(string_agg(CAST(to_json(t) AS VARCHAR), '' ORDER BY {key})) FROM {table} t"


def _lines() -> pl.DataFrame:
    """Lines of five sources, some of which can't be accepted."""
    numbers = range(LINES)
    start = datetime(2025, 3, 1, 9)
    return pl.DataFrame(
        {
            "line_id": [f"l-{number:05}" for number in numbers],
            "order_id": [f"o-{number // 3}" for number in numbers],
            "customer_id": [f"c-{number // 3 % 97}" for number in numbers],
            "product_id": [f"p-{number % 31}" for number in numbers],
            "category": [None if number % 7 == 0 else f"k-{number % 5} é" for number in numbers],
            "quantity": [0.0 if number % 50 == 0 else float(1 + number % 4) for number in numbers],
            "unit_price": [round(1 + number % 13 * 0.35, 2) for number in numbers],
            "ordered_at": [start + timedelta(minutes=37 * (number // 3)) for number in numbers],
            "source": [PLACES[number // 3 % 5] for number in numbers],
        }
    )


def _of(lines: pl.DataFrame, source: str) -> pl.DataFrame:
    return lines.filter(pl.col("source") == source).drop("source")


def _as_json(lines: pl.DataFrame) -> list[dict[str, Any]]:
    return [{**row, "ordered_at": row["ordered_at"].isoformat() + "Z"} for row in lines.iter_rows(named=True)]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with running_object_store() as running:
        yield running


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running_broker() as running:
        yield running


def test_five_sources_make_one_lake_and_coming_again_changes_nothing(
    postgres: Postgres, store: ObjectStore, broker: Broker, tmp_path: Path
) -> None:
    lines = _lines()
    database = postgres.new_database()
    _fill_table(database, _of(lines, "shop"))
    bucket = store.open_bucket()
    _fill_bucket(bucket, _of(lines, "bucket"), tmp_path)
    _drop_files(tmp_path / "till", _of(lines, "till"))
    broker.create("order-lines", 2)
    environment = _environment(store, tmp_path, broker, database) | {
        "SEGMENTATION_CATALOG": f"postgres:{postgres.new_database()}",
        "SEGMENTATION_DATA_PATH": f"s3://{BUCKET}/lake",
    }
    key = _make_key(environment)

    def bring_everything() -> None:
        _run(environment, "ingest")
        with running_scorer(environment, tmp_path / "scorer.log", "--workers", "1", is_ready=False) as scorer:
            rows = _as_json(_of(lines, "web"))
            with ScorerClient(scorer.address, key, timeout_s=60) as client:
                for start in range(0, len(rows), 40):
                    client.push_transactions("web", rows[start : start + 40], idempotency_key=f"part-{start}")
        broker.send(
            "order-lines", [(row["customer_id"], json.dumps(row).encode()) for row in _as_json(_of(lines, "app"))]
        )
        _run(environment, "stream", "app", "--until-empty")

    bring_everything()
    accepted = lines.filter(pl.col("quantity") != 0).sort("line_id").select(*COLUMNS, "source")
    assert _query(environment, IN_LAKE).equals(accepted)
    rejected = "SELECT source, count(*) AS n FROM raw.rejected_transactions GROUP BY source ORDER BY source"
    expected = lines.filter(pl.col("quantity") == 0).group_by("source").len().sort("source").rows()
    assert _query(environment, rejected).rows() == expected

    before = _contents(environment)
    bring_everything()  # the topic has every line twice by now
    after = _contents(environment)
    assert after["raw.transactions"] == before["raw.transactions"]
    topic_doubled = sum(n for source, n in expected if source == "app")
    assert after["rejects"] == before["rejects"] + topic_doubled

    changed = lines.filter(pl.col("source") == "shop").head(3)["line_id"].to_list()
    _correct(database, changed)
    told = _run(environment, "ingest", "shop")
    assert "shop" in told
    corrected = f"SELECT DISTINCT quantity FROM raw.transactions WHERE line_id IN ('{changed[1]}', '{changed[2]}')"
    assert _query(environment, corrected).rows() == [(77.0,)]
    _run(environment, "sources", "check")
    listed = json.loads(_run(environment, "sources", "list", "--json"))
    assert [each["name"] for each in listed] == list(PLACES)
    assert _run(environment, "materialize", "--select", "key:sources/shop or key:sources/till")


def test_with_no_source_everything_says_how_to_add_one_and_the_example_works(tmp_path: Path) -> None:
    environment = {**os.environ, "SEGMENTATION_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}
    environment["SEGMENTATION_SOURCES"] = str(tmp_path / "sources.yaml")
    told = _run(environment, "sources", "list")
    example = told[told.index("sources:") :]
    _drop_files(tmp_path / "till", _of(_lines(), "till"))
    (tmp_path / "sources.yaml").write_text(example.replace("/data/till", str(tmp_path / "till")))
    tried = _run(environment, "ingest", "till", "--dry-run")
    assert "2025-03-01" in tried
    _run(environment, "ingest", "till")
    assert _query(environment, "SELECT DISTINCT source FROM raw.transactions").rows() == [("till",)]


def _environment(store: ObjectStore, folder: Path, broker: Broker, database: str) -> dict[str, str]:
    sources = {
        "till": {"type": "files", "path": str(folder / "till" / "*.csv")},
        "bucket": {"type": "files", "path": f"s3://{BUCKET}/exports/**/*.parquet"},
        "shop": {
            "type": "postgres",
            "connection": "${SHOP_DATABASE}",
            "table": "sales.order_lines",
            "cursor": "updated_at",
            "page_lines": 70,
        },
        "web": {"type": "push"},
        "app": {"type": "kafka", "servers": broker.servers, "topic": "order-lines"},
    }
    (folder / "sources.yaml").write_text(yaml.safe_dump({"sources": sources}, sort_keys=False))
    return {
        **os.environ,
        "SHOP_DATABASE": database,
        "SEGMENTATION_HOME": str(folder / "home"),
        "SEGMENTATION_SOURCES": str(folder / "sources.yaml"),
        "SEGMENTATION_S3_ENDPOINT": store.endpoint,
        "SEGMENTATION_S3_REGION": "us-east-1",
        "SEGMENTATION_S3_KEY_ID": KEY_ID,
        "SEGMENTATION_S3_SECRET": SECRET,
        "NO_COLOR": "1",
    }


def _settings(environment: dict[str, str]) -> Settings:
    names = ("home", "catalog", "data_path", "s3_endpoint", "s3_region", "s3_key_id", "s3_secret")
    known = {name: environment.get(f"SEGMENTATION_{name.upper()}") for name in names}
    return load_settings(**{name: value for name, value in known.items() if value})


def _make_key(environment: dict[str, str]) -> str:
    _run(environment, "init")
    return str(json.loads(_run(environment, "keys", "create", "till", "--scope", "ingest", "--json"))["key"])


def _fill_table(address: str, lines: pl.DataFrame) -> None:
    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA sales")
        cursor.execute(
            "CREATE TABLE sales.order_lines (line_id text PRIMARY KEY, order_id text, customer_id text, "
            "product_id text, category text, quantity numeric, unit_price numeric(9, 2), ordered_at timestamptz, "
            "updated_at timestamptz)"
        )
        for number, row in enumerate(lines.iter_rows()):
            # Every hundred rows have the same moment, more than a page holds.
            moment = datetime(2025, 6, 1) + timedelta(hours=number // 100)
            cursor.execute(
                "INSERT INTO sales.order_lines VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (*row[:-1], f"{row[-1].isoformat()}+00", f"{moment.isoformat()}+00"),
            )


def _correct(address: str, line_ids: list[str]) -> None:
    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sales.order_lines SET quantity = 77, updated_at = now() WHERE line_id = ANY(%s)", (line_ids,)
        )


def _fill_bucket(bucket: S3Store, lines: pl.DataFrame, folder: Path) -> None:
    for number, part in enumerate(lines.iter_slices(101)):
        path = folder / "part.parquet"
        part.write_parquet(path)
        obstore.put(bucket, f"exports/2025/part-{number}.parquet", path)
    obstore.put(bucket, "exports/readme.txt", b"not lines")


def _drop_files(folder: Path, lines: pl.DataFrame) -> None:
    folder.mkdir()
    for number, part in enumerate(lines.iter_slices(120)):
        part.write_csv(folder / f"{number}.csv")


def _run(environment: dict[str, str], *words: str) -> str:
    done = run_command(words, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _query(environment: dict[str, str], query: str) -> pl.DataFrame:
    with Lake(_settings(environment), read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).pl()


def _contents(environment: dict[str, str]) -> dict[str, Any]:
    lines = _query(environment, CONTENT.format(table="raw.transactions", key="line_id")).item()
    return {
        "raw.transactions": lines,
        "rejects": _query(environment, "SELECT count(*) FROM raw.rejected_transactions").item(),
    }
