"""The registry: training sets, model versions, and the ledger of aliases. All of it in the lake.

Nothing is ever changed or removed: a version is a row, and a promotion is a line that says from now on.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from segmentation.errors import ArtefactError, SegmentationError
from segmentation.modeling.artefact import Artefact
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import MODELS, PROMOTIONS, SEGMENTS, TRAINING_SETS

ARCHIVED = "archived"
"""The alias of versions that are no longer kept; see `retention`."""

ALIASES = f"""
SELECT version, alias
FROM {PROMOTIONS.name}
WHERE alias <> '{ARCHIVED}'
QUALIFY ROW_NUMBER() OVER (PARTITION BY alias ORDER BY promotion_id DESC) = 1
UNION ALL
SELECT version, alias
FROM (FROM {PROMOTIONS.name} QUALIFY ROW_NUMBER() OVER (PARTITION BY version ORDER BY promotion_id DESC) = 1)
WHERE alias = '{ARCHIVED}'
ORDER BY alias, version
"""


@dataclass(frozen=True)
class TrainingSet:
    """Customers to train on, pinned to a version of the lake.

    Attributes:
        id: Hash of the rows and of the features that are used.
        as_of: Snapshot date of the features.
        lake_snapshot: Version of the lake that holds exactly these rows.
        customer_count: Number of rows.
        features: The features that are used, in order.
    """

    id: str
    as_of: date
    lake_snapshot: int
    customer_count: int
    features: tuple[str, ...]


@dataclass(frozen=True)
class ModelVersion:
    """One row of the registry."""

    version: int
    artefact: Artefact
    training_set_id: str
    metrics: dict[str, float]
    created_at: datetime
    aliases: tuple[str, ...]


def record_training_set(lake: Lake, training_set: TrainingSet, commit: Commit) -> TrainingSet:
    """Record a training set; if the last one of its date has the same rows, and can be read, it is returned instead."""

    def write(con: duckdb.DuckDBPyConnection) -> TrainingSet:
        known = latest_training_set(con, training_set.as_of)
        if known and known.id == training_set.id and lake.has(known.lake_snapshot):
            return known
        _insert(
            con,
            TRAINING_SETS.name,
            {
                "training_set_id": training_set.id,
                "as_of": training_set.as_of,
                "lake_snapshot": training_set.lake_snapshot,
                "customer_count": training_set.customer_count,
                "features": json.dumps(training_set.features),
                "created_at": _now(),
            },
        )
        return training_set

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def latest_training_set(con: duckdb.DuckDBPyConnection, as_of: date | None = None) -> TrainingSet | None:
    """The training set that was recorded last, of one snapshot date or of any."""
    row = con.execute(
        f"SELECT training_set_id, as_of, lake_snapshot, customer_count, features FROM {TRAINING_SETS.name} "
        "WHERE $as_of IS NULL OR as_of = $as_of ORDER BY created_at DESC LIMIT 1",
        {"as_of": as_of},
    ).fetchone()
    return TrainingSet(row[0], row[1], row[2], row[3], tuple(json.loads(row[4]))) if row else None


def register(lake: Lake, artefact: Artefact, metrics: dict[str, float], commit: Commit) -> int:
    """Add a model version and make it the `candidate`.

    A fit that is already registered keeps its version, so that training twice on the same rows changes nothing.

    Returns:
        The version number.
    """

    def write(con: duckdb.DuckDBPyConnection) -> int:
        version = _version_of(con, artefact.model_hash)
        if version is None:
            version = _next(con, MODELS.name, "version")
            _insert_model(con, version, artefact, metrics, commit.run_id)
        _point(con, "candidate", version, commit.run_id or "command line", "trained")
        return version

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def promote(lake: Lake, version: int, *, alias: str, actor: str, reason: str, commit: Commit) -> bool:
    """Let an alias point to a version from now on.

    Returns:
        Whether that is new; false if it pointed there already, in which case the ledger stays as it is.

    Raises:
        SegmentationError: There is no such version.
    """

    def write(con: duckdb.DuckDBPyConnection) -> bool:
        if not con.execute(f"SELECT 1 FROM {MODELS.name} WHERE version = $v", {"v": version}).fetchone():
            raise SegmentationError(f"There is no model version {version}; `segmentation models list` shows them.")
        return _point(con, alias, version, actor, reason)

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def roll_back(lake: Lake, *, actor: str, reason: str, commit: Commit) -> tuple[int, int]:
    """Let `champion` point to the version that served before the present one.

    Returns:
        The version that served until now, and the one that serves again.

    Raises:
        SegmentationError: No other version has served.
    """

    def write(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
        serving, earlier = champions(con)
        _point(con, "champion", earlier, actor, f"{reason}; rolled back from {serving}" if reason else "rolled back")
        return serving, earlier

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def champions(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """The version that serves, and the other one that served last before it.

    Raises:
        SegmentationError: There is no such other version.
    """
    serving, earlier = resolve(con, "champion"), previous_champion(con)
    if serving is None or earlier is None:
        raise SegmentationError("There is nothing to roll back to: no other model version has been champion.")
    return serving, earlier


def previous_champion(con: duckdb.DuckDBPyConnection) -> int | None:
    """The version that served last before the one that serves, and that a rollback leads to, if any."""
    row = con.execute(
        f"SELECT version FROM {PROMOTIONS.name} WHERE alias = 'champion' AND version <> $serving "
        "ORDER BY promotion_id DESC LIMIT 1",
        {"serving": resolve(con, "champion")},
    ).fetchone()
    return int(row[0]) if row else None


def resolve(con: duckdb.DuckDBPyConnection, alias: str) -> int | None:
    """The version that an alias points to, if any."""
    row = con.execute(
        f"SELECT version FROM {PROMOTIONS.name} WHERE alias = $alias ORDER BY promotion_id DESC LIMIT 1",
        {"alias": alias},
    ).fetchone()
    return row[0] if row else None


def load(con: duckdb.DuckDBPyConnection, version: int) -> ModelVersion:
    """One version with its artefact, checked against its hash.

    Raises:
        SegmentationError: There is no such version.
        ArtefactError: The stored artefact is damaged, or is not the one that was registered.
    """
    found = list_models(con, version)
    if not found:
        raise SegmentationError(f"There is no model version {version}; `segmentation models list` shows them.")
    return found[0]


def load_champion(con: duckdb.DuckDBPyConnection) -> ModelVersion:
    """The version that serves.

    Raises:
        SegmentationError: No model has been promoted yet.
    """
    version = resolve(con, "champion")
    if version is None:
        raise SegmentationError("There is no champion model yet. Train one: `segmentation materialize`.")
    return load(con, version)


def list_models(con: duckdb.DuckDBPyConnection, version: int | None = None) -> list[ModelVersion]:
    """All versions (or just one), oldest first."""
    rows = con.execute(
        f"SELECT version, artefact, model_hash, training_set_id, metrics, created_at FROM {MODELS.name} "
        "WHERE $version IS NULL OR version = $version ORDER BY version",
        {"version": version},
    ).fetchall()
    named = aliases(con)
    return [
        ModelVersion(number, _verified(number, text, sha), set_id, json.loads(metrics), at, named.get(number, ()))
        for number, text, sha, set_id, metrics, at in rows
    ]


def _verified(version: int, text: str, model_hash: str) -> Artefact:
    artefact = Artefact.from_json(text)
    if artefact.model_hash != model_hash:
        raise ArtefactError(
            f"Model version {version} is damaged: its artefact hashes to {artefact.model_hash[:12]}…, the registry "
            f"says {model_hash[:12]}…. Train again, or restore the lake."
        )
    return artefact


def aliases(con: duckdb.DuckDBPyConnection) -> dict[int, tuple[str, ...]]:
    """Per version that has any, its aliases in alphabetical order.

    An alias has one version, the last that it was given to. `archived` may have many: the versions that no later line
    of the ledger names again.
    """
    found: dict[int, tuple[str, ...]] = {}
    for version, alias in con.execute(ALIASES).fetchall():
        found[version] = (*found.get(version, ()), alias)
    return found


def _version_of(con: duckdb.DuckDBPyConnection, model_hash: str) -> int | None:
    row = con.execute(f"SELECT version FROM {MODELS.name} WHERE model_hash = $hash", {"hash": model_hash}).fetchone()
    return row[0] if row else None


def _insert_model(
    con: duckdb.DuckDBPyConnection, version: int, artefact: Artefact, metrics: dict[str, float], run_id: str
) -> None:
    model = {
        "version": version,
        "model_hash": artefact.model_hash,
        "artefact": artefact.to_json(),
        "training_set_id": artefact.provenance.training_set_id,
        "metrics": json.dumps(metrics, sort_keys=True),
        "created_at": _now(),
        "run_id": run_id or None,
    }
    _insert(con, MODELS.name, model)
    for segment in artefact.segments:
        row = {"segment_id": segment.id, "segment_name": segment.name, "description": segment.description}
        _insert(con, SEGMENTS.name, {"version": version, **row})


def _point(con: duckdb.DuckDBPyConnection, alias: str, version: int, actor: str, reason: str) -> bool:
    if resolve(con, alias) == version:
        return False
    line = {
        "promotion_id": _next(con, PROMOTIONS.name, "promotion_id"),
        "alias": alias,
        "version": version,
        "decided_at": _now(),
        "actor": actor,
        "reason": reason,
    }
    _insert(con, PROMOTIONS.name, line)
    return True


def _next(con: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    row = con.execute(f"SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}").fetchone()
    return int(row[0]) if row else 1


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, object]) -> None:
    names = ", ".join(row)
    values = ", ".join(f"${name}" for name in row)
    con.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", row)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
