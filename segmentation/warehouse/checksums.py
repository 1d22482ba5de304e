"""Checksums of the lake's files: a SHA-256 of each, kept in the catalog, by which a file that rots is found.

Parquet as DuckDB writes it has none: of single-bit flips in a file, nearly half give other results without an error.
A file is entered by the commit that wrote it. On a disk of ours that is with its checksum; to read an object back
while others wait would double each commit, so objects get theirs from the next maintenance.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from segmentation.warehouse.identity import NamedFile, named_files
from segmentation.warehouse.object_stores import is_object_store

TABLE = "segmentation_files"
"""Beside DuckLake's own tables: a commit can't write to a table of the lake what files it has written."""

COLUMNS = {
    "file_id": "BIGINT",
    "path": "VARCHAR",
    "size_bytes": "BIGINT",
    "sha256": "VARCHAR",
    "checked_at": "VARCHAR",
    "damage": "VARCHAR",
}

ENTRIES = f"""
SELECT file_id, path, size_bytes, sha256, CAST(checked_at AS TIMESTAMP), damage
FROM {{metadata}}.{TABLE}
ORDER BY file_id
"""

ENTER = f"""
INSERT INTO {{metadata}}.{TABLE} ({", ".join(COLUMNS)})
SELECT UNNEST($ids), UNNEST($paths), UNNEST($sizes), UNNEST($sums), $checked_at, NULL
"""


@dataclass(frozen=True)
class FileEntry:
    """What is known of a file.

    Attributes:
        file_id: Its number in the catalog.
        path: Relative to the data folder, with slashes.
        size_bytes: Its size, as the catalog has it.
        sha256: In hexadecimal; None until it has been read for the first time.
        checked_at: When it was last found to be what it must be (UTC).
        damage: What was wrong when it was last read; None if nothing.
    """

    file_id: int
    path: str
    size_bytes: int
    sha256: str | None
    checked_at: datetime | None
    damage: str | None


def has_entries(con: duckdb.DuckDBPyConnection, metadata: str) -> bool:
    """Whether the catalog keeps checksums: not before this release has written to it."""
    try:  # `duckdb_tables()` fails in a process that has attached a snapshot that expired since
        con.execute(f"SELECT 1 FROM {metadata}.{TABLE} LIMIT 0").fetchall()
    except duckdb.CatalogException:
        return False
    return True


def create_entries(con: duckdb.DuckDBPyConnection, metadata: str, data_uri: str) -> None:
    """Begin to keep checksums; files that are there already get theirs from maintenance.

    Args:
        con: A connection to which the catalog is attached for writing.
        metadata: The database with the catalog's own tables.
        data_uri: The data folder, ending in a slash.
    """
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS {metadata}.{TABLE} ({columns})")
    _enter(con, metadata, [(file, None) for file in named_files(con, metadata, data_uri)], None)


def enter_new_files(con: duckdb.DuckDBPyConnection, metadata: str, data_uri: str, now: datetime) -> None:
    """Enter the files that the catalog names since the last entry; what a killed writer left out comes along.

    Args:
        con: A connection to which the catalog is attached for writing, outside of a transaction.
        metadata: The database with the catalog's own tables.
        data_uri: The data folder, ending in a slash.
        now: The present moment (UTC).

    Raises:
        OSError: A file can't be read.
        duckdb.Error: The catalog can't be written to.
    """
    ((last,),) = con.execute(f"SELECT COALESCE(MAX(file_id), -1) FROM {metadata}.{TABLE}").fetchall()
    new = named_files(con, metadata, data_uri, since=int(last))
    on_disk = not is_object_store(data_uri)
    _enter(con, metadata, [(file, _sum_on_disk(data_uri, file) if on_disk else None) for file in new], now)


def read_entries(con: duckdb.DuckDBPyConnection, metadata: str) -> list[FileEntry]:
    """All entries, by number; none if the catalog keeps no checksums."""
    try:
        rows = con.execute(ENTRIES.format(metadata=metadata)).fetchall()
    except duckdb.CatalogException:
        return []
    return [FileEntry(*row) for row in rows]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: It can't be read.
    """
    with path.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()


def _sum_on_disk(data_uri: str, file: NamedFile) -> str | None:
    try:
        return sha256_of(Path(data_uri) / file.path)
    except FileNotFoundError:  # no longer needed, and removed before it was entered
        return None


def _enter(
    con: duckdb.DuckDBPyConnection,
    metadata: str,
    files: list[tuple[NamedFile, str | None]],
    now: datetime | None,
) -> None:
    if not files:
        return
    columns = {
        "ids": [file.file_id for file, _ in files],
        "paths": [file.path for file, _ in files],
        "sizes": [file.size_bytes for file, _ in files],
        "sums": [sha256 for _, sha256 in files],
        "checked_at": now.isoformat(sep=" ", timespec="seconds") if now else None,
    }
    con.execute(ENTER.format(metadata=metadata), columns)
