"""Reading the lake from an event loop: one read-only `Lake`, opened at the first read and kept.

Reads happen in worker threads, so that none of them holds up other requests. Nothing here knows what is read.
"""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

import duckdb
from anyio import to_thread

from segmentation.errors import WarehouseUnavailableError
from segmentation.settings import Settings
from segmentation.warehouse import Lake

T = TypeVar("T")


class LakeReader:
    """The lake as the scorer sees it.

    A catalogue that was lost is found again by DuckDB itself. Only after a fatal error, from which a DuckDB instance
    doesn't recover, the next read opens the lake anew.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake: Lake | None = None
        self._lock = Lock()

    async def read(self, query: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run a query in a worker thread, on a cursor of its own, in a transaction that sees one snapshot.

        Args:
            query: Reads through the connection that it is given.

        Raises:
            WarehouseUnavailableError: There is no lake, or it can't be read.
        """
        return await to_thread.run_sync(self._guarded, lambda lake: _in_one_snapshot(lake, query))

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


def _in_one_snapshot(lake: Lake, query: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    with lake.cursor() as con:
        con.begin()
        return query(con)
