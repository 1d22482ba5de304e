"""What the scorer keeps up to date with the lake, and keeps serving when the lake is gone.

A `LiveValue` value is read again whenever the lake has a new snapshot, and swapped as a whole. What can't be read, or
will not do, changes nothing: the last good value stays, marked stale. A copy on the local disk lets a scorer start
while the catalog is down.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import duckdb
import msgspec

from segmentation.errors import SegmentationError, WarehouseUnavailableError
from segmentation.private_files import FILE_MODE, make_private_folder
from segmentation.warehouse.changes import has_changed_outside
from serving.live.reader import LakeReader

FIRST_POLL_S = 5.0
"""How long the start waits for the first poll of the lake; a catalog that hangs must not keep it from living."""

Source = TypeVar("Source")
Value = TypeVar("Value")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalCopy:
    """A file that holds what was last read, with its checksum.

    Attributes:
        path: The file; only its owner may read it.
        type: What it holds, as msgspec names it.
    """

    path: Path
    type: Any

    def save(self, source: object) -> None:
        """Replace the file as a whole; a disk that is full or read-only is logged, and stops nothing."""
        body = msgspec.json.encode(source)
        draft = self.path.with_suffix(f".{os.getpid()}")
        try:
            make_private_folder(self.path.parent)
            draft.touch(mode=FILE_MODE)
            draft.write_bytes(_checksum(body) + b"\n" + body)
            draft.replace(self.path)
        except OSError as error:
            logger.warning("No local copy for a start without the catalogue: %s", error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def load(self) -> Any:
        """What was saved last; None if there is nothing, or it is damaged."""
        try:
            checksum, _, body = self.path.read_bytes().partition(b"\n")
            if checksum != _checksum(body):
                raise ValueError("its checksum is wrong")
            return msgspec.json.decode(body, type=self.type)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            logger.error("The local copy %s can't be used: %s", self.path, error)
            return None


class LiveValue(Generic[Source, Value]):
    """One value that follows the lake.

    Attributes:
        what: What it is, as messages say it.
        value: The present one; None until there is one.
        is_stale: Whether the lake could not be read, or what it holds would not do, when last polled.
        reason: Why, fit for clients; empty if nothing is wrong.
        follows_lines: Whether rows of `raw` matter to it, which a stream changes every second.
    """

    def __init__(
        self,
        what: str,
        read: Callable[[duckdb.DuckDBPyConnection], Source],
        prepare: Callable[[Source], Value],
        copy: LocalCopy | None = None,
        *,
        follows_lines: bool = False,
    ) -> None:
        self.what = what
        self.value: Value | None = None
        self.is_stale = False
        self.reason = "Just starting."
        self._read = read
        self._prepare = prepare
        self.follows_lines = follows_lines
        self._copy = copy
        self._source: Source | None = None
        self._seen: int | None = None

    async def refresh(self, reader: LakeReader, marker: int) -> None:
        """Read the value again, if the lake has changed since. A failure is logged once.

        Args:
            reader: Reads the lake.
            marker: The last snapshot that may have changed the value.
        """
        if marker == self._seen:
            return
        try:
            self._take(await reader.read(self._read))
            if self.is_stale:
                logger.info("The %s can be read again.", self.what)
            self._seen, self.reason, self.is_stale = marker, "", False
        except WarehouseUnavailableError as error:
            self.fall_back(error)
        except SegmentationError as error:
            self._mark_stale(error, str(error))
        except Exception as error:  # a damaged row can break anywhere, and must not end the polling
            self._mark_stale(error, f"The {self.what} can't be read; the scorer's log says why.")

    def fall_back(self, error: Exception) -> None:
        """The lake can't be read; without a value yet, take the one that was last read from this machine."""
        self._mark_stale(error, "The warehouse can't be read; the scorer's log says why.")
        if self.value is None and self._copy is not None:
            self._load_copy(self._copy)

    def _take(self, source: Source) -> None:
        if self._source is None or source != self._source:
            self.value = self._prepare(source)
            self._source = source
            if self._copy is not None:
                self._copy.save(source)

    def _load_copy(self, copy: LocalCopy) -> None:
        source = copy.load()
        if source is None:
            return
        try:
            self.value = self._prepare(source)
        except SegmentationError as error:
            logger.error("The local copy of the %s will not do: %s", self.what, error)
            return
        logger.warning("The %s comes from the local copy %s, until the lake can be read.", self.what, copy.path)

    def _mark_stale(self, error: Exception, public: str) -> None:
        if public != self.reason:
            kept = "" if self.value is None else " The last good one goes on serving."
            trace = None if isinstance(error, SegmentationError) else error
            logger.error("No new %s: %s%s", self.what, error, kept, exc_info=trace)
        self._seen, self.reason, self.is_stale = None, public, True


class Poller:
    """Polls the lake, and refreshes the values that follow it."""

    def __init__(self, values: Sequence[LiveValue[Any, Any]], reader: LakeReader) -> None:
        self._values = values
        self._reader = reader
        self._version: int | None = None
        self._marker = 0

    async def poll(self) -> None:
        """Poll once: refresh what follows the lake, if it has changed."""
        try:
            version = await self._reader.version()
            await self._note(version)
        except Exception as error:  # whatever it is, the polling must not end
            for each in self._values:
                each.fall_back(error)
            return
        for each in self._values:
            await each.refresh(self._reader, version if each.follows_lines else self._marker)

    async def _note(self, version: int) -> None:
        """Keep the newest snapshot that changed more than rows of `raw`, which a stream does every second."""
        before = self._version
        if version != before:
            if before is None or await self._reader.read(
                lambda con: has_changed_outside(con, "raw", since=before, until=version)
            ):
                self._marker = version
            self._version = version


@asynccontextmanager
async def polling(poller: Poller, poll_s: float, after_poll: Callable[[], None]) -> AsyncIterator[None]:
    """Keep values up to date for as long as the context lasts.

    Args:
        poller: Polls the lake.
        poll_s: Seconds between two polls.
        after_poll: Called after each of them.
    """
    has_polled = asyncio.Event()

    async def keep_polling() -> None:
        while True:
            await poller.poll()
            after_poll()
            has_polled.set()
            await asyncio.sleep(poll_s)

    task = asyncio.create_task(keep_polling())
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_POLL_S):
            await has_polled.wait()
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
