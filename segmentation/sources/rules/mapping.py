"""From a profile's inputs to contract columns, as SQL over relations of lines. Nothing is executed here.

Which of the mapped lines are accepted is decided in `validation`; the macros that the SQL calls are defined by
`staging`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.profiles.contract import CLEANED_BY, REFUSED_AS
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.files import Lines
from segmentation.sources.rules.currency import Exchange, converted
from segmentation.warehouse.sql import brief_error, identifier, literal

# DuckDB computes an expression anew wherever a macro repeats it; as a column of an inner query it is computed once.
RAW = "SELECT file_id, {inputs}, {columns} FROM {relation} AS input"

# So is the moment: the macro that reads it is long, and its plan takes time where a delivery has one line.
MOMENT = "SELECT *, {macro}(raw_ordered_at) AS moment"

MAPPED = "SELECT file_id, {inputs}, {columns} FROM ({moment} FROM ({raw}))"

FILLED = """
SELECT file_id, {inputs}, {columns}, {key} AS line_key, mapped_line_id IS NOT NULL AS has_own_id,
    mapped_is_dated AS is_dated, CAST(NULL AS DOUBLE) AS exchange_rate, false AS lacks_exchange_rate
FROM mapped
WHERE {in_window}
"""

IN_WINDOW = "coalesce({moment} BETWEEN TIMESTAMP '{start}' AND TIMESTAMP '{last}', true)"

DERIVED_UNIT_PRICE = "(mapped_amount + coalesce(mapped_discount, 0)) / nullif(mapped_quantity, 0)"

PRICE_OF_NOTHING = "CASE WHEN mapped_quantity = 0 THEN 0 END"
"""The price in a refund of money alone."""

FILLED_BY = {
    "line_id": "coalesce(mapped_line_id, {fingerprint})",
    "unit_price": f"coalesce(mapped_unit_price, {DERIVED_UNIT_PRICE}, {PRICE_OF_NOTHING})",
    "discount": "coalesce(mapped_discount, 0)",
    "amount": "coalesce(mapped_amount, mapped_quantity * mapped_unit_price - coalesce(mapped_discount, 0))",
}
"""What stands in for a contract column that a profile or a line doesn't give."""

NULLS = {
    "clean_id": "CAST(NULL AS VARCHAR)",
    "clean_text": "CAST(NULL AS VARCHAR)",
    "as_number": "CAST(NULL AS DOUBLE)",
    "utc": "CAST(NULL AS TIMESTAMP)",
    "clean_currency": "CAST(NULL AS VARCHAR)",
}
"""What a column is that has no expression."""

FIELD_END = "chr(31)"


@dataclass(frozen=True)
class LoadWindow:
    """Which lines count: those of the days (UTC) from `start` to before `end`, and those without a readable date."""

    start: date
    end: date

    def contains(self, moment: str) -> str:
        """SQL condition: `moment` lies in the window, or is NULL."""
        last = datetime.combine(self.end, time()) - timedelta(microseconds=1)
        return IN_WINDOW.format(moment=moment, start=self.start, last=last)


ALL_TIME = LoadWindow(date.min, date.max)


def moment_of(profile: Profile) -> str:
    """SQL over the inputs: the line's `ordered_at` in UTC, NULL where its date can't be read."""
    return f"plausible({CLEANED_BY['ordered_at']}(({profile.columns['ordered_at']}\n)))"


def mapped(expressions: Mapping[str, str], cleaned_by: Mapping[str, str], lines: Lines) -> str:
    """SQL of `file_id`, the inputs as `in_…`, and columns as `mapped_…`, from expressions over the inputs.

    Args:
        expressions: SQL expression per column; the others are NULL.
        cleaned_by: All columns, and what brings each to its type.
        lines: What to map.
    """
    raw = ", ".join(f"({sql}\n) AS raw_{name}" for name, sql in expressions.items() if name in cleaned_by)
    columns = ", ".join(
        f"{_mapped(name, macro) if name in expressions else NULLS[macro]} AS mapped_{name}"
        for name, macro in cleaned_by.items()
    )
    moment = "SELECT *"
    if "ordered_at" in expressions:
        moment = MOMENT.format(macro=cleaned_by["ordered_at"])
        columns += ", coalesce(isfinite(moment), false) AS mapped_is_dated"
    renamed = ", ".join(f"input.{identifier(name)} AS in_{name}" for name in lines.types)
    return MAPPED.format(
        inputs=", ".join(inputs(lines)),
        columns=columns,
        moment=moment,
        raw=RAW.format(inputs=renamed, columns=raw, relation=lines.relation),
    )


