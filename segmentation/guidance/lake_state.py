"""The state of a lake, as far as it decides what to do next. What is wrong with an installation, `doctor` finds out.

No query here binds a value: the first one that does has DuckDB's client import much, which takes as long as all else.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum, auto

import duckdb

from segmentation.errors import NoLakeError, SegmentationError
from segmentation.failures import reason_of
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import DELIVERIES, LOADS, SOURCE_FILES, TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.modeling import registry
from segmentation.settings import Settings
from segmentation.snapshots.coverage import read_coverage
from segmentation.snapshots.due import newest_due
from segmentation.snapshots.latest import latest_date
from segmentation.snapshots.states import dates_in_state, read_standings
from segmentation.sources.config import KafkaSource, PushSource, declared_sources
from segmentation.warehouse import Lake
from segmentation.warehouse.lake import without_password

MUCH_REJECTED = 0.05
"""Share of a source's lines; from it on the alert RejectsHigh tells people, too."""

LINES = f"SELECT COUNT(*), MIN(ordered_at)::DATE, MAX(ordered_at)::DATE FROM {TRANSACTIONS.name}"

UNLOADED = f"""
SELECT first_day, last_day
FROM {SOURCE_FILES.name} AS files
ANTI JOIN {LOADS.name} AS loads ON loads.source = files.source AND loads.source_file = files.path
WHERE first_day IS NOT NULL
"""

KNOWN_SOURCES = f"SELECT source FROM {SOURCE_FILES.name} UNION SELECT source FROM {DELIVERIES.name}"

# A reading brings several files at the same moment, or many deliveries one after the other.
LAST_READ = f"""
WITH last_files AS (
    SELECT source, path
    FROM {SOURCE_FILES.name}
    QUALIFY registered_at = MAX(registered_at) OVER (PARTITION BY source)
),
last_lines AS (
    SELECT loads.source, lines_read, lines_rejected
    FROM {LOADS.name} AS loads
    JOIN last_files ON loads.source = last_files.source AND loads.source_file = last_files.path
    UNION ALL
    SELECT source, lines_read, lines_rejected
    FROM {DELIVERIES.name}
    QUALIFY received_at > MAX(received_at) OVER (PARTITION BY source) - INTERVAL 1 DAY
)
SELECT source, CAST(SUM(lines_rejected) AS BIGINT) AS rejected, CAST(SUM(lines_read) AS BIGINT) AS read
FROM last_lines
GROUP BY source
HAVING rejected >= {MUCH_REJECTED} * read AND rejected > 0
ORDER BY rejected / read DESC, source
"""

SEGMENTED = f"""
SELECT as_of, COUNT(*), COUNT(DISTINCT segment_id), MIN(customer_id)
FROM {of_model(CUSTOMER_SEGMENTS)}
WHERE as_of = DATE '{{as_of}}'
GROUP BY as_of
"""


class Access(Enum):
    """Whether a lake can be read."""

    MISSING = auto()
    UNREADABLE = auto()
    OUTDATED = auto()
    """It lacks a table of this release."""
    READABLE = auto()


@dataclass(frozen=True)
class Rejection:
    """How much of what a source brought last was rejected."""

    source: str
    rejected: int
    read: int


@dataclass(frozen=True)
class LakeState:
    """What decides the next steps; where the lake can't be read, only what is known without it.

    Attributes:
        location: Where the lake is, as people name it.
        access: Whether it can be read.
        problem: Why not.
        sources_problem: Why sources.yaml can't be read; empty if it can.
        unread: Declared sources that can be read and have brought nothing yet.
        unread_streams: The same of Kafka topics.
        unread_pushes: The same of those that others push to.
        unloaded_files: Registered files of which no day has been loaded.
        line_count: Accepted order lines.
        first_line: Day (UTC) of the earliest one.
        last_line: Day of the latest one.
        rejections: Sources of which the last reading rejected much, the worst first.
        due_as_of: The newest snapshot date that the lines cover; None before there is one.
        feature_as_of: Date of the newest feature snapshot.
        stale: Dates of snapshots that would come out otherwise today.
        ahead: Dates of snapshots that the data doesn't reach.
        segment_as_of: The newest date with segments.
        customer_count: Customers with a segment then.
        segment_count: Segments that they are in.
        customer_id: One of them.
        champion: The version of the model that serves.
        candidate: The version that was trained last.
        waiting: The version that passed its gates and waits for a person.
    """

    location: str
    access: Access
    problem: str = ""
    sources_problem: str = ""
    unread: tuple[str, ...] = ()
    unread_streams: tuple[str, ...] = ()
    unread_pushes: tuple[str, ...] = ()
    unloaded_files: int = 0
    line_count: int = 0
    first_line: date | None = None
    last_line: date | None = None
    rejections: tuple[Rejection, ...] = ()
    due_as_of: date | None = None
    feature_as_of: date | None = None
    stale: tuple[date, ...] = ()
    ahead: tuple[date, ...] = ()
    segment_as_of: date | None = None
    customer_count: int = 0
    segment_count: int = 0
    customer_id: str = ""
    champion: int | None = None
    candidate: int | None = None
    waiting: int | None = None


