"""A statement, looked at before it runs: DuckDB parses it, and every function and relation of the tree is checked."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from segmentation.errors import RefusedQueryError
from segmentation.warehouse.read_only_sql import pivots
from segmentation.warehouse.read_only_sql.names import check_function, check_relation

READING = "SELECT, FROM, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE, PIVOT, UNPIVOT and EXPLAIN of one of them"
INSTEAD = {
    "CALL": "Write `FROM function(…)` instead of CALL.",
    "PRAGMA": "Use DESCRIBE, SHOW or SUMMARIZE instead of PRAGMA.",
    "COPY": "`segmentation sql … --output FILE` writes the result to a file.",
    "EXPORT": "`segmentation backup` copies the lake.",
    "ATTACH": "Bring other data in with a source (docs/sources.md).",
}
"""What to do instead, by the word that a refused statement begins with."""
MAX_CHARACTERS = 100_000
MAX_COMMENTS = 1000
"""DuckDB's parser takes time by the square of both."""
_COMMENTS = re.compile(r"(\s|--[^\n]*(\n|$)|/\*([^*/]|\*(?!/)|/(?!\*))*\*/)*")
_OPTION = r"(ANALYZE|FORMAT\s+\w+)"
_EXPLAIN = re.compile(rf"EXPLAIN(\s+ANALYZE)?(\s*\(\s*{_OPTION}(\s*,\s*{_OPTION})*\s*\))?(?=[\s(/-])", re.IGNORECASE)
_SERIALIZE = "SELECT json_serialize_sql(CAST($query AS VARCHAR), skip_null := true, skip_default := true)"


def _after_comments(text: str) -> int:
    """Where the first word of a query begins."""
    comments = _COMMENTS.match(text)
    return comments.end() if comments else 0


def check(
    con: duckdb.DuckDBPyConnection, query: str, *, allow_files: bool = False, macros: Collection[str] = ()
) -> None:
    """Let a query pass that does nothing but read; the connection parses it and runs none of it.

    Args:
        con: Any connection.
        query: What somebody wants to run.
        allow_files: Whether it may read files.
        macros: Names, in lower case, of functions that the lake itself holds.

    Raises:
        RefusedQueryError: It may do something else than read; the message says what, and what to do instead.
    """
    text = _encodable(query)
    explained = _EXPLAIN.match(text, _after_comments(text))
    if explained:
        text = text[explained.end() :]
    tree = _tree(con, text)
    if tree is None:
        _check_untold(con, text, allow_files, macros)
        return
    if len(tree) != 1:
        raise RefusedQueryError("Give one query at a time, without others after a semicolon." if tree else _NOTHING)
    for node in _nodes(tree):
        _check_node(node, allow_files, macros)


_NOTHING = 'There is no query: segmentation sql "SELECT …".'


def _encodable(query: str) -> str:
    if len(query) > MAX_CHARACTERS:
        raise RefusedQueryError(f"The query has {len(query):,} characters; {MAX_CHARACTERS:,} are allowed.")
    if query.count("/*") > MAX_COMMENTS:
        raise RefusedQueryError(f"The query has more than {MAX_COMMENTS:,} comments; remove some.")
    if "\0" in query:
        raise RefusedQueryError("The query holds a NUL character; remove it.")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise RefusedQueryError("The query isn't UTF-8 text; save it as UTF-8.") from error
    return query


def _tree(con: duckdb.DuckDBPyConnection, text: str) -> list[Any] | None:
    """The statements of a text; None if DuckDB can't tell the tree of one of them."""
    try:
        (told,) = con.execute(_SERIALIZE, {"query": text}).fetchall()
        answer = json.loads(told[0])
    except RecursionError as error:
        raise RefusedQueryError("The query is nested too deeply; use WITH to take it apart.") from error
    except duckdb.Error as error:
        raise RefusedQueryError(f"The query can't be looked at: {error}") from error
    if answer["error"]:
        return None
    statements: list[Any] = answer["statements"]
    return statements


def _check_untold(con: duckdb.DuckDBPyConnection, text: str, allow_files: bool, macros: Collection[str]) -> None:
    """Check a text that DuckDB tells no tree of: it is wrong, writes, or is a PIVOT without its list of values."""
    try:
        statements = con.extract_statements(text)
    except duckdb.Error as error:
        raise RefusedQueryError(f"The query failed: {error}") from error
    types = [statement.type.name for statement in statements]
    is_expanded = len(types) > 1 and types[-1] == "SELECT" and set(types[:-1]) == {"CREATE"}
    if not is_expanded or any(statement.query.strip() for statement in statements[:-1]):
        word = (re.findall(r"[A-Za-z_]+", text[_after_comments(text) :]) or [types[0]])[0].upper()
        if len(types) > 1:
            raise RefusedQueryError("Give one query at a time, without others after a semicolon.")
        hint = INSTEAD.get(word, "")
        raise RefusedQueryError(f"{word[:40]} is refused, since queries only read: {READING}. {hint}".rstrip())
    pivots.check(text, allow_files, macros)


def _nodes(tree: list[Any]) -> Iterator[dict[str, Any]]:
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _check_node(node: dict[str, Any], allow_files: bool, macros: Collection[str]) -> None:
    if isinstance(name := node.get("function_name"), str):
        check_function(name, allow_files, macros)
    if isinstance(name := node.get("table_name"), str) and node.get("class") != "COLUMN_REF":
        parts = [node.get("catalog_name") or "", node.get("schema_name") or "", name.strip('"')]
        check_relation([part for part in parts if isinstance(part, str) and part], allow_files)
