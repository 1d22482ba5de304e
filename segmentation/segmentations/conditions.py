"""What may stand as a condition: one expression that is true or false of one customer, whenever it is asked."""

import json
from collections.abc import Collection
from difflib import get_close_matches
from functools import cache
from typing import Any

import duckdb

from segmentation.errors import RefusedQueryError
from segmentation.quoting import shown
from segmentation.segmentations.inputs import columns_by_table, empty_relation
from segmentation.sources.profiles.expressions import PARSE, classes_in, functions_in, is_one_value
from segmentation.sources.profiles.input_names import column_names
from segmentation.warehouse.sql import brief_error, literal

MAX_CHARACTERS = 10_000

REFUSED = {
    "WINDOW": "a window function, which looks at other customers",
    "SUBQUERY": "a subquery, which looks at other tables",
    "STAR": "a star",
    "PARAMETER": "a parameter, which nobody gives a value",
}
"""Classes of DuckDB's syntax tree that reach beyond the customer, or that have no value."""

FUNCTIONS = """
SELECT
    function_name,
    bool_or(function_type = 'aggregate'),
    bool_or(function_type = 'table'),
    coalesce(bool_or(stability <> 'CONSISTENT'), false) OR function_name = 'age'
FROM duckdb_functions()
GROUP BY function_name
"""
"""Per function: whether it sums up several customers, makes several rows, or depends on when it is asked."""


def enclosed(condition: str) -> str:
    """A condition as it stands in a query: a comment at its end ends with the line."""
    return f"(\n{condition}\n)"


def columns_of(con: duckdb.DuckDBPyConnection, condition: str) -> set[str]:
    """The columns that a condition looks at, in lower case."""
    return {parts[-1].casefold() for parts in column_names(_tree(con, condition))}


def problem_of_condition(con: duckdb.DuckDBPyConnection, condition: str) -> str | None:
    """What keeps a condition from being used, as a sentence with what to do; None if nothing does.

    Args:
        con: Any connection; nothing but an empty relation is asked.
        condition: As it was declared.
    """
    if len(condition) > MAX_CHARACTERS or "\0" in condition:
        return f"it has {len(condition):,} characters; {MAX_CHARACTERS:,} without a NUL among them are allowed"
    tree = _tree(con, condition)
    if tree.get("error", True):
        return f"it is no SQL: {tree.get('error_message', 'it is empty')}"
    nodes = [statement["node"] for statement in tree["statements"]]
    if len(nodes) != 1 or not is_one_value(nodes[0]):
        return "it has to be one condition, such as `net_revenue > 500 AND discount_share > 0.3`"
    if refused := [words for name, words in REFUSED.items() if name in classes_in(nodes[0])]:
        return f"it has {refused[0]}; it may only look at the columns of the customer"
    return (
        next(filter(None, map(_problem_of_function, sorted(functions_in(nodes[0])))), None)
        or _problem_of_names(list(column_names(nodes[0])))
        or _problem_of_result(con, condition)
    )


def _tree(con: duckdb.DuckDBPyConnection, condition: str) -> dict[str, Any]:
    try:
        row = con.execute(PARSE, {"expression": condition}).fetchone()
        tree: dict[str, Any] = json.loads(row[0]) if row else {}
    except RecursionError:
        return {"error": True, "error_message": "it is nested too deeply"}
    except (duckdb.Error, UnicodeEncodeError) as error:
        return {"error": True, "error_message": str(error)}
    return tree


def _problem_of_function(name: str) -> str | None:
    from segmentation.warehouse.read_only_sql.names import check_function  # its package brings Polars, which is heavy

    try:
        check_function(name, False, ())
    except RefusedQueryError as error:
        return str(error).partition(";")[0].rstrip(".")
    sums_up, makes_rows, changes = _functions().get(name.lower(), (False, False, False))
    if sums_up or makes_rows:
        return f"{name} looks at several rows; a condition may only look at the customer. Use greatest, least, coalesce"
    if changes:
        return f"{name} gives another value each time it is asked; compare with as_of, the date of the snapshot"
    return None


@cache
def _functions() -> dict[str, tuple[bool, bool, bool]]:
    with duckdb.connect() as con:
        return {row[0].lower(): row[1:] for row in con.execute(FUNCTIONS).fetchall()}


def _problem_of_names(names: Collection[list[str]]) -> str | None:
    known = columns_by_table()
    for parts in names:
        if len(parts) > 1:
            return f"{'.'.join(parts)} has a point; write the column alone: {parts[-1]}"
        if parts[0].casefold() not in known:
            return f"there is no column {shown(parts[0])}{_instead(parts[0], known)}"
    return None


def _instead(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name.casefold(), known, n=3, cutoff=0.7)
    said = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"{said}; `segmentation segmentations columns` lists those that there are, and a text is {literal(name)}"


def _problem_of_result(con: duckdb.DuckDBPyConnection, condition: str) -> str | None:
    try:
        query = f"SELECT {enclosed(condition)} AS condition FROM {empty_relation()} AS customer"
        result = con.execute(query)
        kind = str(result.description[0][1])
        result.fetchall()
    except duckdb.Error as error:
        return f"it can't be asked: {brief_error(error).rstrip('.')}"
    if kind.upper() not in ("BOOLEAN", "BOOL"):
        return f"it gives {kind}, not true or false; compare it with something"
    return None
