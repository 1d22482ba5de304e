"""Names that Dagster gives to things.

`ASSET_PARTITION_RANGE_START_TAG`, `ASSET_PARTITION_RANGE_END_TAG`: the tags of a run over a range of partitions. No
published call starts such a run in this process. If they change, `ingest` fails for want of a partition key.

`IMPLICIT_ASSET_JOB_NAME`: the job of runs that were started on assets. If it changes, the exporter calls these runs
`other`.

`ACTIVE_PLAN_LOGGER`: warns of each check that a skipped step left out. If it changes, the warnings show in the midst
of a progress bar.
"""

from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

__all__ = [
    "ACTIVE_PLAN_LOGGER",
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "IMPLICIT_ASSET_JOB_NAME",
]

ACTIVE_PLAN_LOGGER = "dagster._core.execution.plan.active"
