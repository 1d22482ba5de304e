"""A small synthetic shop in a lake."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.features.data import END, fill_lake
from segmentation.settings import Settings
from segmentation.synthetic import write

CUSTOMERS = 300


@pytest.fixture(scope="module")
def shop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its lake."""
    home = tmp_path_factory.mktemp("shop")
    files = write(home / "files", customers=CUSTOMERS, start=END - timedelta(days=731), end=END)
    fill_lake(Settings(home=home, customer_buckets=4, threads=1), files.transactions)
    return home
