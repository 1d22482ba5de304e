"""Coverage: up to which day the data is complete. It bounds partitions, automation, checks and every "latest".

A source is complete up to its last day with lines, and as long after it as a quiet source counts as complete
(`SEGMENTATION_QUIET_DAYS`). The lake is complete as far as the source that reaches furthest: one that is late is named,
and doesn't keep the others from being looked at; once its lines come, the snapshots that lack them are stale.

Days are those of the shop's calendar, in which snapshots have their dates. Files and lines are kept by days of UTC,
which partitions follow; where the two differ, the first and the last moments of the days at the edges tell.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import duckdb

from segmentation.errors import NoLakeError, SegmentationError
from segmentation.metadata.tables.raw import CHANGED_DAYS, LOADS, SOURCE_FILES, TRANSACTIONS
from segmentation.settings import Settings
from segmentation.shop_calendar import UNIVERSAL, first_moment, local_day
from segmentation.sources.batch.spans import LONGEST_GAP
from segmentation.warehouse.schema import open_current
from segmentation.warehouse.shop_zone import shop_zone

DAYS = f"""
SELECT source, ordered_on
FROM {CHANGED_DAYS.name}
GROUP BY ALL
HAVING SUM(line_count_change) > 0
"""
"""Days that have lines. Those that had some once, under a wrong date, are no first day; as last ones they stay known,
so that what was made of them can be made anew."""

SOURCES = f"""
WITH days AS ({DAYS})
SELECT source, MIN(ordered_on), MAX(ordered_on) FROM days GROUP BY source ORDER BY source
"""

SMALL_SHARE = 0.001
"""Of all lines: fewer before a gap of years are slips of a date."""

MAIN_FIRST_DAY = f"""
WITH days AS (
    SELECT ordered_on, SUM(line_count_change) AS lines
    FROM {CHANGED_DAYS.name}
    GROUP BY ordered_on
    HAVING SUM(line_count_change) > 0
),
gaps AS (
    SELECT
        ordered_on,
        lines,
        ordered_on - LAG(ordered_on) OVER (ORDER BY ordered_on) > {LONGEST_GAP.days} AS begins
    FROM days
),
spans AS (
    SELECT ordered_on, lines, COUNT(*) FILTER (begins) OVER (ORDER BY ordered_on) AS span
    FROM gaps
)
SELECT MIN(first_day)
FROM (SELECT MIN(ordered_on) AS first_day, SUM(lines) AS lines FROM spans GROUP BY span)
WHERE lines >= {SMALL_SHARE} * (SELECT SUM(lines) FROM days)
"""

MOMENTS = f"""
SELECT source, CAST(ordered_at AS DATE), MIN(ordered_at), MAX(ordered_at)
FROM {TRANSACTIONS.name}
WHERE {{days}}
GROUP BY ALL
"""
"""Days are written out, not bound: DuckLake skips files by what it can see when it plans."""

_ON_DAY = "(ordered_at >= TIMESTAMP '{day}' AND ordered_at < TIMESTAMP '{next_day}')"

ONE_DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)

HELD_BACK = f"SELECT DISTINCT source FROM {SOURCE_FILES.name} WHERE last_day >= $today"
"""Sources with files of a day (UTC) that is not over, and is loaded once it is."""

AT_HAND = f"""
WITH days AS ({DAYS})
SELECT MIN(first_day), MAX(last_day)
FROM (
    SELECT first_day, last_day FROM {SOURCE_FILES.name}
    UNION ALL
    SELECT ordered_on, ordered_on FROM {LOADS.name}
    UNION ALL
    SELECT ordered_on, NULL FROM days
    UNION ALL
    SELECT NULL, ordered_on FROM {CHANGED_DAYS.name}
)
"""


@dataclass(frozen=True)
class SourceCoverage:
    """The days of one source in the lake.

    Attributes:
        source: Its name.
        first_day: Day of its first line.
        last_day: Day of its last line.
        until: The first day that may still get lines: snapshots as of this date lack none.
        is_late: Whether others reach further.
    """

    source: str
    first_day: date
    last_day: date
    until: date
    is_late: bool


@dataclass(frozen=True)
class Coverage:
    """Which days there are.

    Attributes:
        first_day: First day (UTC) of all files and lines, whether or not they are loaded; None without any.
        last_day: Their last day.
        until: The first day that may still get lines; None as long as no line is loaded.
        sources: By source, those with lines in the lake.
        main_first_day: The first day of the mass of the lines: without the few that lie years before all others, whose
            date is a slip. None as long as no line is loaded.
        zone: The shop's time zone.
    """

    first_day: date | None = None
    last_day: date | None = None
    until: date | None = None
    sources: tuple[SourceCoverage, ...] = ()
    main_first_day: date | None = None
    zone: str = UNIVERSAL

    @property
    def begins_on(self) -> date | None:
        """The first day from which it makes sense to look back at dates; None without any file or line."""
        return self.main_first_day or self.first_day

    def reaches(self, as_of: date) -> bool:
        """Whether the data is complete before a date."""
        return self.until is not None and as_of <= self.until

    def require(self, as_of: date) -> None:
        """Refuse a date that the data doesn't reach.

        Raises:
            SegmentationError: It says how far the data reaches, and what to do.
        """
        if not self.reaches(as_of):
            raise SegmentationError(self.why_not(as_of))

    def why_not(self, as_of: date) -> str:
        """Why a date can't be looked back from, and what can be done."""
        if self.until is None:
            return "Nothing has been ingested yet; `segmentation ingest PATH --profile NAME` does."
        return (
            f"The data is complete up to {self.until - timedelta(days=1)}, so a snapshot as of {as_of} would be ahead "
            f"of it. Look as of {self.until} or before (`segmentation materialize --as-of {self.until}`), ingest what "
            "has come since, or raise SEGMENTATION_QUIET_DAYS if nothing was sold on the days between."
        )

    def late_sources(self) -> tuple[SourceCoverage, ...]:
        """Those that others have left behind."""
        return tuple(source for source in self.sources if source.is_late)


