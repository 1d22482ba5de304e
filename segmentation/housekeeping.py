"""Housekeeping: old model versions are archived, and the lake is maintained around the snapshots of those kept."""

from dataclasses import dataclass
from datetime import datetime

from segmentation.features.records import feature_bases
from segmentation.modeling import retention
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.maintenance import Maintenance, maintain


@dataclass(frozen=True)
class Housekeeping:
    """What was done; in a dry run, what would be.

    Attributes:
        archived: Model versions that were archived, ascending.
        protected: Snapshots that kept model versions were trained on, ascending.
        maintenance: What was done to the lake.
    """

    archived: tuple[int, ...]
    protected: tuple[int, ...]
    maintenance: Maintenance

    def figures(self) -> dict[str, int | None]:
        """The figures by name, in the order of the work; None where a dry run can't know."""
        done = self.maintenance
        return {
            "models_archived": len(self.archived),
            "snapshots_protected": len(self.protected),
            "snapshots_expired": len(done.snapshots_expired),
            "rows_flushed": done.rows_flushed,
            "files_merged": done.files_merged,
            "files_removed": done.files_removed,
            "bytes_before": done.bytes_before,
            "bytes_after": done.bytes_after,
        }


def keep_house(lake: Lake, *, now: datetime, actor: str, run_id: str = "", dry_run: bool = False) -> Housekeeping:
    """Archive the model versions beyond the setting `keep_models`, and maintain the lake.

    Args:
        lake: A writable lake; for a dry run it may be read-only.
        now: When this happens (UTC).
        actor: Who or what does it, for the ledger.
        run_id: The Dagster run, if any.
        dry_run: Whether to change nothing.

    Raises:
        SegmentationError: Others kept the lake busy beyond the limit; what was done until then stays done.
    """
    settings = lake.settings
    keep = settings.keep_models
    with lake.cursor() as con:
        old = retention.to_archive(con, keep)
    if not dry_run:
        commit = Commit("Archive old models", asset="warehouse/maintenance", run_id=run_id)
        old = retention.archive(lake, old, actor=actor, reason=f"older than the newest {keep}", commit=commit, now=now)
    with lake.cursor() as con:
        protected = retention.protected_snapshots(con, but_for=old)
        bases = feature_bases(con)
    done = maintain(
        lake,
        now=now,
        keep_days=settings.keep_snapshot_days,
        protected=protected,
        thin_after_hours=settings.thin_snapshots_after_hours,
        unthinned=bases,
        dry_run=dry_run,
    )
    return Housekeeping(tuple(old), tuple(sorted(protected)), done)
