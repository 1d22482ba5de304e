"""What an instance answers with: types of published methods that aren't published themselves.

`AssetGraph`: what a repository's `asset_graph` is; the type alone is needed.

`BulkActionsFilter`, `BulkActionStatus`, `PartitionBackfill`: the question and the answer of `get_backfills`. If they
change, `segmentation_backfills` and `segmentation_backfill_partitions` can't be told.

`InstigatorStatus`, `TickStatus`: states of sensors, schedules and their ticks. If they change,
`segmentation_sensor_last_tick_failed` can't be told.
"""

from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

__all__ = [
    "AssetGraph",
    "BulkActionStatus",
    "BulkActionsFilter",
    "InstigatorStatus",
    "PartitionBackfill",
    "TickStatus",
]
