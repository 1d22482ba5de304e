"""Moments as the kernel counts them: microseconds since 1970 (UTC)."""

from datetime import UTC, datetime, timedelta

from segmentation.features.kernel.calendar import DAY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of a naive moment (UTC)."""
    gone = moment - EPOCH
    return gone.days * DAY + gone.seconds * 1_000_000 + gone.microseconds
