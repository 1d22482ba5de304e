"""Versions of definitions in the lake: which are declared, what they were, and the ids of their segments.

Append-only. A segment is told by its segmentation and its name, and keeps its id through all versions, even if it is
gone for a while; ids come from the one sequence that models' segments have theirs from.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.registry import SEGMENTATION_SEGMENTS, SEGMENTATIONS
from segmentation.segmentations.conditions import columns_of
from segmentation.segmentations.config import declared_segmentations
from segmentation.segmentations.definition import Definition
from segmentation.segmentations.segment_ids import next_segment_id
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import exists

LINES = f"""
SELECT segmentation_name, version, definition, definition_hash, inputs, defined_at
FROM {SEGMENTATIONS.name}
ORDER BY segmentation_name, version
"""


@dataclass(frozen=True)
class DefinitionVersion:
    """A line of `registry.segmentations`.

    Attributes:
        name: The segmentation.
        version: 1, 2, 3, … of the name.
        definition: What it says; None if it says that there is no such segmentation any more.
        hash: Of the definition.
        inputs: The columns that conditions look at.
        defined_at: When it was first read (UTC).
    """

    name: str
    version: int
    definition: Definition | None
    hash: str | None
    inputs: tuple[str, ...]
    defined_at: datetime


def read_versions(con: duckdb.DuckDBPyConnection) -> list[DefinitionVersion]:
    """All versions, by name and number; none in a lake that an older release has written last."""
    if not exists(con, SEGMENTATIONS):
        return []
    return [
        DefinitionVersion(name, version, Definition.from_json(text) if text else None, sha, _inputs(inputs), at)
        for name, version, text, sha, inputs, at in con.execute(LINES).fetchall()
    ]


def versions_in_force(con: duckdb.DuckDBPyConnection) -> dict[str, DefinitionVersion]:
    """The last version of each segmentation that is declared, by name."""
    last = {each.name: each for each in read_versions(con)}
    return {name: each for name, each in last.items() if each.definition is not None}


def versions_of(con: duckdb.DuckDBPyConnection, numbers: Mapping[str, int]) -> dict[str, DefinitionVersion]:
    """Given versions by name, as a snapshot was decided by them.

    Raises:
        SegmentationError: The lake has no such version.
    """
    known = {(each.name, each.version): each for each in read_versions(con)}
    lacking = next((key for key in numbers.items() if key not in known), None)
    if lacking is not None:
        raise SegmentationError(f"The lake has no version {lacking[1]} of the segmentation {lacking[0]}.")
    return {name: known[name, number] for name, number in numbers.items()}


def declared_hashes(settings: Settings, known: Iterable[DefinitionVersion]) -> dict[str, str]:
    """The hash of each definition that would decide now, by name: of the file, else of the versions that are known.

    A file that can't be used changes nothing: whoever makes a snapshot is told so, and `segmentation doctor` says it.
    """
    try:
        declared = declared_segmentations(settings)
    except SegmentationError:
        declared = None
    if declared is not None:
        return {name: definition.hash for name, definition in declared.items()}
    last = {each.name: each for each in known}
    return {name: each.hash for name, each in last.items() if each.hash is not None}


def segment_ids(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """The id of each segment of all definitions, by segmentation and name."""
    if not exists(con, SEGMENTATION_SEGMENTS):
        return {}
    query = f"SELECT segmentation_name, segment_name, segment_id FROM {SEGMENTATION_SEGMENTS.name}"
    return {(segmentation, name): identity for segmentation, name, identity in con.execute(query).fetchall()}


def take_over(
    lake: Lake, declared: Mapping[str, Definition], commit: Commit, now: datetime
) -> dict[str, DefinitionVersion]:
    """Make what is declared what counts: changed and new definitions get a version, those that are gone an end.

    Args:
        lake: A writable, migrated lake.
        declared: All definitions that there are, by name.
        commit: What the lake's commit says about itself; there is none if nothing changed.
        now: When (UTC).

    Returns:
        The versions in force.
    """

    def write(con: duckdb.DuckDBPyConnection) -> dict[str, DefinitionVersion]:
        last = {each.name: each for each in read_versions(con)}
        for name, definition in declared.items():
            if name not in last or last[name].hash != definition.hash:
                _append(con, name, definition, last.get(name), commit, now)
        for name, before in last.items():
            if before.definition is not None and name not in declared:
                _append(con, name, None, before, commit, now)
        return versions_in_force(con)

    with lake.cursor() as con:
        there = versions_in_force(con)
        if {name: each.hash for name, each in there.items()} == {name: each.hash for name, each in declared.items()}:
            return there
        return lake.transaction(con, commit, write)


def inputs_of(con: duckdb.DuckDBPyConnection, definition: Definition) -> list[str]:
    """The columns that a definition's conditions look at, in order."""
    return sorted({column for _, when in definition.conditions for column in columns_of(con, when)})


def _append(
    con: duckdb.DuckDBPyConnection,
    name: str,
    definition: Definition | None,
    before: DefinitionVersion | None,
    commit: Commit,
    now: datetime,
) -> None:
    version = before.version + 1 if before else 1
    line = {
        "segmentation_name": name,
        "version": version,
        "definition": definition.to_json() if definition else None,
        "definition_hash": definition.hash if definition else None,
        "inputs": json.dumps(inputs_of(con, definition)) if definition else None,
        "defined_at": now,
        "actor": commit.asked_by or commit.run_id or "command line",
    }
    _insert(con, SEGMENTATIONS.name, line)
    known = segment_ids(con)
    for segment in definition.segments if definition else ():
        if (name, segment.name) not in known:
            row = {"segment_id": next_segment_id(con), "segmentation_name": name, "segment_name": segment.name}
            _insert(con, SEGMENTATION_SEGMENTS.name, {**row, "first_version": version})


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, object]) -> None:
    names, values = ", ".join(row), ", ".join(f"${name}" for name in row)
    con.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", dict(row))


def _inputs(text: str | None) -> tuple[str, ...]:
    return tuple(json.loads(text)) if text else ()
