"""The ledger of names that the truth test gave: which name of a segment is in force as of a date.

A version's segments are called as in training until a snapshot finds a word untrue; from that date on they have the
name that it gave. Names that people gave go before all of them, and are `registry.segment_names`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from segmentation.metadata.tables.registry import SEGMENT_RENAMINGS
from segmentation.warehouse.schema import exists

IN_FORCE = f"""
SELECT version, segment_id, arg_max(segment_name, (as_of, renaming_id))
FROM {SEGMENT_RENAMINGS.name}
WHERE trained_as_of <= as_of AND ($until IS NULL OR as_of <= $until)
GROUP BY version, segment_id
"""
"""Renamings as of dates before a version was trained are of those dates alone."""

OF_AN_EARLIER_DATE = f"""
SELECT version, segment_id, arg_max(segment_name, renaming_id)
FROM {SEGMENT_RENAMINGS.name}
WHERE trained_as_of > as_of AND as_of = $until
GROUP BY version, segment_id
"""


@dataclass(frozen=True)
class Renaming:
    """A segment that gets another name since its own is no longer true.

    Attributes:
        segment_id: The segment; its id stays.
        former_name: What it was called.
        name: What it is called from the snapshot on.
        reason: Which word wasn't true, with figures.
    """

    segment_id: int
    former_name: str
    name: str
    reason: str


def names_in_force(con: duckdb.DuckDBPyConnection, until: date | None = None) -> dict[int, dict[int, str]]:
    """By version, the names that the truth test gave to its segments, as far as it did.

    Args:
        con: A cursor of the lake; an older release may have written it last.
        until: As of this date; None for the newest.
    """
    if not exists(con, SEGMENT_RENAMINGS):
        return {}
    found: dict[int, dict[int, str]] = {}
    for query in (IN_FORCE, *([OF_AN_EARLIER_DATE] if until else [])):
        for version, segment_id, name in con.execute(query, {"until": until}).fetchall():
            found.setdefault(version, {})[segment_id] = name
    return found


def record_renamings(
    con: duckdb.DuckDBPyConnection,
    renamings: Sequence[Renaming],
    *,
    version: int,
    trained_as_of: date,
    as_of: date,
    run_id: str,
    now: datetime,
) -> None:
    """Add lines to the ledger, in a transaction.

    Args:
        con: A cursor of a writable lake.
        renamings: The segments.
        version: The model version that they are of.
        trained_as_of: What that was trained on.
        as_of: The snapshot.
        run_id: The run that made the snapshot, if it was one.
        now: When (UTC).
    """
    row = con.execute(f"SELECT COALESCE(MAX(renaming_id), 0) FROM {SEGMENT_RENAMINGS.name}").fetchone()
    last = int(row[0]) if row else 0
    for number, each in enumerate(renamings, start=last + 1):
        con.execute(
            f"INSERT INTO {SEGMENT_RENAMINGS.name} VALUES "
            "($id, $version, $segment, $as_of, $trained_as_of, $former, $name, $reason, $now, $run)",
            {
                "id": number,
                "version": version,
                "segment": each.segment_id,
                "as_of": as_of,
                "trained_as_of": trained_as_of,
                "former": each.former_name,
                "name": each.name,
                "reason": each.reason,
                "now": now,
                "run": run_id or None,
            },
        )
