"""Touched customers: those whose features may be others than in a base, ageing aside.

They have a line in either window that changed since the base was made, or one that matters between the two dates. Which
days' lines changed, `raw.changed_days` tells without reading a line; which lines did, DuckLake does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from segmentation.features.refresh.ageing import LONGEST_DAYS, Span, entering_and_leaving, spans_that_matter
from segmentation.features.refresh.bases import Base
from segmentation.features.windows import Window
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import CHANGED_DAYS, TRANSACTIONS
from segmentation.warehouse.lake import CATALOG, METADATA
from segmentation.warehouse.sql import literal

HAVE_CHANGED = f"""
SELECT 1
FROM {CHANGED_DAYS.name} AT (VERSION => {{version}})
WHERE lake_version > $base AND ordered_on >= $first AND CAST(ordered_on AS TIMESTAMP) < $end
LIMIT 1
"""

LINES_OF_DAYS = f"""
SELECT COALESCE(SUM(line_count_change), 0)
FROM {CHANGED_DAYS.name} AT (VERSION => {{version}})
WHERE ordered_on >= $first AND CAST(ordered_on AS TIMESTAMP) < $end
"""

KNOWN = f"SELECT snapshot_id FROM {METADATA}.ducklake_snapshot WHERE snapshot_id IN ($base, $base + 1)"

CHANGED_LINES = f"""
SELECT customer_id
FROM ducklake_table_changes('{CATALOG}', 'raw', 'transactions', {{first}}, {{version}})
WHERE ordered_at >= $start AND ordered_at < $end AND snapshot_id > $base
"""
"""Asked from the base on, or from the snapshot after it, which may have been thinned out."""

# Times are written out, not bound: DuckLake skips files by what it can see when it plans.
LINES_THAT_MATTER = f"""
SELECT customer_id
FROM {TRANSACTIONS.name} AT (VERSION => {{version}})
WHERE {{within}}
"""

LONG_AGO = f"""
SELECT customer_id
FROM {CUSTOMER_FEATURES.name} AT (VERSION => {{version}})
WHERE as_of = DATE '{{as_of}}' AND tenure_days > {LONGEST_DAYS}
"""


@dataclass(frozen=True)
class Touched:
    """The customers to compute anew.

    Attributes:
        file: Parquet file of their `customer_id`s; None if there is none.
        count: How many there are.
        line_count: At least so many lines are in one of the two windows only, or changed since the base was made: a
            line that was replaced counts twice.
    """

    file: Path | None
    count: int
    line_count: int


NOBODY = Touched(None, 0, 0)


def find_touched(con: duckdb.DuckDBPyConnection, base: Base, window: Window, file: Path) -> Touched | None:
    """The customers of a window whose features may be others than in a base.

    Args:
        con: A cursor of the lake.
        base: The snapshot that there is.
        window: The lines of the one to make, in the version of the lake that the base was found in.
        file: Where to write the customers.

    Returns:
        None if nobody can tell any more which lines changed.
    """
    whole = Span(base.window.starts_at, window.ends_at)
    is_later = base.window != window
    has_changed = _have_changed(con, base, whole)
    if not has_changed and not is_later:
        return NOBODY
    con.execute("CREATE OR REPLACE TEMP TABLE touched (customer_id VARCHAR)")
    if has_changed and not _add_changed(con, base, whole):
        return None
    ((line_count,),) = con.execute("SELECT COUNT(*) FROM temp.touched").fetchall()
    if is_later:
        _add_moved(con, base, window)
        line_count += sum(_lines_of(con, base.version, span) for span in entering_and_leaving(base.window, window))
    con.execute(f"COPY (SELECT DISTINCT customer_id FROM temp.touched) TO {literal(str(file))} (FORMAT parquet)")
    ((count,),) = con.execute(f"SELECT COUNT(*) FROM read_parquet({literal(str(file))})").fetchall()
    return Touched(file if count else None, count, line_count)


def _have_changed(con: duckdb.DuckDBPyConnection, base: Base, span: Span) -> bool:
    """Whether lines of a day (UTC) with a part in the span changed since the base was made."""
    values = {"base": base.read_version, **_days(span)}
    return con.execute(HAVE_CHANGED.format(version=base.version), values).fetchone() is not None


def _lines_of(con: duckdb.DuckDBPyConnection, version: int, span: Span) -> int:
    """How many lines there are at most in a span, by the days (UTC) that have a part in it."""
    ((count,),) = con.execute(LINES_OF_DAYS.format(version=version), _days(span)).fetchall()
    return int(count)


def _days(span: Span) -> dict[str, object]:
    return {"first": span.start.date(), "end": span.end}


def _add_changed(con: duckdb.DuckDBPyConnection, base: Base, span: Span) -> bool:
    """Add the customers of changed lines; returns whether the lake still knows which those are.

    Without the base's own snapshot it does not know what was deleted right after it, and does not say so.
    """
    known = {row[0] for row in con.execute(KNOWN, {"base": base.read_version}).fetchall()}
    if base.read_version not in known:
        return False
    first = base.read_version + 1 if base.read_version + 1 in known else base.read_version
    changes = CHANGED_LINES.format(first=first, version=base.version)
    try:
        con.execute(
            f"INSERT INTO temp.touched {changes}", {"start": span.start, "end": span.end, "base": base.read_version}
        )
    except duckdb.Error as error:
        if "snapshot" not in str(error).lower():
            raise
        return False
    return True


def _add_moved(con: duckdb.DuckDBPyConnection, base: Base, window: Window) -> None:
    """Add the customers with a line that matters between the dates, or whose days don't tell their microseconds."""
    within = _within(spans_that_matter(base.window, window))
    con.execute(f"INSERT INTO temp.touched {LINES_THAT_MATTER.format(version=base.version, within=within)}")
    if window.ends_at - window.starts_at > timedelta(days=LONGEST_DAYS):
        con.execute(f"INSERT INTO temp.touched {LONG_AGO.format(version=base.version, as_of=base.window.as_of)}")


def _within(spans: Iterable[Span]) -> str:
    return " OR ".join(f"({_since(span.start)} AND ordered_at < TIMESTAMP '{span.end}')" for span in spans)


def _since(moment: datetime) -> str:
    return f"ordered_at >= TIMESTAMP '{moment}'"
