"""The demo's story: a year of snapshots, a model, drift that is found, and the model that follows it.

Each step is a run of one of the graph's jobs, in this process, as automation would start it. What is told of it
afterwards is in `story_page`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import dagster as dg

from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.monitoring.retraining import Judgement, Request, decide, read_state
from segmentation.settings import Settings
from segmentation.snapshots.cadence import Cadence
from segmentation.snapshots.coverage import coverage_at
from segmentation.snapshots.due import due_dates, newest_due
from segmentation.sources.batch.registration import forget_missing, register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.cli import steps
from segmentation_assets.cli.runs import RunEnd, report_registration, run
from segmentation_assets.cli.snapshot_runs import TRAINED, groups_of
from segmentation_assets.definitions import build_present_definitions
from segmentation_assets.partitions import days_to_load, range_tags
from segmentation_assets.progress import Listener
from segmentation_assets.resources import ASKED_BY, REASON

ASKER = {ASKED_BY: "segmentation demo"}
MOST_SNAPSHOTS = 13
"""A year, both ends included."""
JUDGED_SNAPSHOTS = 5
"""The last snapshots, which monitoring judges; the first model is trained as of the one before them."""
LEAST_EARLIER = 4
"""Snapshots before the first training, without which monitoring has nothing to learn thresholds from."""


@dataclass(frozen=True)
class Source:
    """Where the demo's lines come from.

    Attributes:
        path: Files; None for those that the profile names.
        profile: How they are read.
        name: What the source is called.
    """

    path: str | None
    profile: str
    name: str


@dataclass(frozen=True)
class Plan:
    """Which snapshots there will be.

    Attributes:
        dates: All of them, in order.
        trained: The date as of which the first model is trained.
    """

    dates: tuple[date, ...]
    trained: date

    @property
    def before(self) -> tuple[date, ...]:
        """Snapshots up to the first training."""
        return tuple(each for each in self.dates if each <= self.trained)

    @property
    def judged(self) -> tuple[date, ...]:
        """Those between the first training and the last date, which the first model is judged by."""
        return tuple(each for each in self.dates[:-1] if each > self.trained)


@dataclass(frozen=True)
class Story:
    """What happened.

    Attributes:
        plan: The snapshots.
        judgements: What monitoring found of the first model, by date; none where history is short.
        request: The training that this asked for; None if it asked for none.
        refusal: Why the second training brought no new champion; empty if it did, or if there was none.
    """

    plan: Plan
    judgements: tuple[Judgement, ...] = ()
    request: Request | None = None
    refusal: str = ""


def plan(dates: Sequence[date]) -> Plan:
    """What can be told with snapshots of these dates.

    Raises:
        NotEnoughDataError: There is none.
    """
    if not dates:
        raise NotEnoughDataError("There are no lines, so there is nothing to look back on.")
    chosen = tuple(dates[-MOST_SNAPSHOTS:])
    is_long = len(chosen) >= JUDGED_SNAPSHOTS + LEAST_EARLIER + 1
    return Plan(chosen, chosen[-JUDGED_SNAPSHOTS - 1] if is_long else chosen[-1])


def take_in(settings: Settings, source: Source, on_progress: Listener, *, now: datetime) -> None:
    """Register a source's files, forget those of an earlier demo, and load the days of both.

    Raises:
        SegmentationError: They can't be read, or a check stopped the run.
    """
    on_progress("Inspecting files", 0, 1)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        gone = forget_missing(lake, source.name)
        moment = now.replace(microsecond=0)
        registered = register(lake, source.path, load_profile(source.profile), source=source.name, now=moment)
    on_progress("Inspecting files", 1, 1)
    first, last = registered.load_start, registered.load_end - timedelta(days=1)
    if gone:
        first, last = min(first, gone[0]), max(last, gone[1])
    oldest, newest = days_to_load(settings, first, last, now)
    _run(settings, [dg.AssetKey(name.split("/")) for name in steps.RAW], on_progress, _span(oldest, newest))
    report_registration(settings, registered)


def tell(settings: Settings, on_progress: Listener, *, now: datetime) -> Story:
    """Make the snapshots, models and judgements of what the lake holds.

    Raises:
        SegmentationError: There is too little data, or a step failed.
    """
    found = plan(_dates_at_hand(settings, now))
    _make(settings, found.dates, on_progress, "features")
    _train_first(settings, found.trained, on_progress)
    _segment(settings, found.before, on_progress)
    if found.trained == found.dates[-1]:
        _run(settings, _assets(settings, "monitoring"), on_progress, _span(found.trained, found.trained))
        return Story(found)
    _segment(settings, found.judged, on_progress, "monitoring")
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        state = read_state(con, settings.quiet_days)
    # Months go by in seconds here, so no training was too recent.
    state = replace(state, last_training=None)
    answer = decide(state, None, now=now, cooldown_days=0, in_a_row=settings.retrain_after_snapshots)
    request = answer if isinstance(answer, Request) else None
    is_doubted = bool(state.judgements and state.judgements[0].doubts)
    refusal = answer if isinstance(answer, str) and is_doubted else ""
    if not refusal:
        reason = request.reason if request else f"the model of {found.trained} has grown old"
        refusal = _train_or_say_why_not(settings, found.judged[-1], on_progress, reason)
    _segment(settings, found.dates[-1:], on_progress, "monitoring")
    judgements = tuple(each for each in state.judgements if each.as_of in found.judged)
    return Story(found, judgements[::-1], request, refusal)


def _dates_at_hand(settings: Settings, now: datetime) -> list[date]:
    """The dates of the cadence that the data reaches; for a shorter history, the newest date at all."""
    coverage = coverage_at(settings, now)
    newest = newest_due(settings, coverage)
    return due_dates(settings, coverage) or ([newest] if newest else [])


def _train(settings: Settings, as_of: date, on_progress: Listener, reason: str) -> RunEnd:
    config = {name: {"config": {"as_of": str(as_of)}} for name in TRAINED}
    return _run(settings, _assets(settings, "training"), on_progress, {REASON: reason}, config)


def _train_first(settings: Settings, as_of: date, on_progress: Listener) -> None:
    """Train the first model; where gates stop it for the sake of an earlier demo's champion, that one stays."""
    _train(settings, as_of, on_progress, "the first model of the demo")


