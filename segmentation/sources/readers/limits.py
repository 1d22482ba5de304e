"""What reading one file may cost: seconds, bytes once it is decompressed, and how far it may be compressed.

A file of a few kilobytes can hold gigabytes. Which limits an installation has is said by its settings.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from segmentation.errors import SourceError
from segmentation.settings import Settings

RATIO_FROM_BYTES = 64 << 20
"""Files that hold less than that may be compressed as far as they like."""


@dataclass(frozen=True)
class ReadingLimits:
    """Limits of each file.

    Attributes:
        seconds: How long it may take to read its text.
        content_bytes: What it may hold, decompressed.
        ratio: How many times its own size that may be, beyond `RATIO_FROM_BYTES`.
    """

    seconds: float
    content_bytes: int
    ratio: float

    @classmethod
    def of(cls, settings: Settings) -> "ReadingLimits":
        """Those of an installation."""
        return cls(settings.read_timeout_s, settings.max_file_bytes, settings.max_compression_ratio)


class ReadingBudget:
    """What is left of the limits for one file, from now on."""

    def __init__(self, path: Path, limits: ReadingLimits) -> None:
        self._path, self._limits = path, limits
        self._size = max(path.stat().st_size, 1)
        self._deadline = time.monotonic() + limits.seconds
        self._content = 0

    def spend(self, content_bytes: int) -> None:
        """Count bytes that the file turned out to hold.

        Raises:
            SourceError: It holds too much, or has been read for too long; the message names the setting.
        """
        self._content += content_bytes
        limits = self._limits
        if self._content > limits.content_bytes:
            raise SourceError(
                f"{self._path} holds more than {limits.content_bytes:,} bytes (SEGMENTATION_MAX_FILE_BYTES). Split "
                "it, or raise the setting if it is what it should be."
            )
        if self._content > max(RATIO_FROM_BYTES, limits.ratio * self._size):
            raise SourceError(
                f"{self._path} has {self._size:,} bytes and holds more than {limits.ratio:,g} times as many "
                "(SEGMENTATION_MAX_COMPRESSION_RATIO), which lines of a shop don't. Fetch it again, or raise the "
                "setting if it is what it should be."
            )
        if time.monotonic() > self._deadline:
            raise SourceError(
                f"Reading {self._path} took more than {limits.seconds:,g} seconds (SEGMENTATION_READ_TIMEOUT_S). Split "
                "it, or raise the setting if it is what it should be."
            )
