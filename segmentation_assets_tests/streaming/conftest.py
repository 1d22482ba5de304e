"""A broker that all stream tests share, and consumers as the processes that operators start."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.broker import Broker, running_broker
from segmentation_assets_tests.testing.forked_commands import run_command

PATIENCE_S = 60

Stream = Callable[..., "subprocess.CompletedProcess[str]"]


def line(number: int, **others: object) -> bytes:
    """A message that is accepted."""
    return json.dumps(
        {
            "line_id": f"l{number}",
            "order_id": f"o{number // 3}",
            "customer_id": f"c{number % 50}",
            "product_id": f"p{number % 9}",
            "quantity": 1 + number % 4,
            "unit_price": 2.5,
            "ordered_at": "2025-05-30T10:00:00+02:00",
            **others,
        }
    ).encode()


def declare(settings: Settings, broker: Broker, topic: str, **others: object) -> dict[str, str]:
    """Declare a topic as the source `app`; the environment of a process that reads it."""
    path = settings.home.parent / "sources.yaml"
    source = {"type": "kafka", "servers": broker.servers, "topic": topic, "linger_s": 0.1, **others}
    path.write_text(yaml.safe_dump({"sources": {"app": source}}))
    return {
        **os.environ,
        "SEGMENTATION_HOME": str(settings.home),
        "SEGMENTATION_CUSTOMER_BUCKETS": str(settings.customer_buckets),
        "SEGMENTATION_SOURCES": str(path),
        "NO_COLOR": "1",
    }


def command(*options: str) -> list[str]:
    """`segmentation stream` with options."""
    return [sys.executable, "-m", "segmentation.cli", "stream", *options]


def drained(environment: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    """Read the topic to its end; what the command said."""
    return run_command(("stream", "app", "--until-empty", *options), environment, timeout_s=PATIENCE_S)


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """What the lake says."""
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).fetchall()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Kafka-protocol broker."""
    with running_broker() as running:
        yield running


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> str:
    """A topic of the test's own, with three partitions."""
    return broker.create(request.node.name.replace("[", "-").replace("]", ""), 3)


@pytest.fixture
def shop(settings: Settings, empty_lake: Path) -> Settings:
    """Settings of a migrated lake without rows."""
    shutil.copytree(empty_lake, settings.home)
    return settings
