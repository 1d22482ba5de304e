"""Reading the lake from an event loop: one read-only `Lake`, opened at the first read and kept.

Reads happen in worker threads, so that none of them holds up other requests. Nothing here knows what is read.
"""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

import anyio
import duckdb
from anyio import CapacityLimiter, to_thread

from segmentation.errors import WarehouseUnavailableError
from segmentation.settings import Settings
from segmentation.warehouse import Lake

T = TypeVar("T")
Query = Callable[[duckdb.DuckDBPyConnection], T]

READERS = 4
"""Questions that one process asks of the lake at a time; others wait in line."""


class LakeReader:
    """The lake as the scorer sees it.

    A catalog that was lost is found again by DuckDB itself. Only after a fatal error, from which a DuckDB instance
    doesn't recover, the next read opens the lake anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake: Lake | None = None
        self._lock = Lock()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._limiter = CapacityLimiter(READERS)

    async def read(self, query: Query[T]) -> T:
        """Run a query in a worker thread, on a cursor of its own, in a transaction that sees one snapshot.

        If the request is given up meanwhile, so is the query.

        Args:
            query: Reads through the connection that it is given.

        Raises:
            WarehouseUnavailableError: There is no lake, or it can't be read.
        """
        reading = _Reading(query)
        try:
            return await to_thread.run_sync(
                self._guarded,
                lambda lake: self._on_cursor(lake, reading.run),
                abandon_on_cancel=True,
                limiter=self._limiter,
            )
        except anyio.get_cancelled_exc_class():
            reading.stop()
            raise

    async def version(self) -> int:
        """The number of the newest snapshot.

        Raises:
            WarehouseUnavailableError: There is no lake, or it can't be read.
        """
        return await to_thread.run_sync(self._guarded, Lake.version)

    def close(self) -> None:
        """Close the lake if it is open."""
        with self._lock:
            if self._lake is not None:
                self._lake.close()
            self._lake = None
            self._idle = []

    def _on_cursor(self, lake: Lake, work: Query[T]) -> T:
        """Work on a cursor that is kept: making one takes longer than a look-up. One that met an error is not."""
        with self._lock:
            con = self._idle.pop() if self._idle else None
        con = con or lake.cursor()
        con.begin()
        try:
            return work(con)
        except duckdb.Error:
            con.close()
            raise
        finally:
            self._put_back(lake, con)

    def _put_back(self, lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
        try:
            con.rollback()
        except duckdb.Error:  # it is closed, or broken
            return
        with self._lock:
            if lake is self._lake:
                self._idle.append(con)

    def _guarded(self, work: Callable[[Lake], T]) -> T:
        lake = self._opened()
        try:
            return work(lake)
        except duckdb.Error as error:
            if isinstance(error, duckdb.FatalException):
                self.close()
            raise WarehouseUnavailableError(f"The lake can't be read: {error}") from error

    def _opened(self) -> Lake:
        with self._lock:
            if self._lake is None:
                self._lake = Lake(self._settings, read_only=True)
            return self._lake


class _Reading(Generic[T]):
    """One query, which may be stopped from outside."""

    def __init__(self, query: Query[T]) -> None:
        self._query = query
        self._con: duckdb.DuckDBPyConnection | None = None

    def run(self, con: duckdb.DuckDBPyConnection) -> T:
        self._con = con
        try:
            return self._query(con)
        finally:
            self._con = None

    def stop(self) -> None:
        if (con := self._con) is not None:
            con.interrupt()
