"""The lake as a stream writes it: tried again, and opened anew, for as long as it can't be used."""

import logging
import random
import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import duckdb

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError, SourceError
from segmentation.metadata.tables.raw import STREAMED_TABLES
from segmentation.sources.incremental.deliveries import Delivery, Receipt
from segmentation.sources.incremental.upsert import Upserter
from segmentation.warehouse import Lake
from segmentation.warehouse.maintenance import flush

FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
FLUSH_LINES = 15_000
"""Lines in the lake's catalog that are flushed at once: others wait for half a second meanwhile."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


class LakeWriter:
    """Upserts deliveries, and brings their lines to files now and then."""

    def __init__(self, lake: Lake, stop: Event, flush_s: float, on_failure: Callable[[], object]) -> None:
        """Prepare to write.

        Args:
            lake: Where to; opened with `inline_rows`. It is closed together with this.
            stop: Ends the trying.
            flush_s: How often lines go from the catalog to files, in seconds.
            on_failure: Is told each time that the lake couldn't be used.
        """
        self._lake, self._stop, self._flush_s, self._on_failure = lake, stop, flush_s, on_failure
        self._upserter = Upserter(lake)
        self._unflushed_lines, self._flushed_at = 0, time.monotonic()

    def close(self) -> None:
        """Close the lake."""
        self._lake.close()

    def positions(self, source: str) -> dict[str, str] | None:
        """How far a source has been read, by channel; None once told to stop."""
        return self._retry_while_unavailable(lambda: self._upserter.positions(source))

    def upsert(self, delivery: Delivery) -> Receipt | None:
        """Commit a delivery; None once told to stop.

        Raises:
            StalePositionsError: Somebody else has read the source on; nothing has been written.
            SourceError: The delivery can't be read.
        """
        receipts = self._retry_while_unavailable(lambda: self._upserter.upsert([delivery], now=utc_now()))
        if receipts is None:
            return None
        self._unflushed_lines += receipts[0].lines_new + receipts[0].lines_replaced
        return receipts[0]

    def flush_if_due(self) -> None:
        """Bring lines from the catalog to files, now and then, so that reading them stays quick."""
        since = time.monotonic() - self._flushed_at
        if self._unflushed_lines and (since >= self._flush_s or self._unflushed_lines >= FLUSH_LINES):
            try:
                flush(self._lake, STREAMED_TABLES)
            except (duckdb.Error, SegmentationError) as error:
                logger.warning("Could not flush; it is tried again: %s", error)
            else:
                self._unflushed_lines = 0
            self._flushed_at = time.monotonic()

    def _retry_while_unavailable(self, work: Callable[[], T]) -> T | None:
        """Do something with the lake, again and again while the lake can't be reached; None once told to stop."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                return work()
            except SourceError:
                raise
            except (duckdb.Error, SegmentationError) as error:
                logger.error("The lake can't be used; trying again in %.0f s: %s", pause, error)
                self._on_failure()
                if self._stop.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 (jitter)
                    return None
                pause = min(pause * 2, MAX_PAUSE_S)
                self._reopen()

    def _reopen(self) -> None:
        """A DuckDB that met a fatal error doesn't recover; a new one may."""
        try:
            fresh = Lake(self._lake.settings, inline_rows=self._lake.inline_rows)
        except SegmentationError as error:
            logger.warning("%s", error)
            return
        try:
            self._upserter = Upserter(fresh)
        except (duckdb.Error, SegmentationError) as error:
            fresh.close()
            logger.warning("%s", error)
            return
        self._lake.close()
        self._lake = fresh
