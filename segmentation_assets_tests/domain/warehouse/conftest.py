"""Lakes on a PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from segmentation.settings import Settings
from segmentation_assets_tests.testing.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server for the catalogues of one file."""
    with running_postgres() as running:
        yield running


@pytest.fixture
def postgres(server: Postgres, tmp_path: Path) -> Settings:
    """Settings of a lake in an empty database of its own."""
    return Settings(home=tmp_path, catalog=f"postgres:{server.new_database()}", customer_buckets=2, threads=1)
