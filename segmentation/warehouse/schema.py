"""How a lake is brought up to the tables and views that `segmentation.metadata` declares.

A new lake gets everything; an older one gets the tables and columns that it lacks, the views of today, and whatever
numbered migration it has not seen. Migrations only go forward, and each lake remembers its version.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import cast

import duckdb

from segmentation.errors import SegmentationError
from segmentation.metadata.table import Column, Table, View
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.raw import CHANGED_DAYS
from segmentation.metadata.tables.registry import SCHEMA_VERSIONS, SNAPSHOTS
from segmentation.metadata.views import VIEWS
from segmentation.settings import Settings
from segmentation.warehouse import changed_days, ledger
from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import CATALOG, Lake
from segmentation.warehouse.sql import literal

SCHEMA_VERSION = 4


def migrate(lake: Lake, tables: tuple[Table, ...] = TABLES, views: tuple[View, ...] = VIEWS) -> bool:
    """Bring the lake up to the declared schema. Safe to call at every start and from several processes at once.

    Args:
        lake: A writable lake.
        tables: What it should hold.
        views: What it should show of them.

    Returns:
        Whether anything had to be changed.

    Raises:
        SegmentationError: The lake was made by a newer release, or has another number of buckets than somebody chose.
    """
    fingerprint = _fingerprint(tables, views)
    extended: list[Table] | None = None
    with lake.cursor() as con:
        if not _is_current(con, lake, fingerprint):
            commit = Commit(f"Schema version {SCHEMA_VERSION}", asset="warehouse/schema")
            extended = lake.transaction(con, commit, lambda c: _apply(c, lake, tables, views, fingerprint))
        for table in extended or ():
            _flush(lake, con, table)
    lake.schema_version = SCHEMA_VERSION
    return extended is not None


def open_current(settings: Settings) -> Lake:
    """Open a lake for reading, with the tables of this release: one of an older release is migrated first.

    Raises:
        NoLakeError: There is none; none is made.
        WarehouseUnavailableError: It can't be reached.
    """
    lake = Lake(settings, read_only=True)
    with lake.cursor() as con:
        if exists(con, SCHEMA_VERSIONS) and _last_version(con)[0] >= SCHEMA_VERSION:
            return lake
    lake.close()
    with Lake(settings) as outdated:
        migrate(outdated)
    return Lake(settings, read_only=True)


def customer_buckets(con: duckdb.DuckDBPyConnection) -> int:
    """How many customer buckets the lake was created with."""
    return _last_version(con)[2]


def identity(con: duckdb.DuckDBPyConnection) -> str:
    """What tells this lake from all others, eight hexadecimal digits: a hash of when it was made."""
    row = con.execute(f"SELECT MIN(applied_at) FROM {SCHEMA_VERSIONS.name}").fetchone()
    return hashlib.sha256(str(row).encode()).hexdigest()[:8]


def view_statement(view: View) -> str:
    """DDL that makes a view, instead of the one that is there. DuckLake keeps which catalog is meant, not its name."""
    return f"CREATE OR REPLACE VIEW {view.name} AS SELECT {view.column_list} FROM {CATALOG}.{view.table.name}"


def _apply(
    con: duckdb.DuckDBPyConnection, lake: Lake, tables: tuple[Table, ...], views: tuple[View, ...], fingerprint: str
) -> list[Table] | None:
    """Returns the tables that got columns; None if others have done it all."""
    if _is_current(con, lake, fingerprint):
        return None
    made = _last_version(con) if exists(con, SCHEMA_VERSIONS) else None
    before = made[0] if made else SCHEMA_VERSION
    for version in range(before + 1, SCHEMA_VERSION + 1):
        if version in MIGRATIONS:
            MIGRATIONS[version](con)
    extended = [table for table in tables if _create_or_extend(con, table)]
    for view in views:
        con.execute(view_statement(view))
        con.execute(f"COMMENT ON VIEW {view.name} IS {literal(view.comment)}")
    con.execute(
        f"INSERT INTO {SCHEMA_VERSIONS.name} VALUES ($version, $fingerprint, $buckets, CAST($now AS TIMESTAMP))",
        {
            "version": SCHEMA_VERSION,
            "fingerprint": fingerprint,
            "buckets": made[2] if made else lake.settings.customer_buckets,
            "now": lake.clock(),
        },
    )
    return extended


def _flush(lake: Lake, con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Write what the catalogue holds of a table to files.

    After a change of its columns DuckLake keeps its new rows in another place. The next flush by anybody removes the
    former one, which whoever has the lake open by then goes on to look for, in vain: so it is removed at once, by the
    one process that notices.
    """
    name = f"schema_name => '{table.schema}', table_name => '{table.name.partition('.')[2]}'"
    call = f"CALL ducklake_flush_inlined_data('{CATALOG}', {name})"
    lake.transaction(con, Commit(f"Flush {table.name}"), lambda c: c.execute(call).fetchall())


