"""The inbox: files that arrive in `SEGMENTATION_INBOX/<profile>/` are registered."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.batch.file_roles import files_of_table, is_line_file
from segmentation.sources.profiles.profile import Profile, load_profile
from segmentation.sources.readers.paths import oddity_of
from segmentation_assets.assets.raw import FileConfig, RegistrationConfig, inbox_profile
from segmentation_assets.automation.jobs import register_files

SETTLED_AFTER_S = 10.0
"""A file that was changed more recently may still be on its way."""


def build_new_files(settings: Settings, now: Callable[[], datetime]) -> dg.SensorDefinition:
    """The sensor that asks for a registration of each file that is new or has changed."""

    @dg.sensor(
        job=register_files,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="New or changed files in `SEGMENTATION_INBOX/<profile>/` are registered.",
    )
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return ask_for_files(context, settings, now())

    return new_files


def ask_for_files(
    context: dg.SensorEvaluationContext, settings: Settings, now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run for each file that is new or changed since the last look."""
    seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
    problems: list[str] = []
    seconds = now.replace(tzinfo=UTC).timestamp()
    found = {f"{file.path}": (file, mark) for file, mark in inbox_files(settings, seconds, problems)}
    for problem in problems:
        context.log.error(problem)
    fresh = [(file, mark) for path, (file, mark) in sorted(found.items()) if seen.get(path) != mark]
    if not fresh:
        return dg.SkipReason(" ".join(problems) or f"nothing new in {settings.inbox_path}")
    marks = {path: mark for path, (_, mark) in found.items()}
    return dg.SensorResult(
        [_request(file, mark) for file, mark in fresh], cursor=json.dumps(seen | marks, sort_keys=True)
    )


def inbox_files(settings: Settings, now: float, problems: list[str]) -> Iterator[tuple[FileConfig, str]]:
    """Files of lines in the inbox that have settled, each with a mark that changes when the file does.

    A sub-folder is named after its profile, or holds a `profile.yaml` of its own. Product lists, which a profile looks
    for beside the lines, are not lines. What is wrong with a folder is appended to `problems`.
    """
    inbox = settings.inbox_path
    for folder in sorted(path for path in inbox.glob("*") if path.is_dir()):
        if not folder.resolve().is_relative_to(inbox.resolve()):
            problems.append(f"{folder} is left alone: it is a link that leads out of the inbox. Copy the files here.")
            continue
        try:
            profile = load_profile(inbox_profile(folder))
        except SourceError as error:
            problems.append(f"{folder} is left alone: {error}")
            continue
        others = {Path(name).name for name in profile.products.files} if profile.products else set()
        for path in sorted(folder.iterdir()):
            if path.is_dir() or path.name.startswith(".") or path.suffix in (".yaml", ".yml") or path.name in others:
                continue
            if not is_line_file(profile, path):
                continue
            if oddity := oddity_of(path, inbox):
                problems.append(f"{path} {oddity}")
            elif now - (status := path.stat()).st_mtime >= SETTLED_AFTER_S:
                file = FileConfig(path=str(path.absolute()), profile=inbox_profile(folder))
                yield file, f"{status.st_mtime_ns}:{status.st_size}{_mark_of_tables(profile, path)}"


def _mark_of_tables(profile: Profile, path: Path) -> str:
    """What changes when a table beside a file of lines does; nothing if there are no tables."""
    found = {table for name in profile.tables for table in files_of_table(profile, name, [path])}
    return "".join(f":{table.stat().st_mtime_ns}" for table in sorted(found - {path.resolve()}))


def _request(file: FileConfig, mark: str) -> dg.RunRequest:
    """One run per file, so that a bad one holds up no other."""
    return dg.RunRequest(
        run_key=f"{file.path}:{mark}",
        run_config=dg.RunConfig({"raw__source_files": RegistrationConfig(files=[file])}),
    )
