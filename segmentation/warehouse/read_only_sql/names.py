"""One function, or one relation, of a query: allowed, or refused with the reason and what to do."""

import re
from collections.abc import Collection, Sequence

from segmentation.errors import RefusedQueryError
from segmentation.warehouse.read_only_sql.functions import (
    ALLOWED,
    CATALOGUES,
    FILES,
    REASONS,
    REFUSED_RELATIONS,
    groups,
)

_FILE = re.compile(
    r"[/\\:*?\[\]]|^~|\.(csv|tsv|txt|parquet|jsonl?|ndjson|db|duckdb|ddb|sqlite3?|xlsx|arrow|avro|vortex|shp|geojson)"
    r"(\.(gz|zst|gzip|zstd))?$",
    re.IGNORECASE,
)
_DATABASE = re.compile(r"\.(db|duckdb|ddb|sqlite3?)$", re.IGNORECASE)


def check_function(name: str, allow_files: bool, macros: Collection[str]) -> None:
    """Refuse a function unless it is known to do nothing but read the lake, or to compute.

    Raises:
        RefusedQueryError: It is refused.
    """
    known = name.lower()
    group = groups().get(known)
    if group == ALLOWED or (group == FILES and allow_files) or (group is None and known in macros):
        return
    if group is None:
        raise RefusedQueryError(
            f"The function {_shown(name)} is refused: it is none of those that are known to only read. See which there "
            "are: SELECT DISTINCT function_name FROM duckdb_functions()."
        )
    raise RefusedQueryError(f"The function {_shown(name)} is refused: {REASONS[group]}.")


def check_relation(parts: Sequence[str], allow_files: bool) -> None:
    """Refuse a relation that is a file, a catalogue behind the lake, or a view of the installation.

    Args:
        parts: Its name: database, schema and table as far as they are given.
        allow_files: Whether it may be a file.

    Raises:
        RefusedQueryError: It is refused.
    """
    lowered = [part.lower() for part in parts]
    if any(part.startswith(CATALOGUES[0]) or part == CATALOGUES[1] for part in lowered[:-1]):
        raise RefusedQueryError(
            f"{_shown('.'.join(parts))} is refused: the catalogue's own tables are no part of the lake. "
            "ducklake_snapshots('lake'), ducklake_table_info('lake') and ducklake_list_files('lake', …) tell what is "
            "in them."
        )
    if lowered[-1] in REFUSED_RELATIONS:
        raise RefusedQueryError(f"{_shown(parts[-1])} is refused: {REASONS['installation']}.")
    if looks_like_file(".".join(parts)) and (not allow_files or _DATABASE.search(parts[-1])):
        reason = REASONS["databases" if allow_files else FILES].replace("lets it", "reads them")
        raise RefusedQueryError(f"{_shown('.'.join(parts))} is refused: {reason}.")


def looks_like_file(name: str) -> bool:
    """Whether DuckDB would take the name of a relation that isn't there for a file."""
    return _FILE.search(name) is not None


def _shown(name: str) -> str:
    short = name if len(name) <= 80 else name[:80] + "…"
    return repr(short)
