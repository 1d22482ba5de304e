"""Checks of features: data reaches the date, nobody is missing anywhere, every number is one, and dates are current."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import duckdb

from segmentation.features.records import recorded_scopes, scope_of
from segmentation.metadata.table import Relation
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.metadata.views import VIEWS
from segmentation.snapshots.code import SNAPSHOT_TABLES
from segmentation.snapshots.coverage import read_coverage
from segmentation.snapshots.states import read_standings
from segmentation.warehouse.schema import view_statement
from segmentation_assets.checks.scope import dates_of, named
from segmentation_assets.keys import CUSTOMER_FEATURES_KEY, table_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import Clock, WarehouseResource

ON_RECORD = f"(SELECT as_of FROM {SNAPSHOTS.name} WHERE table_name = '{CUSTOMER_FEATURES.name}')"

BUYERS = f"""
SELECT DISTINCT customer_id
FROM {TRANSACTIONS.name}
WHERE quantity > 0 AND ordered_at >= $start AND ordered_at < $as_of
"""

DIFFERENCES = f"""
SELECT
    (SELECT COUNT(*) FROM temp.buyers),
    COUNT(*),
    COUNT(DISTINCT customer_id),
    COUNT(*) FILTER (customer_id IN (SELECT customer_id FROM temp.buyers))
FROM {CUSTOMER_FEATURES.name}
WHERE as_of = $as_of
"""

# Who is missing, and who should not be there, or more than once.
AT_FAULT = f"""
SELECT customer_id
FROM (
    SELECT customer_id, COUNT(*) AS rows FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of GROUP BY customer_id
)
FULL JOIN temp.buyers USING (customer_id)
WHERE rows IS DISTINCT FROM 1 OR customer_id NOT IN (SELECT customer_id FROM temp.buyers)
ORDER BY customer_id
LIMIT 3
"""


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, blocking=True)
def data_reach_the_date(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource, clock: Clock
) -> dg.AssetCheckResult:
    """No date is ahead of the data: every day before it is complete. Sources that are late are named."""
    with warehouse.get_connection() as con:
        coverage = read_coverage(con, warehouse.settings(), clock())
        ahead = [as_of for as_of in dates_of(context, con, [CUSTOMER_FEATURES.name]) if not coverage.reaches(as_of)]
    late = [f"{source.source} (last line {source.last_day})" for source in coverage.late_sources()]
    also = f"; late: {', '.join(late)}, whose lines make dates stale once they come" if late else ""
    return dg.AssetCheckResult(
        passed=not ahead,
        metadata={
            "newest_date": str(coverage.until),
            "sources": dg.MetadataValue.md(
                markdown_table(
                    ["source", "first line", "last line", "late"],
                    [(s.source, s.first_day, s.last_day, "yes" if s.is_late else "") for s in coverage.sources],
                )
            ),
        },
        description=f"{coverage.why_not(ahead[-1])} {named(ahead)} can go: `segmentation snapshots drop --ahead`"
        if ahead
        else f"the data reaches to before {coverage.until}{also}",
    )


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, blocking=True)
def every_buyer_has_one_row(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """The customers of a date's features are exactly those with a purchase in the window, once each."""
    settings = warehouse.settings()
    problems: list[tuple[object, ...]] = []
    at_fault: dict[date, list[str]] = {}
    with warehouse.get_connection() as con:
        recorded = recorded_scopes(con)
        for as_of in dates_of(context, con, [CUSTOMER_FEATURES.name, ON_RECORD]):
            window, _ = scope_of(recorded, as_of, settings)
            span = {"start": window.starts_at, "as_of": window.ends_at}
            con.execute(f"CREATE OR REPLACE TEMP TABLE buyers AS {BUYERS}", span)
            rows = con.execute(DIFFERENCES, {"as_of": as_of}).fetchone()
            if rows is None or len(set(rows)) != 1:
                problems.append((as_of, *(rows or ())))
                at_fault[as_of] = [row[0] for row in con.execute(AT_FAULT, {"as_of": as_of}).fetchall()]
    header = ["as of", "buyers", "rows", "customers", "of them buyers"]
    return dg.AssetCheckResult(
        passed=not problems,
        metadata={"differences": dg.MetadataValue.md(markdown_table(header, problems))},
        description=_not_the_buyers(at_fault) if problems else "everybody, once",
    )


