"""Orphans: files of killed writers, which no commit mentions, found and removed with care.

A catalog that isn't the right one makes orphans of all files. So only files with names
as a lake gives them are taken for orphans, and never many of them at once unless a person says so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from segmentation.warehouse.data_folder import found_files
from segmentation.warehouse.identity import named_files
from segmentation.warehouse.lake import METADATA, Lake
from segmentation.warehouse.sql import literal

ORPHAN_AGE = timedelta(days=7)
"""How old a file must be that no commit mentions: longer than any writer takes from its first file to its commit."""

MOST_ORPHANED = 0.05
"""Which share of the bytes in the data folder may go without being asked."""

SCHEDULED = f"SELECT path FROM {METADATA}.ducklake_files_scheduled_for_deletion"
SWEEPER = "sweeper"


@dataclass(frozen=True)
class Orphans:
    """Files that no commit mentions.

    Attributes:
        paths: Relative to the data folder.
        size_bytes: Of all of them.
        share: Of the bytes that the lake has in its folder, 0 to 1.
    """

    paths: tuple[str, ...]
    size_bytes: int
    share: float

    @property
    def are_many(self) -> bool:
        """Whether they are more than killed writers leave behind, so that the catalog may be the wrong one."""
        return self.share > MOST_ORPHANED


def find_orphans(lake: Lake, con: duckdb.DuckDBPyConnection, now: datetime) -> Orphans:
    """The orphans in the lake's data folder that are old enough.

    Args:
        lake: The lake, which may be read-only.
        con: A cursor of it.
        now: The present moment (UTC).

    Raises:
        OSError: The folder can't be listed.
    """
    data_uri = lake.settings.data_uri
    # Listed before the catalog is read: what is committed in between is then known to it.
    found = [file for file in found_files(con, data_uri) if file.is_own]
    known = {file.path for file in named_files(con, METADATA, data_uri)}
    known |= {path.removeprefix(data_uri) for (path,) in con.execute(SCHEDULED).fetchall()}
    orphans = [file for file in found if file.path not in known and file.modified_at < now - ORPHAN_AGE]
    size, all_bytes = sum(file.size_bytes for file in orphans), sum(file.size_bytes for file in found)
    return Orphans(tuple(file.path for file in orphans), size, size / all_bytes if all_bytes else 0.0)


def remove_orphans(lake: Lake, con: duckdb.DuckDBPyConnection, orphans: Orphans) -> int:
    """Delete files of the data folder by DuckLake's own means, which know every kind of storage; returns how many.

    Raises:
        duckdb.Error: One can't be deleted; it is found again by the next maintenance.
    """
    if not orphans.paths:
        return 0
    con.execute(f"ATTACH 'ducklake::memory:' AS {SWEEPER} (DATA_PATH {literal(lake.settings.data_uri)})")
    try:
        con.execute(
            f"INSERT INTO __ducklake_metadata_{SWEEPER}.ducklake_files_scheduled_for_deletion "
            "SELECT row_number() OVER (), path, true, now() FROM (SELECT UNNEST($paths) AS path)",
            {"paths": list(orphans.paths)},
        )
        removed = con.execute(f"CALL ducklake_cleanup_old_files('{SWEEPER}', cleanup_all => true)").fetchall()
    finally:
        con.execute(f"DETACH {SWEEPER}")
    return len(removed)