def _note_days_and_snapshots(con: duckdb.DuckDBPyConnection) -> None:
    """Version 2: what of the past the lake has to remember, as far as its rows still tell."""
    _create_or_extend(con, CHANGED_DAYS)
    changed_days.fill(con)
    _create_or_extend(con, SNAPSHOTS)
    ledger.fill(con, [table for table in TABLES if _is_snapshot(table) and exists(con, table)])
    con.execute(f"DROP TABLE IF EXISTS {ledger.FORMER}")


def _is_snapshot(table: Table) -> bool:
    return table.partitioned_by == "as_of"


def _drop_tables_of_groups(con: duckdb.DuckDBPyConnection) -> None:
    """Version 3: groups of features are views. Each commit that wrote their rows wrote them to the one table, too."""
    for group in ("rfm", "diversity", "temporal", "behaviour"):
        con.execute(f"DROP TABLE IF EXISTS features.{group}")
        con.execute(f"DELETE FROM {SNAPSHOTS.name} WHERE table_name = 'features.{group}'")


MIGRATIONS: dict[int, Callable[[duckdb.DuckDBPyConnection], None]] = {
    2: _note_days_and_snapshots,
    3: _drop_tables_of_groups,
}
"""Per version, what its declarations can't say (a rename, a backfill); version 1 is the declarations alone. They run
before tables are created, on lakes of an earlier version only, and create what they fill."""


def _create_or_extend(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Returns whether it is an older table that got columns."""
    existing = _columns(con, table)
    missing = [column for column in table.columns if column.name not in existing]
    if not existing:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {table.schema}")
        for statement in _create_statements(table):
            con.execute(statement)
    else:
        for column in missing:
            con.execute(f"ALTER TABLE {table.name} ADD COLUMN {_declaration(column)}")
        for column in table.columns:
            if column.nullable and existing.get(column.name) is False:
                con.execute(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP NOT NULL")
    for statement in _comment_statements(table):
        con.execute(statement)
    return bool(existing and missing)


def _is_current(con: duckdb.DuckDBPyConnection, lake: Lake, fingerprint: str) -> bool:
    if not exists(con, SCHEMA_VERSIONS):
        return False
    version, seen, buckets = _last_version(con)
    if version > SCHEMA_VERSION:
        raise SegmentationError(
            f"The lake has schema version {version}; this release knows {SCHEMA_VERSION}. Update the software."
        )
    is_chosen = "customer_buckets" in lake.settings.model_fields_set  # else the lake knows, as it always does
    if is_chosen and buckets != lake.settings.customer_buckets:
        raise SegmentationError(
            f"The lake was created with {buckets} customer buckets, SEGMENTATION_CUSTOMER_BUCKETS says "
            f"{lake.settings.customer_buckets}. Set it to {buckets}, or make a new lake in another SEGMENTATION_HOME."
        )
    return version == SCHEMA_VERSION and seen == fingerprint


def _last_version(con: duckdb.DuckDBPyConnection) -> tuple[int, str, int]:
    row = con.execute(
        f"SELECT version, fingerprint, customer_buckets FROM {SCHEMA_VERSIONS.name} "
        "ORDER BY version DESC, applied_at DESC LIMIT 1"
    ).fetchone()
    return cast("tuple[int, str, int]", row)


def exists(con: duckdb.DuckDBPyConnection, table: Table) -> bool:
    """Whether the lake has the table: one of an older release, opened for reading only, may lack it.

    Only that table is looked up: a list of all would ask past versions, too, which others have open and have expired.
    """
    try:
        con.execute(f"SELECT 1 FROM {table.name} LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def _columns(con: duckdb.DuckDBPyConnection, table: Table) -> dict[str, bool]:
    """The columns of a table in the lake, and whether they may be NULL; none if there is no such table."""
    rows = con.execute(
        "SELECT column_name, is_nullable FROM duckdb_columns() "
        "WHERE database_name = $catalog AND schema_name || '.' || table_name = $name",
        {"catalog": CATALOG, "name": table.name},
    ).fetchall()
    return dict(rows)


def _declaration(column: Column) -> str:
    default = "" if column.default is None else f" DEFAULT {literal(column.default)}"
    return f"{column.name} {column.type}{default}"


def _fingerprint(tables: tuple[Table, ...], views: tuple[View, ...]) -> str:
    return hashlib.sha256(repr((tables, views)).encode()).hexdigest()


def _create_statements(table: Table) -> Iterator[str]:
    """DDL that creates a table as declared; its schema must exist."""
    columns = ", ".join(f"{_declaration(c)}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)
    yield f"CREATE TABLE {table.name} ({columns})"
    if table.partitioned_by:
        yield f"ALTER TABLE {table.name} SET PARTITIONED BY ({table.partitioned_by})"
    if table.sorted_by:
        yield f"ALTER TABLE {table.name} SET SORTED BY ({', '.join(table.sorted_by)})"


def _comment_statements(table: Table) -> Iterator[str]:
    """DDL that sets the comments of a table and of its columns."""
    yield f"COMMENT ON TABLE {table.name} IS {literal(table.comment)}"
    for column in table.columns:
        yield f"COMMENT ON COLUMN {table.name}.{column.name} IS {literal(column.comment)}"
