"""Sensors: files that arrive are registered and their days loaded; deliveries are told of; bad models are replaced."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from segmentation.clock import utc_now
from segmentation.errors import SourceError
from segmentation.monitoring.retraining import Request, decide, read_state
from segmentation.settings import Settings, load_settings
from segmentation.sources.first_day import record_first_day
from segmentation.sources.incremental.delivery_totals import DeliveryTotals, read_totals
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.assets.raw import IS_LOADED, RegistrationConfig, SourceFile, inbox_profile, source_files
from segmentation_assets.assets.sources import DECLARED, READ_KEYS, is_read, key_of
from segmentation_assets.jobs import ASKED_BY, REASON, ingest, register_files, retrain
from segmentation_assets.partitions import days_to_load, range_tags

MOST_REGISTRATIONS = 100
"""Registrations that one look takes care of; the next look goes on."""

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
    problems: list[str] = []
    found = {f"{file.path}": (file, mark) for file, mark in inbox_files(settings, time.time(), problems)}
    for problem in problems:
        context.log.error(problem)
    fresh = [(file, mark) for path, (file, mark) in sorted(found.items()) if seen.get(path) != mark]
    if not fresh:
        return dg.SkipReason(" ".join(problems) or f"nothing new in {settings.inbox_path}")
    marks = {path: mark for path, (_, mark) in found.items()}
    return dg.SensorResult(
        [_request(file, mark) for file, mark in fresh], cursor=json.dumps(seen | marks, sort_keys=True)
    )


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Days covered by newly registered files are loaded, one run per registration.",
)
def registered_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run over the days of each registration, or of what a source brought, since the last look."""
    after = int(context.cursor) if context.cursor else None
    records = [
        record
        for key in (source_files.key, *READ_KEYS)
        for record in context.instance.fetch_materializations(
            dg.AssetRecordsFilter(key, after_storage_id=after), limit=MOST_REGISTRATIONS, ascending=True
        ).records
    ]
    if not records:
        return dg.SkipReason("no file was registered")
    # Of each asset the oldest were fetched: what is newer than the last of a full fetch must not be passed over.
    records = sorted(records, key=lambda record: record.storage_id)[:MOST_REGISTRATIONS]
    requests = [request for record in records if (request := _load_request(record)) is not None]
    return dg.SensorResult(requests, cursor=str(records[-1].storage_id))


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="What was pushed or streamed into the lake is told as materializations of its source.",
)
def deliveries(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Tell of what has come since the last look, by source."""
    told: dict[str, list[int]] = json.loads(context.cursor) if context.cursor else {}
    settings, come = load_settings(), [source.name for source in DECLARED if not is_read(source)]
    if not come:
        return dg.SkipReason(f"{settings.sources} declares no source of type push or kafka")
    with Lake(settings) as lake:
        migrate(lake)
        with lake.cursor() as con:
            found = read_totals(con, come)
    fresh = [total for total in found if told.get(total.source) != total.counts]
    if not fresh:
        return dg.SkipReason("nothing was delivered")
    days = [total.first_day for total in fresh if total.first_day is not None]
    if days:  # who delivers need not share the platform's home
        record_first_day(settings, min(days))
    events = [_event(total, told.get(total.source, [0] * len(total.counts))) for total in fresh]
    return dg.SensorResult(
        asset_events=events, cursor=json.dumps(told | {total.source: total.counts for total in fresh})
    )


def _event(total: DeliveryTotals, told: Sequence[int]) -> dg.AssetMaterialization:
    since = {name: now - before for (name, now), before in zip(total.named(), told, strict=True)}
    return dg.AssetMaterialization(
        key_of(total.source), metadata={**since, "lines_in_all": total.lines_new, "last_delivery": str(total.last_at)}
    )


def _load_request(record: dg.EventLogRecord) -> dg.RunRequest | None:
    materialization = record.asset_materialization
    metadata = materialization.metadata if materialization else {}
    if "first_day" not in metadata or IS_LOADED in metadata:
        return None
    first, last = (date.fromisoformat(str(metadata[name].value)) for name in ("first_day", "last_day"))
    if first >= datetime.now(UTC).date():  # of a day that isn't over; it is loaded when it is
        return None
    return dg.RunRequest(run_key=str(record.storage_id), tags=range_tags(*days_to_load(first, last)))


def inbox_files(settings: Settings, now: float, problems: list[str]) -> Iterator[tuple[SourceFile, str]]:
    """Files of lines in the inbox that have settled, each with a mark that changes when the file does.

    A sub-folder is named after its profile, or holds a `profile.yaml` of its own. Product lists, which a profile looks
    for beside the lines, are not lines. What is wrong with a folder is appended to `problems`.
    """
    for folder in sorted(path for path in settings.inbox_path.glob("*") if path.is_dir()):
        try:
            profile = load_profile(inbox_profile(folder))
        except SourceError as error:
            problems.append(f"{folder} is left alone: {error}")
            continue
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


follow = dg.AutomationConditionSensorDefinition(
    "follow",
    target=dg.AssetSelection.groups("training", "segments", "monitoring"),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A candidate that passed its gates is promoted (or waits, by the settings); segments of the latest "
    "date follow a new champion, and monitoring follows them.",
)


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A new model if monitoring finds the champion degraded, or customers behaving otherwise than when it "
    "was trained, for several snapshots in a row; not if data is in doubt.",
)
def degraded_model(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for a training, once per finding and not within the cool-down; say why if not."""
    settings = load_settings()
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        state = read_state(con)
    asked = Request.from_json(context.cursor) if context.cursor else None
    now = utc_now()
    answer = decide(
        state,
        asked,
        now=now,
        cooldown_days=settings.retrain_cooldown_days,
        in_a_row=settings.retrain_after_snapshots,
    )
    if isinstance(answer, str):
        return dg.SkipReason(answer)
    context.log.info(f"A new model, because of {answer.reason}")
    request = dg.RunRequest(
        run_key=f"model {answer.version} as of {answer.as_of}",
        tags={REASON: answer.reason, ASKED_BY: "degraded_model"},
    )
    return dg.SensorResult([request], cursor=answer.to_json())


SENSORS = [new_files, registered_files, deliveries, degraded_model, follow]
