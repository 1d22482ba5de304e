"""What `ingest` and `materialize` do, step by step."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from segmentation.clock import utc_now
from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.metadata.tables.raw import DELIVERIES, REJECTED, SOURCE_FILES, TRANSACTIONS
from segmentation.metadata.tables.segments import SEGMENT_PROFILES
from segmentation.settings import Settings, load_settings
from segmentation.sources.batch.registration import Registration, register
from segmentation.sources.config import SourceConfig
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.reading import read
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.cli import console
from segmentation_assets.cli.runs import report_readings, report_registration, run
from segmentation_assets.definitions import build_present_definitions
from segmentation_assets.partitions import build_partitions, days_to_load, range_tags
from segmentation_assets.progress import Listener

if TYPE_CHECKING:
    import polars as pl

RAW = ("raw/transactions", "raw/products")
DAYS_AT_HAND = f"""
SELECT MIN(first_day), MAX(last_day)
FROM (
    SELECT first_day, last_day FROM {SOURCE_FILES.name}
    UNION ALL
    SELECT first_day, last_day FROM {DELIVERIES.name}
)
"""
TRAINED = ("training__training_set", "training__candidate_model")


def ingest(path: str | None, profile: str, source: str | None, on_progress: Listener) -> Registration:
    """Register files and load the days that they cover.

    Raises:
        SegmentationError: The files can't be read through the profile, or a check stopped the run.
    """
    settings = load_settings()
    on_progress("Inspecting files", 0, 1)
    with Lake(settings) as lake:
        migrate(lake)
        now = utc_now().replace(microsecond=0)
        registered = register(lake, path, load_profile(profile), source=source, now=now)
    on_progress("Inspecting files", 1, 1)
    load(settings, registered.load_start, registered.load_end - timedelta(days=1), on_progress)
    report_registration(settings, registered)
    return registered


def read_sources(sources: Sequence[SourceConfig], on_progress: Listener) -> None:
    """Bring in what declared sources have since they were read last, and load the days that changed.

    Raises:
        SegmentationError: One can't be read, after the others have been, or a check stopped the run.
    """
    settings = load_settings()
    with Lake(settings) as lake:
        migrate(lake)
    found, problems = {}, []
    for source in sources:
        what = f"Reading {source.name}"
        on_progress(what, 0, 1)
        try:
            found[source] = read(settings, source, tell=lambda _: None)
        except SegmentationError as error:
            problems.append(f"{source.name}: {error}")
            continue
        on_progress(what, 1, 1)
        problems += [f"{source.name}: {problem}" for _, problem in found[source].problems]
    firsts = [reading.first_day for reading in found.values() if reading.first_day]
    lasts = [reading.last_day for reading in found.values() if reading.last_day]
    if firsts and min(firsts) < utc_now().date():
        load(settings, min(firsts), max(lasts), on_progress)
    report_readings(settings, {source.name: reading for source, reading in found.items()})
    console.show_readings({source.name: reading for source, reading in found.items()})
    if problems:
        raise SegmentationError("\n".join(problems))


def load(settings: Settings, first: date, last: date, on_progress: Listener, names: Sequence[str] = RAW) -> None:
    """Materialize the raw assets over the days from `first` to `last`, and say what came in."""
    oldest, newest = days_to_load(settings, first, last, utc_now())
    tags = range_tags(oldest.isoformat(), newest.isoformat())
    notes = run(settings, [dg.AssetKey(name.split("/")) for name in names], tags=tags, on_progress=on_progress)
    console.show_notes(notes)
    if RAW[0] in names:
        _show_rejected(settings, oldest, newest)


def materialize(
    select: str | None, as_of: str | None, since: str | None, on_progress: Listener
) -> "pl.DataFrame | None":
    """Materialize a selection of the graph; returns the newest profiles if they were part of it.

    Args:
        select: Dagster's selection syntax; features, model and segments if None.
        as_of: The snapshot date; the newest that the data covers if None.
        since: An earlier snapshot date, to get all from there on in one run.
        on_progress: Told how far it is.

    Raises:
        SegmentationError: Nothing has been ingested, the selection or date makes no sense, or a step failed.
    """
    settings = load_settings()
    first, last = _days_at_hand(settings)
    definitions = build_present_definitions(settings)
    chosen = _resolve(definitions, select)
    raw = [key for key in chosen if key.to_user_string() in RAW]
    rest = [key for key in chosen if key.path[0] != "raw"]
    if not raw and not rest:
        raise SegmentationError("`raw/source_files` is what `segmentation ingest PATH` does; it needs a path.")
    if raw:
        load(settings, first, last, on_progress, [key.to_user_string() for key in raw])
    if not rest:
        return None
    dates = build_partitions(settings, first).as_of.get_partition_keys()
    date_key = as_of or _newest_covered(dates, last)
    for key in [date_key] if since is None else [since, date_key]:
        _check_as_of(key, dates)
    if since and since > date_key:
        raise SegmentationError(f"--since {since} is after the snapshot date {date_key}.")
    graph = definitions.resolve_asset_graph()
    is_partitioned = any(graph.get(key).is_partitioned for key in rest)
    names = {"__".join(key.path) for key in rest}
    notes = run(
        settings,
        rest,
        partition_key=date_key if is_partitioned and since is None else None,
        tags=range_tags(since, date_key) if is_partitioned and since else None,
        config={name: {"config": {"as_of": date_key}} for name in TRAINED if name in names},
        on_progress=on_progress,
    )
    console.show_notes(notes)
    return profiles_as_of(settings, date_key) if SEGMENT_PROFILES.name.replace(".", "__") in names else None


def newest_as_of(settings: Settings) -> str:
    """The newest snapshot date that the data covers; the first one for a shorter history.

    Raises:
        SegmentationError: Nothing has been ingested, or only lines of the current month.
    """
    first, last = _days_at_hand(settings)
    return _newest_covered(build_partitions(settings, first).as_of.get_partition_keys(), last)


def _newest_covered(dates: Sequence[str], last_day: date) -> str:
    if not dates:
        raise SegmentationError("There is no snapshot date yet: the data begins this month. Wait for the next one.")
    newest = (last_day + timedelta(days=1)).replace(day=1).isoformat()
    return min(max(newest, dates[0]), dates[-1])


def profiles_as_of(settings: Settings, as_of: str) -> "pl.DataFrame":
    """The segment profiles of a snapshot."""
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(
            f"SELECT * FROM {SEGMENT_PROFILES.name} WHERE as_of = $as_of ORDER BY segment_id",
            {"as_of": as_of},
        ).pl()


def _resolve(definitions: dg.Definitions, select: str | None) -> list[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    try:
        selection = (
            dg.AssetSelection.from_string(select)
            if select
            else dg.AssetSelection.groups("features", "training", "segments", "monitoring")
        )
        keys = selection.resolve(graph)
    except dg.DagsterError as error:
        raise SegmentationError(f"Can't read the selection {select!r}: {str(error).splitlines()[0]}") from error
    if not keys:
        known = ", ".join(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))
        raise SegmentationError(f"The selection {select!r} names no asset. There are: {known}.")
    return sorted(keys)


def _check_as_of(as_of: str, dates: Sequence[str]) -> None:
    if as_of not in dates:
        raise SegmentationError(
            f"There is no snapshot date {as_of!r}: give the first day of a month from {dates[0]} to {dates[-1]}."
            if dates
            else f"There is no snapshot date {as_of!r} yet: the data begins this month."
        )


def _days_at_hand(settings: Settings) -> tuple[date, date]:
    with Lake(settings) as lake:
        migrate(lake)
        with lake.cursor() as con:
            row = con.execute(DAYS_AT_HAND).fetchone()
    if row is None or row[0] is None:
        raise NotEnoughDataError("Nothing has been ingested yet; `segmentation ingest PATH --profile NAME` does.")
    return row[0], row[1]


def _show_rejected(settings: Settings, first: date, last: date) -> None:
    days = {"start": first, "end": last + timedelta(days=1)}
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        reasons = con.execute(
            f"SELECT reason, COUNT(*) AS lines FROM {REJECTED.name} "
            "WHERE ordered_on IS NULL OR (ordered_on >= $start AND ordered_on < $end) "
            "GROUP BY reason ORDER BY lines DESC, reason",
            days,
        ).fetchall()
        accepted = con.execute(
            f"SELECT COUNT(*) FROM {TRANSACTIONS.name} WHERE ordered_at >= $start AND ordered_at < $end", days
        ).fetchall()[0][0]
    console.show_rejected(reasons, accepted + sum(count for _, count in reasons))
