"""Fixtures that all tests share: a real lake in a temporary folder."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate

BUCKETS = 4

# MLflow's store takes seconds to open and a search many trials; tests about either say so themselves.
os.environ["SEGMENTATION_TRACKING_URI"] = "off"
os.environ["SEGMENTATION_SEARCH_TRIALS"] = "5"


@pytest.fixture(scope="session", autouse=True)
def trusted_extensions() -> Iterator[None]:
    """Let DuckDB load its extensions without checking their signatures.

    A check reads 35 MB, and every lake that is opened makes two: 0.3 s. Commands and servers, which are processes of
    their own, go on making them.
    """
    connect = duckdb.connect

    def trusting(database: str = ":memory:", config: dict[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        return connect(database, config={**(config or {}), "allow_unsigned_extensions": True})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(duckdb, "connect", trusting)
        yield


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated lake without rows, made once; tests work on copies, which is quicker than migrating each time."""
    home = tmp_path_factory.mktemp("empty")
    with Lake(Settings(home=home, customer_buckets=BUCKETS)) as lake:
        migrate(lake)
    return home


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a lake that is not there yet."""
    return Settings(home=tmp_path / "warehouse", customer_buckets=BUCKETS, threads=1)


@pytest.fixture
def lake(settings: Settings, empty_lake: Path) -> Iterator[Lake]:
    """A migrated lake without rows."""
    shutil.copytree(empty_lake, settings.home)
    with Lake(settings) as opened:
        yield opened
