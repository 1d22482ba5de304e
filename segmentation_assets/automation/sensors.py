"""Sensors of an installation: wired here, each explained in its own module."""

from collections.abc import Callable, Sequence
from datetime import datetime

import dagster as dg

from segmentation.settings import Settings
from segmentation.sources.config import SourceConfig
from segmentation_assets.assets.sources import is_read
from segmentation_assets.automation.deliveries import build_deliveries
from segmentation_assets.automation.due_snapshots import build_due_snapshots
from segmentation_assets.automation.inbox import build_new_files
from segmentation_assets.automation.loading import build_registered_files
from segmentation_assets.automation.notifications import build_notifications
from segmentation_assets.automation.requested_snapshots import build_requested_snapshots
from segmentation_assets.automation.retraining import build_degraded_model
from segmentation_assets.automation.run_traces import run_traces
from segmentation_assets.keys import source_key


def build_sensors(
    settings: Settings, sources: Sequence[SourceConfig], now: Callable[[], datetime]
) -> list[dg.SensorDefinition]:
    """All sensors: files and days, deliveries, retraining, what follows by itself, and what people are told."""
    read_sources = [source_key(source.name) for source in sources if is_read(source)]
    follow = dg.AutomationConditionSensorDefinition(
        "follow",
        target=dg.AssetSelection.groups("training", "segments", "monitoring"),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A candidate that passes its gates is promoted (or waits, by the settings), else the champion is "
        "kept; segments of the latest date follow, and monitoring follows them.",
    )
    return [
        build_new_files(settings, now),
        build_registered_files(settings, read_sources, now),
        build_deliveries(settings, sources),
        build_due_snapshots(settings, now),
        build_requested_snapshots(settings, now),
        build_degraded_model(settings, now),
        follow,
        build_notifications(settings, now),
        run_traces,
    ]
