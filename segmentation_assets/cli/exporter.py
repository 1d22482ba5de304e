"""`segmentation exporter`: the figures of the lake and of Dagster's instance, for Prometheus."""

import os
import sys
from collections.abc import Sequence
from threading import Event

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from sqlalchemy.exc import SQLAlchemyError

from segmentation.errors import SegmentationError
from segmentation.failures import reason_of
from segmentation.metrics.collector import LakeCollector
from segmentation.metrics.exporter import MetricsCollector, MetricSource, keep_looking
from segmentation.metrics.families import MetricFamily
from segmentation.metrics.lake import disk_families
from segmentation.settings import Settings
from segmentation.terminal import make_console
from segmentation.warehouse.lake import without_password
from segmentation_assets.cli.runs import dagster_home
from segmentation_assets.definitions import build_present_definitions
from segmentation_assets.event_log import opening
from segmentation_assets.pipeline_metrics import Names, PipelineMetrics

FIRST_LOOK_S = 10.0
"""How long figures of the first look are waited for before Prometheus is let in."""
LAST_LOOK_S = 1.0
"""How long each part may take for the look that is under way once the exporter is told to stop."""


class PipelineCollector:
    """Looks at an instance, through connections that are kept as long as they work."""

    def __init__(self, settings: Settings, definitions: dg.Definitions) -> None:
        self._settings = settings
        self._figures = PipelineMetrics(Names.of(definitions))
        self._instance: dg.DagsterInstance | None = None

    def look(self) -> Sequence[MetricFamily]:
        """What the instance tells now.

        Raises:
            SegmentationError: Dagster's storage can't be read; the next look opens it anew.
        """
        try:
            if self._instance is None:
                folder = dagster_home(self._settings)
                with opening(folder):
                    self._instance = dg.DagsterInstance.from_config(str(folder))
            return self._figures.read(self._instance)
        except Exception as error:
            self.close()
            if isinstance(error, SQLAlchemyError | DagsterPostgresException):
                reason = reason_of(error.__cause__ or error)
                raise SegmentationError(f"Dagster's storage: {without_password(reason)}") from error
            raise

    def close(self) -> None:
        """Close the instance if it is open."""
        instance, self._instance = self._instance, None
        if instance is not None:
            instance.dispose()


def print_once(settings: Settings) -> bool:
    """Print all figures as Prometheus reads them; whether every part could be read."""
    parts, registry = _set_up(settings)
    looks = [part.look() for part in parts]
    sys.stdout.write(generate_latest(registry).decode())
    return all(looks)


def serve(settings: Settings, host: str, port: int, every_s: float, stop: Event) -> None:
    """Serve the figures until told to stop.

    Args:
        settings: Where the lake and the instance are.
        host: Address to listen on.
        port: Port to listen on; 0 for any.
        every_s: Seconds between two looks at a part.
        stop: Tells.

    Raises:
        SegmentationError: The address can't be listened on.
    """
    parts, registry = _set_up(settings)
    threads = [keep_looking(part, every_s, stop) for part in parts]
    try:
        _await_first_look(parts, stop)
        _answer(registry, host, port, stop)
    finally:
        stop.set()
        for each in threads:
            each.join(LAST_LOOK_S)
    if any(each.is_alive() for each in threads):
        os._exit(0)  # a look hangs in a library; Python would wait for it, or crash in it


def _answer(registry: CollectorRegistry, host: str, port: int, stop: Event) -> None:
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SegmentationError(f"Can't listen on {host}:{port}: {error}. Choose another --port or --host.") from error
    make_console(stderr=True).print(f"Metrics: http://{host}:{server.server_port}/metrics", highlight=False)
    stop.wait()
    server.shutdown()
    thread.join()


def _set_up(settings: Settings) -> tuple[list[MetricSource], CollectorRegistry]:
    lake, pipeline = LakeCollector(settings), PipelineCollector(settings, build_present_definitions(settings))
    parts = [MetricSource("lake", lake.look), MetricSource("pipeline", pipeline.look)]
    registry = CollectorRegistry()
    registry.register(MetricsCollector(parts, lambda: disk_families(settings)))
    return parts, registry


def _await_first_look(parts: Sequence[MetricSource], stop: Event) -> None:
    waited = 0.0
    while waited < FIRST_LOOK_S and not stop.is_set() and not all(part.seen for part in parts):
        stop.wait(0.05)
        waited += 0.05
