"""Fixtures that all tests share: a real lake in a temporary folder."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate

BUCKETS = 4

# MLflow's store takes seconds to open and a search many trials; tests about either say so themselves.
os.environ["SEGMENTATION_TRACKING_URI"] = "off"
os.environ["SEGMENTATION_SEARCH_TRIALS"] = "5"
# The databases and brokers of tests are on loopback.
os.environ["SEGMENTATION_ALLOW_LOCAL_SOURCES"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with one of them at the end."""
    marks = {item.path: item.get_closest_marker("takes") for item in items}
    items.sort(key=lambda item: -mark.args[0] if (mark := marks[item.path]) else 0)


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated lake without rows, made once; tests work on copies, which is quicker than migrating each time."""
    home = tmp_path_factory.mktemp("empty")
    with Lake(Settings(home=home, customer_buckets=BUCKETS), create=True) as lake:
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
