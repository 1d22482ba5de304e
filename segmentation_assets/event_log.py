"""A quicker writer of Dagster's event log in SQLite files, and the instance that has it.

A run over a year of days leaves some 1,500 events. For each, Dagster makes several SQLAlchemy engines, and SQLite folds
the write-ahead log back whenever the last connection closes. Here engines and connections are kept, and the events
that Dagster hands over together are written together. What is written, and how it is read, stays Dagster's own: the
files are the same to a webserver or a daemon that knows nothing of this module.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.pool import QueuePool

from segmentation.errors import SegmentationError
from segmentation_assets.dagster_internals.event_log_storage import (
    SQLITE_BUSY_TIMEOUT_SECONDS,
    ConfigurableClassData,
    InstanceRef,
    SqliteEventLogStorage,
)
from segmentation_assets.run_origin import ListedInstance

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

MOST_ENGINES = 8
"""Files that are kept open; who reads all runs must not run out of file descriptors."""

BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
"""Dagster's own setting, read from the environment only: how many events of an output it hands over together."""

OPENING_S = 60
"""How long to wait for others who open the instance, in seconds; it takes them a tenth of one."""

MOST_EVENTS = 200
"""Of a batch, unless somebody has set it: other processes wait for the index while one is written."""


def open_instance(folder: Path) -> dg.DagsterInstance:
    """The instance of a folder, with the quicker event log unless its `dagster.yaml` names another than Dagster's own.

    Runs that this process creates are listed under their jobs. The folder's configuration stays as it is, so that it
    is the same for those who read it without this module. One process opens it at a time: Dagster makes its files when
    they are opened first, and two that do so at once leave them unusable for good.

    Raises:
        SegmentationError: Another process has been opening it for a minute.
    """
    ref = InstanceRef.from_dir(str(folder))
    stock, configured = InstanceRef.config_defaults(str(folder))["event_log_storage"], ref.event_storage_data
    if stock and configured and configured[:2] == stock[:2]:
        quicker = ConfigurableClassData(__name__, QuickEventLogStorage.__name__, configured.config_yaml)
        # Without a storage for all three, Dagster takes those of runs, events and schedules one by one.
        ref = ref._replace(storage_data=None, event_storage_data=quicker)
    if ref.custom_instance_class_data is None:
        listed = ConfigurableClassData(ListedInstance.__module__, ListedInstance.__name__, "{}")
        ref = ref._replace(custom_instance_class_data=listed)
    with opening(folder):
        return dg.DagsterInstance.from_ref(ref)


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Held while the instance of a folder is opened.

    Raises:
        SegmentationError: Another process has held it for a minute.
    """
    lock = FileLock(folder / "opening.lock", timeout=OPENING_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise SegmentationError(
            f"Another process has been opening Dagster's instance for {OPENING_S} s ({lock.lock_file}). Try again, and "
            "look for a command that hangs."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def batched_events() -> Iterator[None]:
    """Let Dagster hand over the events of an output together, unless somebody has said how many."""
    if BATCH_SIZE in os.environ:
        yield
        return
    os.environ[BATCH_SIZE] = str(MOST_EVENTS)
    try:
        yield
    finally:
        del os.environ[BATCH_SIZE]


@dataclass(frozen=True)
class _Kept:
    """An engine, and the file that it has open: a file of the same name may be another one by now."""

    engine: sa.Engine
    file: tuple[int, int] | None


class QuickEventLogStorage(SqliteEventLogStorage):
    """Dagster's event log in SQLite files, with an engine per file and a transaction per batch.

    Nothing is held back here: when a call returns, its events are in the files. A crash of the process loses none of
    them; a power cut may lose the last commits, but never harms a file, since SQLite syncs before it folds a log back.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._lock = RLock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._open: dict[str, sa.Connection] = {}
        self._tables: set[str] = set()
        self._has_index_cols = False
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "QuickEventLogStorage":
        """Make one from its configuration, which is that of Dagster's own."""
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Write an event to its run's file, and to the index what belongs there too."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Write events in one transaction per file: all of a run's, or none.

        The run's file is locked before the index, here and in every process, and has its commit first.
        """
        for run_id, of_run in groupby(events, key=lambda event: event.run_id):
            with self.index_connection(), self.run_connection(run_id):
                for event in of_run:
                    super().store_event(event)
            self._wake_watchers(run_id)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table; none is ever dropped."""
        if table_name not in self._tables:
            with self.index_connection() as connection:
                if sa.inspect(connection).has_table(table_name):
                    self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close all files."""
        super().dispose()
        with self._lock:
            while self._kept:
                self._kept.popitem()[1].engine.dispose()

    def _has_asset_key_index_cols_on_connection(self, conn: sa.Connection) -> bool:
        """Asked for each event of an asset; columns are only ever added."""
        self._has_index_cols = self._has_index_cols or super()._has_asset_key_index_cols_on_connection(conn)
        return self._has_index_cols

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        """A connection in a transaction; inside another on the same file, the same."""
        with self._lock:
            if shard in self._open:
                yield self._open[shard]
                return
            with self._engine(shard).begin() as connection:
                self._open[shard] = connection
                try:
                    yield connection
                finally:
                    del self._open[shard]

    def _engine(self, shard: str) -> sa.Engine:
        kept = self._kept.pop(shard, None)
        if kept and (kept.file is None or kept.file != self._file(shard)):
            kept.engine.dispose()
            self._initialized_dbs.discard(shard)
            kept = None
        kept = kept or self._new_engine(shard)
        self._kept[shard] = kept
        while len(self._kept) > MOST_ENGINES:
            self._kept.popitem(last=False)[1].engine.dispose()
        return kept.engine

    def _new_engine(self, shard: str) -> _Kept:
        engine = sa.create_engine(
            self.conn_string_for_shard(shard),
            poolclass=QueuePool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
            engine.dispose()  # a file becomes a write-ahead log with its first connections, which don't notice
        sa.event.listen(engine, "connect", _sync_less)
        return _Kept(engine, self._file(shard))

    def _file(self, shard: str) -> tuple[int, int] | None:
        try:
            found = Path(self.path_for_shard(shard)).stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _wake_watchers(self, run_id: str) -> None:
        """Dagster's webserver looks again when the file itself changes, which only closing connections would do."""
        os.utime(self.path_for_shard(run_id))


def _sync_less(connection: "DBAPIConnection", _: object) -> None:
    """SQLite syncs a write-ahead log before it folds it back; syncing at every commit too is for power cuts only."""
    connection.execute("PRAGMA synchronous = NORMAL")
