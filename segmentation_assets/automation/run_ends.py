"""Runs that have ended since the last look, for sensors whose cursor is the ids of events."""

from collections.abc import Iterable, Iterator

import dagster as dg


def newest_ends(instance: dg.DagsterInstance, ends: Iterable[dg.DagsterEventType]) -> dict[str, int]:
    """By type of end, the id of the newest event; where a sensor begins that tells nothing of before."""
    found = {end: instance.fetch_run_status_changes(end, limit=1).records for end in ends}
    return {end.value: records[0].storage_id if records else 0 for end, records in found.items()}


def ended_since(
    instance: dg.DagsterInstance, end: dg.DagsterEventType, after: int, limit: int
) -> Iterator[tuple[int, dg.RunRecord, dg.EventLogEntry]]:
    """Id of the event, the run and the event of each run that ended so, oldest first; deleted runs are left out."""
    changes = dg.RunStatusChangeRecordsFilter(end, after_storage_id=after)  # type: ignore[arg-type]
    for record in instance.fetch_run_status_changes(changes, limit=limit, ascending=True).records:
        run = instance.get_run_record_by_id(record.run_id)
        if run is not None:
            yield record.storage_id, run, record.event_log_entry


def job_of(run: dg.DagsterRun) -> str:
    """The job of a run, or what it materializes where it has none of our jobs."""
    if not run.job_name.startswith("__"):
        return run.job_name
    keys = sorted(key.to_user_string() for key in run.asset_selection or ())
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more}" if keys else "materialization"


def partition_of(run: dg.DagsterRun) -> str:
    """The partition of a run, or its range; empty if there is none."""
    first, last = (run.tags.get(f"dagster/asset_partition_range_{side}", "") for side in ("start", "end"))
    span = first if first == last else f"{first}…{last}"
    return run.tags.get("dagster/partition") or span
