"""What may stand as an SQL expression in a profile: one scalar expression that looks at one line."""

import json
from typing import Any

import duckdb

PARSE = "SELECT json_serialize_sql('SELECT ' || $expression)"

REFUSED = {"WINDOW": "a window function", "SUBQUERY": "a subquery", "STAR": "a star"}
"""Classes of DuckDB's syntax tree that reach beyond the line, or stand for several values."""


def problem_of(con: duckdb.DuckDBPyConnection, expression: str) -> str | None:
    """What keeps `expression` from being used in a profile, as a sentence; None if nothing does.

    Names of columns and functions are not looked at: they are known only when a file is read.
    """
    row = con.execute(PARSE, {"expression": expression}).fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {}
    if tree.get("error", True):
        return f"{tree.get('error_message')} in {expression!r}"
    nodes = [statement["node"] for statement in tree["statements"]]
    if len(nodes) != 1 or not _is_one_value(nodes[0]):
        return f"{expression!r} is not one SQL expression"
    if refused := [words for name, words in REFUSED.items() if name in _classes(nodes[0])]:
        return f"{expression!r} has {refused[0]}; it may only look at the line itself"
    return None


def _is_one_value(node: dict[str, Any]) -> bool:
    values = node.get("select_list", [])
    return (
        len(values) == 1
        and not values[0]["alias"]
        and node["from_table"]["type"] == "EMPTY"
        and node["where_clause"] is None
        and not node["modifiers"]
    )


def _classes(node: object) -> set[str]:
    if isinstance(node, list):
        return {name for child in node for name in _classes(child)}
    if not isinstance(node, dict):
        return set()
    below = {name for child in node.values() for name in _classes(child)}
    return below | {node["class"]} if isinstance(node.get("class"), str) else below
