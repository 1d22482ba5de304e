"""The ledger of snapshots, as rows: which tables exist as of which dates, and what they were made of.

A row is written in the transaction that writes the snapshot, so that the two never differ. Whether a snapshot is
current is judged in `segmentation.snapshots`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.provenance import git_commit
from segmentation.warehouse.commit import Commit
from segmentation.warehouse.lake import CATALOG, next_version


@dataclass(frozen=True)
class MadeOf:
    """What a snapshot was made of.

    Attributes:
        lake_version: The version of the lake that was read; take it before reading.
        code_version: Hash of the definitions and the code.
        window_start: First day of the lines, for features.
        home_market: The shop's home market, for features.
        computed_count: Customers that were computed anew, for features.
        engine: What computed features.
        previous_as_of: The snapshot that was compared with.
        model_version: The model version that decided.
        timezone: The shop's time zone, for features.
        ends_at: The moment (UTC) at which `as_of` begins in it.
        home_market_lead: By at least how many lines the home market leads, for features, where it was counted.
        segmentations: The versions of definitions that decided, as JSON, for segments.
    """

    lake_version: int
    code_version: str
    window_start: date | None = None
    home_market: str | None = None
    computed_count: int | None = None
    engine: str | None = None
    previous_as_of: date | None = None
    model_version: int | None = None
    timezone: str | None = None
    ends_at: datetime | None = None
    home_market_lead: int | None = None
    segmentations: str | None = None


@dataclass(frozen=True)
class Entry:
    """A row of `registry.snapshots`; its attributes are the columns."""

    table_name: str
    as_of: date
    row_count: int
    lake_version: int
    written_version: int
    code_version: str
    window_start: date | None
    home_market: str | None
    computed_count: int | None
    engine: str | None
    previous_as_of: date | None
    model_version: int | None
    git_commit: str | None
    made_at: datetime
    run_id: str | None
    asked_by: str | None
    is_requested: bool
    timezone: str | None = None
    ends_at: datetime | None = None
    home_market_lead: int | None = None
    segmentations: str | None = None


COLUMNS = tuple(field.name for field in fields(Entry))

LEDGER = f"""(
    FROM {SNAPSHOTS.name}
    UNION ALL BY NAME
    SELECT
        CAST(NULL AS VARCHAR) AS timezone,
        CAST(NULL AS TIMESTAMP) AS ends_at,
        CAST(NULL AS BIGINT) AS home_market_lead,
        CAST(NULL AS VARCHAR) AS segmentations
    WHERE false
)"""
"""The ledger to read from, also where an older release has written it last: one without time zones was all UTC."""

INSERT = f"""
INSERT INTO {SNAPSHOTS.name} ({", ".join(COLUMNS)})
VALUES ({", ".join(f"${name}" for name in COLUMNS)})
"""

FORMER = "registry.feature_snapshots"
"""What older releases kept of feature snapshots."""

FILL_RECORDED = f"""
INSERT INTO {SNAPSHOTS.name} BY NAME
SELECT
    '{{table}}' AS table_name, as_of, row_count, lake_version, lake_version + 1 AS written_version, code_version,
    window_start, home_market, computed_count, engine, git_commit, computed_at AS made_at, run_id,
    false AS is_requested
FROM ({{there}}) JOIN {FORMER} USING (as_of)
"""

FILL_UNKNOWN = f"""
INSERT INTO {SNAPSHOTS.name} BY NAME
SELECT
    '{{table}}' AS table_name, as_of, row_count, 0 AS lake_version, 0 AS written_version, '' AS code_version,
    model_version, TIMESTAMP '1970-01-01' AS made_at, false AS is_requested
