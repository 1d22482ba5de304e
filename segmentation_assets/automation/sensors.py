"""Sensors: files that arrive are registered, and the days that they cover are loaded."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from segmentation.settings import Settings, load_settings
from segmentation_assets.assets.raw import IS_LOADED, RegistrationConfig, SourceFile, source_files
from segmentation_assets.jobs import ingest, register_files
from segmentation_assets.partitions import day_range_tags

SETTLED_AFTER_S = 10.0
"""A file that was changed more recently may still be on its way."""


@dg.sensor(
    job=register_files,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="New or changed files in `SEGMENTATION_INBOX/<profile>/` are registered.",
)
def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run for all files that are new or changed since the last look."""
    settings = load_settings()
    seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    found = dict(_fingerprints(settings, time.time()))
    fresh = sorted(path for path, mark in found.items() if seen.get(path) != mark)
    if not fresh:
        return dg.SkipReason(f"nothing new in {settings.inbox_path}")
    marks = json.dumps({path: found[path] for path in fresh}, sort_keys=True)
    files = [SourceFile(path=path, profile=Path(path).parent.name) for path in fresh]
    request = dg.RunRequest(
        run_key=hashlib.sha256(marks.encode()).hexdigest(),
        run_config=dg.RunConfig({"raw__source_files": RegistrationConfig(files=files)}),
    )
    return dg.SensorResult([request], cursor=json.dumps(seen | found, sort_keys=True))


@dg.asset_sensor(
    asset_key=source_files.key,
    job=ingest,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Days covered by newly registered files are loaded, as one run.",
)
def registered_files(context: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run over the days that the registration reports."""
    materialization = event.asset_materialization
    metadata = materialization.metadata if materialization else {}
    if "first_day" not in metadata:
        return dg.SkipReason("no file was registered")
    if IS_LOADED in metadata:
        return dg.SkipReason("the command that registered the files has loaded them")
    tags = day_range_tags(str(metadata["first_day"].value), str(metadata["last_day"].value))
    return dg.RunRequest(run_key=context.cursor, tags=tags)


def _fingerprints(settings: Settings, now: float) -> Iterator[tuple[str, str]]:
    for path in sorted(settings.inbox_path.glob("*/*")):
        state = path.stat()
        if path.is_file() and not path.name.startswith(".") and now - state.st_mtime >= SETTLED_AFTER_S:
            yield str(path.absolute()), f"{state.st_mtime_ns}:{state.st_size}"


SENSORS = [new_files, registered_files]
