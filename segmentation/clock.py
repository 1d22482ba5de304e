"""The time, for the edges of the platform: inside, it is an argument."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Tells the time, naive UTC."""


def utc_now() -> datetime:
    """The present time in UTC, without a zone, as the lake has it."""
    return datetime.now(UTC).replace(tzinfo=None)
