"""The objects that a path means, each with what changes when it does; and those that can't be asked for, by name.

obstore refuses a whole list for one key that it doesn't take for a path. DuckDB lists keys as they are; the others are
then asked for one by one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.readers.object_keys import format_of_key, is_hidden, is_note, matches, oddity_of
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.object_stores import create_secrets, extensions_of
from segmentation.warehouse.sql import literal

Problems = dict[str, str]
"""By key, why an object is left alone, and what to do."""

HEADS_AT_ONCE = 8
SHOWN_CHARS = 200


@dataclass(frozen=True)
class Listing:
    """What a path means.

    Attributes:
        marks: By key, what changes when the object does.
        problems: Objects that are left alone.
    """

    marks: Mapping[str, str]
    problems: Problems


def list_objects(settings: Settings, store: ObjectStore, bucket: str, pattern: str) -> Listing:
    """The objects of a bucket (`s3://name`) that a pattern means and whose format can be read.

    Raises:
        BaseError, OSError, ValueError, SegmentationError: The store can't be reached or refuses.
    """
    start = re.split(r"[*?\[]", pattern)[0]
    prefix = start if start == pattern else start.rpartition("/")[0]

    def is_meant(key: str) -> bool:
        return matches(key, pattern) and format_of_key(key) is not None and not is_note(key, pattern)

    try:
        found = {each["path"]: _mark(each) for each in _entries(store, prefix, pattern)}
    except (BaseError, ValueError) as error:
        if not _is_about_a_key(error) or not extensions_of(f"{bucket}/"):
            raise
        return _listed_raw(settings, store, bucket, prefix, is_meant)
    return Listing({key: mark for key, mark in found.items() if is_meant(key) and not is_hidden(key)}, {})


def left_alone(key: str, why: str) -> str:
    """What is told about an object that can't be read."""
    return f"The object {key[:SHOWN_CHARS]!r} is left alone: {why}. Copy it to another key, or delete it."


def _entries(store: ObjectStore, prefix: str, pattern: str) -> Iterator[Any]:
    if prefix and prefix == pattern and not prefix.endswith("/"):  # a list of what is below it lacks the object itself
        with suppress(FileNotFoundError):
            yield obstore.head(store, prefix)
    for batch in store.list(prefix=prefix or None):
        yield from batch


def _listed_raw(
    settings: Settings, store: ObjectStore, bucket: str, prefix: str, is_meant: Callable[[str], bool]
) -> Listing:
    keys = [key for key in _raw_keys(settings, bucket, prefix) if is_meant(key)]
    problems = {key: left_alone(key, why) for key in keys if (why := oddity_of(key))}
    plain = [key for key in keys if key not in problems and not is_hidden(key)]
    marks: dict[str, str] = {}

    def look_at(key: str) -> None:
        try:
            marks[key] = _mark(obstore.head(store, key))
        except (BaseError, OSError, ValueError) as error:
            problems[key] = left_alone(key, first_line(error))

    with ThreadPoolExecutor(HEADS_AT_ONCE) as threads:
        list(threads.map(look_at, plain))
    return Listing({key: marks[key] for key in plain if key in marks}, problems)


def _raw_keys(settings: Settings, bucket: str, prefix: str) -> list[str]:
    root = f"{bucket}/"
    with open_duckdb(extensions_of(root)) as con:
        create_secrets(con, settings, root)
        try:
            rows = con.execute(f"SELECT file FROM glob({literal(f'{root}{prefix}**')}) ORDER BY file").fetchall()
        except duckdb.Error as error:
            raise SourceError(f"Can't list {root}{prefix}: {first_line(error)}") from error
    return [row[0].removeprefix(root) for row in rows]


def _is_about_a_key(error: Exception) -> bool:
    return type(error).__name__ == "InvalidPathError" or "path" in str(error).partition("\n")[0].lower()


def _mark(entry: Mapping[str, Any]) -> str:
    return f"{entry['size']}:{entry['e_tag'] or entry['last_modified'].isoformat()}"


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
