"""Runs that make snapshots: of which dates together, in which order, and what has to be made anew."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    SEGMENT_EVENTS,
    SEGMENT_EXPLANATIONS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
)
from segmentation.settings import Settings
from segmentation.snapshots.cadence import Cadence, last_date, next_date
from segmentation.snapshots.states import Standing, read_standings
from segmentation.warehouse.schema import open_current
from segmentation_assets.cli.runs import RunEnd, run
from segmentation_assets.keys import FEATURE_KEYS, table_key
from segmentation_assets.partitions import range_tags
from segmentation_assets.progress import Listener
from segmentation_assets.resources import ASKED_BY, REQUESTED

DERIVED_STEPS: tuple[tuple[Table, ...], ...] = (
    (CUSTOMER_PREDICTIONS, PREDICTION_MODELS),
    (CUSTOMER_SEGMENTS,),
    (SEGMENT_PROFILES,),
    (SEGMENT_TRANSITIONS, SEGMENT_EVENTS),
    (SEGMENT_EXPLANATIONS,),
    (FEATURE_DRIFT, MODEL_QUALITY),
)
"""What is made of features, step by step; the tables of a step are made together."""

DATED = {"features", "segments", "monitoring"}
"""Groups of assets that have a partition per date."""

TRAINED = ("training__training_set", "training__candidate_model")
DECIDING = ("segments__customer_segments", "monitoring")
"""Steps that ask a model; named as Dagster's ops are."""

REFRESHED_BY = "segmentation snapshots refresh"


@dataclass(frozen=True)
class DateGroup:
    """Dates that one run makes: neighbours in a cadence.

    Attributes:
        dates: In order.
        cadence: The cadence in which they are neighbours.
    """

    dates: tuple[date, ...]
    cadence: Cadence

    @property
    def selection(self) -> dict[str, Any]:
        """The partition or the range of the run, as arguments of `run`."""
        first, last = str(self.dates[0]), str(self.dates[-1])
        return {"partition_key": first} if first == last else {"tags": range_tags(first, last)}


def groups_of(dates: Iterable[date], cadence: Cadence) -> list[DateGroup]:
    """Dates in groups of neighbours, in order: of the cadence, or days one after the other."""
    groups: list[DateGroup] = []
    for as_of in sorted(set(dates)):
        way = _way_on(groups[-1], as_of, cadence) if groups else None
        if way:
            groups[-1] = DateGroup((*groups[-1].dates, as_of), way)
        else:
            groups.append(DateGroup((as_of,), cadence if last_date(cadence, as_of) == as_of else "daily"))
    return groups


def _way_on(group: DateGroup, as_of: date, cadence: Cadence) -> Cadence | None:
    """The cadence in which a date comes right after a group; a date alone may belong to either."""
    first, last = group.dates[0], group.dates[-1]
    ways: tuple[Cadence, ...] = (cadence, "daily")
    for way in ways:
        is_of = group.cadence == way or (first == last and last_date(way, first) == first)
        if is_of and next_date(way, last) == as_of:
            return way
    return None


def make_snapshots(
    settings: Settings,
    keys: Sequence[dg.AssetKey],
    dates: Sequence[date],
    *,
    asked_by: str,
    is_request: bool,
    on_progress: Listener | None = None,
) -> RunEnd:
    """Materialize assets after the raw data as of some dates; models are trained as of the last one.

    Args:
        settings: Of the installation.
        keys: Which assets.
        dates: In any order; those that are neighbours share a run.
        asked_by: Who asked, for the ledger.
        is_request: Whether they named the dates.
        on_progress: Told how far it is.

    Returns:
        How the runs ended, as if they had been one.

    Raises:
        SegmentationError: A step failed, or a blocking check did.
    """
    groups = groups_of(dates, settings.cadence)
    tags = {ASKED_BY: asked_by} | ({REQUESTED: "true"} if is_request else {})
    config = {name: {"config": {"as_of": str(max(dates))}} for name in TRAINED}
    ends = []
    stages = [list(keys)] if len(groups) == 1 else _stages(keys)
    for stage in stages:
        names = {"__".join(key.path) for key in stage}
        of_stage = {name: values for name, values in config.items() if name in names}
        is_dated = any(key.path[0] in DATED for key in stage)
        of_groups = groups if is_dated else [None]
        ends += [_run(settings, stage, group, tags, of_stage, on_progress) for group in of_groups]
    decided = next((end for end in ends if end.outcome), RunEnd([]))
    return replace(decided, notes=list(dict.fromkeys(note for end in ends for note in end.notes)))


