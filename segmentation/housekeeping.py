"""Housekeeping: old models are archived, old dates thinned out, and the lake is maintained around what is kept."""

from dataclasses import dataclass, replace
from datetime import date, datetime

from segmentation.features.records import feature_bases
from segmentation.metadata.tables.segments import SEGMENT_TRANSITIONS
from segmentation.modeling import retention
from segmentation.segments.transitions import write_transitions
from segmentation.snapshots.dropping import dates_to_thin, drop_snapshots
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import read_entries
from segmentation.warehouse.maintenance import Maintenance, maintain
from segmentation.warehouse.verification import damage_message

BY_AGE = "maintenance, for their age"


@dataclass(frozen=True)
class Housekeeping:
    """What was done; in a dry run, what would be.

    Attributes:
        archived: Model versions that were archived, ascending.
        thinned: Dates of which all snapshots were dropped for their age, in order.
        protected: Snapshots that kept model versions were trained on, ascending.
        maintenance: What was done to the lake.
        is_forced: Whether orphaned files were deleted also if they were many.
    """

    archived: tuple[int, ...]
    thinned: tuple[date, ...]
    protected: tuple[int, ...]
    maintenance: Maintenance
    is_forced: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person has to look at, each with what to do."""
        done, told = self.maintenance, []
        if done.orphans.are_many and not self.is_forced:
            orphans = done.orphans
            told.append(
                f"{len(orphans.paths):,} files ({orphans.size_bytes / 1e6:,.1f} MB, {orphans.share:.0%} of the folder) "
                "are in no commit. That is more than killed writers leave behind, so they were kept: is "
                "SEGMENTATION_CATALOG the right catalogue, and not an old copy? If it is, `segmentation maintain "
                "--force` removes them."
            )
        if done.verification and done.verification.damaged:
            told += [damage_message(entry.path, damage) for entry, damage in done.verification.damaged]
        return tuple(told)

    def figures(self) -> dict[str, int | None]:
        """The figures by name, in the order of the work; None where a dry run can't know."""
        done = self.maintenance
        return {
            "models_archived": len(self.archived),
            "dates_dropped": len(self.thinned),
            "snapshots_protected": len(self.protected),
            "snapshots_expired": len(done.snapshots_expired),
            "rows_flushed": done.rows_flushed,
            "files_merged": done.files_merged,
            "files_removed": done.files_removed,
            "files_orphaned": len(done.orphans.paths),
            "bytes_orphaned": done.orphans.size_bytes,
            "files_verified": done.verification.files if done.verification else None,
            "files_damaged": len(done.verification.damaged) if done.verification else None,
            "bytes_before": done.bytes_before,
            "bytes_after": done.bytes_after,
        }


def keep_house(
    lake: Lake, *, now: datetime, actor: str, run_id: str = "", force: bool = False, dry_run: bool = False
) -> Housekeeping:
    """Archive the model versions beyond the setting `keep_models`, thin out old dates, and maintain the lake.

    Args:
        lake: A writable lake; for a dry run it may be read-only.
        now: When this happens (UTC).
        actor: Who or what does it, for the ledger.
        run_id: The Dagster run, if any.
        force: Whether orphaned files are deleted also if they are many.
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
    thinned = thin(lake, run_id=run_id, dry_run=dry_run)
    done = maintain(
        lake,
        now=now,
        keep_days=settings.keep_snapshot_days,
        protected=protected,
        thin_after_hours=settings.thin_snapshots_after_hours,
        unthinned=bases,
        verify_days=settings.verify_days,
        force=force,
        dry_run=dry_run,
    )
    return Housekeeping(tuple(old), tuple(thinned), tuple(sorted(protected)), done, force)


def thin(lake: Lake, *, run_id: str = "", dry_run: bool = False) -> list[date]:
    """Drop the snapshots of old dates, but for one a week, and of older ones, but for one a month.

    Movement into a date that stays, from one that goes, is counted anew from the date before that stays. If it is
    killed in between, that movement is stale, which the ledger says, and `segmentation snapshots refresh` mends.

    Args:
        lake: A writable lake; for a dry run it may be read-only.
        run_id: The Dagster run, if any.
        dry_run: Whether to change nothing.

    Returns:
        The dates that went, in order.

    Raises:
        SegmentationError: Others kept the lake busy beyond the limit; what was done until then stays done.
    """
    with lake.cursor() as con:
        gone = dates_to_thin(con, lake.settings)
    if dry_run or not gone:
        return gone
    commit = Commit(f"Thin out {len(gone)} dates", asset="warehouse/maintenance", run_id=run_id, asked_by=BY_AGE)
    drop_snapshots(lake, gone, commit)
    with lake.cursor() as con:
        entries = read_entries(con)
    moved = {e.as_of for e in entries if e.table_name == SEGMENT_TRANSITIONS.name and e.previous_as_of in gone}
    for as_of in sorted(moved):
        write_transitions(lake, as_of, replace(commit, message=f"segments/segment_transitions {as_of}"))
    return gone
