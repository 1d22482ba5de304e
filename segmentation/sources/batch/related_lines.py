"""The lines of a source's files as a profile sees them: with what other lines and files say of them.

For most profiles that is what the files hold. The SQL is in `rules.relations`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from segmentation.errors import SourceError
from segmentation.sources.batch.file_roles import as_profile, files_of_lines
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines, OnColumns
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.rules.mapping import profile_errors
from segmentation.sources.rules.relations import (
    filled_in,
    joined,
    one_per_key,
    refused_rows,
    repeated_key,
    table_rows,
)
from segmentation.sources.staging import Relation, Staging

KEPT = "SELECT * FROM ({lines}) AS input WHERE {keep}"

ADD_REFUSED = f"INSERT INTO {Relation.REFUSED_TABLE_ROWS} {{rows}}"

ADD_COUNTS = f"""
INSERT INTO {Relation.TABLE_COUNTS}
SELECT file_id, count(*), count(*) - coalesce(any_value(refused), 0)
FROM {{rows}} LEFT JOIN (
    SELECT file_id, count(*) AS refused FROM ({{refused_rows}}) GROUP BY file_id
) USING (file_id)
GROUP BY file_id
"""

TYPES = "SELECT column_name, column_type FROM (DESCRIBE {relation})"


@contextmanager
def related_lines(
    staging: Staging,
    profile: Profile,
    files: Sequence[InputFile],
    tables: Mapping[str, Sequence[InputFile]] | None = None,
    *,
    keep: str = "true",
    on_columns: OnColumns = lambda *_: None,
) -> Iterator[list[Lines]]:
    """The lines of files, one relation per set of equal headers, for a while; the profile's from now on.

    What becomes of the rows of tables goes to `TABLE_COUNTS` and `REFUSED_TABLE_ROWS`.

    Args:
        staging: Where they are read.
        profile: How they are read.
        files: The files of lines; of a profile with tables all that the source has, so that it is known which rows of
            tables no line names.
        tables: By table of the profile, its files, in the order in which the first and the last row are told.
        keep: SQL condition over the inputs of lines that count.
        on_columns: Told the columns of each file.

    Raises:
        SourceError: A file can't be read, or a key of a table isn't unique.
    """
    if profile.carry is None and not profile.tables:
        with staging.lines(profile, files, keep=keep, on_columns=on_columns) as groups:
            yield groups
        return
    with ExitStack() as sources:
        groups = _own_lines(staging, profile, files, on_columns, sources)
        if profile.tables:
            groups = _joined(staging, profile, groups, tables or {}, sources)
        kept = [_held(staging, profile, f"FROM {lines.relation}", lines, keep) for lines in groups]
    try:
        yield kept
    finally:
        for lines in kept:
            staging.give_up(lines)


def _own_lines(
    staging: Staging, profile: Profile, files: Sequence[InputFile], on_columns: OnColumns, sources: ExitStack
) -> list[Lines]:
    groups: list[Lines] = []
    for reader, of_reader in files_of_lines(profile, files):
        reading = staging.lines(reader, of_reader, on_columns=on_columns, is_ordered=True)
        for lines in sources.enter_context(reading):
            carry = profile.carry
            if carry is None or not {*carry.inputs, *([carry.by] if carry.by else [])} <= set(lines.types):
                groups.append(lines)
            else:
                groups.append(_held(staging, profile, filled_in(carry, lines), lines))
                sources.callback(staging.give_up, groups[-1])
    return groups


def _joined(
    staging: Staging,
    profile: Profile,
    groups: Sequence[Lines],
    tables: Mapping[str, Sequence[InputFile]],
    sources: ExitStack,
) -> list[Lines]:
    rows, ones = dict[str, Lines](), dict[str, Lines]()
    for name, table in profile.tables.items():
        if table.lines:
            continue
        with staging.lines(as_profile(profile, table), list(tables.get(name, ())), is_ordered=True) as read:
            headers = read[0].headers if read else dict.fromkeys(table.inputs)
            rows[name] = staging.hold(table_rows(table, read), headers, {})
        sources.callback(staging.give_up, rows[name])
        _refuse_repeated_keys(staging, profile, name, rows[name])
        ones[name] = staging.hold(one_per_key(table, rows[name].relation), headers, {})
        sources.callback(staging.give_up, ones[name])
    made = []
    for lines in groups:
        made.append(_with_types(staging, staging.hold(joined(profile, lines, ones), lines.headers, {}), profile, rows))
        sources.callback(staging.give_up, made[-1])
    for name, of_table in rows.items():
        refused = refused_rows(profile.tables[name], of_table, made)
        staging.con.execute(ADD_REFUSED.format(rows=refused))
        staging.con.execute(ADD_COUNTS.format(rows=of_table.relation, refused_rows=refused))
    return made


def _with_types(staging: Staging, lines: Lines, profile: Profile, rows: Mapping[str, Lines]) -> Lines:
    """Joined lines with the types of all inputs, and the headers that these have in their tables."""
    found = dict(staging.con.execute(TYPES.format(relation=lines.relation)).fetchall())
    headers = {name: lines.headers.get(name) for name in profile.line_inputs}
    for name, of_table in rows.items():
        headers |= {each: f"{name}.{header}" for each, header in of_table.headers.items() if header is not None}
    types = {name: kind for name, kind in found.items() if name != "file_id"}
    return Lines(lines.relation, {name: headers.get(name) for name in types}, types)


def _refuse_repeated_keys(staging: Staging, profile: Profile, name: str, rows: Lines) -> None:
    table = profile.tables[name]
    if table.is_combined:
        return
    row = staging.con.execute(repeated_key(table, rows.relation)).fetchone()
    if row:
        *keys, times = row
        key = ", ".join(f"{rows.headers[each] or each} {value!r}" for each, value in zip(table.key, keys, strict=True))
        others = ", ".join(each for each in table.inputs if each not in table.key)
        raise SourceError(
            f"The table {name} of the profile {profile.name} has {times} different rows of {key}, and a line can be "
            f"joined with one. Give each of its other inputs ({others}) a `combine`: first, last, sum, min, max, count "
            "or list; or add to the `key` what tells the rows apart."
        )


def _held(staging: Staging, profile: Profile, query: str, lines: Lines, keep: str = "true") -> Lines:
    with profile_errors(profile, profile.name):
        return staging.hold(KEPT.format(lines=query, keep=keep), lines.headers, lines.types)