def coverage_of(
    days: dict[str, tuple[date, date]],
    at_hand: tuple[date | None, date | None],
    quiet_days: int,
    now: datetime,
    zone: str = UNIVERSAL,
) -> Coverage:
    """The coverage of sources.

    Args:
        days: First and last day with lines in the lake, by source, in the shop's calendar.
        at_hand: First and last day (UTC) of all files and lines.
        quiet_days: How long a source counts as complete after its last day.
        now: The present moment (UTC); a day that is not over is never complete.
        zone: The shop's time zone.
    """
    today = local_day(now, zone)
    until = {source: min(last + timedelta(days=1 + quiet_days), today) for source, (_, last) in days.items()}
    furthest = max(until.values(), default=None)
    sources = tuple(
        SourceCoverage(source, first, last, until[source], until[source] != furthest)
        for source, (first, last) in sorted(days.items())
    )
    return Coverage(*at_hand, furthest, sources, zone=zone)


def read_coverage(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> Coverage:
    """The coverage of a lake at the present moment (UTC)."""
    days = {source: (first, last) for source, first, last in con.execute(SOURCES).fetchall()}
    first, last = con.execute(AT_HAND).fetchall()[0]
    ((main_first_day,),) = con.execute(MAIN_FIRST_DAY).fetchall()
    zone = shop_zone(con, settings)
    if zone != UNIVERSAL and days:
        days, main_first_day = _in_shop_days(con, days, main_first_day, zone, now)
    covered = coverage_of(days, (first, last), settings.quiet_days, now, zone)
    return replace(covered, main_first_day=main_first_day)


def _in_shop_days(
    con: duckdb.DuckDBPyConnection,
    days: dict[str, tuple[date, date]],
    main_first_day: date | None,
    zone: str,
    now: datetime,
) -> tuple[dict[str, tuple[date, date]], date | None]:
    """The days (UTC) of sources, and the first one of the mass of the lines, in the shop's calendar."""
    wanted = sorted({*(day for span in days.values() for day in span), *([main_first_day] if main_first_day else [])})
    query = MOMENTS.format(days=" OR ".join(_ON_DAY.format(day=day, next_day=day + ONE_DAY) for day in wanted))
    moments = {(source, day): (first, last) for source, day, first, last in con.execute(query).fetchall()}
    held_back = {source for (source,) in con.execute(HELD_BACK, {"today": now.date()}).fetchall()}
    # West of Greenwich, the evening lies in the day of UTC that is not loaded yet: that day of the shop isn't complete.
    last_whole = first_moment(local_day(_whole(now.date())[0], zone), zone) - MOMENT
    found = {}
    for source, (first, last) in days.items():
        first_at, _ = moments.get((source, first), _whole(first))
        _, last_at = moments.get((source, last), _whole(last))
        if source in held_back and last < now.date():
            last_at = min(last_at, last_whole)
        found[source] = (local_day(first_at, zone), local_day(last_at, zone))
    starts = [first for (_, day), (first, _) in moments.items() if day == main_first_day]
    return found, local_day(min(starts), zone) if starts else main_first_day


def _whole(day: date) -> tuple[datetime, datetime]:
    """The first and the last moment of a day (UTC)."""
    midnight = datetime.combine(day, time())
    return midnight, midnight + ONE_DAY - MOMENT


def coverage_at(settings: Settings, now: datetime) -> Coverage:
    """The coverage of an installation; none where there is no lake yet. A lake of an older release is migrated.

    Raises:
        WarehouseUnavailableError: The lake can't be reached.
    """
    try:
        with open_current(settings) as lake, lake.cursor() as con:
            return read_coverage(con, settings, now)
    except NoLakeError:
        return Coverage()
