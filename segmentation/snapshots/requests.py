"""Requests for snapshots, from those who can't run a command: taken down here, answered by Dagster."""

from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from segmentation.metadata.tables.registry import SNAPSHOT_REQUESTS
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import exists, migrate

RECORD = f"""
INSERT INTO {SNAPSHOT_REQUESTS.name} (request_id, as_of, requested_at, requested_by)
SELECT COALESCE(MAX(request_id), 0) + 1, $as_of, $now, $requested_by FROM {SNAPSHOT_REQUESTS.name}
"""
LAST = f"SELECT MAX(request_id) FROM {SNAPSHOT_REQUESTS.name}"
AFTER = f"""
SELECT request_id, as_of, requested_at, requested_by
FROM {SNAPSHOT_REQUESTS.name}
WHERE request_id > $after
ORDER BY request_id
"""


@dataclass(frozen=True)
class SnapshotRequest:
    """A row of `registry.snapshot_requests`; its attributes are the columns."""

    request_id: int
    as_of: date
    requested_at: datetime
    requested_by: str


def record_request(lake: Lake, as_of: date, requested_by: str, now: datetime) -> SnapshotRequest:
    """Take down that somebody wants a snapshot.

    Args:
        lake: A writable lake.
        as_of: The date; whether the data reaches it, the caller has seen to.
        requested_by: Who.
        now: When (UTC).

    Raises:
        SegmentationError: Others kept the lake busy beyond the limit.
    """
    migrate(lake)

    def write(con: duckdb.DuckDBPyConnection) -> int:
        con.execute(RECORD, {"as_of": as_of, "now": now, "requested_by": requested_by})
        return int(con.execute(LAST).fetchall()[0][0])

    with lake.cursor() as con:
        commit = Commit(f"snapshot {as_of} requested", "registry/snapshot_requests", asked_by=requested_by)
        return SnapshotRequest(lake.transaction(con, commit, write), as_of, now, requested_by)


def read_requests(con: duckdb.DuckDBPyConnection, after: int = 0) -> list[SnapshotRequest]:
    """The requests after a number, in order; none in a lake that an older release has written last."""
    if not exists(con, SNAPSHOT_REQUESTS):
        return []
    return [SnapshotRequest(*row) for row in con.execute(AFTER, {"after": after}).fetchall()]
