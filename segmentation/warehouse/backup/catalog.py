"""The catalog of a lake as an SQLite file, and back.

DuckLake's own tables have the same columns in SQLite and in PostgreSQL, of other types; DuckLake makes them, and rows
are cast. The tables in which it keeps rows of small inserts are made here, for which the two lists below know how each
catalog stores a type (DuckLake 1.0; tests compare the outcome with the lake).
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb

from segmentation.errors import SegmentationError
from segmentation.failures import reason_of
from segmentation.settings import Settings
from segmentation.warehouse.backup.sqlite_files import DATA_PATH, copy_sqlite, replace_sqlite
from segmentation.warehouse.checksums import COLUMNS as CHECKSUM_COLUMNS
from segmentation.warehouse.checksums import TABLE as CHECKSUMS
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.lake import LOCK_KEY, sqlite_path, without_password
from segmentation.warehouse.sql import literal

STAGE = "segmentation_restoring"
"""The PostgreSQL schema in which a catalog is made before it takes its place."""

OWN_TABLES = (
    "SELECT tablename::text FROM pg_tables WHERE schemaname = '{}' "
    f"AND (tablename LIKE 'ducklake\\_%' OR tablename = '{CHECKSUMS}')"
)
"""PostgreSQL's list of the tables of a catalog: DuckLake's, and the checksums, which are ours."""

INLINED = re.compile(r"ducklake_inlined_data_(\d+)_(\d+)")
DELETED = re.compile(r"ducklake_inlined_delete_\d+")

WHOLE_NUMBERS = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "boolean"}
AS_BYTES = {"varchar", "json"}
"""Types of text that PostgreSQL holds as bytes, since its own text can't have a NUL."""
POSTGRES_TYPES = {
    "boolean": "BOOLEAN",
    "int8": "SMALLINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "INTEGER",
    "uint16": "INTEGER",
    "uint32": "BIGINT",
    "float32": "REAL",
    "float64": "DOUBLE PRECISION",
    "varchar": "BYTEA",
    "json": "BYTEA",
    "blob": "BYTEA",
    "uuid": "UUID",
    "time": "TIME",
    "interval": "INTERVAL",
    **dict.fromkeys(("date", "timestamp", "timestamptz", "timestamp_s", "timestamp_ms", "timestamp_ns"), "VARCHAR"),
    **dict.fromkeys(("int128", "uint128", "uint64", "list", "struct", "map"), "VARCHAR"),
}

INLINED_COLUMNS = """
SELECT column_name, column_type
FROM {source}.ducklake_column
WHERE table_id = $table
    AND parent_column IS NULL
    AND begin_snapshot <= $since
    AND (end_snapshot IS NULL OR end_snapshot > $since)
ORDER BY column_order
"""

Columns = dict[str, str]
"""Types by name, as DuckLake calls them."""


def copy_catalog(settings: Settings, target: Path) -> None:
    """Copy the lake's catalog, as it is at one moment, to a new SQLite file; nobody waits for it.

    Raises:
        SegmentationError: A PostgreSQL catalog has something that can't be told in SQLite.
        duckdb.Error: It can't be read.
        sqlite3.Error: There is no space for the copy.
    """
    if settings.catalog_uri.startswith("sqlite:"):
        copy_sqlite(sqlite_path(settings), target)
        return
    with workshop() as con:
        _new_catalog(con, f"sqlite:{target}", "made")
        con.execute(f"ATTACH {literal(str(target))} AS made (TYPE sqlite)")
        con.execute(f"ATTACH {literal(_dsn(settings))} AS source (TYPE postgres, READ_ONLY)")
        con.execute("SET pg_use_ctid_scan = false")  # else large tables are read by several connections
        con.begin()
        _fill_sqlite(con)
        con.commit()