FROM ({{there}})
"""

KNOWN = f"SELECT table_name, written_version, asked_by, is_requested FROM {SNAPSHOTS.name} WHERE as_of = $as_of"


def read_entries(con: duckdb.DuckDBPyConnection) -> list[Entry]:
    """The whole ledger, by date and table."""
    rows = con.execute(f"SELECT {', '.join(COLUMNS)} FROM {LEDGER} ORDER BY as_of, table_name").fetchall()
    return [Entry(*row) for row in rows]


def written_version(con: duckdb.DuckDBPyConnection, table: Table, as_of: date) -> int | None:
    """The version of the lake that last changed the rows of a snapshot, if there is one."""
    query = f"SELECT written_version FROM {SNAPSHOTS.name} WHERE table_name = $name AND as_of = $as_of"
    row = con.execute(query, _key(table, as_of)).fetchone()
    return row[0] if row else None


def recorded_model(con: duckdb.DuckDBPyConnection, table: Table, as_of: date) -> int | None:
    """The model version that decided a snapshot, if there is one."""
    query = f"SELECT model_version FROM {SNAPSHOTS.name} WHERE table_name = $name AND as_of = $as_of"
    row = con.execute(query, _key(table, as_of)).fetchone()
    return row[0] if row else None


@dataclass(frozen=True)
class Deciders:
    """What decided a snapshot of segments; None where nothing is on record.

    Attributes:
        model_version: The model.
        definitions: The version of each definition, by name.
    """

    model_version: int | None = None
    definitions: dict[str, int] | None = None


def recorded_deciders(con: duckdb.DuckDBPyConnection, table: Table, as_of: date) -> Deciders:
    """What decided a snapshot, if there is one."""
    query = f"SELECT model_version, segmentations FROM {SNAPSHOTS.name} WHERE table_name = $name AND as_of = $as_of"
    row = con.execute(query, _key(table, as_of)).fetchone()
    return Deciders(row[0], json.loads(row[1] or "{}")) if row else Deciders()


def record(
    con: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    as_of: date,
    made_of: MadeOf,
    commit: Commit,
    now: datetime,
    *,
    unchanged: Sequence[Table] = (),
) -> None:
    """Put snapshots on record, inside the transaction that writes them.

    Args:
        con: The connection with the transaction open.
        tables: What has been written.
        as_of: The date.
        made_of: What of.
        commit: Says which run, and who asked; who asked for the very date stays on record when it is made anew.
        now: When (UTC).
        unchanged: Of the tables, those whose rows are as they were: what was made of them need not be made anew.
    """
    known = {row[0]: row[1:] for row in con.execute(KNOWN, {"as_of": as_of}).fetchall()}
    coming = next_version(con)
    for table in tables:
        ((rows,),) = con.execute(f"SELECT COUNT(*) FROM {table.name} WHERE as_of = DATE '{as_of}'").fetchall()
        written, asked_by, is_requested = known.get(table.name, (coming, None, False))
        entry = Entry(
            table_name=table.name,
            as_of=as_of,
            row_count=rows,
            written_version=written if table in unchanged else coming,
            git_commit=git_commit(),
            made_at=now,
            run_id=commit.run_id or None,
            asked_by=(asked_by if is_requested and not commit.is_request else commit.asked_by) or None,
            is_requested=is_requested or commit.is_request,
            **vars(made_of),
        )
        con.execute(f"DELETE FROM {SNAPSHOTS.name} WHERE table_name = $name AND as_of = $as_of", _key(table, as_of))
        con.execute(INSERT, vars(entry))


def fill(con: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Put snapshots of before the ledger on record: features as recorded then, others as made by unknown code.

    Args:
        con: The connection with the transaction open.
        tables: Those that have snapshots.
    """
    for table in tables:
        is_recorded = table.schema == "features" and _has_former(con)
        version = "model_version" if "model_version" in table.column_names else "NULL"
        there = f"SELECT as_of, COUNT(*) AS row_count, MAX({version}) AS model_version FROM {table.name} GROUP BY as_of"
        query = FILL_RECORDED if is_recorded else FILL_UNKNOWN
        con.execute(query.format(table=table.name, there=there))


def erase(con: duckdb.DuckDBPyConnection, tables: Sequence[Table], dates: Sequence[date]) -> None:
    """Remove snapshots, rows and record, inside a transaction."""
    listed = ", ".join(f"DATE '{as_of}'" for as_of in dates)
    for table in tables:
        con.execute(f"DELETE FROM {table.name} WHERE as_of IN ({listed})")
        con.execute(
            f"DELETE FROM {SNAPSHOTS.name} WHERE table_name = $name AND as_of IN ({listed})", {"name": table.name}
        )


def _key(table: Table, as_of: date) -> dict[str, object]:
    return {"name": table.name, "as_of": as_of}


def _has_former(con: duckdb.DuckDBPyConnection) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE database_name = $lake AND schema_name || '.' || table_name = $name"
    return con.execute(query, {"lake": CATALOG, "name": FORMER}).fetchone() is not None
