"""Loading: the days that newly registered files cover are loaded, one run per registration.

Which days can be loaded is asked at each look, not when the graph is built: files may bring days that lie before all
that the running code location knows, and the run that is asked for builds the graph anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import dagster as dg
import msgspec

from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation_assets.assets.raw import IS_LOADED
from segmentation_assets.automation.jobs import ingest
from segmentation_assets.keys import SOURCE_FILES_KEY
from segmentation_assets.partitions import days_to_load, range_tags

MOST_REGISTRATIONS = 100
"""Registrations that one look takes care of; the next look goes on."""

Days = tuple[date, date]
"""First and last day, both included."""


@dataclass(frozen=True)
class LoadingCursor:
    """How far registrations have been taken care of: the sensor's cursor.

    Attributes:
        after: Id of the last event that was looked at; None before the first.
        waiting: By id of the event, days that could not be asked for yet: they are not over, or lie before
            `SEGMENTATION_PARTITIONS_START`.
    """

    after: int | None = None
    waiting: Mapping[int, Days] = field(default_factory=dict)

    @classmethod
    def parse(cls, cursor: str | None) -> "LoadingCursor":
        """The position of a cursor; that of an older release is a number alone."""
        if not cursor:
            return cls()
        return cls(int(cursor)) if cursor.isdecimal() else msgspec.json.decode(cursor, type=cls)


def build_registered_files(
    settings: Settings, read_sources: Sequence[dg.AssetKey], now: Callable[[], datetime]
) -> dg.SensorDefinition:
    """The sensor that asks for days to be loaded.

    Args:
        settings: Of the installation.
        read_sources: Assets of sources whose runs register files, too.
        now: Tells the time (UTC).
    """

    @dg.sensor(
        job=ingest,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Days covered by newly registered files are loaded, one run per registration.",
    )
    def registered_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return ask_for_days(context, settings, [SOURCE_FILES_KEY, *read_sources], now())

    return registered_files


def ask_for_days(
    context: dg.SensorEvaluationContext, settings: Settings, keys: Sequence[dg.AssetKey], now: datetime
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run over the days of each registration, or of what a source brought, since the last look.

    Days that can't be loaded stay in the cursor, with a reason in the tick, and are asked for once they can.
    """
    position = LoadingCursor.parse(context.cursor)
    records = _registrations(context.instance, keys, position.after)
    pending = {**position.waiting, **{r.storage_id: days for r in records if (days := _days_of(r)) is not None}}
    requests, waiting, reasons = list[dg.RunRequest](), dict[int, Days](), list[str]()
    for number, (first, last) in pending.items():
        try:
            oldest, newest = days_to_load(settings, first, last, now)
        except SegmentationError as error:
            waiting[number] = (first, last)
            reasons.append("days that are not over wait" if first >= now.date() else str(error))
            continue
        run_key = f"{number} from {oldest}" if number in position.waiting else str(number)
        requests.append(dg.RunRequest(run_key=run_key, tags=range_tags(oldest.isoformat(), newest.isoformat())))
        if newest < last:
            waiting[number] = (max(first, now.date()), last)
    for reason in reasons:
        context.log.warning(reason)
    after = records[-1].storage_id if records else position.after
    cursor = msgspec.json.encode(LoadingCursor(after, waiting)).decode()
    if requests:
        return dg.SensorResult(requests, cursor=cursor)
    context.update_cursor(cursor)
    return dg.SkipReason(" ".join(reasons) or "no file was registered")


def _registrations(
    instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey], after: int | None
) -> list[dg.EventLogRecord]:
    """The oldest registrations after an event."""
    records = [
        record
        for key in keys
        for record in instance.fetch_materializations(
            dg.AssetRecordsFilter(key, after_storage_id=after), limit=MOST_REGISTRATIONS, ascending=True
        ).records
    ]
    # Of each asset the oldest were fetched: what is newer than the last of a full fetch must not be passed over.
    return sorted(records, key=lambda record: record.storage_id)[:MOST_REGISTRATIONS]


def _days_of(record: dg.EventLogRecord) -> Days | None:
    """The days that a registration asks for; None if it brought none, or has loaded them."""
    materialization = record.asset_materialization
    metadata = materialization.metadata if materialization else {}
    if "first_day" not in metadata or IS_LOADED in metadata:
        return None
    first, last = (date.fromisoformat(str(metadata[name].value)) for name in ("first_day", "last_day"))
    return first, last
