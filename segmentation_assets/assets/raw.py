"""Raw data: the files that were handed over, their lines, and the products."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field

from segmentation.clock import utc_now
from segmentation.metadata.tables.raw import PRODUCTS, SOURCE_FILES, TRANSACTIONS
from segmentation.settings import Settings
from segmentation.sources.batch.loading import LoadReport, load_days
from segmentation.sources.batch.products import load_products
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation_assets.assets.sources import DECLARED, key_of
from segmentation_assets.metadata import column_metadata, preview
from segmentation_assets.partitions import DAYS
from segmentation_assets.progress import narrator, reporter
from segmentation_assets.resources import WarehouseResource, commit_of

GROUP = "raw"

IS_LOADED = "is_loaded"
"""Metadata of a registration whose days have been loaded already, so that the sensor need not ask for it."""


class SourceFile(dg.Config):
    """One file, folder or glob, and the profile that reads it."""

    path: str | None = None
    """Where it is; the profile's own location if unset."""
    profile: str
    """Name of a bundled profile, or path of a YAML file."""
    source: str | None = None
    """Name of the source that the lines belong to; the profile's name if unset."""


class RegistrationConfig(dg.Config):
    """Which files to take note of."""

    files: list[SourceFile] = Field(default=[])
    """None given: everything in the inbox, each sub-folder named after its profile."""


@dg.asset(
    key=["raw", "source_files"],
    group_name=GROUP,
    kinds={"ducklake"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    description=SOURCE_FILES.comment,
    metadata=column_metadata(SOURCE_FILES),
)
def source_files(
    context: dg.AssetExecutionContext, config: RegistrationConfig, warehouse: WarehouseResource
) -> dg.MaterializeResult[None]:
    """Inspect files through their profiles and take note of them; their days are loaded by `raw/transactions`."""
    files = config.files or _inbox(warehouse.settings())
    now = utc_now()
    report = reporter(context, "Inspecting files")
    found = []
    for number, file in enumerate(files, start=1):
        found.append(register(warehouse.lake, file.path, load_profile(file.profile), source=file.source, now=now))
        report(number, len(files))
    span = {}
    if found:
        last_day = max(registration.load_end for registration in found) - timedelta(days=1)
        first_day = min(registration.load_start for registration in found)
        span = {"first_day": first_day.isoformat(), "last_day": last_day.isoformat()}
    with warehouse.get_connection() as con:
        rows = preview(con, SOURCE_FILES)
    return dg.MaterializeResult(
        metadata={
            "sources": ", ".join(sorted({registration.source for registration in found})) or "none",
            "lines": sum(registration.line_count for registration in found),
            **span,
            "preview": rows,
        }
    )


@dg.asset(
    key=["raw", "transactions"],
    deps=[source_files, *(dg.AssetDep(key_of(source.name)) for source in DECLARED)],
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name=GROUP,
    kinds={"ducklake"},
    description=f"{TRANSACTIONS.comment} A range of days is one run and one commit.",
    metadata=column_metadata(TRANSACTIONS),
)
def transactions(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Replace the lines of the run's days by what the registered source files hold."""
    window = context.partition_time_window
    commit = commit_of(context, "raw/transactions")
    with narrator(context) as tell:
        report = load_days(warehouse.lake, window.start.date(), window.end.date(), commit, progress=tell)
    with warehouse.get_connection() as con:
        rows = preview(con, TRANSACTIONS, "ordered_at >= $start AND ordered_at < $end", window)
    return dg.MaterializeResult(metadata={**_counts(report), "preview": rows})


@dg.asset(
    key=["raw", "products"],
    deps=[transactions],
    group_name=GROUP,
    kinds={"ducklake"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    description=PRODUCTS.comment,
    metadata=column_metadata(PRODUCTS),
)
def products(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Replace the product list by what the sources deliver."""
    count = load_products(warehouse.lake, commit_of(context, "raw/products"))
    with warehouse.get_connection() as con:
        return dg.MaterializeResult(metadata={"dagster/row_count": count, "preview": preview(con, PRODUCTS)})


def _counts(report: LoadReport) -> dict[str, dg.MetadataValue]:
    reasons = sorted(report.rejected_by_reason.items(), key=lambda item: -item[1])
    table = "\n".join(["| reason | lines |", "| --- | ---: |", *(f"| {name} | {n:,} |" for name, n in reasons)])
    return {
        "lines_read": dg.MetadataValue.int(report.lines_read),
        "dagster/partition_row_count": dg.MetadataValue.int(report.accepted),
        "lines_rejected": dg.MetadataValue.int(report.rejected),
        "rejected_by_reason": dg.MetadataValue.md(table if reasons else "none"),
    }


def inbox_profile(folder: Path) -> str:
    """The profile of a sub-folder of the inbox: its own `profile.yaml`, else the bundled one of its name."""
    own = folder / "profile.yaml"
    return str(own) if own.exists() else folder.name


def _inbox(settings: Settings) -> list[SourceFile]:
    folders = sorted(path for path in settings.inbox_path.glob("*") if path.is_dir())
    return [SourceFile(path=str(folder), profile=inbox_profile(folder)) for folder in folders]
