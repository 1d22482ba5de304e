"""What `ingest` and `materialize` do, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from segmentation.clock import utc_now
from segmentation.errors import NotEnoughDataError, SegmentationError, SeveralProblemsError
from segmentation.metadata.tables.raw import LOADS, REJECTED, TRANSACTIONS
from segmentation.metadata.tables.segments import SEGMENT_PROFILES, of_model
from segmentation.modeling import registry
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.coverage import Coverage, coverage_at
from segmentation.snapshots.due import due_dates, newest_due
from segmentation.sources.batch.registration import Registration, register
from segmentation.sources.batch.spans import joined
from segmentation.sources.config import SourceConfig
from segmentation.sources.profiles.profile import load_profile
from segmentation.sources.reading import read
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.cli import console
from segmentation_assets.cli.runs import report_readings, report_registration, run
from segmentation_assets.cli.snapshot_runs import DATED, make_snapshots
from segmentation_assets.definitions import build_present_definitions
from segmentation_assets.partitions import days_to_load, range_tags, spans_to_load
from segmentation_assets.progress import Listener
from segmentation_assets.resources import ASKED_BY

if TYPE_CHECKING:
    import polars as pl

RAW = ("raw/transactions", "raw/products")

JOINED = f"""
SELECT COALESCE(SUM(lines_joined), 0) FROM {LOADS.name}
WHERE ordered_on IS NULL OR (ordered_on >= $start AND ordered_on < $end)
"""


@dataclass(frozen=True)
class Materialized:
    """What came of a `materialize`.

    Attributes:
        profiles: The newest segment profiles, if they were part of it.
        refusal: Why the model that was trained was refused; empty if it wasn't, or none was trained.
    """

    profiles: "pl.DataFrame | None" = None
    refusal: str = ""


def ingest(path: str | None, profile: str, source: str | None, on_progress: Listener) -> Registration:
    """Register files and load the days that they cover.

    Raises:
        SegmentationError: The files can't be read through the profile, or a check stopped the run.
    """
    settings = load_settings()
    on_progress("Inspecting files", 0, 1)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        now = utc_now().replace(microsecond=0)
        registered = register(lake, path, load_profile(profile), source=source, now=now)
    on_progress("Inspecting files", 1, 1)
    console.show_told(registered.notes)
    for first, last in spans_to_load(settings, registered.spans, utc_now()):
        load(settings, first, last, on_progress)
    report_registration(settings, registered)
    if registered.problems:
        raise SeveralProblemsError(["All else was loaded.", *(problem for _, problem in registered.problems)])
    return registered


def read_sources(sources: Sequence[SourceConfig], on_progress: Listener) -> None:
    """Bring in what declared sources have since they were read last, and load the days that changed.

    Raises:
        SegmentationError: One can't be read, after the others have been, or a check stopped the run.
    """
    settings = load_settings()
    with Lake(settings, create=True) as lake:
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
        console.show_told(found[source].notes)
        problems += [f"{source.name}: {problem}" for _, problem in found[source].problems]
    spans = joined(span for reading in found.values() for span in reading.spans)
    if spans and spans[0][0] < utc_now().date():
        for first, last in spans_to_load(settings, spans, utc_now()):
            load(settings, first, last, on_progress)
    report_readings(settings, {source.name: reading for source, reading in found.items()})
    console.show_readings({source.name: reading for source, reading in found.items()})
    if problems:
        raise SeveralProblemsError(problems)


def load(settings: Settings, first: date, last: date, on_progress: Listener, names: Sequence[str] = RAW) -> None:
    """Materialize the raw assets over the days from `first` to `last`, and say what came in."""
    oldest, newest = days_to_load(settings, first, last, utc_now())
    tags = range_tags(oldest.isoformat(), newest.isoformat())
    end = run(settings, [dg.AssetKey(name.split("/")) for name in names], tags=tags, on_progress=on_progress)
    console.show_notes(end.notes)
    if RAW[0] in names:
        _show_rejected(settings, oldest, newest)


def materialize(
    select: str | None,
    as_of: str | None,
    since: str | None,
    on_progress: Listener,
    *,
    trains: bool | None = None,
    asked_by: str = "segmentation materialize",
    settings: Settings | None = None,
) -> Materialized:
    """Materialize a selection of the graph.

    Args:
        select: Dagster's selection syntax; features, model and segments if None.
        as_of: The snapshot date, any that the data reaches; the newest of the cadence if None.
        since: An earlier date, to get all dates of the cadence from there on as well.
        on_progress: Told how far it is.
        trains: Whether a new model is trained where no selection says so; if None, it is unless a date is named and a
            model serves, which decides then.
        asked_by: Who asked, for the ledger.
        settings: Of the installation; the environment's if None.

    Raises:
        SegmentationError: Nothing has been ingested, the selection or date makes no sense, or a step failed.
    """
    settings = settings or load_settings()
    coverage = require_data(settings)
    chosen = _resolve(build_present_definitions(settings), select)
    if select is None and not (trains or (trains is None and not (as_of and _has_champion(settings)))):
        chosen = [key for key in chosen if key.path[0] != "training"]
    raw = [key for key in chosen if key.to_user_string() in RAW]
    rest = [key for key in chosen if key.path[0] != "raw"]
    if not raw and not rest:
        raise SegmentationError("`raw/source_files` is what `segmentation ingest PATH` does; it needs a path.")
    if raw:
        first, last = coverage.first_day, coverage.last_day
        if first is None or last is None:  # `require_data` refuses that
            raise NotEnoughDataError("Nothing has been ingested yet.")
        load(settings, first, last, on_progress, [key.to_user_string() for key in raw])
    if not rest:
        return Materialized()
    if not any(key.path[0] in {*DATED, "training"} for key in rest):
        console.show_notes(run(settings, rest, tags={ASKED_BY: asked_by}, on_progress=on_progress).notes)
        return Materialized()
    coverage = coverage_at(settings, utc_now())
    newest = _date("--as-of", as_of) if as_of else newest_as_of(settings, coverage)
    coverage.require(newest)
    dates = [newest] if since is None else _dates_since(settings, coverage, _date("--since", since), newest)
    if as_of is None and since is None:
        _show_choice(settings, coverage, newest)
    end = make_snapshots(
        settings, rest, dates, asked_by=asked_by, is_request=as_of is not None, on_progress=on_progress
    )
    console.show_notes(end.notes)
    names = {key.to_user_string().replace("/", ".") for key in rest}
    profiles = profiles_as_of(settings, str(newest)) if SEGMENT_PROFILES.name in names else None
    return Materialized(profiles, end.why if end.outcome == "refused" else "")


def _has_champion(settings: Settings) -> bool:
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return registry.resolve(con, "champion") is not None


def newest_as_of(settings: Settings, coverage: Coverage | None = None) -> date:
    """The newest date of the cadence that the data reaches; for a shorter history, the newest date at all.

    Raises:
        NotEnoughDataError: There are no lines.
    """
    coverage = coverage or coverage_at(settings, utc_now())
    newest = newest_due(settings, coverage)
    if newest is None:
        raise NotEnoughDataError(coverage.why_not(date.max))
    return newest


def require_data(settings: Settings) -> Coverage:
    """The days that there are.

    Raises:
        NotEnoughDataError: None.
    """
    coverage = coverage_at(settings, utc_now())
    if coverage.first_day is None:
        raise NotEnoughDataError("Nothing has been ingested yet; `segmentation ingest PATH --profile NAME` does.")
    return coverage


def _dates_since(settings: Settings, coverage: Coverage, since: date, newest: date) -> list[date]:
    """The dates of the cadence from one on, and the newest."""
    if since > newest:
        raise SegmentationError(f"--since {since} is after the snapshot date {newest}.")
    return [each for each in due_dates(settings, coverage) if since <= each < newest] + [newest]


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SegmentationError(f"{option} is {text!r}; write a date as YYYY-MM-DD.") from error


def _show_choice(settings: Settings, coverage: Coverage, newest: date) -> None:
    """Say so if the newest date of the cadence leaves out some of the data."""
    if coverage.until and newest < coverage.until:
        console.out.print(
            f"As of {newest}, the newest {settings.cadence} date. The data reaches further: `--as-of {coverage.until}` "
            "looks at all of it, and SEGMENTATION_CADENCE says how often that happens by itself.",
            highlight=False,
        )


def profiles_as_of(settings: Settings, as_of: str) -> "pl.DataFrame":
    """The profiles of the model's segments of a snapshot."""
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        return con.execute(
            f"SELECT * FROM {of_model(SEGMENT_PROFILES)} WHERE as_of = $as_of ORDER BY segment_id",
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
        joined = con.execute(JOINED, days).fetchall()[0][0]
    console.show_rejected(reasons, accepted + sum(count for _, count in reasons))
    console.show_joined(joined)