def _not_the_buyers(at_fault: dict[date, list[str]]) -> str:
    """Which dates, an example of each of the first, and what to do."""
    examples = "; ".join(f"as of {as_of}, for example {', '.join(ids)}" for as_of, ids in list(at_fault.items())[:3])
    dates = " ".join(map(str, at_fault)) if len(at_fault) <= 3 else ""
    return (
        f"features don't hold exactly the customers with a purchase ({examples}). "
        f"`segmentation snapshots refresh {dates}".rstrip()
        + "` makes these dates anew"
    )


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, additional_deps=[table_key(view) for view in VIEWS], blocking=True)
def views_show_every_row(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Each group of features, a view, has as many rows as of a date as the table that it shows."""
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_FEATURES.name])
        counted = {relation: _row_counts(con, relation, dates) for relation in (CUSTOMER_FEATURES, *VIEWS)}
    held = counted[CUSTOMER_FEATURES]
    other = {view: [as_of for as_of in dates if counted[view].get(as_of) != held.get(as_of)] for view in VIEWS}
    other = {view: differing for view, differing in other.items() if differing}
    return dg.AssetCheckResult(
        passed=not other,
        metadata={
            "differing": dg.MetadataValue.json({view.name: list(map(str, days)) for view, days in other.items()})
        },
        description="; ".join(
            f"{view.name} has other rows than {CUSTOMER_FEATURES.name} {named(differing)}: somebody has replaced it. "
            f"As the lake's owner, define it again: {view_statement(view)}"
            for view, differing in other.items()
        )
        or "all rows, under every name",
    )


def _row_counts(con: duckdb.DuckDBPyConnection, relation: Relation, dates: Sequence[date]) -> dict[date, int]:
    query = f"SELECT as_of, COUNT(*) FROM {relation.name} WHERE list_contains($dates, as_of) GROUP BY as_of"
    return dict(con.execute(query, {"dates": list(dates)}).fetchall())


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, blocking=True)
def numbers_are_finite(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No feature is infinite or not a number; unknown is NULL."""
    columns = [c.name for c in CUSTOMER_FEATURES.columns if c.type == "DOUBLE"]
    conditions = {name: f"NOT isfinite({name})" for name in columns}
    counted = ", ".join(f"COUNT(*) FILTER ({condition}) AS {name}" for name, condition in conditions.items())
    with warehouse.get_connection() as con:
        dates = dates_of(context, con, [CUSTOMER_FEATURES.name])
        rows = con.execute(
            f"SELECT as_of, {counted} FROM {CUSTOMER_FEATURES.name} WHERE list_contains($dates, as_of) "
            f"GROUP BY as_of ORDER BY as_of",
            {"dates": dates},
        ).fetchall()
        bad = {name: sum(counts) for name, *counts in zip(columns, *(row[1:] for row in rows), strict=True)}
        bad = {name: count for name, count in bad.items() if count}
        found = [as_of for as_of, *counts in rows if any(counts)]
        examples = _examples(con, conditions, bad, found)
    what = ", ".join(f"{name}: {count:,} (customer {examples[name]})" for name, count in bad.items())
    return dg.AssetCheckResult(
        passed=not bad,
        metadata={"not_finite": dg.MetadataValue.json(bad)},
        description=f"not finite {named(found)}: {what}. Look at these customers' lines (`segmentation sql`), correct "
        f"them at their source and ingest it again; `segmentation snapshots refresh` then makes the dates anew"
        if bad
        else "all numbers are finite",
    )


def _examples(
    con: duckdb.DuckDBPyConnection, conditions: dict[str, str], bad: dict[str, int], dates: Sequence[date]
) -> dict[str, str]:
    """A customer per column."""
    found = {}
    for name in bad:
        row = con.execute(
            f"SELECT MIN(customer_id) FROM {CUSTOMER_FEATURES.name} "
            f"WHERE list_contains($dates, as_of) AND {conditions[name]}",
            {"dates": list(dates)},
        ).fetchone()
        found[name] = row[0] if row else ""
    return found


AFTER_ALL = [table_key(table) for table in SNAPSHOT_TABLES if table is not CUSTOMER_FEATURES]
"""What the check waits for where a run makes it: until then, what is made of new features is stale."""


@dg.asset_check(asset=CUSTOMER_FEATURES_KEY, additional_deps=AFTER_ALL, blocking=False)
def snapshots_are_current(warehouse: WarehouseResource, clock: Clock) -> dg.AssetCheckResult:
    """No snapshot, of whatever date and table, would come out otherwise today; `segmentation snapshots list` tells."""
    with warehouse.get_connection() as con:
        standings = read_standings(con, warehouse.settings(), clock())
    other = [s for s in standings if s.state != "current"]
    dates = sorted({s.entry.as_of for s in other})
    rows = [(s.entry.as_of, s.entry.table_name, s.state, "; ".join(s.reasons)) for s in other]
    return dg.AssetCheckResult(
        passed=not other,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "stale": len({s.entry.as_of for s in other if s.state == "stale"}),
            "ahead": len({s.entry.as_of for s in other if s.state == "ahead"}),
            "snapshots": dg.MetadataValue.md(markdown_table(["as of", "table", "state", "why"], rows[:100])),
        },
        description=f"not current {named(dates)} ({other[0].reasons[0]}): `segmentation snapshots refresh` makes stale "
        "ones anew, `segmentation snapshots drop --ahead` removes those ahead of the data"
        if other
        else "all snapshots are current",
    )


CHECKS = [data_reach_the_date, every_buyer_has_one_row, views_show_every_row, numbers_are_finite, snapshots_are_current]
