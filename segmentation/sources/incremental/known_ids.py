"""Which line ids the lake may have: a filter that spares most deliveries a look at the whole table.

It may say yes for an id that isn't there (any more), and then the lake is asked; it never says no for one that is.
"""

import duckdb
import numpy as np
from numpy.typing import NDArray

from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.warehouse.lake import CATALOG

HASHES = f"SELECT hash(line_id) AS id FROM {TRANSACTIONS.name}"

HASHES_SINCE = f"""
SELECT hash(line_id) AS id
FROM ducklake_table_insertions('{CATALOG}', 'raw', 'transactions', {{first}}, {{last}})
"""

SNAPSHOTS_SINCE = (
    f"SELECT COUNT(*) FROM ducklake_snapshots('{CATALOG}') WHERE snapshot_id BETWEEN {{first}} AND {{last}}"
)

MOST_RECENT = 1 << 17
"""Hashes that are kept apart before they are sorted in."""

Hashes = NDArray[np.uint64]


class KnownIds:
    """Hashes of the ids of all lines, 8 bytes each, up to a snapshot."""

    def __init__(self) -> None:
        self._sorted: Hashes = np.empty(0, np.uint64)
        self._recent: Hashes = np.empty(0, np.uint64)
        self._version = -1

    def catch_up(self, con: duckdb.DuckDBPyConnection, version: int) -> None:
        """Take note of all lines that came in until a snapshot, which must be the newest one that `con` sees."""
        if version == self._version:
            return
        first = self._version + 1
        if self._version < 0 or not _are_there(con, first, version):
            self._sorted, self._recent = np.sort(hashes_of(con, HASHES)), np.empty(0, np.uint64)
        else:
            self._remember(hashes_of(con, HASHES_SINCE.format(first=first, last=version)))
        self._version = version

    def add(self, hashes: Hashes, version: int) -> None:
        """Take note of lines that this process wrote as the snapshot `version`, the next one."""
        if version == self._version + 1:
            self._remember(hashes)
            self._version = version

    def may_have(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which of the hashes belong to lines that the lake may have."""
        return np.isin(hashes, self._recent) | _is_among(self._sorted, hashes)

    def _remember(self, hashes: Hashes) -> None:
        hashes = hashes[~self.may_have(hashes)]  # maintenance writes lines anew
        self._recent = np.concatenate([self._recent, hashes])
        if len(self._recent) > MOST_RECENT:
            recent = np.sort(self._recent)
            self._sorted = np.insert(self._sorted, np.searchsorted(self._sorted, recent), recent)
            self._recent = np.empty(0, np.uint64)


def _is_among(ascending: Hashes, hashes: Hashes) -> NDArray[np.bool_]:
    if not len(ascending):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(ascending, hashes), len(ascending) - 1)
    return np.equal(ascending[places], hashes)


def _are_there(con: duckdb.DuckDBPyConnection, first: int, last: int) -> bool:
    row = con.execute(SNAPSHOTS_SINCE.format(first=first, last=last)).fetchone()
    return row == (last - first + 1,)


def hashes_of(con: duckdb.DuckDBPyConnection, query: str) -> Hashes:
    """The column `id` of a query."""
    return np.asarray(con.execute(query).fetchnumpy()["id"], dtype=np.uint64)
