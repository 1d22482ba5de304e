"""Due dates: those of the cadence that the data reaches."""

from datetime import date

from segmentation.settings import Settings
from segmentation.snapshots.cadence import dates_between
from segmentation.snapshots.coverage import Coverage


def due_dates(settings: Settings, coverage: Coverage) -> list[date]:
    """The dates of the cadence that the data reaches, in order; none before the second day of the mass of the data."""
    start = settings.partitions_start or coverage.begins_on
    if start is None or coverage.until is None:
        return []
    return dates_between(settings.cadence, start, coverage.until)


def newest_due(settings: Settings, coverage: Coverage) -> date | None:
    """The newest of them; for a history too short for any, the newest date at all; None without lines."""
    return max(due_dates(settings, coverage), default=coverage.until)
