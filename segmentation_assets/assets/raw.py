"""Raw data: the files that were handed over, their lines, and the products."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
from dagster import TimeWindow
from pydantic import Field

from segmentation.metadata.tables.raw import LOADS, PRODUCTS, SOURCE_FILES, TRANSACTIONS
from segmentation.settings import Settings
from segmentation.sources.batch.loading import LoadReport, load_days
from segmentation.sources.batch.products import load_products
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation_assets.assets.declaring import declare, table_spec
from segmentation_assets.keys import SOURCE_FILES_KEY, TRANSACTIONS_KEY
from segmentation_assets.metadata import markdown_table, preview
from segmentation_assets.partitions import Partitions
from segmentation_assets.progress import narrator, reporter
from segmentation_assets.resources import Clock, WarehouseResource, commit_of
from segmentation_assets.row_counts import report_by_partition, report_row_counts, row_count

LINES_BY_DAY = f"""
SELECT ordered_on, CAST(SUM(lines_read) AS BIGINT), CAST(SUM(lines_rejected) AS BIGINT)
FROM {LOADS.name}
WHERE ordered_on >= $start AND ordered_on < $end
GROUP BY ordered_on
"""

IS_LOADED = "is_loaded"
"""Metadata of a registration whose days have been loaded already, so that the sensor need not ask for it."""


class FileConfig(dg.Config):
    """One file, folder or glob, and the profile that reads it."""

    path: str | None = None
    """Where it is; the profile's own location if unset."""
    profile: str
    """Name of a bundled profile, or path of a YAML file."""
    source: str | None = None
    """Name of the source that the lines belong to; the profile's name if unset."""


class RegistrationConfig(dg.Config):
    """Which files to take note of."""

    files: list[FileConfig] = Field(default=[])
    """None given: everything in the inbox, each sub-folder named after its profile."""


def build_raw_assets(partitions: Partitions, sources: Sequence[dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """Source files, lines and products.

    Args:
        partitions: Of the lines.
        sources: Assets of the declared sources, which lines come from, too.
    """
    ranges = f"{TRANSACTIONS.comment} A range of days is one run and one commit."
    return [
        declare(source_files, table_spec(SOURCE_FILES, [])),
        declare(
            transactions,
            table_spec(TRANSACTIONS, [SOURCE_FILES_KEY, *sources], description=ranges),
            partitions=partitions.days,
        ),
        declare(products, table_spec(PRODUCTS, [TRANSACTIONS_KEY])),
    ]


def source_files(
    context: dg.AssetExecutionContext, config: RegistrationConfig, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """Inspect files through their profiles and take note of them; their days are loaded by `raw/transactions`."""
    files = config.files or _inbox(warehouse.settings())
    now = clock()
    report = reporter(context, "Inspecting files")
    found = []
    for number, file in enumerate(files, start=1):
        found.append(register(warehouse.lake, file.path, load_profile(file.profile), source=file.source, now=now))
        for _, problem in found[-1].problems:
            context.log.error(problem)
        for note in found[-1].notes:
            context.log.info(note)
        report(number, len(files))
    span = {}
    if found:
        last_day = max(registration.load_end for registration in found) - timedelta(days=1)
        first_day = min(registration.load_start for registration in found)
        span = {"first_day": first_day.isoformat(), "last_day": last_day.isoformat()}
    with warehouse.get_connection() as con:
        rows, count = preview(con, SOURCE_FILES), row_count(con, SOURCE_FILES)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": count,
            "sources": ", ".join(sorted({registration.source for registration in found})) or "none",
            "lines": sum(registration.line_count for registration in found),
            **span,
            "preview": rows,
        }
    )


def transactions(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """Replace the lines of the run's days by what the registered source files hold."""
    window = context.partition_time_window
    commit = commit_of(context, "raw/transactions")
    with narrator(context) as tell:
        report = load_days(warehouse.lake, window.start.date(), window.end.date(), commit, now=clock(), progress=tell)
    with warehouse.get_connection() as con:
        rows = preview(con, TRANSACTIONS, "ordered_at >= $start AND ordered_at < $end", window)
        report_row_counts(context, con, TRANSACTIONS, "CAST(ordered_at AS DATE)")
        report_by_partition(context, TRANSACTIONS, _lines_by_day(con, window))
    report_by_partition(context, TRANSACTIONS, {context.partition_keys[-1]: {**_of_run(report), "preview": rows}})
    return dg.MaterializeResult()


def products(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """Replace the product list by what the sources deliver."""
    load_products(warehouse.lake, commit_of(context, "raw/products"))
    with warehouse.get_connection() as con:
        rows, count = preview(con, PRODUCTS), row_count(con, PRODUCTS)
    return dg.MaterializeResult(metadata={"dagster/row_count": count, "preview": rows})


def _lines_by_day(con: duckdb.DuckDBPyConnection, window: TimeWindow) -> dict[str, dict[str, int]]:
    """Per day with lines in files, how many were read and rejected."""
    rows = con.execute(LINES_BY_DAY, {"start": window.start.date(), "end": window.end.date()}).fetchall()
    return {str(day): {"lines_read": read, "lines_rejected": rejected} for day, read, rejected in rows}


def _of_run(report: LoadReport) -> dict[str, dg.MetadataValue]:
    """What is known of a run as a whole, lines without a readable date included; shown with its last day."""
    reasons = report.rejected_by_reason.items()
    table = markdown_table(["reason", "lines"], [(reason, f"{lines:,}") for reason, lines in reasons])
    return {
        "lines_read_by_run": dg.MetadataValue.int(report.lines_read),
        "lines_rejected_by_run": dg.MetadataValue.int(report.rejected),
        "lines_joined_by_run": dg.MetadataValue.int(report.lines_joined),
        "rejected_by_reason": dg.MetadataValue.md(table if reasons else "none"),
    }


def inbox_profile(folder: Path) -> str:
    """The profile of a sub-folder of the inbox: its own `profile.yaml`, else the bundled one of its name."""
    own = folder / "profile.yaml"
    return str(own) if own.exists() else folder.name


def _inbox(settings: Settings) -> list[FileConfig]:
    folders = sorted(path for path in settings.inbox_path.glob("*") if path.is_dir())
    return [FileConfig(path=str(folder), profile=inbox_profile(folder)) for folder in folders]
