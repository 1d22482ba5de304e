"""Schema drift: the columns that a source delivers, beside those that somebody has accepted.

A source's first columns are accepted by themselves. Whatever else it delivers later is remembered, and told until a
person accepts it: `segmentation sources accept NAME`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import SOURCE_SCHEMAS
from segmentation.sources.readers.records import Record
from segmentation.warehouse import Commit, Lake

Columns = Mapping[str, str]
"""Type by column."""

LAST = f"SELECT columns FROM {SOURCE_SCHEMAS.name} WHERE source = $source ORDER BY seen_at DESC LIMIT 1"

LAST_ACCEPTED = f"""
SELECT columns
FROM {SOURCE_SCHEMAS.name}
WHERE source = $source AND accepted_at IS NOT NULL
ORDER BY seen_at DESC
LIMIT 1
"""

LAST_PLACE = f"SELECT seen_in, seen_at FROM {SOURCE_SCHEMAS.name} WHERE source = $source ORDER BY seen_at DESC LIMIT 1"

ADD = f"INSERT INTO {SOURCE_SCHEMAS.name} VALUES ($source, $columns, $seen_in, $seen_at, $accepted_at)"

ACCEPT = f"UPDATE {SOURCE_SCHEMAS.name} SET accepted_at = $now WHERE source = $source AND accepted_at IS NULL"

JSON_TYPES: Mapping[type, str] = {
    str: "text",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
}


@dataclass(frozen=True)
class SchemaDrift:
    """How the columns that came last differ from those that are expected.

    Attributes:
        new: Columns that weren't there, with their types.
        missing: Columns that are gone.
        retyped: By column, its type before and now.
        seen_in: Where that was first seen.
    """

    new: Columns
    missing: tuple[str, ...]
    retyped: Mapping[str, tuple[str, str]]
    seen_in: str = ""

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.new or self.missing or self.retyped)

    def __str__(self) -> str:
        """The difference in words."""
        parts = [f"new column {name} ({kind})" for name, kind in self.new.items()]
        parts += [f"column {name} is missing" for name in self.missing]
        parts += [f"column {name} was {before} and is {now}" for name, (before, now) in self.retyped.items()]
        return "; ".join(parts)


def compare(expected: Columns, found: Columns, seen_in: str = "") -> SchemaDrift:
    """The difference between two sets of columns."""
    return SchemaDrift(
        {name: kind for name, kind in found.items() if name not in expected},
        tuple(name for name in expected if name not in found),
        {name: (expected[name], kind) for name, kind in found.items() if expected.get(name, kind) != kind},
        seen_in,
    )


def observe(lake: Lake, source: str, columns: Columns, seen_in: str, now: datetime) -> None:
    """Remember what a source delivers, unless it is what it delivered before."""
    with lake.cursor() as con:
        if last_columns(con, source) == dict(columns):
            return
        lake.transaction(
            con,
            Commit(f"Columns of {source}", asset=f"sources/{source}"),
            lambda c: _add(c, source, columns, seen_in, now),
        )


def last_columns(con: duckdb.DuckDBPyConnection, source: str) -> dict[str, str] | None:
    """The columns that a source delivered last; None before it did."""
    return _one(con, LAST, source)


def read_drift(con: duckdb.DuckDBPyConnection, source: str) -> SchemaDrift:
    """How what a source delivers differs from what was accepted."""
    expected, found = _one(con, LAST_ACCEPTED, source), _one(con, LAST, source)
    if expected is None or found is None:
        return SchemaDrift({}, (), {})
    place = con.execute(LAST_PLACE, {"source": source}).fetchone() or ("", None)
    return compare(expected, found, f"{place[0]}, {place[1]:%Y-%m-%d %H:%M} UTC")


def accept(lake: Lake, source: str, now: datetime) -> SchemaDrift:
    """Expect from now on what a source delivered last; returns what has been accepted.

    Raises:
        SourceError: It hasn't delivered anything.
    """
    with lake.cursor() as con:
        if last_columns(con, source) is None:
            raise SourceError(f"The source {source} hasn't delivered anything yet.")
        drift = read_drift(con, source)
        if drift:
            commit = Commit(f"Accept the columns of {source}", asset=f"sources/{source}")
            lake.transaction(con, commit, lambda c: c.execute(ACCEPT, {"source": source, "now": now}))
        return drift


def columns_of(records: Iterable[Record], known: Columns, unused: Columns | None = None) -> dict[str, str]:
    """What is known of a source's columns with what some records add: their JSON types; NULL says nothing.

    A record need not have every column, so that none is ever missing; `unused` ones came, and are in no record.
    """
    kinds = {name: set(kind.split(" or ")) for name, kind in known.items()}
    for name, kind in (unused or {}).items():
        kinds.setdefault(name, set()).add(kind)
    for name, found in {(name, type(value)) for record in records for name, value in record.items()}:
        if found is not type(None):
            kinds.setdefault(name, set()).add(JSON_TYPES.get(found, found.__name__))
    return {name: " or ".join(sorted(each)) for name, each in kinds.items()}


def _add(con: duckdb.DuckDBPyConnection, source: str, columns: Columns, seen_in: str, now: datetime) -> None:
    before = last_columns(con, source)
    if before == dict(columns):
        return
    values = {
        "source": source,
        "columns": json.dumps(dict(columns)),
        "seen_in": seen_in,
        "seen_at": now,
        "accepted_at": now if before is None else None,
    }
    con.execute(ADD, values)


def _one(con: duckdb.DuckDBPyConnection, query: str, source: str) -> dict[str, str] | None:
    row = con.execute(query, {"source": source}).fetchone()
    return None if row is None else dict(json.loads(row[0]))
