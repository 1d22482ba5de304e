"""What a file holds, seen through a profile: how many lines, of which days. Nothing is written here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.batch.column_evidence import ColumnEvidence, column_evidence
from segmentation.sources.batch.column_verdicts import verdicts_on
from segmentation.sources.batch.file_roles import Tables
from segmentation.sources.batch.product_list import read_product_list
from segmentation.sources.batch.related_lines import related_lines
from segmentation.sources.batch.source_files import state_of
from segmentation.sources.profiles.contract import CLEANED_BY
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.readers.paths import InputFile, format_of
from segmentation.sources.rules.advice import advice_for
from segmentation.sources.rules.mapping import mapped, original_of, profile_errors
from segmentation.sources.rules.validation import check_profile
from segmentation.sources.staging import Relation, Staging

COUNTS = f"""
SELECT file_id, count(*), list(DISTINCT CAST(moment AS DATE)) FILTER (moment IS NOT NULL), min(undated)
FROM (
    {{lines}}
    UNION ALL
    SELECT file_id, NULL AS moment, line AS undated FROM {Relation.MALFORMED_LINES}
)
GROUP BY file_id
"""

MOMENTS = """
SELECT file_id, mapped_ordered_at AS moment, CASE WHEN mapped_ordered_at IS NULL THEN {original} END AS undated
FROM ({mapped})
"""

TABLE_LINES = f"""
SELECT
    (SELECT CAST(coalesce(sum(rows_read), 0) AS BIGINT) FROM {Relation.TABLE_COUNTS} WHERE file_id = $file_id)
    + (SELECT count(*) FROM {Relation.MALFORMED_LINES} WHERE file_id = $file_id)
"""


@dataclass(frozen=True)
class FileFacts:
    """What was found in one file.

    Attributes:
        path: Where it is.
        line_count: Its lines, malformed ones included.
        first_day: Day (UTC) of the earliest line.
        last_day: Day (UTC) of the latest line.
        days: All days (UTC) of lines.
        byte_size: Its size.
        modified_at: When it was last changed, UTC.
        columns: Type by column.
        stops: Why its lines must not be loaded as they are read now.
        warnings: What people should look at.
    """

    path: Path
    line_count: int
    first_day: date
    last_day: date
    days: frozenset[date]
    byte_size: int
    modified_at: datetime
    columns: Mapping[str, str]
    stops: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableFacts:
    """What was found in one file of a table.

    Attributes:
        path: Where it is.
        line_count: Its rows, malformed ones included.
        byte_size: Its size.
        modified_at: When it was last changed, UTC.
    """

    path: Path
    line_count: int
    byte_size: int
    modified_at: datetime


def inspect(
    staging: Staging,
    profile: Profile,
    source: str,
    paths: Sequence[Path],
    *,
    now: datetime,
    tables: Tables | None = None,
    on_table: Callable[[TableFacts], object] = lambda _: None,
) -> list[FileFacts]:
    """Look into files, and check that the profile fits them and that their product list is there.

    Args:
        staging: Where to read them.
        profile: How to read them.
        source: Name of their source.
        paths: The files.
        now: In UTC, without a zone; lines of more than a day later have no readable date.
        tables: By table of the profile, its files.
        on_table: Told what is in each file that holds tables alone.

    Raises:
        SourceError: A file is missing, empty, damaged, lacks a column or has no line with a readable date; a product
            list can't be read; or an expression of the profile doesn't work.
    """
    staging.begin(now)
    files = [InputFile(file_id, path) for file_id, path in enumerate(paths)]
    numbers = _numbered([*paths, *sorted({path for of_table in (tables or {}).values() for path in of_table})])
    of_tables = {name: [InputFile(numbers[path], path) for path in found] for name, found in (tables or {}).items()}
    columns: dict[int, dict[str, str]] = {}
    with related_lines(
        staging,
        profile,
        files,
        of_tables,
        on_columns=lambda file, found: columns.setdefault(file.file_id, {}).update(found),
    ) as groups:
        for lines in groups:
            # The types of an empty Parquet file may be none, and say nothing about the profile.
            if len(paths) == 1 and format_of(paths[0]) == "parquet" and _is_empty(staging.con, lines):
                raise SourceError(_no_lines(paths[0]))
            check_profile(staging.con, profile, lines)
        with profile_errors(profile, source):
            counts = {row[0]: row[1:] for row in staging.con.execute(_counts(profile, groups)).fetchall()}
            evidence = [each for lines in groups for each in column_evidence(staging.con, profile, lines)]
    for path, number in list(numbers.items())[len(paths) :]:
        ((lines,),) = staging.con.execute(TABLE_LINES, {"file_id": number}).fetchall()
        on_table(TableFacts(path, lines, *state_of(path)))
    read_product_list(staging, profile, source, paths)
    facts = []
    for file in files:
        of_file = [each for each in evidence if each.file_id == file.file_id]
        found = _facts(file.path, profile, counts.get(file.file_id), columns.get(file.file_id, {}), of_file)
        verdicts = verdicts_on(of_file, profile, staging.max_unreadable_share)
        facts.append(replace(found, stops=verdicts.stops, warnings=verdicts.warnings))
    return facts


def refuse_misread(facts: Sequence[FileFacts]) -> None:
    """Complain about files whose lines say that the profile reads them wrongly.

    Raises:
        SourceError: There are some; the message names the settings.
    """
    stops = [f"{found.path}: {stop}" for found in facts for stop in found.stops]
    if stops:
        raise SourceError("\n".join([*stops, "Nothing was loaded or registered."]))


def _numbered(paths: Iterable[Path]) -> dict[Path, int]:
    return {path: number for number, path in enumerate(dict.fromkeys(paths))}


def _counts(profile: Profile, groups: Sequence[Lines]) -> str:
    moment = {"ordered_at": profile.columns["ordered_at"]}
    selects = [
        MOMENTS.format(original=original_of(lines), mapped=mapped(moment, CLEANED_BY, lines)) for lines in groups
    ]
    return COUNTS.format(lines=" UNION ALL ".join(selects) or "SELECT NULL, NULL, NULL LIMIT 0")


def _facts(
    path: Path,
    profile: Profile,
    counts: tuple[int, list[date] | None, str] | None,
    columns: Mapping[str, str],
    evidence: Sequence[ColumnEvidence],
) -> FileFacts:
    if counts is None:
        raise SourceError(_no_lines(path))
    line_count, days, undated = counts
    if not days:
        raise SourceError(
            f"None of the {line_count} lines of {path} has a date that can be read. The profile {profile.name} takes "
            f"it from {profile.columns['ordered_at']!r}; a line is {undated}. {_advice(evidence)}Dates before "
            "SEGMENTATION_EARLIEST_DAY don't count, nor do those after tomorrow."
        )
    return FileFacts(path, line_count, min(days), max(days), frozenset(days), *state_of(path), columns)


def _advice(evidence: Sequence[ColumnEvidence]) -> str:
    for each in evidence:
        if each.reading.kind == "date" and each.example is not None:
            advice = advice_for("date", each.example, each.reading.column, each.reading.text)
            return f"For values such as {each.example!r}: {advice}. "
    return ""


def _is_empty(con: duckdb.DuckDBPyConnection, lines: Lines) -> bool:
    return con.execute(f"SELECT 1 FROM {lines.relation} LIMIT 1").fetchone() is None


def _no_lines(path: Path) -> str:
    return f"{path} has no lines below its header. Remove it or fetch it again."
