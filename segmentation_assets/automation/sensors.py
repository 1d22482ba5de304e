"""Sensors: files that arrive are registered, and the days that they cover are loaded."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from segmentation.settings import Settings, load_settings
from segmentation.sources.profile import load_profile
from segmentation_assets.assets.raw import IS_LOADED, RegistrationConfig, SourceFile, inbox_profile, source_files
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
    """Ask for a run for each file that is new or changed since the last look."""
    settings = load_settings()
    seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    found = {f"{file.path}": (file, mark) for file, mark in inbox_files(settings, time.time())}
    fresh = [(file, mark) for path, (file, mark) in sorted(found.items()) if seen.get(path) != mark]
    if not fresh:
        return dg.SkipReason(f"nothing new in {settings.inbox_path}")
    marks = {path: mark for path, (_, mark) in found.items()}
    return dg.SensorResult(
        [_request(file, mark) for file, mark in fresh], cursor=json.dumps(seen | marks, sort_keys=True)
    )


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


def inbox_files(settings: Settings, now: float) -> Iterator[tuple[SourceFile, str]]:
    """Files of lines in the inbox that have settled, each with a mark that changes when the file does.

    A sub-folder is named after its profile, or holds a `profile.yaml` of its own. Product lists, which a profile looks
    for beside the lines, are not lines.
    """
    for folder in sorted(path for path in settings.inbox_path.glob("*") if path.is_dir()):
        profile = load_profile(inbox_profile(folder))
        others = {Path(name).name for name in profile.products.files} if profile.products else set()
        for path in sorted(folder.iterdir()):
            is_lines = path.is_file() and not path.name.startswith(".") and path.suffix not in (".yaml", ".yml")
            if is_lines and path.name not in others and now - path.stat().st_mtime >= SETTLED_AFTER_S:
                file = SourceFile(path=str(path.absolute()), profile=inbox_profile(folder))
                yield file, f"{path.stat().st_mtime_ns}:{path.stat().st_size}"


def _request(file: SourceFile, mark: str) -> dg.RunRequest:
    """One run per file, so that a bad one holds up no other."""
    return dg.RunRequest(
        run_key=f"{file.path}:{mark}",
        run_config=dg.RunConfig({"raw__source_files": RegistrationConfig(files=[file])}),
    )


SENSORS = [new_files, registered_files]
