"""Moments as the kernel counts them: microseconds since 1970 (UTC)."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
MICROSECOND = timedelta(microseconds=1)
DAY_MICROS = 86_400_000_000


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of a naive moment (UTC)."""
    gone = moment - EPOCH
    return gone.days * DAY_MICROS + gone.seconds * 1_000_000 + gone.microseconds
