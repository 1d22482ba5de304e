"""The registry: training sets, model versions, and the ledger of aliases. All of it in the lake.

Nothing is ever changed or removed: a version is a row, and a promotion is a line that says from now on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import msgspec

from segmentation.errors import ArtefactError, SegmentationError
from segmentation.metadata.tables.registry import (
    MODELS,
    PROMOTIONS,
    SEGMENT_NAMES,
    SEGMENTS,
    TRAINING_SETS,
)
from segmentation.modeling.artefact import Artefact
from segmentation.modeling.segment_identity.lineage import Descent
from segmentation.modeling.segment_identity.renamings import names_in_force
from segmentation.segmentations.segment_ids import next_segment_id
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import exists

ROLLED_BACK = "rolled_back"
"""The alias of the version that was last taken out of service by a person."""

REFUSED, PASSED_OVER = "refused", "passed_over"
"""The aliases of the candidates that a gate refused last, and that were not worth the change last."""

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


class UnknownVersionError(SegmentationError):
    """The registry has no such version of the model."""


@dataclass(frozen=True)
class TrainingSet:
    """Customers to train on, pinned to a version of the lake.

    Attributes:
        id: Hash of the rows and of the features that are used.
        as_of: Snapshot date of the features.
        lake_snapshot: Version of the lake that holds exactly these rows.
        customer_count: Number of rows.
        features: The features that are used, in order.
        judged_as_of: Earlier date at which forward value is judged; None without enough history.
        learned_as_of: Date before that at which it is learned.
        forward_days: Days after those dates that count.
        pooled_as_of: Further dates that are learned from together with them, newest first.
    """

    id: str
    as_of: date
    lake_snapshot: int
    customer_count: int
    features: tuple[str, ...]
    judged_as_of: date | None = None
    learned_as_of: date | None = None
    forward_days: int = 0
    pooled_as_of: tuple[date, ...] = ()


@dataclass(frozen=True)
class ModelVersion:
    """One row of the registry.

    Attributes:
        version: 1, 2, 3, … in order of training.
        artefact: The model; its segments have the names in force.
        model_hash: Of the artefact as it was trained.
        training_set_id: What it was trained on.
        metrics: Figures of the fit.
        created_at: When it was registered, UTC.
        aliases: What it is called at present.
    """

    version: int
    artefact: Artefact
    model_hash: str
    training_set_id: str
    metrics: dict[str, float]
    created_at: datetime
    aliases: tuple[str, ...]


def record_training_set(lake: Lake, training_set: TrainingSet, commit: Commit, *, now: datetime) -> TrainingSet:
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
                "judged_as_of": training_set.judged_as_of,
                "learned_as_of": training_set.learned_as_of,
                "forward_days": training_set.forward_days,
                "pooled_as_of": json.dumps([str(each) for each in training_set.pooled_as_of]),
                "created_at": now,
            },
        )
        return training_set

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def latest_training_set(con: duckdb.DuckDBPyConnection, as_of: date | None = None) -> TrainingSet | None:
    """The training set that was recorded last, of one snapshot date or of any."""
    return _training_set(con, "$key IS NULL OR as_of = $key", as_of)


def training_set(con: duckdb.DuckDBPyConnection, training_set_id: str) -> TrainingSet:
    """One training set, as it was pinned last: the same rows may have been pinned again when a snapshot had expired.

    Raises:
        SegmentationError: There is no such set.
    """
    found = _training_set(con, "training_set_id = $key", training_set_id)
    if found is None:
        raise SegmentationError(f"The registry has no training set {training_set_id}.")
    return found


def _training_set(con: duckdb.DuckDBPyConnection, condition: str, key: object) -> TrainingSet | None:
    row = con.execute(
        "SELECT training_set_id, as_of, lake_snapshot, customer_count, features, judged_as_of, learned_as_of, "
        f"COALESCE(forward_days, 0), COALESCE(pooled_as_of, '[]') FROM {TRAINING_SETS.name} WHERE {condition} "
        "ORDER BY created_at DESC LIMIT 1",
        {"key": key},
    ).fetchone()
    if row is None:
        return None
    identity, as_of, version, count, features, judged, learned, days, pooled = row
    earlier = tuple(date.fromisoformat(each) for each in json.loads(pooled))
    return TrainingSet(identity, as_of, version, count, tuple(json.loads(features)), judged, learned, days, earlier)


def register(
    lake: Lake,
    artefact: Artefact,
    metrics: dict[str, float],
    commit: Commit,
    lineage: Sequence[Descent] = (),
    *,
    now: datetime,
) -> int | None:
    """Add a model version and make it the `candidate`.

    A fit that is already registered keeps its version, so that training twice on the same rows changes nothing.

    Returns:
        The version number; None if another model has taken an id of its new segments meanwhile, and nothing was done.
    """

    def write(con: duckdb.DuckDBPyConnection) -> int | None:
        version = _version_of(con, artefact.model_hash)
        if version is None:
            first_new = artefact.provenance.first_new_id
            fresh = [d.segment_id for d in lineage if d.event != "retired" and d.segment_id >= first_new]
            if fresh and min(fresh) < next_segment_id(con):
                return None
            version = _next(con, MODELS.name, "version")
            _insert_model(con, version, artefact, metrics, commit.run_id, now)
            _insert_segments(con, version, artefact, lineage)
        _point(con, "candidate", version, commit.run_id or "command line", "trained", now)
        return version

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def promote(
    lake: Lake,
    version: int,
    *,
    alias: str,
    actor: str,
    reason: str,
    commit: Commit,
    now: datetime,
    gates: str | None = None,
) -> bool:
    """Let an alias point to a version from now on.

    Args:
        lake: A writable lake.
        version: The version.
        alias: `champion`, `challenger` or `candidate`.
        actor: Who or what decides.
        reason: Why.
        commit: What the lake's commit says about itself.
        now: When this happens (UTC).
        gates: What the gates said, as JSON.

    Returns:
        Whether that is new; false if it pointed there already, in which case the ledger stays as it is.

    Raises:
        SegmentationError: There is no such version.
    """

    def write(con: duckdb.DuckDBPyConnection) -> bool:
        if not con.execute(f"SELECT 1 FROM {MODELS.name} WHERE version = $v", {"v": version}).fetchone():
            raise UnknownVersionError(f"There is no model version {version}; `segmentation models list` shows them.")
        return _point(con, alias, version, actor, reason, now, gates)

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def roll_back(
    lake: Lake, *, actor: str, reason: str, commit: Commit, now: datetime, expected: int | None = None
) -> tuple[int, int]:
    """Let `champion` point to the version that served before the present one.

    Args:
        lake: A writable lake.
        actor: Who decides.
        reason: Why.
        commit: What the lake's commit says about itself.
        now: When this happens (UTC).
        expected: The version that must be champion, so that two who roll it back don't go back two versions.

    Returns:
        The version that served until now, and the one that serves again.

    Raises:
        SegmentationError: No other version has served, or the champion is not the expected one.
    """

    def write(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
        serving, earlier = champions(con)
        if expected is not None and serving != expected:
            raise SegmentationError(f"Model {expected} isn't champion; {serving} is. Nothing was rolled back.")
        said = f"{reason}; rolled back from {serving}" if reason else f"rolled back from {serving}"
        _append(con, ROLLED_BACK, serving, actor, said, now)
        _point(con, "champion", earlier, actor, said, now)
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


def ever_champions(con: duckdb.DuckDBPyConnection) -> list[int]:
    """All versions that have ever served, ascending."""
    rows = con.execute(f"SELECT DISTINCT version FROM {PROMOTIONS.name} WHERE alias = 'champion' ORDER BY version")
    return [version for (version,) in rows.fetchall()]


def stopped_since_promotion(con: duckdb.DuckDBPyConnection) -> list[int]:
    """The candidates that were refused or passed over since the champion was decided on, in order of training."""
    rows = con.execute(
        f"SELECT DISTINCT version FROM {PROMOTIONS.name} WHERE alias IN ($refused, $passed_over) AND promotion_id > "
        f"(SELECT COALESCE(MAX(promotion_id), 0) FROM {PROMOTIONS.name} WHERE alias = 'champion') ORDER BY version",
        {"refused": REFUSED, "passed_over": PASSED_OVER},
    )
    return [version for (version,) in rows.fetchall()]


def resolve(con: duckdb.DuckDBPyConnection, alias: str) -> int | None:
    """The version that an alias points to, if any."""
    row = con.execute(
        f"SELECT version FROM {PROMOTIONS.name} WHERE alias = $alias ORDER BY promotion_id DESC LIMIT 1",
        {"alias": alias},
    ).fetchone()
    return row[0] if row else None


def waiting(con: duckdb.DuckDBPyConnection) -> int | None:
    """The version that passed its gates and waits for a person, if any: nothing was promoted or rolled back since."""
    row = con.execute(
        f"SELECT version, alias FROM {PROMOTIONS.name} WHERE alias IN ('challenger', 'champion') "
        "ORDER BY promotion_id DESC LIMIT 1"
    ).fetchone()
    return int(row[0]) if row and row[1] == "challenger" else None


def number_of(con: duckdb.DuckDBPyConnection, wanted: str) -> int:
    """The version that a number or an alias means; whether there is one of that number, `load` says.

    Raises:
        UnknownVersionError: No model has that alias.
    """
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else None
    if number is None and "\0" not in wanted:  # DuckDB can't look for it
        number = resolve(con, wanted)
    if number is None:
        raise UnknownVersionError(f"No model has the alias {wanted[:100]!r}; `segmentation models list` shows them.")
    return number


def load(con: duckdb.DuckDBPyConnection, version: int, *, named: bool = True) -> ModelVersion:
    """One version with its artefact, checked against its hash.

    Args:
        con: A cursor of the lake.
        version: The version.
        named: Whether segments have the names in force: those that people gave them, or else those that the latest
            snapshot found true, rather than those of the training.

    Raises:
        SegmentationError: There is no such version.
        ArtefactError: The stored artefact is damaged, or is not the one that was registered.
    """
    found = list_models(con, version, named=named)
    if not found:
        raise UnknownVersionError(f"There is no model version {version}; `segmentation models list` shows them.")
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


def list_models(
    con: duckdb.DuckDBPyConnection, version: int | None = None, *, named: bool = True
) -> list[ModelVersion]:
    """All versions (or just one), oldest first."""
    rows = con.execute(
        f"SELECT version, artefact, model_hash, training_set_id, metrics, created_at FROM {MODELS.name} "
        "WHERE $version IS NULL OR version = $version ORDER BY version",
        {"version": version},
    ).fetchall()
    called = aliases(con)
    tested, given = (names_in_force(con), segment_names(con)) if named else ({}, {})
    return [
        ModelVersion(
            version=number,
            artefact=_renamed(_verified(number, text, sha), {**tested.get(number, {}), **given}),
            model_hash=sha,
            training_set_id=set_id,
            metrics=json.loads(metrics),
            created_at=at,
            aliases=called.get(number, ()),
        )
        for number, text, sha, set_id, metrics, at in rows
    ]


def segment_names(con: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """The names that people gave to segments, by id; none in a lake that an older release has written last."""
    if not exists(con, SEGMENT_NAMES):
        return {}
    rows = con.execute(
        f"SELECT segment_id, max_by(segment_name, naming_id) AS name FROM {SEGMENT_NAMES.name} GROUP BY segment_id"
    ).fetchall()
    return {identity: name for identity, name in rows if name}


def rename_segments(
    lake: Lake, names: Mapping[int, str], *, actor: str, reason: str, commit: Commit, now: datetime
) -> dict[int, tuple[str, str]]:
    """Give segments names of one's own; they survive retraining. An empty name gives the trained one back.

    Returns:
        Per segment whose name changes, what it was called and what it is called now.

    Raises:
        SegmentationError: There is no such segment, or two of a model would share a name.
    """

    def write(con: duckdb.DuckDBPyConnection) -> dict[int, tuple[str, str]]:
        known = {row[0] for row in con.execute(f"SELECT DISTINCT segment_id FROM {SEGMENTS.name}").fetchall()}
        unknown = sorted(set(names) - known)
        if unknown:
            raise SegmentationError(
                f"There is no segment {unknown[0]}; there are {', '.join(map(str, sorted(known))) or 'none yet'}."
            )
        before = _called(con)
        wanted = {identity: re.sub(r"\s+", " ", name).strip() for identity, name in names.items()}
        overrides = segment_names(con)
        for identity, name in wanted.items():
            if overrides.get(identity, "") != name:
                line = {
                    "naming_id": _next(con, SEGMENT_NAMES.name, "naming_id"),
                    "segment_id": identity,
                    "segment_name": name,
                    "decided_at": now,
                    "actor": actor,
                    "reason": reason,
                }
                _insert(con, SEGMENT_NAMES.name, line)
        after = _called(con)  # refuses two segments of one name
        return {i: (before[i], after[i]) for i in sorted(wanted) if before.get(i) != after.get(i)}

    with lake.cursor() as con:
        return lake.transaction(con, commit, write)


def was_rolled_back(con: duckdb.DuckDBPyConnection, version: int) -> bool:
    """Whether somebody took a version out of service, and nobody has put it back since."""
    row = con.execute(
        f"SELECT alias FROM {PROMOTIONS.name} WHERE version = $v AND alias IN ('champion', '{ROLLED_BACK}') "
        "ORDER BY promotion_id DESC LIMIT 1",
        {"v": version},
    ).fetchone()
    return row is not None and row[0] == ROLLED_BACK


def _called(con: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """What segments of the champion and the candidate are called; complains if two of a model share a name."""
    called: dict[int, str] = {}
    for alias in ("candidate", "champion"):
        version = resolve(con, alias)
        if version is None:
            continue
        artefact = load(con, version).artefact
        bare = [segment.name.casefold() for segment in artefact.segments]
        twice = next((segment.name for segment in artefact.segments if bare.count(segment.name.casefold()) > 1), None)
        if twice:
            raise SegmentationError(f"Two segments of model {version} would be called {twice!r}. Choose another name.")
        called |= {segment.id: segment.name for segment in artefact.segments}
    return called


def _renamed(artefact: Artefact, names: Mapping[int, str]) -> Artefact:
    if not any(segment.id in names for segment in artefact.segments):
        return artefact
    segments = tuple(
        msgspec.structs.replace(segment, name=names.get(segment.id, segment.name)) for segment in artefact.segments
    )
    return msgspec.structs.replace(artefact, segments=segments)


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
    con: duckdb.DuckDBPyConnection,
    version: int,
    artefact: Artefact,
    metrics: dict[str, float],
    run_id: str,
    now: datetime,
) -> None:
    model = {
        "version": version,
        "model_hash": artefact.model_hash,
        "artefact": artefact.to_json(),
        "training_set_id": artefact.provenance.training_set_id,
        "metrics": json.dumps(metrics, sort_keys=True),
        "created_at": now,
        "run_id": run_id or None,
    }
    _insert(con, MODELS.name, model)


def _insert_segments(
    con: duckdb.DuckDBPyConnection, version: int, artefact: Artefact, lineage: Sequence[Descent]
) -> None:
    """The segments of a version, and those of its predecessor that retire with it."""
    descents = {descent.segment_id: descent for descent in lineage}
    retired = {descent.segment_id for descent in lineage if descent.event == "retired"}
    predecessor = artefact.provenance.predecessor
    segments = list(artefact.segments)
    if retired and predecessor is not None:
        former = load(con, predecessor, named=False).artefact.segments
        segments += [segment for segment in former if segment.id in retired]
    for segment in segments:
        descent = descents.get(segment.id, Descent(segment.id, "new", ()))
        row = {
            "version": version,
            "segment_id": segment.id,
            "segment_name": segment.name,
            "description": segment.description,
            "colour": segment.colour or None,
            "event": descent.event,
            "relatives": msgspec.json.encode(descent.parents).decode(),
        }
        _insert(con, SEGMENTS.name, row)


def _point(
    con: duckdb.DuckDBPyConnection,
    alias: str,
    version: int,
    actor: str,
    reason: str,
    now: datetime,
    gates: str | None = None,
) -> bool:
    if resolve(con, alias) == version:
        return False
    _append(con, alias, version, actor, reason, now, gates)
    return True


def _append(
    con: duckdb.DuckDBPyConnection,
    alias: str,
    version: int,
    actor: str,
    reason: str,
    now: datetime,
    gates: str | None = None,
) -> None:
    line = {
        "promotion_id": _next(con, PROMOTIONS.name, "promotion_id"),
        "alias": alias,
        "version": version,
        "decided_at": now,
        "actor": actor,
        "reason": reason,
        "gates": gates,
    }
    _insert(con, PROMOTIONS.name, line)


def _next(con: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    row = con.execute(f"SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}").fetchone()
    return int(row[0]) if row else 1


def _insert(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, object]) -> None:
    names = ", ".join(row)
    values = ", ".join(f"${name}" for name in row)
    con.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", row)
