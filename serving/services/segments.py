"""What can be asked about segments: profiles, what sets them apart, where they come from, who is in them, who moved.

Everything here blocks, and runs in a worker thread on one snapshot of the lake.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus

import duckdb
import msgspec

from segmentation.metadata.tables.registry import SEGMENTS
from segmentation.metadata.tables.segments import (
    CUSTOMER_SEGMENTS,
    SEGMENT_EXPLANATIONS,
    SEGMENT_PROFILES,
    SEGMENT_TRANSITIONS,
    of_model,
)
from segmentation.modeling.artefact import Segment
from segmentation.modeling.segment_identity.lineage import Parent
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse.sql import literal
from serving.api.contract import (
    Finding,
    LineageStep,
    Member,
    MembersAnswer,
    SegmentAnswer,
    SegmentDetail,
    SegmentProfile,
    SegmentsAnswer,
    Transition,
    TransitionsAnswer,
)
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.services.own_segments import own_segment, rows_of

# Ids and dates are written out, not bound: DuckLake skips files by what it can see when it plans.
PROFILES = f"""
SELECT segment_id, {", ".join(SegmentProfile.__struct_fields__)}
FROM {{relation}}
WHERE {{condition}}
ORDER BY as_of
"""

FINDINGS = f"""
SELECT {", ".join(Finding.__struct_fields__)}
FROM {SEGMENT_EXPLANATIONS.name}
WHERE segment_id = {{segment_id}} AND as_of = (
    SELECT MAX(as_of) FROM {SEGMENT_EXPLANATIONS.name}
    WHERE segment_id = {{segment_id}} AND as_of <= DATE '{{latest}}'
)
ORDER BY kind, rank
"""

LINEAGE = f"""
SELECT version, event, segment_name, relatives
FROM {SEGMENTS.name}
WHERE segment_id = {{segment_id}}
ORDER BY version
"""

MEMBERS = f"""
SELECT {", ".join(Member.__struct_fields__)}
FROM {CUSTOMER_SEGMENTS.name}
WHERE as_of = DATE '{{as_of}}' AND segment_id = {{segment_id}} AND customer_id > {{after}}
ORDER BY customer_id
LIMIT {{limit}}
"""

TRANSITIONS = f"""
SELECT previous_as_of, {", ".join(Transition.__struct_fields__)}
FROM {{relation}}
WHERE as_of = DATE '{{as_of}}'
ORDER BY customer_count DESC, from_segment_id, to_segment_id, cause
"""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ends: clients send it back as it came."""

    as_of: date
    after: str


def all_segments(
    con: duckdb.DuckDBPyConnection, model: Champion, as_of: date | None, quiet_days: int
) -> SegmentsAnswer:
    """The segments of a model with their profiles as of a date, or in the latest snapshot that the model decided.

    Args:
        con: A cursor of the lake.
        model: The model.
        as_of: The date, whichever model decided it; the latest of this model if None.
        quiet_days: The lake's setting, for what counts as the latest.

    Raises:
        ProblemError: No snapshot of that date was profiled (404).
    """
    version = model.model.version
    wanted = as_of or latest_date(con, SEGMENT_PROFILES, quiet_days, model_version=version)
    condition = f"as_of = DATE '{wanted}'" if wanted else "false"
    rows = con.execute(PROFILES.format(relation=of_model(SEGMENT_PROFILES), condition=condition)).fetchall()
    if as_of is not None and not rows:
        raise no_snapshot(con, as_of)
    profiles = {segment_id: SegmentProfile(*figures) for segment_id, *figures in rows}
    segments = model.model.artefact.segments
    return SegmentsAnswer(
        version,
        [
            SegmentAnswer(s.id, s.name, _described(s, profile := profiles.get(s.id)), s.colour, profile)
            for s in segments
        ],
    )


def one_segment(con: duckdb.DuckDBPyConnection, model: Champion, segment_id: int, quiet_days: int) -> SegmentDetail:
    """Everything about one segment of a model, as of the latest snapshot that explains it, or about one of one's own.

    Raises:
        ProblemError: There is no such segment (404).
    """
    if own := own_segment(con, segment_id):
        return own
    segment = _segment(model, segment_id)
    condition = f"segment_id = {segment_id}"
    rows = con.execute(PROFILES.format(relation=of_model(SEGMENT_PROFILES), condition=condition)).fetchall()
    profiles = [SegmentProfile(*figures) for _, *figures in rows]
    latest = latest_date(con, SEGMENT_EXPLANATIONS, quiet_days) or date.min
    findings = con.execute(FINDINGS.format(segment_id=segment_id, latest=latest)).fetchall()
    return SegmentDetail(
        model.model.version,
        segment.id,
        segment.name,
        _described(segment, profiles[-1] if profiles else None),
        segment.colour,
        profiles,
        [Finding(*row) for row in findings],
        _lineage(con, segment_id),
    )


