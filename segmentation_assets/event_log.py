"""A quicker event log for runs in this process.

A run over a year of days leaves some 1,500 events, and Dagster writes each to SQLite in several connections and
commits of its own. Two habits of SQLite make that slow: it syncs the disk at every commit, and it folds the
write-ahead log back when the last connection closes. Neither is needed to survive a crash of the process; a power cut
can cost the last events of the log, which the lake's own commits do not depend on.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def quick_event_log() -> Iterator[None]:
    """Sync less often, and keep one connection per SQLite file open, while the block runs."""
    kept: dict[str, sqlite3.Connection] = {}

    def prepare(connection: object, record: object) -> None:  # noqa: ARG001 (SQLAlchemy's signature)
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("PRAGMA synchronous = NORMAL")
        path = connection.execute("PRAGMA database_list").fetchone()[2]
        if path:
            if path not in kept:
                kept[path] = sqlite3.connect(path, check_same_thread=False)
            # A new file becomes a write-ahead log only after its first connection: only a read notices that.
            kept[path].execute("SELECT COUNT(*) FROM sqlite_master").fetchone()

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)
        for connection in kept.values():
            connection.close()
