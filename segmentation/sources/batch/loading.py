"""Loading days: the lines of the registered files, validated, into the lake, as one commit.

A day is always loaded as a whole, from all files that cover it, so loading it again gives the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import LOADS, REJECTED, TRANSACTIONS
from segmentation.progress import Narrator
from segmentation.sources.batch.currencies import refuse_mixed
from segmentation.sources.batch.day_changes import note_changed_days
from segmentation.sources.batch.file_roles import registered_tables
from segmentation.sources.batch.product_list import read_product_list
from segmentation.sources.batch.related_lines import related_lines
from segmentation.sources.batch.source_files import SourceFile, read_source_files
from segmentation.sources.profiles.profile import parse_profile
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.rules.mapping import LoadWindow, moment_of, profile_errors
from segmentation.sources.staging import Relation, Staging
from segmentation.warehouse import Commit, Lake

INPUT_FILES = """
SELECT unnest($file_ids) AS file_id, unnest($sources) AS source, unnest($paths) AS path,
    unnest($registered) AS registered_at, unnest($is_read) AS is_read
"""

NO_LINE_COUNTS = "SELECT 0 AS file_id, DATE '1970-01-01' AS ordered_on, CAST(0 AS BIGINT) AS lines_read LIMIT 0"

# The condition is on the group, since one on the lines would have every date read twice.
COUNT_LINES = f"""
INSERT INTO {Relation.LINE_COUNTS}
SELECT file_id, CAST(moment AS DATE), count(*)
FROM (SELECT file_id, {{moment}} AS moment FROM {{relation}} AS input)
GROUP BY ALL
HAVING {{in_window}}
"""

COUNT_MALFORMED = f"""
INSERT INTO {Relation.LINE_COUNTS} SELECT file_id, NULL, count(*) FROM {Relation.MALFORMED_LINES} GROUP BY file_id
"""

JOINED_LINES = "SELECT unnest($file_ids) AS file_id, unnest($lines_joined) AS lines_joined"

DAY_COUNTS = f"""
WITH counts AS (
    SELECT file_id, ordered_on, lines_read, 0 AS lines_accepted, 0 AS lines_rejected, 0 AS lines_joined
    FROM {Relation.LINE_COUNTS}
    UNION ALL
    SELECT file_id, CAST(ordered_at AS DATE), 0, count(*), 0, 0 FROM {Relation.ACCEPTED_LINES} GROUP BY ALL
    UNION ALL
    SELECT file_id, ordered_on, 0, 0, count(*), 0 FROM {Relation.REJECTED_LINES} GROUP BY ALL
    UNION ALL
    SELECT file_id, NULL, rows_read, rows_used, 0, 0 FROM {Relation.TABLE_COUNTS}
    UNION ALL
    SELECT file_id, NULL, 0, 0, 0, lines_joined FROM {Relation.JOINED_LINES} WHERE lines_joined > 0
)
SELECT source, path AS source_file, ordered_on, sum(lines_read) AS lines_read, sum(lines_accepted) AS lines_accepted,
    sum(lines_rejected) AS lines_rejected, sum(lines_joined) AS lines_joined
