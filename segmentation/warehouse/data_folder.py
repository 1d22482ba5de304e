"""The lake's data folder, be it a folder or a prefix in a bucket: which files are there, and which are the lake's.

DuckLake names its files itself, `schema/table/column=value/ducklake-<uuid>.parquet`, and Spark writes below a folder
`spark-<uuid>` of a table; nothing else is ours to delete.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from segmentation.warehouse.object_stores import is_object_store
from segmentation.warehouse.sql import literal

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OWN_NAME = re.compile(
    rf"[^/]+/[^/]+/([^/=]+=[^/]*/)*(ducklake-{UUID}(-delete)?\.parquet|spark-{UUID}/([^/]+/)*[^/]+\.parquet)"
)
"""How DuckLake, and our Spark engine, name files below the data folder."""

LISTING = "SELECT filename, size, last_modified AT TIME ZONE 'UTC' FROM read_blob({pattern})"
"""Of a bucket: none of the columns needs what is in the objects."""


@dataclass(frozen=True)
class FoundFile:
    """A file that is there.

    Attributes:
        path: Relative to the data folder, with slashes.
        size_bytes: Its size.
        modified_at: When it was last written (UTC).
    """

    path: str
    size_bytes: int
    modified_at: datetime

    @property
    def is_own(self) -> bool:
        """Whether it has the name of a lake's file."""
        return OWN_NAME.fullmatch(self.path) is not None


def found_files(con: duckdb.DuckDBPyConnection, data_uri: str) -> list[FoundFile]:
    """All files in a data folder, by path; none if there is no such folder.

    Args:
        con: A connection that may read there.
        data_uri: The folder or prefix, ending in a slash.

    Raises:
        OSError: A folder can't be listed.
        duckdb.Error: A bucket can't be.
    """
    found = _in_bucket(con, data_uri) if is_object_store(data_uri) else _in_folder(Path(data_uri))
    return sorted(found, key=lambda file: file.path)


def _in_folder(folder: Path) -> Iterator[FoundFile]:
    if not folder.exists():
        return
    for parent, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            path = Path(parent, name)
            try:
                facts = path.lstat()
            except FileNotFoundError:  # another process has just removed it
                continue
            modified_at = datetime.fromtimestamp(facts.st_mtime, UTC).replace(tzinfo=None)
            yield FoundFile(path.relative_to(folder).as_posix(), facts.st_size, modified_at)


def _in_bucket(con: duckdb.DuckDBPyConnection, data_uri: str) -> Iterator[FoundFile]:
    for name, size, modified_at in con.execute(LISTING.format(pattern=literal(f"{data_uri}**"))).fetchall():
        yield FoundFile(name.removeprefix(data_uri), int(size), modified_at)


def _raise(error: OSError) -> None:
    raise error
