"""Whether the lake's data path can be used, found out by using it; nothing is left behind."""

import os
from pathlib import Path
from uuid import uuid4

import duckdb

from segmentation.errors import SegmentationError
from segmentation.failures import reason_of
from segmentation.settings import Settings
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.object_stores import create_secrets, is_object_store, meaning_of
from segmentation.warehouse.sql import literal

PROBE = "probe"
ROW = 42
TIMEOUT_S = 10
RETRIES = 1

REMOVE = (
    f"DROP TABLE IF EXISTS {PROBE}.written",
    f"CALL ducklake_expire_snapshots('{PROBE}', older_than => now())",
    f"CALL ducklake_cleanup_old_files('{PROBE}', cleanup_all => true)",
)


def probe_data_path(settings: Settings) -> str:
    """Find out whether the lake's files can be written, read and deleted.

    Returns:
        What can be done.

    Raises:
        SegmentationError: Some of it can't; the message says what, and why.
    """
    location = settings.data_uri
    return _probe_store(settings, location) if is_object_store(location) else _probe_folder(Path(location))


def _probe_folder(folder: Path) -> str:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise SegmentationError(f"{nearest} is no folder; correct SEGMENTATION_DATA_PATH")
    if not os.access(nearest, os.R_OK | os.X_OK):
        raise SegmentationError(f"{folder} can't be read by this user")
    if not os.access(nearest, os.W_OK):
        raise SegmentationError(f"{folder} can be read by this user, but not written; queries and the scorer only read")
    return f"{folder} can be written and read"


def _probe_store(settings: Settings, location: str) -> str:
    """By a lake of its own, in memory and below the prefix: thus everything is done as the real one does it."""
    place = f"{location}{PROBE}-{uuid4()}/"
    with open_duckdb(("ducklake",)) as con:
        create_secrets(con, settings, location)
        if "httpfs" in _loaded(con):
            con.execute(f"SET GLOBAL http_timeout = {TIMEOUT_S}; SET GLOBAL http_retries = {RETRIES}")
        con.execute(f"ATTACH 'ducklake::memory:' AS {PROBE} (DATA_PATH {literal(place)}, DATA_INLINING_ROW_LIMIT 0)")
        _try(con, location, "written", f"CREATE TABLE {PROBE}.written AS SELECT {ROW} AS row")
        try:
            _try(con, location, "read", f"FROM {PROBE}.written")
        finally:
            for statement in REMOVE:
                _try(con, location, "deleted", statement)
        if _try(con, location, "listed", f"FROM glob({literal(f'{place}**')})"):
            raise SegmentationError(f"{location}: objects can't be deleted; a small one is left in {place}")
    return f"{location} can be written, read, listed and deleted"


def _try(con: duckdb.DuckDBPyConnection, location: str, done: str, statement: str) -> list[tuple[object, ...]]:
    try:
        return con.execute(statement).fetchall()
    except duckdb.Error as error:
        reason = meaning_of(error) or reason_of(error)
        raise SegmentationError(f"{location} can't be {done}: {reason}") from error


def _loaded(con: duckdb.DuckDBPyConnection) -> set[str]:
    return {row[0] for row in con.execute("SELECT extension_name FROM duckdb_extensions() WHERE loaded").fetchall()}
