"""The time, for the edges of the platform: inside, it is an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present time in UTC, without a zone, as the lake has it."""
    return datetime.now(UTC).replace(tzinfo=None)
