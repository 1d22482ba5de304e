"""Loading days: the lines of the registered files, judged, into the lake, as one commit.

A day is always loaded as a whole, from all files that cover it, so loading it again gives the same rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path

import duckdb

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import LOADS, REJECTED, TRANSACTIONS
from segmentation.sources.batch.product_list import read_product_list
from segmentation.sources.batch.source_files import SourceFile, read_source_files
from segmentation.sources.profiles.profile import Profile, parse_profile
from segmentation.sources.readers import text_parts
from segmentation.sources.readers.binding import Wanted
from segmentation.sources.readers.files import Lines, drop_lines, read_lines
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.readers.text_parts import MALFORMED
from segmentation.sources.rules import mapping
from segmentation.sources.rules.deduplication import deduplicate
from segmentation.sources.rules.mapping import in_window, moment_of, profile_errors
from segmentation.sources.rules.validation import CREATE_JUDGED, find_duplicate_candidates, validate
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.customer_bucket import CUSTOMER_BUCKET_MACRO
from segmentation.warehouse.schema import customer_buckets

INPUT_FILES = """
CREATE OR REPLACE TEMP TABLE input_files AS
SELECT unnest($file_ids) AS file_id, unnest($sources) AS source, unnest($paths) AS path,
    unnest($registered) AS registered_at, unnest($is_read) AS is_read
"""

LINE_COUNTS = "CREATE OR REPLACE TEMP TABLE line_counts (file_id INTEGER, ordered_on DATE, lines_read BIGINT)"

# The condition is on the group, since one on the lines would have every date read twice.
COUNT_LINES = """
INSERT INTO line_counts
SELECT file_id, CAST(moment AS DATE), count(*)
FROM (SELECT file_id, {moment} AS moment FROM {relation} AS input)
GROUP BY ALL
HAVING {in_window}
"""

COUNT_MALFORMED = f"INSERT INTO line_counts SELECT file_id, NULL, count(*) FROM {MALFORMED} GROUP BY file_id"

DAY_COUNTS = """
CREATE OR REPLACE TEMP TABLE day_counts AS
WITH counts AS (
    SELECT file_id, ordered_on, lines_read, 0 AS lines_accepted, 0 AS lines_rejected FROM line_counts
    UNION ALL
    SELECT file_id, CAST(ordered_at AS DATE), 0, count(*), 0 FROM accepted GROUP BY ALL
    UNION ALL
    SELECT file_id, ordered_on, 0, 0, count(*) FROM rejected GROUP BY ALL
)
SELECT source, path AS source_file, ordered_on, sum(lines_read) AS lines_read, sum(lines_accepted) AS lines_accepted,
    sum(lines_rejected) AS lines_rejected
FROM counts JOIN input_files USING (file_id)
GROUP BY ALL
"""

TAKEN_IDS = f"""
WITH loading AS (
    SELECT line_id, source, CAST(ordered_at AS DATE) AS day FROM accepted JOIN input_files USING (file_id)
),
others AS (
    SELECT line_id, source, CAST(ordered_at AS DATE) AS day
    FROM {TRANSACTIONS.name}
    WHERE line_id IN (SELECT line_id FROM loading)
        AND NOT (source IN (SELECT unnest($sources)) AND ordered_at >= $start AND ordered_at < $end)
),
twice AS (
    SELECT line_id, MIN(source) AS source, MIN(day) AS day, MAX(source) AS other_source, MAX(day) AS other_day
    FROM loading
    GROUP BY line_id
    HAVING COUNT(*) > 1
)
SELECT loading.*, others.source, others.day FROM loading JOIN others USING (line_id)
UNION ALL
FROM twice
ORDER BY line_id
LIMIT 1
"""

TOTALS = "SELECT coalesce(sum(lines_read), 0), coalesce(sum(lines_accepted), 0) FROM day_counts"

REASONS = "SELECT reason, count(*) AS lines FROM rejected GROUP BY reason ORDER BY lines DESC, reason"

DELETE_ACCEPTED = f"""
DELETE FROM {TRANSACTIONS.name}
WHERE source IN (SELECT unnest($sources)) AND ordered_at >= $start AND ordered_at < $end
"""

# Undated lines belong to their file; those of a file that isn't registered any more have no other end.
DELETE_OF_DAYS = """
DELETE FROM {table}
WHERE source IN (SELECT unnest($sources))
    AND (
        ordered_on >= $start AND ordered_on < $end
        OR ordered_on IS NULL
        AND (
            (source, source_file) IN (SELECT (source, path) FROM input_files WHERE is_read)
            OR (source, source_file) NOT IN (SELECT (source, path) FROM input_files)
        )
    )
