"""The identity of a lake: one id that its catalog and its data folder share.

A catalog that is emptied, mistyped or another lake's would take all files in the folder for orphans, and delete them.
So the folder carries a marker, an object with the id that DuckLake gave the catalog, and nothing writes where the two
don't match. See docs/decisions/0022-a-lake-has-an-id.md.
"""

import json
from dataclasses import dataclass

import duckdb

from segmentation.errors import ForeignDataError
from segmentation.warehouse.data_folder import FoundFile, found_files
from segmentation.warehouse.object_stores import is_object_store
from segmentation.warehouse.sql import literal

MARKER = "lake.json"
"""The marker's name in the data folder."""

NOTE = "This folder holds the files of a lake. The id is also in the lake's catalogue; keep this file with them."

LAKE_ID = "SELECT schema_uuid FROM {metadata}.ducklake_schema WHERE schema_id = 0"

NAMED_FILES = """
SELECT files.id,
    CASE WHEN CAST(files.is_relative AS BOOLEAN) THEN schemas.path || tables.path || files.path ELSE files.path END,
    files.size_bytes
FROM (
    SELECT data_file_id AS id, table_id, path, path_is_relative AS is_relative, file_size_bytes AS size_bytes
    FROM {metadata}.ducklake_data_file
    UNION ALL
    SELECT delete_file_id, table_id, path, path_is_relative, file_size_bytes
    FROM {metadata}.ducklake_delete_file
) AS files
JOIN (SELECT DISTINCT table_id, schema_id, path FROM {metadata}.ducklake_table) AS tables USING (table_id)
JOIN (SELECT DISTINCT schema_id, path FROM {metadata}.ducklake_schema) AS schemas USING (schema_id)
"""


@dataclass(frozen=True)
class NamedFile:
    """A file that a catalog names.

    Attributes:
        file_id: Its number, which no other data file or delete file of the catalog has.
        path: Relative to the data folder, with slashes; whole if it is elsewhere.
        size_bytes: Its size.
    """

    file_id: int
    path: str
    size_bytes: int


def named_files(
    con: duckdb.DuckDBPyConnection, metadata: str, data_uri: str, *, since: int | None = None
) -> list[NamedFile]:
    """The files that a catalog names, those that only older snapshots need included, by number.

    Args:
        con: A connection to which the catalog is attached.
        metadata: The database with the catalog's own tables.
        data_uri: The folder or prefix, ending in a slash.
        since: Only those with a higher number.
    """
    query = (
        NAMED_FILES.format(metadata=metadata) + ("" if since is None else f"WHERE files.id > {since}") + " ORDER BY 1"
    )
    return [
        NamedFile(number, path.removeprefix(data_uri), int(size))
        for number, path, size in con.execute(query).fetchall()
    ]


def lake_id(con: duckdb.DuckDBPyConnection, metadata: str) -> str:
    """The id of a lake whose catalog is attached; a backup keeps it, and so does the lake that is restored from it."""
    ((found,),) = con.execute(LAKE_ID.format(metadata=metadata)).fetchall()
    return str(found)


def read_marker(con: duckdb.DuckDBPyConnection, data_uri: str) -> str | None:
    """The id in the marker of a data folder, or None if there is no marker.

    Raises:
        ForeignDataError: There is one that can't be read.
    """
    found = con.execute("SELECT content FROM read_text($path)", {"path": _pattern(data_uri)}).fetchall()
    if not found:
        return None
    try:
        return str(json.loads(found[0][0])["lake_id"])
    except (ValueError, TypeError, KeyError) as error:
        raise ForeignDataError(
            f"{data_uri}{MARKER}, which says whose files these are, is damaged: {error}. If SEGMENTATION_CATALOG and "
            "SEGMENTATION_DATA_PATH belong together, delete it, and the next run makes it anew."
        ) from error


def write_marker(con: duckdb.DuckDBPyConnection, data_uri: str, marked_id: str) -> None:
    """Mark a data folder as that of a lake.

    Raises:
        duckdb.Error: It can't be written.
    """
    fields = f"{literal(marked_id)} AS lake_id, {literal(NOTE)} AS note"
    con.execute(f"COPY (SELECT {fields}) TO {literal(data_uri + MARKER)} (FORMAT json)")


def refuse_data(con: duckdb.DuckDBPyConnection, data_uri: str, catalog: str) -> None:
    """Refuse to make a lake where files of one are: its catalog is elsewhere, or lost.

    Args:
        con: A connection that may read there.
        data_uri: The folder or prefix, ending in a slash.
        catalog: The catalog that has no lake, fit to be shown.

    Raises:
        ForeignDataError: There are some.
    """
    marked = read_marker(con, data_uri)
    files = [file for file in found_files(con, data_uri) if file.is_own]
    if marked is None and not files:
        return
    raise ForeignDataError(
        f"{_described(data_uri, marked, files)}, but there is no lake in the catalogue {catalog}: no new one is made "
        "over them. Correct SEGMENTATION_CATALOG (or SEGMENTATION_DATA_PATH, if a new lake is wanted); if the "
        "catalogue is lost, `segmentation restore` brings it back from a backup."
    )


def check_folder(con: duckdb.DuckDBPyConnection, metadata: str, data_uri: str, *, was_marked: bool) -> None:
    """Check that a data folder is that of an attached catalog, and mark it if it has no marker yet.

    A folder without a marker is one of an earlier release, or of a lake that was being made. It is taken if it holds
    files that the catalog names, or if there is nothing yet on either side.

    Args:
        con: A connection to which the catalog is attached for writing.
        metadata: The database with the catalog's own tables.
        data_uri: The folder or prefix, ending in a slash.
        was_marked: Whether the catalog says that its folder has been marked before.

    Raises:
        ForeignDataError: It is another lake's, or that of none.
    """
    own, marked = lake_id(con, metadata), read_marker(con, data_uri)
    if marked == own:
        return
    if marked is not None:
        raise ForeignDataError(
            f"{data_uri} holds the files of another lake ({marked}) than the catalogue knows ({own}): two lakes can't "
            "share a folder, and nothing was changed. Correct SEGMENTATION_CATALOG or SEGMENTATION_DATA_PATH."
        )
    named = {file.path for file in named_files(con, metadata, data_uri)}
    files = [file for file in found_files(con, data_uri) if file.is_own]
    is_known = any(file.path in named for file in files)
    if not is_known and (named or files or was_marked):
        raise ForeignDataError(
            f"{_described(data_uri, None, files)}, none of which the catalogue names; it names {len(named):,} others. "
            "Nothing was changed. Correct SEGMENTATION_CATALOG or SEGMENTATION_DATA_PATH; `segmentation doctor` tells "
            "more."
        )
    write_marker(con, data_uri, own)


def _pattern(data_uri: str) -> str:
    """The marker as a pattern, which may match nothing; a path that isn't there would be an error."""
    folder = data_uri if is_object_store(data_uri) else _escaped(data_uri)
    return f"{folder}{MARKER[:-1]}[{MARKER[-1]}]"


def _escaped(path: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in path)


def _described(data_uri: str, marked: str | None, files: list[FoundFile]) -> str:
    megabytes = sum(file.size_bytes for file in files) / 1e6
    lake = f" of the lake {marked}" if marked else ""
    return f"{data_uri} holds {len(files):,} files{lake} ({megabytes:,.1f} MB)"
