"""Checks of declared sources: their columns, that no line is lost or doubled, and whether what came is usual."""

import dagster as dg

from segmentation.metadata.tables.raw import DELIVERIES, REJECTED, TRANSACTIONS
from segmentation.sources.config import FilesSource, SourceConfig
from segmentation.sources.schema_drift import read_drift
from segmentation_assets.keys import source_key
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import WarehouseResource

LEDGER = f"""
SELECT
    (SELECT COALESCE(SUM(lines_new), 0) FROM {DELIVERIES.name} WHERE source = $source),
    (SELECT COUNT(*) FROM {TRANSACTIONS.name} WHERE source = $source),
    (SELECT COALESCE(SUM(lines_rejected), 0) FROM {DELIVERIES.name} WHERE source = $source),
    (SELECT COUNT(*) FROM {REJECTED.name} WHERE source = $source)
"""

UNREAD = f"""
SELECT COUNT(*)
FROM {DELIVERIES.name}
WHERE source = $source AND lines_read <> lines_new + lines_replaced + lines_repeated + lines_rejected
"""

# The last whole day beside the four weeks before it, each figure by its own usual scatter.
FIGURES = f"""
WITH newest AS (
    SELECT CAST(MAX(ordered_at) AS DATE) - 1 AS day FROM {TRANSACTIONS.name} WHERE source = $source
),
per_day AS (
    SELECT CAST(ordered_at AS DATE) AS day, COUNT(*) AS lines, AVG(LN(1 + ABS(amount))) AS log_amount,
        AVG(CAST(quantity < 0 AS INTEGER)) AS return_share, COUNT(DISTINCT customer_id) / COUNT(*) AS customers_per_line
    FROM {TRANSACTIONS.name}, newest
    WHERE source = $source AND ordered_at >= newest.day - 28 AND ordered_at < newest.day + 1
    GROUP BY ALL
),
figures AS (UNPIVOT per_day ON COLUMNS(* EXCLUDE day) INTO NAME figure VALUE value),
usual AS (
    SELECT figure, COUNT(*) AS days, MEDIAN(value) AS usual, MAD(value) AS scatter
    FROM figures, newest WHERE figures.day < newest.day GROUP BY figure
)
SELECT newest.day, figure, COALESCE(value, 0) AS value, usual, GREATEST(1.4826 * scatter, 0.02 * ABS(usual)) AS scatter
FROM usual CROSS JOIN newest LEFT JOIN figures USING (figure, day)
WHERE days >= 14
"""

UNUSUAL = 5.0
"""Robust standard deviations (1.4826 MAD) from the median of four weeks; four figures a day seldom go so far."""


def build_checks(source: SourceConfig) -> list[dg.AssetChecksDefinition]:
    """The checks of a source."""
    made = [_columns_are_expected(source), _figures_are_usual(source)]
    return made if isinstance(source, FilesSource) else [*made, _deliveries_add_up(source)]


def _columns_are_expected(source: SourceConfig) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=source_key(source.name), name="columns_are_expected")
    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """The columns are those that somebody accepted; `segmentation sources accept` accepts new ones."""
        with warehouse.get_connection() as con:
            drift = read_drift(con, source.name)
        return dg.AssetCheckResult(
            passed=not drift,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "new": dg.MetadataValue.json(dict(drift.new)),
                "missing": dg.MetadataValue.json(list(drift.missing)),
                "retyped": dg.MetadataValue.json({name: list(kinds) for name, kinds in drift.retyped.items()}),
            },
            description=f"{drift} ({drift.seen_in}); `segmentation sources accept {source.name}` accepts it"
            if drift
            else "the columns are as expected",
        )

    return check


def _deliveries_add_up(source: SourceConfig) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=source_key(source.name), name="deliveries_add_up")
    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """Every line that was acknowledged is in the lake, or in the rejects, once."""
        with warehouse.get_connection() as con:
            new, lines, rejected, rejects = con.execute(LEDGER, {"source": source.name}).fetchall()[0]
            unread = con.execute(UNREAD, {"source": source.name}).fetchall()[0][0]
        return dg.AssetCheckResult(
            passed=new == lines and rejected == rejects and not unread,
            metadata={
                "new_lines": int(new),
                "lines_in_lake": int(lines),
                "rejected": int(rejected),
                "lines_in_rejects": int(rejects),
                "deliveries_that_do_not_add_up": int(unread),
            },
            description=f"{new:,} new lines were acknowledged, {lines:,} are in the lake; {rejected:,} were rejected, "
            f"{rejects:,} are in the rejects",
        )

    return check


def _figures_are_usual(source: SourceConfig) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=source_key(source.name), name="figures_are_usual")
    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        """Lines, amounts, returns and customers of the last whole day are like those of the four weeks before."""
        with warehouse.get_connection() as con:
            rows = con.execute(FIGURES, {"source": source.name}).fetchall()
        far = [row for row in rows if abs(row[2] - row[3]) > UNUSUAL * row[4]]
        return dg.AssetCheckResult(
            passed=not far,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "figures": dg.MetadataValue.md(markdown_table(["day", "figure", "value", "usual", "scatter"], rows))
            },
            description="; ".join(
                f"{figure} on {day} is {value:.4g}, usually {usual:.4g}" for day, figure, value, usual, _ in far
            )
            or ("too short a history to tell" if not rows else "as usual"),
        )

    return check
