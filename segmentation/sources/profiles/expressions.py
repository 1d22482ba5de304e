"""What may stand as an SQL expression in a profile: one scalar expression that looks at one line."""

import json
from collections.abc import Collection
from functools import cache
from typing import Any

import duckdb

PARSE = "SELECT json_serialize_sql('SELECT ' || $expression)"
UNPARSE = "SELECT json_deserialize_sql(CAST($tree AS JSON))"

REFUSED = {"WINDOW": "a window function", "SUBQUERY": "a subquery", "STAR": "a star"}
"""Classes of DuckDB's syntax tree that reach beyond the line, or stand for several values."""

KINDS = """
SELECT function_name, list(DISTINCT function_type),
    coalesce(list(DISTINCT macro_definition) FILTER (macro_definition IS NOT NULL), [])
FROM duckdb_functions()
GROUP BY function_name
"""

SEVERAL_LINES = (
    "{expression!r} calls {name}, which makes several lines of one; an expression gives one value. Where a record "
    "holds a list of lines, say `reader: {{each: …}}` with the list's name; list_sum and the like look into others."
)
ONE_LINE_OF_MANY = (
    "{expression!r} calls {name}, which sums up several lines; it may only look at the line itself. Use greatest, "
    "least or coalesce over values of the line, and list_sum and the like over a list in it."
)


def problem_of(con: duckdb.DuckDBPyConnection, expression: str) -> str | None:
    """What keeps `expression` from being used in a profile, as a sentence; None if nothing does.

    Names of columns and functions are not looked at: they are known only when a file is read.
    """
    row = con.execute(PARSE, {"expression": expression}).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {}
    if tree.get("error", True):
        return f"{tree.get('error_message')} in {expression!r}"
    nodes = [statement["node"] for statement in tree["statements"]]
    if len(nodes) != 1 or not is_one_value(nodes[0]):
        return f"{expression!r} is not one SQL expression"
    if refused := [words for name, words in REFUSED.items() if name in classes_in(nodes[0])]:
        return f"{expression!r} has {refused[0]}; it may only look at the line itself"
    for name in sorted(functions_in(nodes[0])):
        if words := _refused_call(con, name):
            return words.format(expression=expression, name=name)
    return None


def _refused_call(con: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """What is wrong about a call of a function; None if it gives one value for one line, or isn't DuckDB's."""
    kinds, macros = _kinds().get(name.lower(), ([], []))
    if kinds == ["table"]:
        return SEVERAL_LINES
    if kinds == ["aggregate"]:
        return ONE_LINE_OF_MANY
    for macro in macros:
        inside = json.loads((con.execute(PARSE, {"expression": macro}).fetchone() or ("{}",))[0])
        if found := next((words for each in sorted(functions_in(inside)) if (words := _refused_call(con, each))), None):
            return found
    return None


@cache
def _kinds() -> dict[str, tuple[list[str], list[str]]]:
    """Per function of DuckDB, its kinds and, of macros, what they stand for."""
    with duckdb.connect() as con:
        return {row[0]: row[1:] for row in con.execute(KINDS).fetchall()}


def functions_in(node: object) -> set[str]:
    """Names of the functions that a syntax tree calls."""
    if isinstance(node, list):
        return {name for child in node for name in functions_in(child)}
    if not isinstance(node, dict):
        return set()
    below = {name for child in node.values() for name in functions_in(child)}
    return below | {node["function_name"]} if node.get("class") == "FUNCTION" else below


def is_one_value(node: dict[str, Any]) -> bool:
    """Whether the node of a statement is a `SELECT` of one expression without a name, and nothing else."""
    values = node.get("select_list", [])
    return (
        len(values) == 1
        and not values[0]["alias"]
        and node["from_table"]["type"] == "EMPTY"
        and node["where_clause"] is None
        and not node["modifiers"]
    )


def classes_in(node: object) -> set[str]:
    """Classes of the nodes of a syntax tree."""
    if isinstance(node, list):
        return {name for child in node for name in classes_in(child)}
    if not isinstance(node, dict):
        return set()
    below = {name for child in node.values() for name in classes_in(child)}
    return below | {node["class"]} if isinstance(node.get("class"), str) else below


def arguments_of(con: duckdb.DuckDBPyConnection, expression: str, functions: Collection[str]) -> list[str]:
    """The SQL of what an expression gives to some functions of one argument, wherever in it they are called."""
    row = con.execute(PARSE, {"expression": expression}).fetchone()
    statement: dict[str, Any] = json.loads(row[0])["statements"][0] if row else {}
    return [_text_of(con, statement, argument) for argument in _arguments(statement, functions)]


def _arguments(node: object, functions: Collection[str]) -> list[object]:
    if isinstance(node, list):
        return [found for child in node for found in _arguments(child, functions)]
    if not isinstance(node, dict):
        return []
    children = node.get("children", [])
    own = children if node.get("function_name") in functions and len(children) == 1 else []
    return [*own, *(found for child in node.values() for found in _arguments(child, functions))]


def _text_of(con: duckdb.DuckDBPyConnection, statement: dict[str, Any], value: object) -> str:
    node = {**statement["node"], "select_list": [value]}
    tree = json.dumps({"error": False, "statements": [{**statement, "node": node}]})
    row = con.execute(UNPARSE, {"tree": tree}).fetchone()
    return str(row[0]).removeprefix("SELECT ") if row else ""
