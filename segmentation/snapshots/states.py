"""States of snapshots: one rule, for all tables, of what is current, stale, or ahead of the data.

A snapshot is *ahead* if the data doesn't reach its date, *stale* if it would come out otherwise today, else *current*:
- features: lines in their window changed since, or code, window, time zone or home market are other ones;
- predictions: so for features, or lines changed that their past is made of;
- segments: so for features (and predictions, if a definition looks at them), or the segments of the snapshot before
  were made anew, or a snapshot was made in between (who is held depends on the one before), or code, model or
  definitions are other ones;
- all that is made of segments: so for them, profiles also for predictions, if there are any, and movement also for the
  snapshot before;
- monitoring: also if features of a date before the model was trained, which thresholds come from, were made since.

Only the newest date follows the champion, and what is declared: older dates say who was in which segment when people
acted on it.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Literal

import duckdb

from segmentation.features.windows import Window, window_of
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS, PREDICTION_MODELS
from segmentation.metadata.tables.raw import CHANGED_DAYS
from segmentation.metadata.tables.registry import MODELS, PROMOTIONS, TRAINING_SETS
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    SEGMENT_EVENTS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
)
from segmentation.segmentations.inputs import reads_predictions
from segmentation.segmentations.versions import DefinitionVersion, declared_hashes, read_versions
from segmentation.settings import Settings
from segmentation.shop_calendar import UNIVERSAL
from segmentation.snapshots.code import SNAPSHOT_TABLES, code_version_of
from segmentation.snapshots.coverage import Coverage, read_coverage
from segmentation.warehouse.ledger import Entry, read_entries
from segmentation.warehouse.shop_zone import shop_zone

State = Literal["current", "stale", "ahead"]

CHANGES = f"SELECT ordered_on, MAX(lake_version) FROM {CHANGED_DAYS.name} GROUP BY ordered_on ORDER BY ordered_on"
CHAMPION = f"SELECT version FROM {PROMOTIONS.name} WHERE alias = 'champion' ORDER BY promotion_id DESC LIMIT 1"
TRAINED = f"SELECT version, as_of FROM {MODELS.name} JOIN {TRAINING_SETS.name} USING (training_set_id)"

PREDICTIONS = {CUSTOMER_PREDICTIONS.name, PREDICTION_MODELS.name}
MOVEMENT = {SEGMENT_TRANSITIONS.name, SEGMENT_EVENTS.name}
MONITORING = {FEATURE_DRIFT.name, MODEL_QUALITY.name}
ORDER = {table.name: number for number, table in enumerate(SNAPSHOT_TABLES)}


@dataclass(frozen=True)
class Present:
    """What snapshots would be made of now.

    Attributes:
        coverage: How far the data reaches.
        changes: By day, the version of the lake that last changed its lines.
        code_versions: By name of the table.
        lookback_days: The setting.
        home_market: The setting.
        champion: The version that serves, if any.
        trained_as_of: By version, the date of what a model was trained on.
        zone: The shop's time zone.
        declared: By name, the hash of each segmentation's definition.
        defined: By name and version, the definitions that the lake knows.
    """

    coverage: Coverage
    changes: Mapping[date, int]
    code_versions: Mapping[str, str]
    lookback_days: int | None
    home_market: str | None
    champion: int | None
    trained_as_of: Mapping[int, date] = field(default_factory=dict)
    zone: str = UNIVERSAL
    declared: Mapping[str, str] = field(default_factory=dict)
    defined: Mapping[tuple[str, int], DefinitionVersion] = field(default_factory=dict)

    def changed_days(self, window: Window, since: int) -> list[date]:
        """The days (UTC) with a part in a window whose lines changed after a version of the lake."""
        first, end = window.starts_at.date(), window.ends_at
        return [
            day
            for day, version in self.changes.items()
            if version > since and first <= day and datetime.combine(day, time()) < end
        ]


@dataclass(frozen=True)
class Standing:
    """A snapshot of the ledger, and how it stands.

    Attributes:
        entry: What the ledger says of it.
        state: Whether it is current.
        reasons: Why not, in a few words each.
    """

    entry: Entry
    state: State
    reasons: tuple[str, ...] = ()


@dataclass
class _Judge:
    """Judges the entries of a ledger, each once, along what they are made of."""

    present: Present
    entries: Mapping[tuple[str, date], Entry]
    newest: date | None
    judged: dict[tuple[str, date], tuple[str, ...]] = field(default_factory=dict)

    def reasons(self, table: str, as_of: date) -> tuple[str, ...]:
        """Why a snapshot is stale; empty if it isn't."""
        key = (table, as_of)
        if key not in self.judged:
            self.judged[key] = ()
            self.judged[key] = tuple(self._reasons(self.entries[key]))
        return self.judged[key]

    def _reasons(self, entry: Entry) -> Iterable[str]:
        if entry.code_version != self.present.code_versions.get(entry.table_name):
            yield "made by other code" if entry.code_version else "made before the ledger was kept"
        if entry.table_name == CUSTOMER_FEATURES.name:
            yield from self._of_features(entry)
        elif entry.table_name in PREDICTIONS:
            yield from self._of_input(entry, CUSTOMER_FEATURES, entry.as_of)
            yield from self._of_past(entry)
        elif entry.table_name == CUSTOMER_SEGMENTS.name:
            yield from self._of_input(entry, CUSTOMER_FEATURES, entry.as_of)
            yield from self._of_inserted(entry)
            yield from self._of_model(entry)
            yield from self._of_definitions(entry)
        else:
            yield from self._of_input(entry, CUSTOMER_FEATURES, entry.as_of)
            yield from self._of_input(entry, CUSTOMER_SEGMENTS, entry.as_of)
            if entry.table_name == SEGMENT_PROFILES.name and (CUSTOMER_PREDICTIONS.name, entry.as_of) in self.entries:
                yield from self._of_input(entry, CUSTOMER_PREDICTIONS, entry.as_of)
            if entry.table_name in MOVEMENT:
                yield from self._of_neighbour(entry)
            if entry.table_name in MONITORING:
                yield from self._of_thresholds(entry)
            yield from self._of_model(entry)

    def _of_features(self, entry: Entry) -> Iterable[str]:
        present = self.present
        window = window_of(entry.as_of, present.lookback_days)
        made = Window(entry.as_of, entry.window_start or window.start, entry.timezone or UNIVERSAL)
        if entry.window_start != window.start:
            yield f"the window began on {entry.window_start}, and would on {window.start}"
        if made.zone != present.zone:
            yield f"its days were those of {made.zone}, and are those of {present.zone}"
        if present.home_market not in (None, entry.home_market):
            yield f"the home market was {entry.home_market}, and is {present.home_market}"
        days = present.changed_days(made, entry.lake_version)
        if days:
            yield f"lines changed since, of {_span(days)}"

    def _of_past(self, entry: Entry) -> Iterable[str]:
        """Whether lines changed from before the window of features, which predictions learn from."""
        begins = window_of(entry.as_of, self.present.lookback_days).start
        if entry.window_start is None or entry.window_start >= begins:
            return
        past = Window(begins, entry.window_start, entry.timezone or UNIVERSAL)
        days = self.present.changed_days(past, entry.lake_version)
        if days:
            yield f"lines of its past changed since, of {_span(days)}"

    def _of_input(self, entry: Entry, table: Table, as_of: date) -> Iterable[str]:
        key = (table.name, as_of)
        made_of = self.entries.get(key)
        if made_of is None:
            yield f"{table.name} as of {as_of} is gone"
        elif made_of.written_version > entry.lake_version:
            yield f"{table.name} as of {as_of} was made anew"
        elif self.reasons(*key):
            yield f"{table.name} as of {as_of} is stale"

    def _of_previous(self, entry: Entry, previous: date) -> Iterable[str]:
        """Whether the segments of the snapshot before are others now. Whether they should be is said of them alone."""
        yield from self._of_written(entry, CUSTOMER_SEGMENTS.name, previous)

    def _of_written(self, entry: Entry, table: str, as_of: date) -> Iterable[str]:
        made_of = self.entries.get((table, as_of))
        if made_of and made_of.written_version > entry.lake_version:
            yield f"{table} as of {as_of} was made anew"

    def _of_inserted(self, entry: Entry) -> Iterable[str]:
        """Whether segments would follow others now; those that followed a dropped snapshot stay as they are."""
        previous = self._before(entry.as_of)
        if previous and (entry.previous_as_of is None or previous > entry.previous_as_of):
            yield f"the snapshot before was {entry.previous_as_of or 'none'}, and is {previous}"
        elif entry.previous_as_of:
            yield from self._of_previous(entry, entry.previous_as_of)

    def _before(self, as_of: date) -> date | None:
        """The last date with segments before another one."""
        place = bisect_left(self.segmented, as_of)
        return self.segmented[place - 1] if place else None

    @cached_property
    def segmented(self) -> list[date]:
        """The dates with segments, in order."""
        return sorted(day for table, day in self.entries if table == CUSTOMER_SEGMENTS.name)

    def _of_neighbour(self, entry: Entry) -> Iterable[str]:
        previous = self._before(entry.as_of)
        if previous != entry.previous_as_of:
            yield f"the snapshot before was {entry.previous_as_of or 'none'}, and is {previous or 'none'}"
        elif previous:
            yield from self._of_previous(entry, previous)

    def _of_thresholds(self, entry: Entry) -> Iterable[str]:
        """Whether features that thresholds of drift and quality are learned from are others now."""
        trained = self.present.trained_as_of.get(entry.model_version or 0, date.min)
        dates = [day for day, version in self.features if day < trained and version > entry.lake_version]
        if dates:
            yield f"thresholds come from {CUSTOMER_FEATURES.name} as of {dates[-1]}, made since"

    @cached_property
    def features(self) -> list[tuple[date, int]]:
        """The dates with features, and the version that wrote them."""
        made = [each for each in self.entries.values() if each.table_name == CUSTOMER_FEATURES.name]
        return sorted((each.as_of, each.written_version) for each in made)

    def _of_model(self, entry: Entry) -> Iterable[str]:
        champion = self.present.champion
        if entry.as_of == self.newest and champion not in (None, entry.model_version):
            yield f"model {entry.model_version} decided, and model {champion} serves"

    def _of_definitions(self, entry: Entry) -> Iterable[str]:
        """Whether definitions that decided are other ones now, or look at predictions that are."""
        known = self.present.defined
        decided = {
            name: known.get((name, version)) for name, version in json.loads(entry.segmentations or "{}").items()
        }
        if any(each and reads_predictions(each.inputs) for each in decided.values()):
            yield from self._of_written(entry, CUSTOMER_PREDICTIONS.name, entry.as_of)
        if entry.as_of != self.newest:
            return
        hashes = {name: each.hash if each else None for name, each in decided.items()}
        for name in sorted(hashes.keys() | self.present.declared.keys()):
            if name not in self.present.declared:
                yield f"the segmentation {name} is no longer declared"
            elif hashes.get(name) != self.present.declared[name]:
                yield f"the segmentation {name} was declared {'otherwise ' if name in hashes else ''}since"


