"""Names of inputs in expressions: those that are words of SQL, and those that no input has."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from segmentation.sources.profiles.expressions import PARSE, problem_of
from segmentation.sources.profiles.sql_words import bare_words, quoted

KEYWORDS = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"

CONSTANTS = ("null", "true", "false", "default")
"""Words that are values by themselves: as names they could never be told from what they mean."""

WITHOUT_BRACKETS = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "user")
"""Functions that are called like columns."""

LOOKS_LIKE_TEXT = re.compile(r"[^\W_][\w &/.,+-]*")


def with_quoted_inputs(con: duckdb.DuckDBPyConnection, expression: str, inputs: Collection[str]) -> str:
    """The expression such that DuckDB can read it, though an input may be called `order`; unchanged if it can.

    Where no quotation marks make it readable, it is left as it is, for `problem_of_expression`.
    """
    if problem_of(con, expression) is None:
        return expression
    changed = quoted(expression, _words_of_sql(con, inputs))
    return expression if problem_of(con, changed) else changed


def problem_of_expression(con: duckdb.DuckDBPyConnection, expression: str, inputs: Collection[str]) -> str | None:
    """What keeps an expression from being used, with what to do where a name may be why; None if nothing does."""
    problem = problem_of(con, expression)
    if problem is None:
        return None
    if words := sorted(_words_of_sql(con, inputs) & bare_words(expression)):
        return f"{problem}. The input {words[0]} is called like a word of SQL; call it {words[0]}_no"
    return f"{problem}{_as_text(expression, inputs)}"


def unknown_names(con: duckdb.DuckDBPyConnection, expression: str, inputs: Collection[str]) -> str | None:
    """Which names of an expression over inputs are none of them, as a sentence with what to write; None if all are."""
    known = {name.casefold() for name in (*inputs, *WITHOUT_BRACKETS, "file_id")}
    row = con.execute(PARSE, {"expression": expression}).fetchone()
    names = [_input_of(parts) for parts in column_names(json.loads(row[0]) if row else {})]
    unknown = list(dict.fromkeys(name for name in names if name.casefold() not in known))
    if not unknown:
        return None
    what = f"{', '.join(unknown)} {'is no input' if len(unknown) == 1 else 'are no inputs'}"
    told = _as_text(expression, inputs) if len(unknown) == len(names) else ""
    return f"{what}{told or f' ({_literal(unknown[0])} would be the text)'}. It may use the inputs {', '.join(inputs)}"


def problem_of_name(name: str) -> str | None:
    """Why an input can't be called so, as a sentence."""
    if name not in CONSTANTS:
        return None
    return f"is a word of SQL with a meaning of its own; call it {name}_no"


def _words_of_sql(con: duckdb.DuckDBPyConnection, names: Collection[str]) -> set[str]:
    return {row[0] for row in con.execute(KEYWORDS).fetchall()} & set(names)


def column_names(node: Any, bound: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Names of columns in a syntax tree as their parts, without parameters of lambda functions."""
    if isinstance(node, list):
        for child in node:
            yield from column_names(child, bound)
    elif isinstance(node, dict) and node.get("class") == "COLUMN_REF":
        if node["column_names"][0] not in bound:
            yield node["column_names"]
    elif isinstance(node, dict) and node.get("class") == "LAMBDA":
        parameters = frozenset(parts[0] for parts in column_names(node["lhs"]))
        yield from column_names(node["expr"], bound | parameters)
    elif isinstance(node, dict):
        for child in node.values():
            yield from column_names(child, bound)


def _input_of(parts: list[str]) -> str:
    return parts[1] if parts[0].casefold() == "input" and len(parts) > 1 else parts[0]


def _as_text(expression: str, inputs: Collection[str]) -> str:
    """What to write if an expression was meant as a text, which has none of the inputs."""
    if not LOOKS_LIKE_TEXT.fullmatch(expression) or bare_words(expression) & set(inputs):
        return ""
    return f'; for the text write "{_literal(expression)}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
