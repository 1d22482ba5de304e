"""What can be asked about segmentations of one's own. Everything here blocks, on one snapshot of the lake."""

from datetime import date
from http import HTTPStatus

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.registry import SEGMENTATION_SEGMENTS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, MODEL, SEGMENT_PROFILES, of_model
from segmentation.segmentations.definition import SegmentRule
from segmentation.segmentations.versions import DefinitionVersion, read_versions, segment_ids
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse.schema import exists
from segmentation.warehouse.sql import literal
from serving.api.contract import OwnMembership, SegmentAnswer, SegmentDetail, SegmentProfile, SegmentsAnswer
from serving.api.problems import ProblemError

# Ids, names and dates are written out, not bound: DuckLake skips files by what it can see when it plans.
PROFILES = f"""
SELECT segment_id, segmentation_version, {", ".join(SegmentProfile.__struct_fields__)}
FROM {SEGMENT_PROFILES.name}
WHERE segmentation_name = {{name}} AND {{condition}}
ORDER BY as_of, segment_id
"""

MEMBERSHIPS = f"""
SELECT {", ".join(OwnMembership.__struct_fields__)}
FROM {CUSTOMER_SEGMENTS.name}
WHERE as_of = DATE '{{as_of}}' AND customer_id = {{customer_id}} AND segmentation_version IS NOT NULL
ORDER BY segmentation_name
"""

NAMED = f"SELECT segmentation_name, segment_name FROM {SEGMENTATION_SEGMENTS.name} WHERE segment_id = {{segment_id}}"


def rows_of(con: duckdb.DuckDBPyConnection, segmentation: str, table: Table) -> str:
    """The rows of a segmentation in a table, to read from.

    Raises:
        ProblemError: There is no such segmentation, and never was (404).
    """
    if segmentation == MODEL:
        return of_model(table)
    known = {each.name for each in read_versions(con)}
    if segmentation not in known:
        raise _unknown_segmentation(segmentation, known)
    return f"(FROM {table.name} WHERE segmentation_name = {literal(segmentation)})"


def own_segments(
    con: duckdb.DuckDBPyConnection, segmentation: str, as_of: date | None, quiet_days: int
) -> SegmentsAnswer:
    """The segments of a definition with their profiles as of a date, or in the latest snapshot.

    Raises:
        ProblemError: There is no such segmentation, or none as of that date (404).
    """
    versions = [each for each in read_versions(con) if each.name == segmentation]
    if not versions:
        raise _unknown_segmentation(segmentation, {each.name for each in read_versions(con)})
    wanted = as_of or latest_date(con, SEGMENT_PROFILES, quiet_days)
    condition = f"as_of = DATE '{wanted}'" if wanted else "false"
    rows = con.execute(PROFILES.format(name=literal(segmentation), condition=condition)).fetchall()
    if as_of is not None and not rows:
        detail = f"The snapshot as of {as_of} has no segmentation {segmentation}, or there is none."
        raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-snapshot", detail)
    version = _version(versions, rows[0][1] if rows else None)
    profiles = {segment_id: SegmentProfile(*figures) for segment_id, _, *figures in rows}
    ids = segment_ids(con)
    rules = version.definition.segments if version.definition else ()
    answers = [_answer(rule, ids[segmentation, rule.name], profiles) for rule in rules]
    return SegmentsAnswer(None, answers, segmentation, version.version)


def own_segment(con: duckdb.DuckDBPyConnection, segment_id: int) -> SegmentDetail | None:
    """Everything about one segment of a definition, as it was defined last; None if no definition has its id."""
    named = con.execute(NAMED.format(segment_id=segment_id)).fetchone() if exists(con, SEGMENTATION_SEGMENTS) else None
    if named is None:
        return None
    segmentation, name = named
    found = [
        (each, rule)
        for each in read_versions(con)
        if each.name == segmentation
        for rule in (each.definition.segments if each.definition else ())
        if rule.name == name
    ]
    version, rule = found[-1]
    rows = con.execute(PROFILES.format(name=literal(segmentation), condition=f"segment_id = {segment_id}")).fetchall()
    return SegmentDetail(
        None,
        segment_id,
        name,
        rule.told,
        "",
        [SegmentProfile(*figures) for _, _, *figures in rows],
        [],
        [],
        segmentation,
        version.version,
        rule.when,
        rule.advice or None,
    )


def read_memberships(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date) -> tuple[OwnMembership, ...]:
    """The segments that a customer is in by segmentations of one's own, by name; none in a lake of an older release."""
    if not exists(con, SEGMENTATION_SEGMENTS):
        return ()
    rows = con.execute(MEMBERSHIPS.format(as_of=as_of, customer_id=literal(customer_id))).fetchall()
    return tuple(OwnMembership(*row) for row in rows)


def _version(versions: list[DefinitionVersion], number: int | None) -> DefinitionVersion:
    """The version of a number; the last one that says something if there is none."""
    said = [each for each in versions if each.definition is not None]
    return next((each for each in said if each.version == number), said[-1])


def _answer(rule: SegmentRule, segment_id: int, profiles: dict[int, SegmentProfile]) -> SegmentAnswer:
    profile = profiles.get(segment_id)
    return SegmentAnswer(segment_id, rule.name, rule.told, "", profile, rule.when, rule.advice or None)


def _unknown_segmentation(name: str, known: set[str]) -> ProblemError:
    there = ", ".join([MODEL, *sorted(known)])
    detail = f"There is no segmentation {name[:100]!r}. There are: {there}."
    return ProblemError(HTTPStatus.NOT_FOUND, "unknown-segmentation", detail)
