"""Replacing: how a snapshot that was computed gets into the lake, in one short transaction with its record.

Where a few rows of a date differ from those that are there, only these are replaced; else all of them are.
"""

import duckdb

from segmentation.features.engine import Record
from segmentation.features.refresh.planning import Plan
from segmentation.features.refresh.scores import SCORES, Scored
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.lake import CATALOG, METADATA
from segmentation.warehouse.ledger import written_version
from segmentation.warehouse.snapshots import insert_rows, replace_rows
from segmentation.warehouse.sql import literal

SCHEMA, TABLE = CUSTOMER_FEATURES.name.split(".")

FILE_CUSTOMERS = 190_000
"""Customers in one data file of a snapshot, so that writing it needs bounded memory, and a look-up reads one file."""

REPLACED_SHARE = 0.2
"""Above this share of rows that differ, a date is written anew: it costs little more, and leaves no deleted rows."""

MOST_REPLACEMENTS = 3
"""So often rows of a date are replaced before it is written anew: each time leaves files that every reader opens."""

THERE = f"""
SELECT customer_id, {", ".join(SCORES)}
FROM {CUSTOMER_FEATURES.name} AT (VERSION => {{version}})
WHERE as_of = DATE '{{as_of}}'
"""

DIFFERING = f"""
CREATE OR REPLACE TEMP TABLE differing AS
SELECT customer_id
FROM ({THERE}) AS there
JOIN {{scores}} AS now USING (customer_id)
WHERE {" OR ".join(f"there.{name} IS DISTINCT FROM now.{name}" for name in SCORES)}
UNION
SELECT customer_id FROM {{touched}}
"""

IS_SET = f"""
SELECT 1
FROM {CATALOG}.options()
WHERE option_name = 'data_inlining_row_limit' AND scope_entry = '{CUSTOMER_FEATURES.name}' AND value = '0'
"""
INLINE_NOTHING = f"""
CALL {CATALOG}.set_option('data_inlining_row_limit', 0, schema => '{SCHEMA}', table_name => '{TABLE}')
"""
"""Else DuckLake keeps a few deletions in its catalog, and the file that they are of never ends, even without a row."""

NEW_ROWS = (
    "CREATE OR REPLACE TEMP TABLE new_rows AS SELECT * FROM {relation} SEMI JOIN temp.differing USING (customer_id)"
)

DELETE_DIFFERING = f"""
DELETE FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of AND customer_id IN (SELECT customer_id FROM temp.differing)
"""

FIRST_OF_RANGES = """
SELECT customer_id
FROM {scores}
QUALIFY (ROW_NUMBER() OVER (ORDER BY customer_id) - 1) % $size = 0
ORDER BY customer_id
"""

DATA_FILES = f"""
SELECT COUNT(*)
FROM {METADATA}.ducklake_data_file AS file
JOIN {METADATA}.ducklake_table AS tables USING (table_id)
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
JOIN {METADATA}.ducklake_file_partition_value AS part USING (data_file_id)
WHERE schemas.schema_name || '.' || tables.table_name = '{CUSTOMER_FEATURES.name}'
    AND tables.end_snapshot IS NULL AND file.end_snapshot IS NULL AND part.partition_value = $as_of
"""


def replace_snapshot(
    lake: Lake, con: duckdb.DuckDBPyConnection, plan: Plan, scored: Scored | None, commit: Commit, record: Record
) -> None:
    """Bring a snapshot into the lake, and put it on record.

    If others have written or dropped the date since it was read, what they did stays where nothing had to be computed;
    else the date is replaced as a whole. In a transaction DuckLake doesn't show rows any more that were deleted in it,
    not even in an earlier version of the lake, so that rows to take over are put aside first.

    Args:
        lake: A writable lake.
        con: A cursor of it, the one that has compared the customers.
        plan: The snapshot.
        scored: Its rows; None if the plan is idle.
        commit: What the lake's commit says about itself.
        record: Puts it on record.
    """
    has_few = scored is not None and _keep_differing(lake, con, plan, scored)

    def write(c: duckdb.DuckDBPyConnection) -> None:
        is_as_read = _is_as_read(c, plan)
        if scored is None and not is_as_read:
            return
        if has_few and is_as_read:
            _replace_differing(c, plan)
        elif scored is not None:
            relations = _ranges(c, scored, _put_aside(c, plan, scored))
            replace_rows(c, CUSTOMER_FEATURES, plan.window.as_of, *relations)
        record(c, scored is None)

    lake.transaction(con, commit, write)


def _is_as_read(con: duckdb.DuckDBPyConnection, plan: Plan) -> bool:
    """Whether the rows of the date are still those of the base."""
    base = plan.base
    return (
        base is not None
        and base.window == plan.window
        and written_version(con, CUSTOMER_FEATURES, plan.window.as_of) == base.written_version
    )


def _keep_differing(lake: Lake, con: duckdb.DuckDBPyConnection, plan: Plan, scored: Scored) -> bool:
    """Keep the rows that differ from those of the same date in temporary tables, if they are few enough to replace.

    Those who were computed, and those whose scores moved because of them; who has gone is in `differing` alone.
    """
    base = plan.base
    if base is None or base.window != plan.window or plan.touched.file is None:
        return False
    touched = f"read_parquet({literal(str(plan.touched.file))})"
    as_of = plan.window.as_of
    con.execute(DIFFERING.format(version=base.version, as_of=as_of, scores=scored.scores, touched=touched))
    count = con.table("temp.differing").shape[0]
    ((files,),) = con.execute(DATA_FILES, {"as_of": str(as_of)}).fetchall()
    whole_files = -(-scored.customer_count // FILE_CUSTOMERS)
    if count > REPLACED_SHARE * scored.customer_count or files >= whole_files + MOST_REPLACEMENTS:
        return False
    _inline_nothing(lake, con)
    con.execute(NEW_ROWS.format(relation=scored.relation))
    return True


def _inline_nothing(lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
    """Have rows of the features, and deletions of them, kept in files, however few they are."""
    if con.execute(IS_SET).fetchone() is None:
        commit = Commit(f"Keep {CUSTOMER_FEATURES.name} in files")
        lake.transaction(con, commit, lambda c: c.execute(INLINE_NOTHING).fetchall())


def _replace_differing(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    as_of = plan.window.as_of
    con.execute(DELETE_DIFFERING, {"as_of": as_of})
    insert_rows(con, CUSTOMER_FEATURES, as_of, "temp.new_rows")


def _put_aside(con: duckdb.DuckDBPyConnection, plan: Plan, scored: Scored) -> str:
    """What to read the rows of a snapshot from while those of its date are being deleted."""
    if plan.base is None or plan.base.window != plan.window:
        return scored.relation
    file = literal(str(plan.folder.with_suffix(".parquet")))
    con.execute(f"COPY {scored.relation} TO {file} (FORMAT parquet, COMPRESSION lz4)")
    return f"read_parquet({file})"


def _ranges(con: duckdb.DuckDBPyConnection, scored: Scored, relation: str) -> list[str]:
    """The rows of a snapshot in ranges of at most `FILE_CUSTOMERS` customers."""
    if scored.customer_count <= FILE_CUSTOMERS:
        return [relation]
    found = con.execute(FIRST_OF_RANGES.format(scores=scored.scores), {"size": FILE_CUSTOMERS}).fetchall()
    firsts = [literal(customer) for (customer,) in found]
    ends = [f" AND customer_id < {first}" for first in firsts[1:]] + [""]
    return [f"(FROM {relation} WHERE customer_id >= {a}{b})" for a, b in zip(firsts, ends, strict=True)]
