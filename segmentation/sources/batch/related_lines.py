"""The lines of a source's files as a profile sees them: with what other lines and files say of them.

For most profiles that is what the files hold. The SQL is in `rules.relations`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines, OnColumns
from segmentation.sources.readers.paths import InputFile
from segmentation.sources.rules.mapping import profile_errors
from segmentation.sources.rules.relations import filled_in
from segmentation.sources.staging import Staging

KEPT = "SELECT * FROM ({lines}) AS input WHERE {keep}"


@contextmanager
def related_lines(
    staging: Staging,
    profile: Profile,
    files: Sequence[InputFile],
    *,
    keep: str = "true",
    on_columns: OnColumns = lambda *_: None,
) -> Iterator[list[Lines]]:
    """The lines of files, one relation per set of equal headers, for a while; the profile's from now on.

    Args:
        staging: Where they are read.
        profile: How they are read.
        files: The files.
        keep: SQL condition over the inputs of lines that count.
        on_columns: Told the columns of each file.

    Raises:
        SourceError: A file can't be read.
    """
    if profile.carry is None:
        with staging.lines(profile, files, keep=keep, on_columns=on_columns) as groups:
            yield groups
        return
    with staging.lines(profile, files, on_columns=on_columns, is_ordered=True) as groups:
        carried = [_kept(staging, profile, filled_in(profile.carry, lines), lines, keep) for lines in groups]
    try:
        yield carried
    finally:
        for lines in carried:
            staging.give_up(lines)


def _kept(staging: Staging, profile: Profile, query: str, lines: Lines, keep: str) -> Lines:
    with profile_errors(profile, profile.name):
        return staging.hold(KEPT.format(lines=query, keep=keep), lines.headers, lines.types)
