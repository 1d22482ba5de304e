"""The instance behind the exporter may be made only now, live in PostgreSQL, and be restarted."""

from pathlib import Path

import pytest

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation_assets.cli.exporter import PipelineCollector
from segmentation_assets_tests.assets.conftest import defs
from segmentation_assets_tests.testing.postgres import Postgres, running_postgres

INSTANCE = """
telemetry:
  enabled: false
storage:
  postgres:
    postgres_url: {url}
"""


def test_an_instance_that_is_not_there_yet_is_made(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    watch = PipelineCollector(settings, defs)
    try:
        assert watch.look() == watch.look()
    finally:
        watch.close()
    assert (settings.home / "dagster" / "dagster.yaml").exists()
    assert not list(settings.home.glob("catalog*")), "but no lake"


def test_an_instance_in_postgresql_is_found_again_after_a_restart(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr("dagster_postgres.utils.time.sleep", lambda _: None)  # a dozen seconds between attempts
    with running_postgres() as server:
        (tmp_path / "dagster.yaml").write_text(INSTANCE.format(url=_url(server)))
        watch = PipelineCollector(settings, defs)
        try:
            before = watch.look()
            server.stop()
            with pytest.raises(SegmentationError, match="Dagster's storage: .*refused"):
                watch.look()
            server.start()
            assert watch.look() == before
        finally:
            watch.close()


def _url(server: Postgres) -> str:
    parts = dict(part.split("=") for part in server.new_database().split())
    return f"postgresql+psycopg2://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