def judge(entries: Sequence[Entry], present: Present) -> list[Standing]:
    """How the snapshots of a ledger stand, by date and in the order in which tables are made."""
    reaches = present.coverage.reaches
    segmented = [each.as_of for each in entries if each.table_name == CUSTOMER_SEGMENTS.name and reaches(each.as_of)]
    by_key = {(each.table_name, each.as_of): each for each in entries}
    judge = _Judge(present, by_key, max(segmented, default=None))
    found = []
    for entry in sorted(entries, key=lambda each: (each.as_of, ORDER.get(each.table_name, len(ORDER)))):
        if not reaches(entry.as_of):
            until = present.coverage.until
            reason = f"the data is complete up to {until - timedelta(days=1)}" if until else "there are no lines"
            found.append(Standing(entry, "ahead", (reason,)))
            continue
        reasons = judge.reasons(entry.table_name, entry.as_of)
        found.append(Standing(entry, "stale" if reasons else "current", reasons))
    return found


def read_present(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> Present:
    """What snapshots would be made of at the present moment (UTC)."""
    champion = con.execute(CHAMPION).fetchone()
    defined = read_versions(con)
    return Present(
        coverage=read_coverage(con, settings, now),
        changes=dict(con.execute(CHANGES).fetchall()),
        code_versions={table.name: code_version_of(table) for table in SNAPSHOT_TABLES},
        lookback_days=settings.lookback_days,
        home_market=settings.home_market,
        champion=champion[0] if champion else None,
        trained_as_of=dict(con.execute(TRAINED).fetchall()),
        zone=shop_zone(con, settings),
        declared=declared_hashes(settings, defined),
        defined={(each.name, each.version): each for each in defined},
    )


def read_standings(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> list[Standing]:
    """How the snapshots of a lake stand at the present moment (UTC), by date and in order of making."""
    return judge(read_entries(con), read_present(con, settings, now))


def dates_in_state(standings: Iterable[Standing], state: State, tables: Iterable[Table] = ()) -> list[date]:
    """The dates as of which any of the tables (all, if none is named) is in a state, in order."""
    names = {table.name for table in tables}
    return sorted({s.entry.as_of for s in standings if s.state == state and (not names or s.entry.table_name in names)})


def outdated_features(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime, *dates: date) -> list[date]:
    """Of some dates, those whose features are missing, stale, or ahead of the data; in order."""
    standings = read_standings(con, settings, now)
    current = dates_in_state(standings, "current", [CUSTOMER_FEATURES])
    return sorted(set(dates).difference(current))


def _span(days: Sequence[date]) -> str:
    """Days in a few words."""
    return str(days[0]) if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"
