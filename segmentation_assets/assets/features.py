"""Features: one pass over the lake writes the table of a snapshot, and its views show it: hence one multi-asset."""

from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg
from pydantic import Field

from segmentation.features.definitions import code_version
from segmentation.features.records import Snapshot
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import BY_NAME
from segmentation.metadata.table import Relation
from segmentation.metadata.tables.features import CUSTOMER_FEATURES, FEATURE_GROUPS
from segmentation.snapshots.coverage import read_coverage
from segmentation_assets.assets.declaring import Dependency, declare, table_spec
from segmentation_assets.keys import CUSTOMER_FEATURES_KEY, PRODUCTS_KEY, TRANSACTIONS_KEY, table_key
from segmentation_assets.metadata import preview
from segmentation_assets.partitions import Partitions
from segmentation_assets.progress import reporter
from segmentation_assets.resources import Clock, WarehouseResource, commit_of
from segmentation_assets.row_counts import report_by_partition, report_row_counts, report_snapshots


def build_feature_assets(partitions: Partitions) -> list[dg.AssetsDefinition]:
    """The features of a snapshot, and the groups as views of them, which one run makes together."""
    lines = dg.AssetDep(TRANSACTIONS_KEY, partition_mapping=partitions.look_back)
    table = _spec(CUSTOMER_FEATURES, [lines, PRODUCTS_KEY], "python")
    views = [_spec(view, [CUSTOMER_FEATURES_KEY], "view") for view in FEATURE_GROUPS.values()]
    return [declare(features, table, *views, partitions=partitions.as_of)]


def _spec(relation: Relation, deps: Sequence[Dependency], kind: str) -> dg.AssetSpec:
    version = code_version([BY_NAME[name] for name in relation.column_names if name in BY_NAME])
    return table_spec(relation, deps, ["ducklake", kind], code_version=version)


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
        report_snapshots(context, con, CUSTOMER_FEATURES)
        for view in FEATURE_GROUPS.values():
            report_row_counts(context, con, view)
        for relation in (CUSTOMER_FEATURES, *FEATURE_GROUPS.values()):
            rows = preview(con, relation, f"as_of = DATE '{newest.window.as_of}'")
            report_by_partition(context, relation, {str(newest.window.as_of): {"preview": rows}})
            report_by_partition(context, relation, {str(s.window.as_of): _of_snapshot(s) for s in snapshots})
            yield dg.MaterializeResult(asset_key=table_key(relation))


def _of_snapshot(snapshot: Snapshot) -> dict[str, object]:
    said: dict[str, object] = {
        "window_start": str(snapshot.window.start),
        "customers_computed": snapshot.computed_count,
    }
    return said | ({"others_taken_over_from": str(snapshot.base_as_of)} if snapshot.base_as_of else {})
