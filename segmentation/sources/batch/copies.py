"""Copies: files of a source that are the same, byte by byte, such as `export.csv` and `export (1).csv`.

One of them is taken, the others are told and left alone. Files that merely overlap are `rules.deduplication`'s.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import duckdb

from segmentation.sources.batch.source_files import SourceFile, read_source_files


def copies_among(paths: Iterable[Path], registered: Iterable[SourceFile] = ()) -> dict[Path, Path]:
    """Which of the files are copies, and of which other file each.

    Args:
        paths: Files that are there.
        registered: Those of the same source that are registered; ones that have gone don't count.

    Returns:
        By path of each copy, the file that is taken instead: one that is registered, or the one with the plainer name.
    """
    known = {Path(file.path) for file in registered if file.is_there()}
    by_size = sorted((path.stat().st_size, path) for path in {*paths, *known} if path.is_file())
    copies: dict[Path, Path] = {}
    for _, of_size in groupby(by_size, key=lambda item: item[0]):
        alike = [path for _, path in of_size]
        if len(alike) > 1:
            copies |= _of_content(alike, known)
    return {copy: kept for copy, kept in copies.items() if copy not in known}


def without_copies(
    con: duckdb.DuckDBPyConnection, source: str, paths: Sequence[Path]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files of a source with each copy replaced by what is taken instead, and a sentence about each copy."""
    registered = [file for file in read_source_files(con) if file.source == source]
    copies = {copy: kept for copy, kept in copies_among(paths, registered).items() if copy in set(paths)}
    taken = dict.fromkeys(copies.get(path, path) for path in paths)
    return tuple(taken), tuple(told(copies, registered))


def told(copies: Mapping[Path, Path], registered: Iterable[SourceFile]) -> list[str]:
    """What people are to know about each copy."""
    known = {Path(file.path) for file in registered}
    return [
        f"{copy} is the same as {kept}, which is {'registered' if kept in known else 'taken'}; it is left alone."
        for copy, kept in sorted(copies.items())
    ]


def _of_content(alike: Iterable[Path], known: set[Path]) -> dict[Path, Path]:
    by_hash: dict[str, list[Path]] = {}
    for path in alike:
        with path.open("rb") as content:
            by_hash.setdefault(hashlib.file_digest(content, "sha256").hexdigest(), []).append(path)
    copies: dict[Path, Path] = {}
    for same in by_hash.values():
        kept = min(same, key=lambda path: (path not in known, len(path.name), str(path)))
        copies |= {path: kept for path in same if path != kept}
    return copies
