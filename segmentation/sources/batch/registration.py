"""Handing files to the platform: from then on, the days that they cover are loaded from them.

Registering reads the files but loads nothing; that is `loading`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import DELIVERIES, LOADS
from segmentation.sources.batch.copies import without_copies
from segmentation.sources.batch.file_roles import find_tables, line_files, tables_changed
from segmentation.sources.batch.inspection import FileFacts, TableFacts, inspect, refuse_misread
from segmentation.sources.batch.source_files import SourceFile, read_source_files, replace_source_files
from segmentation.sources.batch.spans import Span, spans_of
from segmentation.sources.config import SOURCE_NAME
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.paths import Located, look
from segmentation.sources.staging import Staging
from segmentation.warehouse import Commit, Lake

LOADED_DAYS = f"""
SELECT DISTINCT ordered_on FROM {LOADS.name} WHERE source = $source AND list_contains($paths, source_file)
"""

DELIVERED = f"SELECT 1 FROM {DELIVERIES.name} WHERE source = $source LIMIT 1"


@dataclass(frozen=True)
class Registration:
    """What has been registered.

    Attributes:
        source: Name of the source.
        profile: Name of the profile.
        paths: The files, absolute.
        line_count: Lines in all of them.
        first_day: Day (UTC) of the earliest line.
        last_day: Day (UTC) of the latest line.
        load_start: First day that has to be loaded (again).
        load_end: The day after the last one that has to be loaded. With `load_start` it spans what the files hold
            now, and what changed files of the source held before.
        spans: The days from `load_start` to before `load_end` without long gaps.
        columns: Type by column of the last file.
        problems: By path, why what lies beside them can't be read; it is left alone.
        notes: What else people are to know of them, such as which files are copies of others.
    """

    source: str
    profile: str
    paths: tuple[str, ...]
    line_count: int
    first_day: date
    last_day: date
    load_start: date
    load_end: date
    spans: tuple[Span, ...]
    columns: Mapping[str, str]
    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def register(
    lake: Lake, path: str | None, profile: Profile, *, source: str | None = None, now: datetime
) -> Registration:
    """Register a file, the files of a folder or of a glob, or those that the profile locates.

    A source has one profile: registering more of it through a changed profile looks at all its files again. A file
    that has been moved goes on where it was; one that is registered again keeps its `registered_at`, and if nothing
    has changed at all, nothing is written. Of files that are the same, byte by byte, one is taken.

    Args:
        lake: Where `raw.source_files` is.
        path: What to register; None for the profile's own location.
        profile: How to read it.
        source: Name of the source; None for the profile's name.
        now: The time of registration, in UTC if it is naive.

    Raises:
        SourceError: Something can't be read as it stands. Nothing has been written then.
    """
    at_hand = files_at(path, profile)
    registered = register_paths(lake, at_hand.files, profile, source=source, now=now)
    return replace(registered, problems=tuple(at_hand.problems.items()))


def register_paths(
    lake: Lake, paths: Sequence[Path], profile: Profile, *, source: str | None = None, now: datetime
) -> Registration:
    """`register` for files that have been found already.

    Raises:
        SourceError: Something can't be read as it stands. Nothing has been written then.
    """
    source = source_name(profile, source)
    text = profile.to_yaml()
    now = now if now.tzinfo is None else now.astimezone(UTC).replace(tzinfo=None)
    with Staging.opened(lake) as staging:
        paths, notes = without_copies(staging.con, source, paths)
        before = _of_source(staging.con, source)
        known = [Path(file.path) for file in before if not file.is_table() and file.is_there()]
        tables = find_tables(profile, [*paths, *known])
        is_new = tables_changed(tables, before) or any(file.profile != text for file in before)
        again = [path for path in known if path not in paths] if is_new else []
        beside: list[SourceFile] = []
        facts = inspect(
            staging,
            profile,
            source,
            [*paths, *again],
            now=now,
            tables=tables,
            on_table=lambda found: beside.append(as_table_file(source, text, now, found)),
        )
        refuse_misread(facts)
        rows = [as_source_file(source, text, now, found) for found in facts]
        rows += [file for file in beside if Path(file.path) not in known]
        commit = Commit(f"Register {len(paths)} files of {source}", asset="raw/source_files")
        _write(lake, staging.con, source, rows, commit)
        days = _days_to_load(staging.con, source, rows, _changed(before, rows))
        spans = spans_of(days.union(*(found.days for found in facts)))
    asked = facts[: len(paths)]
    return Registration(
        source=source,
        profile=profile.name,
        paths=tuple(str(found.path) for found in asked),
        line_count=sum(found.line_count for found in asked),
        first_day=min(found.first_day for found in asked),
        last_day=max(found.last_day for found in asked),
        load_start=spans[0][0],
        load_end=spans[-1][1] + timedelta(days=1),
        spans=spans,
        columns=asked[-1].columns,
        notes=(*notes, *(f"{found.path}: {warning}" for found in asked for warning in found.warnings)),
    )


def forget_missing(lake: Lake, source: str) -> tuple[date, date] | None:
    """Forget the registered files of a source that are not where they were; their lines stay until days are loaded.

    Args:
        lake: Where `raw.source_files` is.
        source: Name of the source.

    Returns:
        First and last day that they covered, which have to be loaded again; None if all files are there.
    """
    with lake.cursor() as con:
        gone = [file for file in _of_source(con, source) if not file.is_there()]
        commit = Commit(f"Forget {len(gone)} files of {source}", asset="raw/source_files")
        if gone:
            lake.transaction(con, commit, lambda c: replace_source_files(c, source, gone, []))
    days = [day for file in gone for day in (file.first_day, file.last_day) if day is not None]
    return (min(days), max(days)) if days else None


def source_name(profile: Profile, source: str | None) -> str:
    """The name of a source; the profile's if it has none.

    Raises:
        SourceError: It can't be one.
    """
    name = profile.name if source is None else source
    if not SOURCE_NAME.fullmatch(name):
        raise SourceError(f"{name!r} can't name a source; use letters, digits, `.`, `-` and `_`.")
    return name


def files_at(path: str | None, profile: Profile) -> Located:
    """The files of a path, folder or glob, or those that the profile locates.

    Raises:
        SourceError: There are none.
    """
    if path is None and profile.location is None:
        raise SourceError(f"The profile {profile.name} doesn't say where its data is; give the path of a file.")
    return line_files(
        profile,
        look(path or profile.location or "", product_lists_of(profile), any_suffix=profile.reader.format is not None),
    )


def product_lists_of(profile: Profile) -> tuple[str, ...]:
    """Where a profile looks for product lists, from the folder of the lines."""
    return profile.products.files if profile.products else ()


def _of_source(con: duckdb.DuckDBPyConnection, source: str) -> list[SourceFile]:
    return [file for file in read_source_files(con) if file.source == source]


def as_source_file(source: str, text: str, registered_at: datetime, found: FileFacts) -> SourceFile:
    """A file as a row of `raw.source_files`; `text` is its profile."""
    return SourceFile(
        source,
        str(found.path),
        text,
        found.line_count,
        found.first_day,
        found.last_day,
        found.byte_size,
        found.modified_at,
        registered_at,
    )


def as_table_file(source: str, text: str, registered_at: datetime, found: TableFacts) -> SourceFile:
    """A file of a table as a row of `raw.source_files`."""
    path, lines, size, modified_at = str(found.path), found.line_count, found.byte_size, found.modified_at
    return SourceFile(source, path, text, lines, None, None, size, modified_at, registered_at)


def _merged(before: Sequence[SourceFile], rows: Sequence[SourceFile]) -> list[SourceFile]:
    """The rows of a source after `rows` have been registered on top of those `before`."""
    known_at = {file.path: replace(file, profile=rows[0].profile) for file in before}
    after = {path: file for path, file in known_at.items() if not file.is_table()}  # `rows` have all tables
    for row in rows:
        known = known_at.get(row.path) or _moved_from(row, after.values())
        if known is not None:
            after.pop(known.path, None)
        after[row.path] = row if known is None else replace(row, registered_at=known.registered_at)
    return [after[path] for path in sorted(after)]


def _moved_from(row: SourceFile, known: Iterable[SourceFile]) -> SourceFile | None:
    def content(file: SourceFile) -> tuple[object, ...]:
        return file.byte_size, file.line_count, file.first_day, file.last_day

    return next((file for file in known if content(file) == content(row) and not file.is_there()), None)


def _changed(before: Sequence[SourceFile], rows: Sequence[SourceFile]) -> list[SourceFile]:
    """Rows as they were and as they become, for files whose lines may have changed."""
    after = _merged(before, rows)
    return [file for file in before if file not in after] + [file for file in after if file not in before]


def _write(lake: Lake, con: duckdb.DuckDBPyConnection, source: str, rows: Sequence[SourceFile], commit: Commit) -> None:
    def write(c: duckdb.DuckDBPyConnection) -> None:
        # Read inside the transaction: another process may have registered files of the source meanwhile.
        if c.execute(DELIVERED, {"source": source}).fetchone():
            raise SourceError(
                f"The lines of the source {source} are delivered otherwise: pushed, streamed, or read from a database. "
                "Give files a source name of their own."
            )
        before = _of_source(c, source)
        after = _merged(before, rows)
        gone = [file for file in before if file not in after]
        replace_source_files(c, source, gone, [file for file in after if file not in before])

    if _changed(_of_source(con, source), rows):
        lake.transaction(con, commit, write)


def _days_to_load(
    con: duckdb.DuckDBPyConnection, source: str, rows: Sequence[SourceFile], files: Iterable[SourceFile]
) -> set[date]:
    """Days that were loaded from `rows`, and the first and last ones of `files`, as they were and as they become."""
    values = {"source": source, "paths": [row.path for row in rows]}
    days = [row[0] for row in con.execute(LOADED_DAYS, values).fetchall()]
    days += [day for file in files for day in (file.first_day, file.last_day)]
    return {day for day in days if day is not None}