FROM counts JOIN {Relation.INPUT_FILES} USING (file_id)
GROUP BY ALL
"""

TAKEN_IDS = f"""
WITH loading AS (
    SELECT line_id, source, CAST(ordered_at AS DATE) AS day
    FROM {Relation.ACCEPTED_LINES} JOIN {Relation.INPUT_FILES} USING (file_id)
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

# Rows of tables that lines were joined with have no day; they are no lines.
TOTALS = f"""
SELECT coalesce(sum(lines_read), 0) - coalesce(sum(lines_accepted) FILTER (ordered_on IS NULL), 0),
    coalesce(sum(lines_accepted) FILTER (ordered_on IS NOT NULL), 0)
FROM {Relation.DAY_COUNTS}
"""

REASONS = f"""
SELECT reason, count(*) AS lines FROM {Relation.REJECTED_LINES} GROUP BY reason ORDER BY lines DESC, reason
"""

DELETE_ACCEPTED = f"""
DELETE FROM {TRANSACTIONS.name}
WHERE source IN (SELECT unnest($sources)) AND ordered_at >= $start AND ordered_at < $end
"""

# Undated lines belong to their file; those of a file that isn't registered any more have no other end.
DELETE_OF_DAYS = f"""
DELETE FROM {{table}}
WHERE source IN (SELECT unnest($sources))
    AND (
        ordered_on >= $start AND ordered_on < $end
        OR ordered_on IS NULL
        AND (
            (source, source_file) IN (SELECT (source, path) FROM {Relation.INPUT_FILES} WHERE is_read)
            OR (source, source_file) NOT IN (SELECT (source, path) FROM {Relation.INPUT_FILES})
        )
    )
"""

# The table sorts and partitions what is inserted (see schema.py); an ORDER BY here would do it twice.
INSERT_ACCEPTED = f"""
INSERT INTO {TRANSACTIONS.name} BY NAME
SELECT accepted.* EXCLUDE (file_id), source, registered_at AS ingested_at
FROM {Relation.ACCEPTED_LINES} AS accepted JOIN {Relation.INPUT_FILES} USING (file_id)
"""

INSERT_REJECTED = f"""
INSERT INTO {REJECTED.name} BY NAME
SELECT source, path AS source_file, ordered_on, reason, original, registered_at AS ingested_at
FROM {Relation.REJECTED_LINES} JOIN {Relation.INPUT_FILES} USING (file_id)
"""

INSERT_COUNTS = f"INSERT INTO {LOADS.name} BY NAME FROM {Relation.DAY_COUNTS}"

TABLES = "\ntables:\n"
"""What profiles with tables have, written as they are registered."""

MAX_ATTEMPTS = 5
"""How often a load begins anew because files were registered meanwhile."""


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    Attributes:
        lines_read: Lines that the files hold for the days, undated ones included; counted before they were validated.
            Rows of tables are among them only if they were refused.
        accepted: Lines that went to `raw.transactions`.
        rejected_by_reason: Lines that went to `raw.rejected_transactions`, most frequent reason first.
        days: How many days were loaded.
        sources: The sources that had files for them.
        lines_joined: Physical lines of the files that quotations joined to others.
        remarks: By file, what is out of the ordinary about its physical lines.
    """

    lines_read: int = 0
    accepted: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    days: int = 0
    sources: tuple[str, ...] = ()
    lines_joined: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def rejected(self) -> int:
        """Lines that went to `raw.rejected_transactions`."""
        return sum(self.rejected_by_reason.values())


@dataclass(frozen=True)
class ValidatedFiles:
    """What was found in files that need not be registered.

    Attributes:
        report: What a load of them would do.
        accepted: Their accepted lines, as long as the staging area is open and nothing else is validated in it.
        rejected: Their rejected lines with `reason` and `original`, as long.
    """

    report: LoadReport
    accepted: duckdb.DuckDBPyRelation
    rejected: duckdb.DuckDBPyRelation


@dataclass(frozen=True)
class _Days:
    """The days to load, from `start` to before `end`, and the files that are registered, numbered."""

    start: date
    end: date
    files: tuple[SourceFile, ...]

    def covering(self, files: Sequence[SourceFile]) -> list[SourceFile]:
        return [file for file in files if file.is_table() or file.covers(self.start, self.end)]

    def read(self) -> list[bool]:
        """Per file, whether it has to be read: it covers the days, or it belongs to one that does.

        With tables, all files of a source do: which rows of tables no line names, and which is the first of a key, must
        not depend on the days that are loaded.
        """
        covering = {file.source for file in self.files if file.covers(self.start, self.end)}
        whole = covering & {file.source for file in self.files if file.is_table() or TABLES in file.profile}
        return [file.source in whole or file.covers(self.start, self.end) for file in self.files]

    def as_values(self) -> dict[str, object]:
        return {"sources": sorted({file.source for file in self.files}), "start": self.start, "end": self.end}


class _FilesChangedError(Exception):
    """Another process has registered a file of these days since they were read."""


def load_days(
    lake: Lake, start: date, end: date, commit: Commit, *, now: datetime, progress: Narrator = lambda _: None
) -> LoadReport:
    """Load the days from `start` to before `end` (UTC) from all registered files that cover them.

    Rows of these days that registered sources delivered before are replaced. Lines whose date can't be read come along
    with whatever day of their file is loaded.

    Args:
        lake: A writable lake.
        start: First day.
        end: Day after the last one.
        commit: What the snapshot says about itself.
        now: In UTC, without a zone; lines of more than a day later have no readable date.
        progress: Told what is being done.

    Raises:
        SourceError: A file is missing, has changed since it was registered, or can't be read. Nothing has been
            written then.
    """
    for _ in range(MAX_ATTEMPTS):
        with Staging.opened(lake) as staging:
            days = _Days(start, end, tuple(read_source_files(staging.con)))
            if not days.files:
                return LoadReport()
            report = _validate(staging, days, now, progress)
            progress(f"Writing {report.accepted:,} accepted and {report.rejected:,} rejected lines")
            try:
                lake.transaction(staging.con, commit, partial(_replace, staging=staging, days=days))
            except _FilesChangedError:
                continue
            return report
    raise SourceError(
        f"Other processes registered files for {start} to {end} each time that these days were about to be written. "
        "Nothing was written; run it again."
    )


def validate_files(
    staging: Staging, files: Sequence[SourceFile], start: date, end: date, *, now: datetime
) -> ValidatedFiles:
    """Validate the lines of files that need not be registered, and write nothing.

    Args:
        staging: Beside a lake that may be read-only.
        files: The files, of one source.
        start: First day that counts.
        end: Day after the last one.
        now: In UTC, without a zone; lines of more than a day later have no readable date.

    Raises:
        SourceError: A file can't be read, or a line has the id of one of another day.
    """
    report = _validate(staging, _Days(start, end, tuple(files)), now, lambda _: None)
    return ValidatedFiles(report, staging.query(Relation.ACCEPTED_LINES), staging.query(Relation.REJECTED_LINES))


def _validate(staging: Staging, days: _Days, now: datetime, tell: Narrator) -> LoadReport:
    staging.begin(now, LoadWindow(days.start, days.end))
    values: dict[str, list[Any]] = {
        "file_ids": list(range(len(days.files))),
        "sources": [file.source for file in days.files],
        "paths": [file.path for file in days.files],
        "registered": [file.registered_at for file in days.files],
        "is_read": days.read(),
    }
    staging.create(Relation.INPUT_FILES, INPUT_FILES, values)
    staging.create(Relation.LINE_COUNTS, NO_LINE_COUNTS)
    sources = []
    for source, files in groupby(enumerate(days.files), key=lambda numbered: numbered[1].source):
        of_source = dict(files)
        covering = {n: file for n, file in of_source.items() if values["is_read"][n]}
        if covering:
            tell(f"Reading {len(covering)} files of {source}")
            _validate_source(staging, days, source, of_source, covering)
            sources.append(source)
    staging.deduplicate()
    staging.con.execute(COUNT_MALFORMED)
    joined = {file_id: account.joined for file_id, account in staging.accounts.items() if file_id >= 0}
    values = {"file_ids": list(joined), "lines_joined": list(joined.values())}
    staging.create(Relation.JOINED_LINES, JOINED_LINES, values)
    staging.create(Relation.DAY_COUNTS, DAY_COUNTS)
    _refuse_ids_of_other_days(staging.con, days)
    refuse_mixed(staging.con, staging.settings, Relation.ACCEPTED_LINES, days.as_values())
    totals = staging.con.execute(TOTALS).fetchone() or (0, 0)
    return LoadReport(
        lines_read=int(totals[0]),
        accepted=int(totals[1]),
        rejected_by_reason=dict(staging.con.execute(REASONS).fetchall()),
        days=(days.end - days.start).days,
        sources=tuple(sources),
        lines_joined=sum(joined.values()),
        remarks=tuple(
            f"{days.files[file_id].path}: {account.told}"
            for file_id, account in staging.accounts.items()
            if account.told and file_id in joined
        ),
    )


def _validate_source(
    staging: Staging, days: _Days, source: str, files: Mapping[int, SourceFile], covering: Mapping[int, SourceFile]
) -> None:
    """Validate the lines of the files that cover the days; `files` are all of the source, by their numbers."""
    profile = parse_profile(next(iter(files.values())).profile, f"of the source {source}")
    for file in covering.values():
        if file.is_there() and Path(file.path).stat().st_size != file.byte_size:
            raise SourceError(
                f"{file.path} has changed since it was registered. Ingest it again, so that the platform knows which "
                "days it covers now: `segmentation ingest PATH --profile …`."
            )
    # The list of all files, not of the covering ones, so that a day comes out the same whatever it is loaded with.
    paths = [Path(file.path) for file in files.values() if not file.is_table()]
    has_product_list = read_product_list(staging, profile, source, paths)
    moment, window = moment_of(profile), LoadWindow(days.start, days.end)
    with (
        related_lines(
            staging,
            profile,
            [InputFile(number, Path(file.path)) for number, file in covering.items() if not file.is_table()],
            registered_tables(profile, covering),
            keep=window.contains(moment),
        ) as groups,
        profile_errors(profile, source),
    ):
        in_window = window.contains("min(moment)")
        for lines in groups:
            staging.con.execute(COUNT_LINES.format(moment=moment, relation=lines.relation, in_window=in_window))
        staging.validate(profile, source, groups, has_product_list=has_product_list)


def _refuse_ids_of_other_days(con: duckdb.DuckDBPyConnection, days: _Days) -> None:
    clash = con.execute(TAKEN_IDS, days.as_values()).fetchone()
    if clash:
        line_id, source, day, other_source, other_day = clash
        raise SourceError(
            f"line_id {line_id!r} occurs twice: on {day} in source {source} and on {other_day} in source "
            f"{other_source}. Give each line an id of its own, or leave `line_id` out of the profile, so that one is "
            "made; then ingest the file again."
        )


def _replace(con: duckdb.DuckDBPyConnection, staging: Staging, days: _Days) -> None:
    if days.covering(read_source_files(con)) != days.covering(days.files):
        raise _FilesChangedError
    values = days.as_values()
    note_changed_days(staging, values)
    con.execute(DELETE_ACCEPTED, values)
    con.execute(DELETE_OF_DAYS.format(table=REJECTED.name), values)
    con.execute(DELETE_OF_DAYS.format(table=LOADS.name), values)
    con.execute(INSERT_ACCEPTED)
    con.execute(INSERT_REJECTED)
    con.execute(INSERT_COUNTS)
