"""Segments by definition: which segment of each segmentation of one's own takes which customer, as of a date.

Conditions were checked when they were declared; here they meet data. What the model gives is `assignment`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.quoting import shown
from segmentation.segmentations.conditions import enclosed
from segmentation.segmentations.config import declared_segmentations
from segmentation.segmentations.definition import Definition
from segmentation.segmentations.inputs import columns_by_table, input_relation, predictions_table, reads_predictions
from segmentation.segmentations.versions import (
    DefinitionVersion,
    inputs_of,
    segment_ids,
    take_over,
    versions_in_force,
    versions_of,
)
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import exists
from segmentation.warehouse.sql import brief_error

OWN = """
CREATE OR REPLACE TEMP TABLE own_segments AS
SELECT customer_id, segment_id, segment_name, segmentation_name, segmentation_version
FROM ({placed}) AS placed
JOIN numbered USING (segmentation, position)
ORDER BY customer_id, segmentation
"""

NUMBERED = {
    "segmentation": pl.Int32,
    "position": pl.Int32,
    "segment_id": pl.Int32,
    "segment_name": pl.String,
    "segmentation_name": pl.String,
    "segmentation_version": pl.Int32,
}


@dataclass(frozen=True)
class SegmentCount:
    """How many customers a segment of a definition would take.

    Attributes:
        name: The segment.
        customers: Those that it takes.
        meeting: Those of whom its condition is true; None for the segment without one. The others of them were taken by
            a segment before.
    """

    name: str
    customers: int
    meeting: int | None


def deciding_definitions(lake: Lake, numbers: Mapping[str, int] | None, commit: Commit) -> dict[str, DefinitionVersion]:
    """The definitions that decide, by name: given versions, else what the file declares, else what the lake knows.

    What the file declares is taken over into the lake.

    Raises:
        SegmentationError: The file can't be read or is wrong, or the lake has no such version.
    """
    declared = declared_segmentations(lake.settings) if numbers is None else None
    if declared is not None:
        taken = Commit("Segmentations as declared", "registry/segmentations", "", commit.run_id, commit.asked_by)
        return take_over(lake, declared, taken, lake.clock())
    with lake.cursor() as con:
        return versions_in_force(con) if numbers is None else versions_of(con, numbers)


def recorded(definitions: Mapping[str, DefinitionVersion]) -> str | None:
    """What the ledger says of the definitions that decided."""
    return json.dumps({name: each.version for name, each in sorted(definitions.items())}) if definitions else None


def stage_own_segments(
    con: duckdb.DuckDBPyConnection,
    as_of: date,
    definitions: Mapping[str, DefinitionVersion],
    model_rows: str | None = None,
) -> None:
    """Make the temporary table `own_segments`: per customer and definition their segment, and who decided.

    Args:
        con: A cursor of the lake.
        as_of: A date with features.
        definitions: By name.
        model_rows: A relation with the model's segments of the date; those of the lake if None.

    Raises:
        SegmentationError: A condition can't be asked of these customers, or what it looks at isn't there.
    """
    chosen = [(each, each.definition) for _, each in sorted(definitions.items()) if each.definition is not None]
    con.register("numbered", _numbered(con, chosen))
    found = [definition for _, definition in chosen]
    if found:
        relation = _inputs(con, as_of, found, model_rows)
        cases = ", ".join(f"{_case(definition)} AS s{number}" for number, definition in enumerate(found))
        query = f"CREATE OR REPLACE TEMP TABLE placed AS SELECT customer_id, {cases} FROM {relation}"
        _execute(con, query, relation, found)
    placed = [f"SELECT customer_id, {n} AS segmentation, s{n} AS position FROM temp.placed" for n in range(len(found))]
    nobody = "SELECT '' AS customer_id, 0 AS segmentation, 0 AS position WHERE false"
    con.execute(OWN.format(placed=" UNION ALL ".join([nobody, *placed])))
    con.unregister("numbered")


def count_segments(con: duckdb.DuckDBPyConnection, as_of: date, definition: Definition) -> list[SegmentCount]:
    """How many customers each segment of a definition would take, in its order. Nothing is written.

    Raises:
        SegmentationError: A condition can't be asked of these customers, or what it looks at isn't there.
    """
    relation = _inputs(con, as_of, [definition], None)
    meeting = ", ".join(f"COUNT(*) FILTER ({enclosed(when)})" for _, when in definition.conditions)
    taken = ", ".join(f"COUNT(*) FILTER (position = {n})" for n in range(len(definition.segments)))
    query = f"SELECT {taken}, {meeting} FROM (SELECT *, {_case(definition)} AS position FROM {relation})"
    (row,) = _execute(con, query, relation, [definition])
    count = len(definition.segments)
    met = (*row[count:], None)
    return [
        SegmentCount(segment.name, customers, meets)
        for segment, customers, meets in zip(definition.segments, row, met, strict=False)
    ]


def _numbered(con: duckdb.DuckDBPyConnection, chosen: Sequence[tuple[DefinitionVersion, Definition]]) -> pl.DataFrame:
    ids = segment_ids(con)
    rows = [
        (number, position, ids[version.name, segment.name], segment.name, version.name, version.version)
        for number, (version, definition) in enumerate(chosen)
        for position, segment in enumerate(definition.segments)
    ]
    return pl.DataFrame(rows, schema=NUMBERED, orient="row")


def _case(definition: Definition) -> str:
    """The position of the segment that takes a customer; a condition that is NULL of them is not met."""
    whens = " ".join(f"WHEN {enclosed(when)} THEN {n}" for n, (_, when) in enumerate(definition.conditions))
    return f"CASE {whens} ELSE {len(definition.segments) - 1} END"


def _inputs(
    con: duckdb.DuckDBPyConnection, as_of: date, definitions: Sequence[Definition], model_rows: str | None
) -> str:
    """The relation that has what conditions look at.

    Raises:
        SegmentationError: This release has no such column, or nobody has a prediction or a segment as of the date.
    """
    known, read = columns_by_table(), set[str]()
    for definition in definitions:
        for column in inputs_of(con, definition):
            if column not in known:
                raise SegmentationError(
                    f"The segmentation {definition.name} looks at {column}, which this release doesn't know. Change "
                    "its conditions; `segmentation segmentations columns` lists what they may look at."
                )
            _require(con, as_of, definition, column)
            read.add(column)
    own_rows = f"(FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = DATE '{as_of}')"
    return input_relation(as_of, read, model_rows or own_rows)


def _require(con: duckdb.DuckDBPyConnection, as_of: date, definition: Definition, column: str) -> None:
    table = predictions_table()
    if table is None or not reads_predictions([column]):
        return
    query = f"SELECT 1 FROM {table.name} WHERE as_of = DATE '{as_of}' LIMIT 1"
    if not exists(con, table) or con.execute(query).fetchone() is None:
        asset = table.name.replace(".", "/")
        raise NotEnoughDataError(
            f"The segmentation {definition.name} looks at {column} of {table.name}, which has no rows as of {as_of}; "
            f"`segmentation materialize --select {asset} --as-of {as_of}` makes them."
        )


def _execute(
    con: duckdb.DuckDBPyConnection, query: str, relation: str, definitions: Sequence[Definition]
) -> list[tuple[int, ...]]:
    """Run a query of conditions; where it fails, say which condition it is."""
    try:
        return con.execute(query).fetchall()
    except duckdb.Error as error:
        for definition in definitions:
            for segment, when in definition.conditions:
                try:
                    con.execute(f"SELECT COUNT(*) FROM {relation} WHERE {enclosed(when)}").fetchall()
                except (duckdb.DataError, duckdb.ProgrammingError) as own:
                    raise SegmentationError(
                        f"The segmentation {definition.name}, segment {shown(segment.name)}: its condition can't be "
                        f"asked of these customers: {brief_error(own)} Compare values of one type, or use TRY_CAST."
                    ) from error
        raise
