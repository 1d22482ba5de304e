"""What earlier looks at the lake have read, for as long as it can't be otherwise."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar, cast

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.raw import CHANGED_DAYS
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.metrics.ducklake_catalog import CatalogState
from segmentation.snapshots.latest import latest_date

T = TypeVar("T")


class MarkerCache:
    """Values by name, each with a marker of what it was read from."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[object, object]] = {}

    def recall(self, name: str, marker: object, read: Callable[[], T]) -> T:
        """What was read under a name when the marker was the same, or else what can be read now."""
        if name not in self._kept or self._kept[name][0] != marker:
            self._kept[name] = (marker, read())
        return cast("T", self._kept[name][1])

    def last(self, name: str) -> Any:
        """What was read under a name before, whatever the marker was; None if nothing was."""
        return self._kept[name][1] if name in self._kept else None


def newest(con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache, table: Table, column: str) -> Any:
    """The largest value of a column. Once it is known, only files that may hold a larger one are read."""
    if table.name not in state.tables:
        return None
    name = f"newest {table.name}.{column}"
    return memory.recall(name, state.marker(table.name), lambda: _largest(con, table, column, memory.last(name)))


def latest(
    con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache, table: Table, quiet_days: int
) -> date | None:
    """The date of a table's latest snapshot. Read again when its rows, the ledger or days of lines have changed."""
    if table.name not in state.tables:
        return None
    marker = state.marker(table.name, SNAPSHOTS.name, CHANGED_DAYS.name)
    return memory.recall(f"latest {table.name}", marker, lambda: latest_date(con, table, quiet_days))


def _largest(con: duckdb.DuckDBPyConnection, table: Table, column: str, known: datetime | date | None) -> Any:
    if known is not None:
        newer = f"SELECT MAX({column}) FROM {table.name} WHERE {column} >= $known"
        found = con.execute(newer, {"known": known}).fetchall()[0][0]
        if found is not None:  # else it has been deleted since
            return found
    return con.execute(f"SELECT MAX({column}) FROM {table.name}").fetchall()[0][0]