def refresh(
    settings: Settings,
    dates: Sequence[date] = (),
    *,
    from_scratch: bool = False,
    asked_by: str = REFRESHED_BY,
    on_progress: Listener | None = None,
) -> list[date]:
    """Make stale snapshots anew: features first, then what is made of them, date by date.

    Segments keep the model that decided them, but for the newest date, which follows the champion. It may be killed at
    any moment: what is not made anew yet is stale as before.

    Args:
        settings: Of the installation.
        dates: Which, whether stale or not; all that are stale if none is named.
        from_scratch: Whether to compute the features of every customer.
        asked_by: Who asked, for the ledger.
        on_progress: Told how far it is.

    Returns:
        The dates that were made anew, in order.

    Raises:
        SegmentationError: There is no snapshot as of a date, the data doesn't reach it, or a step failed.
    """
    standings = _standings(settings)
    _refuse_unknown(standings, dates)
    tags, done = {ASKED_BY: asked_by}, set[date]()
    outdated = {s.entry.as_of for s in standings if _is_of_features(s) and (s.state == "stale" or dates)}
    outdated &= set(dates) or outdated
    config = {"features": {"config": {"from_scratch": from_scratch}}}
    for group in groups_of(outdated, settings.cadence):
        _run(settings, FEATURE_KEYS, group, tags, config, on_progress)
        done.update(group.dates)
    wanted = set(dates)
    last_work: list[_Work] = []
    work = _derived_work(_standings(settings), wanted, is_forced=bool(dates))
    while work and work != last_work:
        for group, steps, keeps_model in _batches(work, settings.cadence):
            keys = [table_key(table) for step in steps for table in step]
            names = {"__".join(key.path) for key in keys} | {key.path[0] for key in keys}
            model = {name: {"config": {"keep_model": keeps_model}} for name in DECIDING if name in names}
            _run(settings, keys, group, tags, model, on_progress)
            done.update(group.dates)
        # What was made may have made later dates stale.
        last_work, work = work, _derived_work(_standings(settings), wanted, is_forced=False)
    return sorted(done)


@dataclass(frozen=True)
class _Work:
    """What has to be made anew as of a date."""

    as_of: date
    steps: tuple[tuple[Table, ...], ...]
    keeps_model: bool


def _derived_work(standings: Sequence[Standing], wanted: set[date], *, is_forced: bool) -> list[_Work]:
    derived = [s for s in standings if not _is_of_features(s) and s.state != "ahead"]
    newest = max((s.entry.as_of for s in derived), default=None)
    found = []
    for as_of in sorted({s.entry.as_of for s in derived}):
        if wanted and as_of not in wanted:
            continue
        names = {s.entry.table_name for s in derived if s.entry.as_of == as_of and (is_forced or s.state == "stale")}
        steps = tuple(step for step in DERIVED_STEPS if names & {table.name for table in step})
        if steps:
            found.append(_Work(as_of, steps, as_of != newest))
    return found


def _batches(
    work: Sequence[_Work], cadence: Cadence
) -> Iterable[tuple[DateGroup, tuple[tuple[Table, ...], ...], bool]]:
    """The work in runs: neighbours with the same to do together, in order of dates."""
    by_date = {each.as_of: each for each in work}

    def to_do(as_of: date) -> tuple[tuple[tuple[Table, ...], ...], bool]:
        return by_date[as_of].steps, by_date[as_of].keeps_model

    for group in groups_of(by_date, cadence):
        for (steps, keeps_model), dates in groupby(group.dates, key=to_do):
            yield DateGroup(tuple(dates), group.cadence), steps, keeps_model


def _run(
    settings: Settings,
    keys: Sequence[dg.AssetKey],
    group: DateGroup | None,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
    on_progress: Listener | None,
) -> RunEnd:
    if group is None:
        return run(settings, keys, tags=tags, config=config, on_progress=on_progress)
    chosen = group.selection
    return run(
        settings,
        keys,
        partition_key=chosen.get("partition_key"),
        tags={**tags, **chosen.get("tags", {})},
        config=config,
        on_progress=on_progress,
        cadence=group.cadence,
    )


def _stages(keys: Sequence[dg.AssetKey]) -> list[list[dg.AssetKey]]:
    """Keys by what has to be there for all dates before the next can begin."""
    features = [key for key in keys if key.path[0] == "features"]
    rest = [key for key in keys if key.path[0] in DATED - {"features"}]
    undated = [key for key in keys if key.path[0] not in DATED]
    return [stage for stage in (features, undated, rest) if stage]


def _standings(settings: Settings) -> list[Standing]:
    with open_current(settings) as lake, lake.cursor() as con:
        return read_standings(con, settings, utc_now())


def _refuse_unknown(standings: Sequence[Standing], dates: Sequence[date]) -> None:
    known = {s.entry.as_of for s in standings}
    ahead = {s.entry.as_of: s.reasons[0] for s in standings if s.state == "ahead"}
    for as_of in dates:
        if as_of not in known:
            raise SegmentationError(
                f"There is no snapshot as of {as_of}; `segmentation materialize --as-of {as_of}` makes it, and "
                "`segmentation snapshots list` shows those that there are."
            )
        if as_of in ahead:
            raise SegmentationError(
                f"The snapshot as of {as_of} is ahead of the data ({ahead[as_of]}); "
                f"`segmentation snapshots drop {as_of}` removes it."
            )


def _is_of_features(standing: Standing) -> bool:
    return standing.entry.table_name == CUSTOMER_FEATURES.name
