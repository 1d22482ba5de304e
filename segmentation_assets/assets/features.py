"""Features: one pass over the lake makes all groups of a snapshot, hence one multi-asset."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pydantic import Field

from segmentation.features.engine import TABLES
from segmentation.features.records import Snapshot
from segmentation.features.snapshots import write_snapshots
from segmentation.features.stages import code_version
from segmentation.metadata.features import BY_NAME
from segmentation.snapshots.coverage import read_coverage
from segmentation_assets.assets.declaring import declare, table_spec
from segmentation_assets.keys import PRODUCTS_KEY, TRANSACTIONS_KEY, table_key
from segmentation_assets.metadata import preview
from segmentation_assets.partitions import Partitions
from segmentation_assets.progress import reporter
from segmentation_assets.resources import Clock, WarehouseResource, commit_of
from segmentation_assets.row_counts import report_by_partition, report_snapshots


def build_feature_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The feature tables of a snapshot, which one run makes together."""
    lines = dg.AssetDep(TRANSACTIONS_KEY, partition_mapping=partitions.look_back)
    specs = [
        table_spec(
            table,
            [lines, PRODUCTS_KEY],
            ["ducklake", "sql"],
            code_version=code_version([BY_NAME[name] for name in table.column_names if name in BY_NAME]),
        )
        for table in TABLES
    ]
    return [declare(features, *specs, partitions=partitions.as_of)]


class FeaturesConfig(dg.Config):
    """How a run computes features."""

    from_scratch: bool = Field(
        False, description="Compute every customer, also those without a changed line since the last run."
    )


def features(
    context: dg.AssetExecutionContext, config: FeaturesConfig, warehouse: WarehouseResource, clock: Clock
) -> Iterator[dg.MaterializeResult[None]]:
    """Compute the features of every customer as of the run's dates."""
    dates, now = [date.fromisoformat(key) for key in context.partition_keys], clock()
    with warehouse.get_connection() as con:
        read_coverage(con, warehouse.settings(), now).require(max(dates))
    snapshots = write_snapshots(
        warehouse.lake,
        dates,
        lambda as_of: commit_of(context, "features/customer_features", as_of=str(as_of)),
        reporter(context, "Features"),
        now=now,
        from_scratch=config.from_scratch,
    )
    newest = snapshots[-1]
    with warehouse.get_connection() as con:
        report_snapshots(context, con, *TABLES)
        for table in TABLES:
            rows = preview(con, table, f"as_of = DATE '{newest.window.as_of}'")
            report_by_partition(context, table, {str(newest.window.as_of): {"preview": rows}})
            report_by_partition(context, table, {str(s.window.as_of): _of_snapshot(s) for s in snapshots})
            yield dg.MaterializeResult(asset_key=table_key(table))


def _of_snapshot(snapshot: Snapshot) -> dict[str, object]:
    return {"window_start": str(snapshot.window.start), "customers_computed": snapshot.computed_count}
