"""A snapshot on demand: of any date that the data reaches, whether or not there is a partition for it."""

import dagster as dg
from pydantic import Field

from segmentation.errors import SegmentationError
from segmentation.settings import load_settings


class OnDemandConfig(dg.Config):
    """Which snapshot."""

    as_of: str = Field(description="The date, `YYYY-MM-DD`; any that the data reaches.")
    asked_by: str = Field("a person in Dagster", description="Who asks, for the ledger.")


@dg.op(description="Features of every customer as of the date, their segments by the champion, and monitoring.")
def make_snapshot(context: dg.OpExecutionContext, config: OnDemandConfig) -> None:
    """Run what `segmentation materialize --as-of DATE` runs; it is a run of its own, listed beside this one."""
    from segmentation_assets.cli import steps  # it imports the definitions, which import this

    def tell(what: str, done: int, total: int) -> None:
        context.log.info("%s: %d of %d", what, done, total)

    try:
        made = steps.materialize(
            None, config.as_of, None, tell, asked_by=f"{config.asked_by}, on demand", settings=load_settings()
        )
    except SegmentationError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    if made.profiles is not None:
        columns = ["segment_name", "customer_count", "revenue_share"]
        context.add_output_metadata({"segments": dg.MetadataValue.json(made.profiles.select(columns).to_dicts())})


@dg.job(
    description="Features and segments of any single date: in the launchpad set `as_of`. Without a champion, a model "
    "is trained first.",
)
def snapshot_on_demand() -> None:
    """One step, which starts the run that makes the snapshot and waits for it."""
    make_snapshot()
