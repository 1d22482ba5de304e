"""Which functions and relations of DuckDB a query that only reads may use, and what to say about the others."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

ALLOWED = "allowed"
FILES = "files"

REASONS = {
    FILES: "it reads files; `segmentation sql --allow-files` lets it",
    "changes": "it changes something, and queries only read",
    "hidden": "it runs SQL that can't be looked into; write that SQL as the query itself",
    "databases": "it opens other databases; import what you need with a source (docs/sources.md)",
    "installation": "it shows settings, secrets or paths of this installation; `segmentation doctor` tells about them",
    "engine": "it is for DuckDB's own use, or holds up whoever waits for the answer",
    "pragmas": "it is a PRAGMA; use DESCRIBE, SHOW or SUMMARIZE",
}
"""What is said of a function by its group in functions.txt."""

CATALOGUES = ("__ducklake_metadata_", "guard")
"""What the names of databases begin with in which the lake's catalogue can be read past DuckLake."""

_REFUSED = (
    "duckdb_databases duckdb_logs duckdb_settings duckdb_secrets pg_settings pg_prepared_statements "
    "pragma_database_list"
)
REFUSED_RELATIONS = frozenset(_REFUSED.split())
"""Views that DuckDB brings itself and that show what the functions of the group `installation` show."""

_ALLOWED = (
    "character_sets check_constraints columns constraint_column_usage constraint_table_usage key_column_usage "
    "referential_constraints schemata tables table_constraints views duckdb_columns duckdb_constraints "
    "duckdb_indexes duckdb_schemas duckdb_tables duckdb_types duckdb_views sqlite_master sqlite_schema "
    "sqlite_temp_master sqlite_temp_schema pg_am pg_attrdef pg_attribute pg_class pg_collation pg_constraint "
    "pg_database pg_depend pg_description pg_enum pg_index pg_indexes pg_namespace pg_proc pg_sequence "
    "pg_sequences pg_tables pg_tablespace pg_type pg_views"
)
ALLOWED_RELATIONS = frozenset(_ALLOWED.split())
"""The other views that DuckDB brings itself; a test fails when there are new ones."""


@cache
def groups() -> Mapping[str, str]:
    """The group of each function, by its name in lower case."""
    found, group = {}, ""
    for line in (files(__package__) / "functions.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]") and line[1:-1].isalpha():
            group = line[1:-1]
        else:
            found.update(dict.fromkeys(line.split(), group))
    return found
