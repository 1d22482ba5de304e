"""What the texts of whole columns look like: how many can't be read, and in which of several ways they can be meant.

It counts; what follows from the counts is in `column_verdicts`. All lines are looked at, but costly tests meet only
texts that are not of the usual shape: ISO dates and plain numbers cost a comparison or two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from segmentation.sources.profiles.contract import CLEANED_BY
from segmentation.sources.profiles.expressions import arguments_of
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.rules.advice import Kind
from segmentation.warehouse.sql import literal

KIND_OF: dict[str, Kind] = {"utc": "date", "as_timestamp": "date", "as_number": "number"}
"""By macro, what it reads."""

TYPE = "SELECT ({text}\n) AS text FROM {relation} AS input LIMIT 0"

UNREADABLE = """
SELECT file_id, count(text), count(unreadable), min(unreadable)
FROM (
    SELECT file_id, text, CASE WHEN text IS NOT NULL AND {macro}(text) IS NULL THEN something(text) END AS unreadable
    FROM (SELECT file_id, ({text}\n) AS text FROM {relation} AS input)
)
GROUP BY file_id
"""

# 13/05/2021 and its like, by mark: only the day, only the month can come first, or either.
ORDERS = r"""
SELECT file_id, mark, count_if(a > 12 AND b <= 12), count_if(a <= 12 AND b > 12),
    count_if(a <= 12 AND b <= 12 AND a <> b), any_value(text) FILTER (a > 12 AND b <= 12),
    any_value(text) FILTER (a <= 12 AND b > 12), any_value(text) FILTER (a <= 12 AND b <= 12 AND a <> b)
FROM (
    SELECT file_id, text, parts.mark AS mark, TRY_CAST(parts.a AS INTEGER) AS a, TRY_CAST(parts.b AS INTEGER) AS b
    FROM (
        SELECT file_id, text,
            regexp_extract(text, '^\s*([0-9]{{1,2}})([-/.])([0-9]{{1,2}})[-/.][0-9]{{2}}', ['a', 'mark', 'b']) AS parts
        FROM (SELECT file_id, ({text}
        ) AS text FROM {relation} AS input)
        WHERE text NOT LIKE '____-%'
    )
)
WHERE a BETWEEN 1 AND 31 AND b BETWEEN 1 AND 31
GROUP BY file_id, mark
"""

# With the profile's mark a point: 12,50 can only have a decimal comma, 1,234 may have either, 1,234.50 has a point.
MARKS = """
SELECT file_id, count_if(only_other), count_if(NOT only_other AND either), count_if(NOT only_other AND NOT either),
    any_value(text) FILTER (only_other), any_value(text) FILTER (NOT only_other AND NOT either),
    any_value(text) FILTER (NOT only_other AND either)
FROM (
    SELECT file_id, text, regexp_matches(text, {only_other}) AS only_other, regexp_matches(text, {either}) AS either
    FROM (SELECT file_id, ({text}
    ) AS text FROM {relation} AS input)
    WHERE contains(text, {other})
)
GROUP BY file_id
"""

ONLY_OTHER = r"(^|[^0-9.,])([0-9]*{other}([0-9]{{1,2}}|[0-9]{{4,}})|(0[0-9]*|[0-9]{{4,}}){other}[0-9]+)[^0-9.,]*$"
EITHER = r"(^|[^0-9.,])[1-9][0-9]{{0,2}}{other}[0-9]{{3}}[^0-9.,]*$"


@dataclass(frozen=True)
class Reading:
    """A text that a profile has read as a date or a number.

    Attributes:
        column: The contract column that it is for.
        kind: What it is read as.
        text: SQL over the inputs.
    """

    column: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class Shapes:
    """How many texts fit only one of two ways to read them, or either, with an example of each.

    Attributes:
        mark: Of dates, what stands between the numbers; of numbers, the mark that is not the profile's decimal mark.
        first: Dates whose day must come first; numbers whose decimal mark must be `mark`.
        second: Dates whose month must come first; numbers where `mark` must group digits.
        either: Texts that fit both.
        examples: Of each, in that order.
    """

    mark: str
    first: int
    second: int
    either: int
    examples: tuple[str | None, str | None, str | None]


@dataclass(frozen=True)
class ColumnEvidence:
    """What the texts of one reading look like in one file.

    Attributes:
        file_id: The file.
        reading: What was read.
        filled: How many there are.
        unreadable: How many of them can't be read, and don't stand for nothing.
        example: One of those.
        shapes: By mark, what can be read in several ways.
    """

    file_id: int
    reading: Reading
    filled: int
    unreadable: int
    example: str | None
    shapes: tuple[Shapes, ...]


def readings_of(con: duckdb.DuckDBPyConnection, profile: Profile, lines: Lines) -> list[Reading]:
    """The texts that a profile has read as dates and numbers: whole columns, and arguments of the macros in them."""
    found = []
    for column, expression in profile.columns.items():
        if (kind := KIND_OF.get(CLEANED_BY.get(column, ""))) is None:
            continue
        found.append(Reading(column, kind, expression))
        for macro, read_as in KIND_OF.items():
            found += [Reading(column, read_as, text) for text in arguments_of(con, expression, [macro])]
    texts = {(each.kind, each.text): each for each in reversed(found)}.values()
    return [each for each in reversed(texts) if _is_text(con, each, lines)]


def column_evidence(con: duckdb.DuckDBPyConnection, profile: Profile, lines: Lines) -> list[ColumnEvidence]:
    """What the texts of dates and numbers look like, by file."""
    return [each for reading in readings_of(con, profile, lines) for each in _evidence(con, profile, lines, reading)]


def _is_text(con: duckdb.DuckDBPyConnection, reading: Reading, lines: Lines) -> bool:
    found = con.execute(TYPE.format(text=reading.text, relation=lines.relation)).description
    return bool(found) and str(found[0][1]) == "VARCHAR"


def _evidence(con: duckdb.DuckDBPyConnection, profile: Profile, lines: Lines, reading: Reading) -> list[ColumnEvidence]:
    macro = "utc" if reading.kind == "date" else "as_number"
    names = {"text": reading.text, "relation": lines.relation}
    counts = con.execute(UNREADABLE.format(macro=macro, **names)).fetchall()
    shapes = _orders(con, names) if reading.kind == "date" else _marks(con, names, profile.reader.decimal)
    return [
        ColumnEvidence(file_id, reading, filled, unreadable, example, tuple(shapes.get(file_id, ())))
        for file_id, filled, unreadable, example in counts
    ]


def _orders(con: duckdb.DuckDBPyConnection, names: dict[str, str]) -> dict[int, list[Shapes]]:
    found: dict[int, list[Shapes]] = {}
    for file_id, mark, first, second, either, *examples in con.execute(ORDERS.format(**names)).fetchall():
        found.setdefault(file_id, []).append(Shapes(mark, first, second, either, _three(examples)))
    return found


def _marks(con: duckdb.DuckDBPyConnection, names: dict[str, str], decimal: str) -> dict[int, list[Shapes]]:
    other = "," if decimal == "." else "."
    patterns = {
        "only_other": literal(ONLY_OTHER.format(other=f"[{other}]")),
        "either": literal(EITHER.format(other=f"[{other}]")),
        "other": literal(other),
    }
    rows = con.execute(MARKS.format(**patterns, **names)).fetchall()
    return {row[0]: [Shapes(other, row[1], row[3], row[2], _three(row[4:]))] for row in rows}


def _three(examples: Sequence[str | None]) -> tuple[str | None, str | None, str | None]:
    first, second, either = examples
    return first, second, either
