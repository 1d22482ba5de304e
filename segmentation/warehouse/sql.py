"""SQL as text, once: how a value and an identifier are quoted where neither can be bound, and how errors read."""

import duckdb


def literal(text: str) -> str:
    """A text as SQL, where no parameter can be bound."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """An identifier as SQL, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def brief_error(error: duckdb.Error) -> str:
    """What DuckDB says is wrong, without the SQL that it shows below."""
    return " ".join(line.strip() for line in str(error).splitlines()[:2] if line.strip()).removesuffix(".") + "."
