"""Checks of the warehouse itself: its files are what they were when they were written, and whose they are is known."""

import dagster as dg

from segmentation.warehouse.orphans import find_orphans
from segmentation.warehouse.verification import damage_message, damaged_files
from segmentation_assets.assets.warehouse import MAINTENANCE_KEY
from segmentation_assets.metadata import markdown_table
from segmentation_assets.resources import Clock, WarehouseResource


@dg.asset_check(asset=MAINTENANCE_KEY)
def files_are_whole(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """No data file was missing, of another size, or of another checksum when it was last read."""
    with warehouse.get_connection() as con:
        damaged = [(entry.path, entry.damage or "") for entry in damaged_files(con)]
    first = damage_message(*damaged[0]) if damaged else "no data file is damaged"
    return dg.AssetCheckResult(
        passed=not damaged,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"damaged": dg.MetadataValue.md(markdown_table(["file", "damage"], damaged[:100]))},
        description=f"{len(damaged):,} data files are damaged. {first}" if damaged else first,
    )


@dg.asset_check(asset=MAINTENANCE_KEY)
def few_files_are_orphans(warehouse: WarehouseResource, clock: Clock) -> dg.AssetCheckResult:
    """Files that no commit mentions are no more than killed writers leave behind; else the catalog may be wrong."""
    with warehouse.get_connection() as con:
        orphans = find_orphans(warehouse.lake, con, clock())
    told = f"{len(orphans.paths):,} files that no commit mentions, {orphans.share:.0%} of the bytes in the data folder"
    return dg.AssetCheckResult(
        passed=not orphans.are_many,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"orphans": len(orphans.paths), "orphaned_bytes": orphans.size_bytes, "share": orphans.share},
        description=f"{told}; `segmentation maintain --dry-run` tells what to do" if orphans.are_many else told,
    )


CHECKS = [files_are_whole, few_files_are_orphans]
