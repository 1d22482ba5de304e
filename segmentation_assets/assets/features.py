"""Features: one pass over the lake makes all groups of a snapshot, hence one multi-asset."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pydantic import Field

from segmentation.clock import utc_now
from segmentation.features.engine import write_snapshots
from segmentation.features.records import Snapshot
from segmentation.features.stages import code_version
from segmentation.metadata.features import BY_NAME
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES, FEATURE_GROUPS
from segmentation_assets.assets.raw import products, transactions
from segmentation_assets.metadata import column_metadata, markdown_table, preview
from segmentation_assets.partitions import AS_OF, LOOK_BACK
from segmentation_assets.progress import reporter
from segmentation_assets.resources import WarehouseResource, commit_of

GROUP = "features"
TABLES: tuple[Table, ...] = (*FEATURE_GROUPS.values(), CUSTOMER_FEATURES)


def key_of(table: Table) -> dg.AssetKey:
    """The asset key of a table: its schema and name."""
    return dg.AssetKey(table.name.split("."))


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        key_of(table),
        description=table.comment,
        group_name=GROUP,
        deps=[dg.AssetDep(transactions, partition_mapping=LOOK_BACK), dg.AssetDep(products)],
        kinds={"ducklake", "sql"},
        code_version=code_version([BY_NAME[name] for name in table.column_names if name in BY_NAME]),
        metadata=column_metadata(table),
    )


class FeaturesConfig(dg.Config):
    """How a run computes features."""

    from_scratch: bool = Field(
        False, description="Compute every customer, also those without a changed line since the last run."
    )


@dg.multi_asset(
    name="features",
    specs=[_spec(table) for table in TABLES],
    partitions_def=AS_OF,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def features(
    context: dg.AssetExecutionContext, config: FeaturesConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult[None]]:
    """Compute the features of every customer as of the run's dates."""
    snapshots = write_snapshots(
        warehouse.lake,
        [date.fromisoformat(key) for key in context.partition_keys],
        lambda as_of: commit_of(context, "features/customer_features", as_of=str(as_of)),
        reporter(context, "Features"),
        now=utc_now(),
        from_scratch=config.from_scratch,
    )
    newest = snapshots[-1]
    with warehouse.get_connection() as con:
        for table in TABLES:
            rows = preview(con, table, f"as_of = DATE '{newest.window.as_of}'")
            yield dg.MaterializeResult(
                asset_key=key_of(table),
                metadata={
                    "dagster/partition_row_count": newest.customer_count,
                    "customers": dg.MetadataValue.md(_customers(snapshots)),
                    "window_start": str(newest.window.start),
                    "preview": rows,
                },
            )


def _customers(snapshots: list[Snapshot]) -> str:
    rows = [(s.window.as_of, f"{s.customer_count:,}", f"{s.computed_count:,}") for s in snapshots]
    return markdown_table(["as of", "customers", "computed in this run"], rows)
