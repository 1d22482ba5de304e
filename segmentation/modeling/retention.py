"""Which model versions are kept, and which snapshots of the lake that protects.

An archived version stays in the registry, with its artefact, and can be promoted again; what goes is the claim to the
snapshot that it was trained on. Archiving is a line of the ledger, and any later line of the version undoes it.
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.registry import MODELS, PROMOTIONS, TRAINING_SETS
from segmentation.modeling import registry
from segmentation.warehouse import Commit, Lake

VERSIONS = f"SELECT version FROM {MODELS.name} ORDER BY version"

# A set whose snapshot had expired may be recorded again: the same rows, pinned to another snapshot.
PINNED = f"""
SELECT DISTINCT training_sets.lake_snapshot
FROM {MODELS.name}
JOIN {TRAINING_SETS.name} USING (training_set_id)
WHERE NOT list_contains($archived, models.version)
"""

APPEND = f"""
INSERT INTO {PROMOTIONS.name} (promotion_id, alias, version, decided_at, actor, reason)
SELECT
    (SELECT COALESCE(MAX(promotion_id), 0) FROM {PROMOTIONS.name}) + ROW_NUMBER() OVER (ORDER BY version),
    '{registry.ARCHIVED}',
    version,
    CAST($now AS TIMESTAMP),
    $actor,
    $reason
FROM unnest($versions) AS archived(version)
"""


def archived_versions(con: duckdb.DuckDBPyConnection) -> set[int]:
    """The versions whose last line in the ledger archives them."""
    return {version for version, aliases in registry.aliases(con).items() if registry.ARCHIVED in aliases}


def to_archive(con: duckdb.DuckDBPyConnection, keep: int) -> list[int]:
    """The versions that a limit leaves no room for, ascending; archived ones are not named again.

    Args:
        con: A cursor of the lake.
        keep: How many of the newest versions are kept. Beyond them stay those with an alias, and the champion before
            the present one, since a rollback leads to it.
    """
    versions = [version for (version,) in con.execute(VERSIONS).fetchall()]
    needed = {*registry.aliases(con), registry.previous_champion(con)}
    return [version for version in versions[:-keep] if version not in needed]


def archive(
    lake: Lake, versions: Sequence[int], *, actor: str, reason: str, commit: Commit, now: datetime
) -> list[int]:
    """Archive versions; `now` is when that happens (UTC).

    Returns:
        Those that were not archived before, ascending.

    Raises:
        SegmentationError: There is no such version, or it serves, is a candidate, or is what a rollback leads to.
    """

    def write(con: duckdb.DuckDBPyConnection) -> list[int]:
        new = sorted(set(versions) - archived_versions(con))
        _refuse_needed(con, new)
        if new:
            con.execute(APPEND, {"versions": new, "now": now, "actor": actor, "reason": reason})
        return new

    with lake.cursor() as con:
        return lake.transaction(con, commit, write) if versions else []


def protected_snapshots(con: duckdb.DuckDBPyConnection, but_for: Sequence[int] = ()) -> set[int]:
    """The versions of the lake that kept models were trained on, so that each can be trained again.

    Args:
        con: A cursor of the lake.
        but_for: Model versions that are not counted, as if they were archived.
    """
    archived = sorted(archived_versions(con) | set(but_for))
    return {snapshot for (snapshot,) in con.execute(PINNED, {"archived": archived}).fetchall()}


def _refuse_needed(con: duckdb.DuckDBPyConnection, versions: Sequence[int]) -> None:
    known = {version for (version,) in con.execute(VERSIONS).fetchall()}
    held = registry.aliases(con)
    for version in versions:
        if version not in known:
            raise SegmentationError(f"There is no model version {version}; `segmentation models list` shows them.")
        if version in held:
            raise SegmentationError(f"Model version {version} is {', '.join(held[version])}, and can't be archived.")
        if version == registry.previous_champion(con):
            raise SegmentationError(f"Model version {version} is what a rollback leads to, and can't be archived.")
