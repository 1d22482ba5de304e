"""Which files of a source hold its lines, and which hold tables that belong to them.

A profile tells them by their names. Files that are registered without a day are tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from segmentation.errors import SourceError
from segmentation.sources.batch.source_files import SourceFile, state_of
from segmentation.sources.profiles.profile import JoinedTable, Profile
from segmentation.sources.readers.paths import InputFile, Located, oddity_of

Tables = dict[str, list[Path]]
"""By table, its files, sorted."""


def is_line_file(profile: Profile, path: Path) -> bool:
    """Whether a file may hold lines, by its name."""
    tables = profile.tables.values()
    if any(table.lines and is_named(path, table.files) for table in tables):
        return True
    if profile.files is not None:
        return is_named(path, profile.files)
    return not any(is_named(path, table.files) and not _is_within(profile, table) for table in tables)


def is_named(path: PurePath, patterns: Iterable[str] | None) -> bool:
    """Whether a file has one of some names, which may be globs and lead to other folders."""
    return any(path.match(_without_way_up(pattern)) for pattern in patterns or ())


def line_files(profile: Profile, located: Located) -> Located:
    """What is at hand, without files that hold no lines.

    Raises:
        SourceError: There are no others.
    """
    files = tuple(file for file in located.files if is_line_file(profile, file))
    if located.files and not files:
        names = ", ".join(profile.files or ()) or "all but those of its tables"
        raise SourceError(
            f"{located.files[0]} is no file of lines for the profile {profile.name}, which takes {names}. Give the "
            "path of the lines or of their folder; files of `tables` are looked for beside them."
        )
    return replace(located, files=files)


def find_tables(profile: Profile, lines: Iterable[Path]) -> Tables:
    """The files of a profile's tables, beside files of lines.

    Raises:
        SourceError: A table that isn't optional has none, or one can't be read.
    """
    lines = list(lines)
    found: Tables = {}
    for name, table in _joined(profile):
        found[name] = files_of_table(profile, name, lines)
        if not found[name] and not table.optional:
            folders = sorted({path.parent for path in lines})
            tried = ", ".join(str(folder / pattern) for folder in folders for pattern in table.files or ())
            raise SourceError(
                f"The table {name} that the profile {profile.name} names is not there: tried {tried}. Put it beside "
                "the lines, or say `optional: true`."
            )
        for path in found[name]:
            if oddity := oddity_of(path):
                raise SourceError(f"{path} {oddity}")
    return found


def files_of_table(profile: Profile, name: str, lines: Iterable[Path]) -> list[Path]:
    """The files of a table beside files of lines, whatever they are; those of the lines if the table is in these."""
    paths, patterns = {path.resolve() for path in lines}, profile.tables[name].files
    if patterns is None:
        return sorted(paths)
    folders = {path.parent for path in paths}
    matches = {path.resolve() for folder in folders for pattern in patterns for path in folder.glob(pattern)}
    return sorted(path for path in matches if not path.is_dir())


def tables_changed(tables: Tables, registered: Iterable[SourceFile]) -> bool:
    """Whether files of tables are others than those that are registered for a source, or have changed since."""
    known = {file.path: (file.byte_size, file.modified_at) for file in registered}
    of_tables = {file.path for file in registered if file.is_table()}
    found = {str(path): state_of(path) for of_table in tables.values() for path in of_table}
    return not of_tables <= set(found) or any(known.get(path) != state for path, state in found.items())


def registered_tables(profile: Profile, files: Mapping[int, SourceFile]) -> dict[str, list[InputFile]]:
    """By table, its files among those that are registered for a source, by their numbers."""
    at = {number: Path(file.path) for number, file in files.items()}
    return {
        name: [
            InputFile(number, path)
            for number, path in at.items()
            if (is_named(path, table.files) if table.files else not files[number].is_table())
        ]
        for name, table in _joined(profile)
    }


def files_of_lines(profile: Profile, files: Sequence[InputFile]) -> list[tuple[Profile, list[InputFile]]]:
    """Files of lines with the profiles that read them: the source's own, and those of tables that are further lines."""
    further = {name: table for name, table in profile.tables.items() if table.lines}
    own = [file for file in files if not any(is_named(file.path, table.files) for table in further.values())]
    return [
        (profile, own),
        *(
            (as_profile(profile, table), [file for file in files if is_named(file.path, table.files)])
            if table.files
            else (as_profile(profile, table), own)
            for table in further.values()
        ),
    ]


def as_profile(profile: Profile, table: JoinedTable) -> Profile:
    """What reads the files of a table: as the lines are read, but for where the table is."""
    reader = profile.reader.of_companions().model_copy(update={"sheet": table.sheet, "path": table.path})
    return profile.model_copy(
        update={"inputs": dict(table.inputs), "reader": reader, "tables": {}, "carry": None, "products": None}
    )


def _joined(profile: Profile) -> list[tuple[str, JoinedTable]]:
    return [(name, table) for name, table in profile.tables.items() if not table.lines]


def _is_within(profile: Profile, table: JoinedTable) -> bool:
    """Whether a table and the lines may be parts of one file."""
    return bool((table.sheet and profile.reader.sheet) or (table.path and profile.reader.path))


def _without_way_up(pattern: str) -> str:
    parts = PurePath(pattern).parts
    while parts and parts[0] in ("..", "."):
        parts = parts[1:]
    return str(PurePath(*parts))
