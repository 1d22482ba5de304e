"""Fixtures that all tests share: a real lake in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "warehouse", customer_buckets=4, threads=1)


@pytest.fixture
def lake(settings: Settings) -> Iterator[Lake]:
    with Lake(settings) as opened:
        migrate(opened)
        yield opened
