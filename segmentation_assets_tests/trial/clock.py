"""A clock that can be moved for all processes of a trial at once: an offset in memory that they share."""

import mmap
import struct
from datetime import UTC, datetime, timedelta

from segmentation import clock

_OFFSET = struct.Struct("d")


class SharedClock:
    """Moves `segmentation.clock.utc_now` of this process and of those that are forked from it.

    The function keeps its identity, since modules and defaults of arguments hold it; only what it does is another.
    DuckLake tells the time of its snapshots by the machine's clock, which stays.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _OFFSET.size)
        clock.utc_now.__globals__["_trial_clock"] = self
        clock.utc_now.__code__ = _moved.__code__

    def now(self) -> datetime:
        """The moved time, UTC without a zone."""
        return (datetime.now(UTC) + timedelta(seconds=self.offset_s)).replace(tzinfo=None)

    @property
    def offset_s(self) -> float:
        """By how much it is ahead of the machine's, in seconds."""
        return float(_OFFSET.unpack_from(self._memory)[0])

    def move(self, offset_s: float) -> None:
        """Set by how much it is ahead of the machine's, in seconds."""
        _OFFSET.pack_into(self._memory, 0, offset_s)


def _moved() -> datetime:
    return _trial_clock.now()  # type: ignore[name-defined,no-any-return] # noqa: F821 (a global of `segmentation.clock`)