"""

# The table sorts and partitions what is inserted (see schema.py); an ORDER BY here would do it twice.
INSERT_ACCEPTED = f"""
INSERT INTO {TRANSACTIONS.name} BY NAME
SELECT accepted.* EXCLUDE (file_id), source, registered_at AS ingested_at
FROM accepted JOIN input_files USING (file_id)
"""

INSERT_REJECTED = f"""
INSERT INTO {REJECTED.name} BY NAME
SELECT source, path AS source_file, ordered_on, reason, original, registered_at AS ingested_at
FROM rejected JOIN input_files USING (file_id)
"""

INSERT_COUNTS = f"INSERT INTO {LOADS.name} BY NAME FROM day_counts"

MAX_ATTEMPTS = 5
"""How often a load begins anew because files were registered meanwhile."""

Progress = Callable[[str], object]
"""Is told what is being done, in a few words."""


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    Attributes:
        lines_read: Lines that the files hold for the days, undated ones included; counted before they were judged.
        accepted: Lines that went to `raw.transactions`.
        rejected_by_reason: Lines that went to `raw.rejected_transactions`, most frequent reason first.
        days: How many days were loaded.
        sources: The sources that had files for them.
    """

    lines_read: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    days: int = 0
    sources: tuple[str, ...] = ()

    @property
    def rejected(self) -> int:
        """Lines that went to `raw.rejected_transactions`."""
        return sum(self.rejected_by_reason.values())


@dataclass(frozen=True)
class _Window:
    """The days to load, from `start` to before `end`, and the files that are registered, numbered."""

    start: date
    end: date
    files: tuple[SourceFile, ...]

    def is_current(self, files: Sequence[SourceFile]) -> bool:
        """Whether the files that cover the days are still these."""
        now, then = ([f for f in known if f.covers(self.start, self.end)] for known in (files, self.files))
        return now == then

    def covering(self, source: str) -> list[InputFile]:
        return [
            InputFile(number, Path(file.path))
            for number, file in enumerate(self.files)
            if file.source == source and file.covers(self.start, self.end)
        ]