def replace_catalog(settings: Settings, source: Path) -> None:
    """Put a copy in the place of the lake's catalog, all at once.

    Args:
        settings: Say where.
        source: The copy, of which another copy is made.

    Raises:
        SegmentationError: Somebody is working with the catalog that is there.
        duckdb.Error: The server refuses something; the catalog there is as before.
        OSError: There is no space, or no right to write; the same.
    """
    if settings.catalog_uri.startswith("sqlite:"):
        replace_sqlite(settings, source)
        return
    with workshop() as con:
        con.execute(f"ATTACH {literal(str(source))} AS source (TYPE sqlite, READ_ONLY)")
        con.execute(f"ATTACH {literal(_dsn(settings))} AS server (TYPE postgres)")
        _execute(con, f"DROP SCHEMA IF EXISTS {STAGE} CASCADE")
        _new_catalog(con, settings.catalog_uri, "stage", f", METADATA_SCHEMA '{STAGE}'")
        _fill_stage(con, settings)
        con.begin()
        _execute(con, f"SET LOCAL lock_timeout = {round(settings.write_timeout_s * 1000)}")
        _execute(con, f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
        _take_place(con)
        con.commit()


def _fill_sqlite(con: duckdb.DuckDBPyConnection) -> None:
    """Rows of a PostgreSQL catalog, read in one transaction, go to one that DuckLake made in SQLite."""
    tables = con.execute("FROM postgres_query('source', $sql)", {"sql": OWN_TABLES.format("public")}).fetchall()
    names = sorted(name for (name,) in tables)
    if CHECKSUMS in names:
        con.execute(f"CREATE TABLE made.{CHECKSUMS} ({_declared(CHECKSUM_COLUMNS)})")
    targets = _tables(con, "made")
    for name in [name for name in names if name in targets]:
        rows = f"postgres_query('source', {literal(f'SELECT * FROM public.{name}')})"
        con.execute(f"DELETE FROM made.{name}")
        columns = targets[name]
        con.execute(f"INSERT INTO made.{name} ({_names(columns)}) SELECT {_casts(columns)} FROM {rows}")
    for name in [name for name in names if name not in targets and name != CHECKSUMS]:
        columns = _inlined_columns(con, name, "made")
        ddl = {column: _sqlite_type(kind) for column, kind in columns.items()}
        con.execute(f"CREATE TABLE made.{name} ({_declared(ddl)})")
        selected = ", ".join(
            f"decode({_quoted(column)})" if kind in AS_BYTES else f"CAST({_quoted(column)} AS {_sqlite_type(kind)})"
            for column, kind in columns.items()
        )
        rows = f"postgres_query('source', {literal(f'SELECT * FROM public.{name}')})"
        con.execute(f"INSERT INTO made.{name} ({_names(columns)}) SELECT {selected} FROM {rows}")


def _fill_stage(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Rows of an SQLite catalog go to one that DuckLake made in the stage, with tables for rows in the catalog."""
    targets = _tables(con, "server", STAGE)
    names = sorted(_tables(con, "source"))
    con.begin()
    if CHECKSUMS in names:
        _execute(con, f"CREATE TABLE {STAGE}.{CHECKSUMS} ({_declared(CHECKSUM_COLUMNS)})")
        targets[CHECKSUMS] = CHECKSUM_COLUMNS
    kinds = {name: _inlined_columns(con, name, "source") for name in names if name not in targets}
    for name, columns in kinds.items():
        ddl = {column: POSTGRES_TYPES.get(kind, kind) for column, kind in columns.items()}
        _execute(con, f"CREATE TABLE {STAGE}.{name} ({_declared(ddl)})")
    con.commit()
    con.execute("CALL pg_clear_cache()")
    con.begin()
    for name in names:
        target = f"server.{STAGE}.{name}"
        if name in targets:
            columns, selected = targets[name], _casts(targets[name])
            con.execute(f"DELETE FROM {target}")
        else:
            columns = kinds[name]
            types = _tables(con, "server", STAGE)[name]
            selected = ", ".join(
                f"encode({_quoted(column)})" if kind in AS_BYTES else f"CAST({_quoted(column)} AS {types[column]})"
                for column, kind in columns.items()
            )
        con.execute(f"INSERT INTO {target} ({_names(columns)}) SELECT {selected} FROM source.{name}")
    con.execute(f"UPDATE server.{STAGE}.ducklake_metadata SET value = {literal(settings.data_uri)} WHERE {DATA_PATH}")
    con.commit()


def _take_place(con: duckdb.DuckDBPyConnection) -> None:
    listed = "FROM postgres_query('server', $sql)"
    for (name,) in con.execute(listed, {"sql": OWN_TABLES.format("public")}).fetchall():
        _execute(con, f"DROP TABLE public.{name}")
    for (name,) in con.execute(listed, {"sql": OWN_TABLES.format(STAGE)}).fetchall():
        _execute(con, f"ALTER TABLE {STAGE}.{name} SET SCHEMA public")
    _execute(con, f"DROP SCHEMA {STAGE}")


@contextmanager
def workshop() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own with what catalogs need; its errors are said without passwords."""
    with closing(open_duckdb(("ducklake", "sqlite_scanner", "postgres_scanner"), {"threads": 1})) as con:
        con.execute("SET GLOBAL TimeZone = 'UTC'")
        try:
            yield con
        except duckdb.Error as error:
            reason = without_password(reason_of(error))
            raise SegmentationError(f"The catalogue could not be copied: {reason}") from error


def _new_catalog(con: duckdb.DuckDBPyConnection, uri: str, name: str, options: str = "") -> None:
    """Have DuckLake make the tables of an empty catalog."""
    con.execute(f"ATTACH {literal('ducklake:' + uri)} AS {name} (DATA_PATH '/'{options})")
    con.execute(f"DETACH {name}")


def _inlined_columns(con: duckdb.DuckDBPyConnection, name: str, source: str) -> Columns:
    """The columns of a table of rows, or of deletions, in a catalog, with DuckLake's types."""
    own = dict.fromkeys(("row_id", "begin_snapshot", "end_snapshot"), "int64")
    if DELETED.fullmatch(name):
        return dict.fromkeys(("file_id", "row_id", "begin_snapshot"), "int64")
    found = INLINED.fullmatch(name)
    if found is None:
        raise SegmentationError(
            f"The catalogue has a table {name} that this release doesn't know. Was it written by another version of "
            "DuckLake?"
        )
    table, version = map(int, found.groups())
    since = con.execute(
        f"SELECT MIN(begin_snapshot) FROM {source}.ducklake_schema_versions WHERE schema_version = $version",
        {"version": version},
    ).fetchall()[0][0]
    query = INLINED_COLUMNS.format(source=source)
    columns = dict(con.execute(query, {"table": table, "since": since}).fetchall())
    unknown = sorted({kind for kind in columns.values() if kind not in POSTGRES_TYPES and "decimal" not in kind})
    if unknown:
        raise SegmentationError(
            f"The catalogue holds rows of type {', '.join(unknown)}, which can't be copied between SQLite and "
            "PostgreSQL. Run `segmentation maintain`, which writes them to files, and try again."
        )
    return {**own, **columns}


def _tables(con: duckdb.DuckDBPyConnection, database: str, schema: str | None = None) -> dict[str, Columns]:
    """The tables of an attached database, each with its columns and DuckDB's types of them."""
    rows = con.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = $database AND schema_name = COALESCE($schema, schema_name) "
        f"AND (starts_with(table_name, 'ducklake_') OR table_name = '{CHECKSUMS}') ORDER BY table_name, column_index",
        {"database": database, "schema": schema},
    ).fetchall()
    tables: dict[str, Columns] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


def _execute(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    con.execute("CALL postgres_execute('server', $sql)", {"sql": sql})


def _sqlite_type(kind: str) -> str:
    if kind in WHOLE_NUMBERS:
        return "BIGINT"
    return "BLOB" if kind == "blob" else "VARCHAR"


def _declared(columns: Columns) -> str:
    return ", ".join(f"{_quoted(column)} {kind}" for column, kind in columns.items())


def _names(columns: Columns) -> str:
    return ", ".join(map(_quoted, columns))


def _casts(columns: Columns) -> str:
    return ", ".join(f"CAST({_quoted(column)} AS {kind})" for column, kind in columns.items())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _dsn(settings: Settings) -> str:
    return settings.catalog_uri.partition(":")[2]