def members(
    con: duckdb.DuckDBPyConnection,
    segment_id: int,
    as_of: date | None,
    cursor: str | None,
    limit: int,
    quiet_days: int,
) -> MembersAnswer:
    """A page of a segment's customers, in order of their ids.

    Args:
        con: A cursor of the lake.
        segment_id: The segment, of any model or definition.
        as_of: The snapshot; the newest one if None. A cursor knows its own.
        cursor: Where the page before ended.
        limit: Customers on a page.
        quiet_days: The lake's setting, for what counts as the newest.

    Raises:
        ProblemError: The cursor is none of ours (400), or there is no such segment or snapshot (404).
    """
    start = Cursor(_snapshot(con, as_of, quiet_days), "") if cursor is None else _decode(cursor)
    if as_of is not None and as_of != start.as_of:
        detail = f"The cursor is of {start.as_of}; leave out `as_of`, or the cursor."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-cursor", detail)
    if not _lineage(con, segment_id) and own_segment(con, segment_id) is None:
        raise _no_segment(segment_id, "There is no segment")
    rows = con.execute(
        MEMBERS.format(as_of=start.as_of, segment_id=segment_id, after=literal(start.after), limit=limit + 1)
    ).fetchall()
    page = [Member(*row) for row in rows[:limit]]
    more = _encode(Cursor(start.as_of, page[-1].customer_id)) if len(rows) > limit else None
    return MembersAnswer(start.as_of, segment_id, page, more)


def transitions(
    con: duckdb.DuckDBPyConnection, segmentation: str, as_of: date | None, quiet_days: int
) -> TransitionsAnswer:
    """Who went where in a segmentation since the snapshot before.

    Raises:
        ProblemError: There is no such segmentation or snapshot (404).
    """
    relation = rows_of(con, segmentation, SEGMENT_TRANSITIONS)
    wanted = _snapshot(con, as_of, quiet_days)
    rows = con.execute(TRANSITIONS.format(relation=relation, as_of=wanted)).fetchall()
    moves = [Transition(*row[1:]) for row in rows]
    return TransitionsAnswer(wanted, rows[0][0] if rows else None, moves, segmentation)


def _described(segment: Segment, profile: SegmentProfile | None) -> str:
    return segment.description if profile is None else profile.description


def _lineage(con: duckdb.DuckDBPyConnection, segment_id: int) -> list[LineageStep]:
    rows = con.execute(LINEAGE.format(segment_id=segment_id)).fetchall()
    return [
        LineageStep(version, event, name, msgspec.json.decode(relatives or "[]", type=list[Parent]))
        for version, event, name, relatives in rows
    ]


def _segment(model: Champion, segment_id: int) -> Segment:
    found = next((segment for segment in model.model.artefact.segments if segment.id == segment_id), None)
    if found is None:
        raise _no_segment(segment_id, f"Model version {model.model.version} has no segment", model.segment_ids)
    return found


def _snapshot(con: duckdb.DuckDBPyConnection, as_of: date | None, quiet_days: int) -> date:
    """The snapshot that is asked for, or the newest one that the data reaches."""
    found = latest_date(con, SEGMENT_PROFILES, quiet_days) if as_of is None else as_of
    if found is None or (as_of is not None and as_of not in _dates(con)):
        raise no_snapshot(con, as_of)
    return found


def _dates(con: duckdb.DuckDBPyConnection) -> list[date]:
    rows = con.execute(f"SELECT DISTINCT as_of FROM {SEGMENT_PROFILES.name} ORDER BY as_of").fetchall()
    return [row[0] for row in rows]


def no_snapshot(con: duckdb.DuckDBPyConnection, as_of: date | None) -> ProblemError:
    """The refusal of a date without a snapshot: it names those that there are."""
    there = ", ".join(str(day) for day in _dates(con)) or "none yet"
    wanted = f" as of {as_of}" if as_of else ""
    return ProblemError(HTTPStatus.NOT_FOUND, "unknown-snapshot", f"There is no snapshot{wanted}. There are: {there}.")


def _no_segment(segment_id: int, said: str, known: Sequence[int] = ()) -> ProblemError:
    hint = f" It has {', '.join(map(str, known))}." if known else ""
    return ProblemError(HTTPStatus.NOT_FOUND, "unknown-segment", f"{said} {segment_id}.{hint}")


def _encode(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _decode(text: str) -> Cursor:
    try:
        padded = text + "=" * (-len(text) % 4)
        found = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        detail = "The cursor is none that a page came with; leave it out for the first page."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-cursor", detail) from error
    if "\0" in found.after:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-cursor", "The cursor names nobody.")
    return found