def inputs(lines: Lines) -> list[str]:
    """The inputs as columns of `mapped` and what builds on it.

    They are not one struct: DuckDB 1.5 moves a cast of a struct's field down to the scan, where it is computed for
    every line instead of the few that need it.
    """
    return [f"in_{name}" for name in lines.types]


def filled(profile: Profile, source: str, lines: Lines, window: LoadWindow, exchange: Exchange | None = None) -> str:
    """SQL of the relation `filled` over `mapped`: contract columns, within a window.

    Beside them: `line_key`, equal for lines that may be duplicates of each other, `has_own_id`, and `is_dated`, whether
    the date can be read, plausible or not. Money is brought to one currency as `exchange` says; None: not at all.
    """
    values = {name: f"mapped_{name}" for name in CLEANED_BY} | FILLED_BY
    sql = FILLED.format(
        inputs=", ".join(inputs(lines)),
        columns=", ".join(
            f"{sql.format(fingerprint=fingerprint(source, lines))} AS {name}" for name, sql in values.items()
        ),
        key=line_key(profile, lines),
        in_window=window.contains("mapped_ordered_at"),
    )
    return sql if exchange is None else converted(sql, exchange)


def line_key(profile: Profile, lines: Lines) -> str:
    """SQL over `mapped`: a number that is equal for lines with the same id, or without one, the same inputs.

    Lines that are lacking an id in files that otherwise have one are few; all of them get the same key.
    """
    if _gives_ids(profile, lines):
        return "CASE WHEN mapped_line_id IS NULL THEN 0 ELSE hash(mapped_line_id) END"
    # As text, as in `fingerprint`: files of two formats hold the same value in different types.
    return f"hash({', '.join(f'CAST({name} AS VARCHAR)' for name in sorted(inputs(lines)))})"


def fingerprint(source: str, lines: Lines) -> str:
    """SQL over `mapped`: the text that stands for a line whose source gives no id: the same wherever its file lies.

    A NULL is left out, with its name. Each input is mentioned once, so that nothing is computed before it is needed.
    """
    fields = ", ".join(f"{literal(name + '=')} || CAST(in_{name} AS VARCHAR)" for name in sorted(lines.types))
    return f"md5(concat_ws({FIELD_END}, {literal(source)}, {fields}))"


def _gives_ids(profile: Profile, lines: Lines) -> bool:
    words = set(re.findall(r"\w+", profile.columns.get("line_id", "")))
    return any(header is not None for name, header in lines.headers.items() if name in words)


def gives_currencies(profile: Profile, lines: Lines) -> bool:
    """Whether the lines may name any; a file that lacks the column for it costs nothing."""
    words = set(re.findall(r"\w+", profile.columns.get("currency", "")))
    used = [header for name, header in lines.headers.items() if name in words]
    return "currency" in profile.columns and (not used or any(header is not None for header in used))


def original_of(lines: Lines) -> str:
    """SQL over `mapped`: the line as it was, as JSON: the inputs that the profile reads, under the file's headers."""
    columns: dict[str, str] = {}
    for name, header in lines.headers.items():
        if header is not None and name != REFUSED_AS:
            columns.setdefault(header, name)
    pairs = ", ".join(
        f"{literal(header)}, {_json(f'in_{name}', lines.types[name])}" for header, name in columns.items()
    )
    return f"CAST(json_object({pairs}) AS VARCHAR)"


@contextmanager
def profile_errors(profile: Profile, source: str) -> Iterator[None]:
    """Turn what DuckDB says about a profile's expressions, or the data that they met, into a `SourceError`."""
    try:
        yield
    except (duckdb.DataError, duckdb.ProgrammingError, duckdb.IOException) as error:
        raise SourceError(
            f"Reading the source {source} through the profile {profile.name} failed: {brief_error(error)} "
            "Where values may be malformed, the profile's expressions can use TRY_CAST, as_number or as_timestamp."
        ) from error


def _mapped(column: str, macro: str) -> str:
    return "plausible(moment)" if column == "ordered_at" else f"{macro}(raw_{column})"


def _json(value: str, kind: str) -> str:
    if kind not in ("DOUBLE", "FLOAT"):
        return value
    # JSON has no NaN and no infinity.
    return f"CASE WHEN isfinite({value}) THEN to_json({value}) ELSE to_json(CAST({value} AS VARCHAR)) END"