def load_days(lake: Lake, start: date, end: date, commit: Commit, *, progress: Progress | None = None) -> LoadReport:
    """Load the days from `start` to before `end` (UTC) from all registered files that cover them.

    Rows of these days that registered sources delivered before are replaced. Lines whose date can't be read come along
    with whatever day of their file is loaded.

    Args:
        lake: A writable lake.
        start: First day.
        end: Day after the last one.
        commit: What the snapshot says about itself.
        progress: Told what is being done.

    Raises:
        SourceError: A file is missing, has changed since it was registered, or can't be read. Nothing has been
            written then.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            return _load(lake, start, end, commit, progress or (lambda _: None))
        except _FilesChangedError:
            continue
    raise SourceError(
        f"Other processes registered files for {start} to {end} each time that these days were about to be written. "
        "Nothing was written; run it again."
    )


class _FilesChangedError(Exception):
    """Another process has registered a file of these days since they were read."""


def _load(lake: Lake, start: date, end: date, commit: Commit, tell: Progress) -> LoadReport:
    with lake.cursor() as con:
        window = _Window(start, end, tuple(read_source_files(con)))
        if not window.files:
            return LoadReport()
        report = _validate(con, window, tell)
        tell(f"Writing {report.accepted:,} accepted and {report.rejected:,} rejected lines")
        lake.transaction(con, commit, lambda c: _replace(c, window))
    return report


def validate_files(con: duckdb.DuckDBPyConnection, files: Sequence[SourceFile], start: date, end: date) -> LoadReport:
    """Judge the lines of files that need not be registered, and write nothing.

    Leaves the lines in the temporary tables `accepted` and `rejected` of the connection.

    Args:
        con: A cursor of the lake; may be read-only.
        files: The files, of one source.
        start: First day that counts.
        end: Day after the last one.

    Raises:
        SourceError: A file can't be read, or a line has the id of one of another day.
    """
    return _validate(con, _Window(start, end, tuple(files)), lambda _: None)


def _validate(con: duckdb.DuckDBPyConnection, window: _Window, tell: Progress) -> LoadReport:
    _prepare(con, window)
    sources = []
    for source, files in groupby(window.files, key=lambda file: file.source):
        if covering := window.covering(source):
            tell(f"Reading {len(covering)} files of {source}")
            _validate_source(con, source, list(files), covering)
            sources.append(source)
    deduplicate(con)
    con.execute(COUNT_MALFORMED)
    con.execute(DAY_COUNTS)
    _refuse_ids_of_other_days(con, window)
    return _report(con, window, sources)


def _prepare(con: duckdb.DuckDBPyConnection, window: _Window) -> None:
    text_parts.prepare(con)
    mapping.prepare(con)
    con.execute(CUSTOMER_BUCKET_MACRO)
    con.execute("SET VARIABLE customer_buckets = $buckets", {"buckets": customer_buckets(con)})
    con.execute("SET VARIABLE window_start = CAST($start AS TIMESTAMP)", {"start": window.start})
    con.execute("SET VARIABLE window_last = CAST($end AS TIMESTAMP) - INTERVAL 1 MICROSECOND", {"end": window.end})
    con.execute(
        INPUT_FILES,
        {
            "file_ids": list(range(len(window.files))),
            "sources": [file.source for file in window.files],
            "paths": [file.path for file in window.files],
            "registered": [file.registered_at for file in window.files],
            "is_read": [file.covers(window.start, window.end) for file in window.files],
        },
    )
    con.execute(LINE_COUNTS)
    con.execute(CREATE_JUDGED)


def _validate_source(
    con: duckdb.DuckDBPyConnection, source: str, files: Sequence[SourceFile], covering: Sequence[InputFile]
) -> None:
    profile = parse_profile(files[0].profile, f"of the source {source}")
    mapping.use_profile(con, profile, source)
    _check_unchanged(covering, files)
    # The list of all files, not of the covering ones, so that a day comes out the same whatever it is loaded with.
    has_product_list = read_product_list(con, profile, source, [Path(file.path) for file in files])
    wanted = Wanted(profile.name, profile.inputs, profile.reader)
    groups = read_lines(con, f"lines_{covering[0].file_id}", covering, wanted, keep=in_window(moment_of(profile)))
    with profile_errors(profile, source):
        for lines in groups:
            _count(con, profile, lines)
        find_duplicate_candidates(con, profile, groups)
        for lines in groups:
            validate(con, profile, lines, has_product_list=has_product_list)
    drop_lines(con, groups)


def _check_unchanged(covering: Sequence[InputFile], files: Sequence[SourceFile]) -> None:
    registered = {file.path: file.byte_size for file in files}
    for file in covering:
        if file.path.is_file() and file.path.stat().st_size != registered[str(file.path)]:
            raise SourceError(
                f"{file.path} has changed since it was registered. Ingest it again, so that the platform knows which "
                "days it covers now: `segmentation ingest PATH --profile …`."
            )


def _count(con: duckdb.DuckDBPyConnection, profile: Profile, lines: Lines) -> None:
    moment = moment_of(profile)
    con.execute(COUNT_LINES.format(moment=moment, relation=lines.relation, in_window=in_window("min(moment)")))


def _refuse_ids_of_other_days(con: duckdb.DuckDBPyConnection, window: _Window) -> None:
    days = {"sources": sorted({file.source for file in window.files}), "start": window.start, "end": window.end}
    clash = con.execute(TAKEN_IDS, days).fetchone()
    if clash:
        line_id, source, day, other_source, other_day = clash
        raise SourceError(
            f"line_id {line_id!r} occurs twice: on {day} in source {source} and on {other_day} in source "
            f"{other_source}. Give each line an id of its own, or leave `line_id` out of the profile, so that one is "
            "made; then ingest the file again."
        )


def _report(con: duckdb.DuckDBPyConnection, window: _Window, sources: Sequence[str]) -> LoadReport:
    totals = con.execute(TOTALS).fetchone() or (0, 0)
    return LoadReport(
        lines_read=int(totals[0]),
        accepted=int(totals[1]),
        rejected_by_reason=dict(con.execute(REASONS).fetchall()),
        days=(window.end - window.start).days,
        sources=tuple(sources),
    )


def _replace(con: duckdb.DuckDBPyConnection, window: _Window) -> None:
    if not window.is_current(read_source_files(con)):
        raise _FilesChangedError
    days = {"sources": sorted({file.source for file in window.files}), "start": window.start, "end": window.end}
    con.execute(DELETE_ACCEPTED, days)
    con.execute(DELETE_OF_DAYS.format(table=REJECTED.name), days)
    con.execute(DELETE_OF_DAYS.format(table=LOADS.name), days)
    con.execute(INSERT_ACCEPTED)
    con.execute(INSERT_REJECTED)
    con.execute(INSERT_COUNTS)