def read_lake_state(settings: Settings, *, now: datetime) -> LakeState:
    """Look at a lake and at what sources.yaml declares; never raises for what it finds, and makes no lake.

    Args:
        settings: Where they are.
        now: The present moment (UTC).
    """
    state = LakeState(_location(settings), Access.READABLE)
    try:
        # Small questions: sharing them among threads takes longer.
        with Lake(settings.model_copy(update={"threads": 1}), read_only=True) as lake, lake.cursor() as con:
            known = {row[0] for row in con.execute(KNOWN_SOURCES).fetchall()}
            state = _segmented(con, _with_models(con, _filled(con, state, settings, now)), settings, now)
    except NoLakeError as error:
        known, state = set(), replace(state, access=Access.MISSING, problem=str(error))
    except duckdb.CatalogException as error:
        known, state = set(), replace(state, access=Access.OUTDATED, problem=_first_line(error))
    except (duckdb.Error, SegmentationError) as error:
        known, state = set(), replace(state, access=Access.UNREADABLE, problem=_first_line(error))
    return _with_sources(state, settings, known)


def _filled(con: duckdb.DuckDBPyConnection, state: LakeState, settings: Settings, now: datetime) -> LakeState:
    lines, first, last = con.execute(LINES).fetchall()[0]
    coverage = read_coverage(con, settings, now)
    files = con.execute(UNLOADED).fetchall()
    rejections = con.execute(LAST_READ).fetchall()
    return replace(
        state,
        line_count=lines,
        first_line=first,
        last_line=last,
        unloaded_files=sum(_can_be_loaded(settings, begin, end, now.date()) for begin, end in files),
        rejections=tuple(Rejection(*row) for row in rejections),
        due_as_of=newest_due(settings, coverage),
    )


def _can_be_loaded(settings: Settings, first_day: date, last_day: date, today: date) -> bool:
    """Whether a day of a file is over, and partitions have begun by then."""
    return first_day < today and (settings.partitions_start is None or last_day >= settings.partitions_start)


def _with_models(con: duckdb.DuckDBPyConnection, state: LakeState) -> LakeState:
    versions = {alias: version for version, called in registry.aliases(con).items() for alias in called}
    return replace(
        state,
        champion=versions.get("champion"),
        candidate=versions.get("candidate"),
        waiting=registry.waiting(con),
    )


def _segmented(con: duckdb.DuckDBPyConnection, state: LakeState, settings: Settings, now: datetime) -> LakeState:
    standings = read_standings(con, settings, now)
    latest = latest_date(con, CUSTOMER_SEGMENTS, settings.quiet_days)
    found = con.execute(SEGMENTED.format(as_of=latest)).fetchone() if latest else None
    as_of, customers, segments, customer = found or (None, 0, 0, "")
    return replace(
        state,
        feature_as_of=latest_date(con, CUSTOMER_FEATURES, settings.quiet_days),
        stale=tuple(dates_in_state(standings, "stale")),
        ahead=tuple(dates_in_state(standings, "ahead")),
        segment_as_of=as_of,
        customer_count=customers,
        segment_count=segments,
        customer_id=customer,
    )


def _with_sources(state: LakeState, settings: Settings, known: set[str]) -> LakeState:
    try:
        declared = declared_sources(settings)
    except SegmentationError as error:
        return replace(state, sources_problem=str(error))
    unread = {name: source for name, source in declared.items() if name not in known}
    streams = tuple(name for name, source in unread.items() if isinstance(source, KafkaSource))
    pushes = tuple(name for name, source in unread.items() if isinstance(source, PushSource))
    others = tuple(name for name in unread if name not in (*streams, *pushes))
    return replace(state, unread=others, unread_streams=streams, unread_pushes=pushes)


def _location(settings: Settings) -> str:
    return without_password(settings.catalog) if settings.catalog else str(settings.home)


def _first_line(error: Exception) -> str:
    return without_password(reason_of(error))