def _train_or_say_why_not(settings: Settings, as_of: date, on_progress: Listener, reason: str) -> str:
    """Why no new champion came of it; empty if one did."""
    try:
        end = _train(settings, as_of, on_progress, reason)
        return "" if end.outcome == "serves" else end.why
    except SegmentationError as error:
        return str(error)


def _segment(settings: Settings, dates: Sequence[date], on_progress: Listener, *more: str) -> None:
    _make(settings, dates, on_progress, "segments", *more)


def _make(settings: Settings, dates: Sequence[date], on_progress: Listener, *groups: str) -> None:
    for group in groups_of(dates, settings.cadence):
        span = _span(group.dates[0], group.dates[-1])
        _run(settings, _assets(settings, *groups), on_progress, span, cadence=group.cadence)


def _assets(settings: Settings, *groups: str) -> list[dg.AssetKey]:
    graph = build_present_definitions(settings).resolve_asset_graph()
    return sorted(dg.AssetSelection.groups(*groups).resolve(graph))


def _span(first: date, last: date) -> dict[str, str]:
    return range_tags(str(first), str(last))


def _run(
    settings: Settings,
    keys: Sequence[dg.AssetKey],
    on_progress: Listener,
    tags: Mapping[str, str],
    config: Mapping[str, object] | None = None,
    cadence: Cadence | None = None,
) -> RunEnd:
    return run(settings, keys, tags={**tags, **ASKER}, config=config, on_progress=on_progress, cadence=cadence)
