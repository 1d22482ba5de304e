"""What the lake tells Prometheus of the champion: since when it serves, and what monitoring has found of it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import duckdb

from segmentation.metadata.table import Table
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.registry import MODELS, PROMOTIONS, TRAINING_SETS
from segmentation.metrics.cache import MarkerCache, latest
from segmentation.metrics.ducklake_catalog import CatalogState
from segmentation.metrics.families import Labels, MetricFamily, by_one, single, timestamp
from segmentation.modeling import registry
from segmentation.monitoring.causes import CAUSES

Row = Mapping[str, Any]

ALIASES = ("candidate", "challenger", "champion", registry.ROLLED_BACK, registry.ARCHIVED)
NO_ALIAS = "none"

CHAMPION = f"""
SELECT version, decided_at
FROM {PROMOTIONS.name}
WHERE alias = 'champion'
ORDER BY promotion_id DESC
LIMIT 1
"""
TRAINED_AS_OF = f"""
SELECT as_of
FROM {TRAINING_SETS.name}
WHERE training_set_id = (SELECT training_set_id FROM {MODELS.name} WHERE version = $version)
LIMIT 1
"""
MODEL_COUNT = f"SELECT COUNT(*) FROM {MODELS.name}"

# All columns: one that an older release has not written is missing, rather than an error.
DRIFT = f"""
SELECT *
FROM {FEATURE_DRIFT.name}
WHERE model_version = $version
    AND as_of = (SELECT MAX(as_of) FROM {FEATURE_DRIFT.name} WHERE model_version = $version AND as_of <= $latest)
"""

# Some figures need the future of a date, or more customers than a date has: each has a newest date of its own.
QUALITY = f"""
SELECT *
FROM {MODEL_QUALITY.name}
WHERE model_version = $version AND as_of <= $latest AND (value IS NOT NULL OR is_degraded)
QUALIFY ROW_NUMBER() OVER (PARTITION BY metric ORDER BY as_of DESC) = 1
"""


@dataclass(frozen=True)
class Registered:
    """What the registry says.

    Attributes:
        version: The champion; None for none.
        promoted_at: Since when it serves (UTC).
        as_of: The snapshot date that it was trained on.
        models: How many versions have an alias, by alias.
    """

    version: int | None = None
    promoted_at: datetime | None = None
    as_of: date | None = None
    models: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys((*ALIASES, NO_ALIAS), 0))


def champion_families(
    con: duckdb.DuckDBPyConnection, state: CatalogState, memory: MarkerCache, quiet_days: int
) -> Iterator[MetricFamily]:
    """Everything about the champion; another champion's figures are gone at once.

    Args:
        con: A cursor of the lake.
        state: Of its catalog.
        memory: Of earlier looks.
        quiet_days: The setting; dates ahead of the data don't count.
    """
    names = [table.name for table in (PROMOTIONS, MODELS, TRAINING_SETS)]
    registered = Registered()
    if all(name in state.tables for name in names):
        registered = memory.recall("registry", state.marker(*names), lambda: _read_registry(con))
    yield from _registry_families(registered)
    drift, quality = (
        _judgement(con, state, memory, table, query, registered.version, latest(con, state, memory, table, quiet_days))
        for table, query in ((FEATURE_DRIFT, DRIFT), (MODEL_QUALITY, QUALITY))
    )
    yield from _drift_families(drift)
    yield from _quality_families(quality)
    judged = max((row["as_of"] for row in (*drift, *quality)), default=None)
    yield single(
        "segmentation_judged_timestamp_seconds",
        "The newest date that monitoring has judged the champion at.",
        timestamp(judged),
    )


def _read_registry(con: duckdb.DuckDBPyConnection) -> Registered:
    champion = con.execute(CHAMPION).fetchall()
    version, promoted_at = champion[0] if champion else (None, None)
    trained = con.execute(TRAINED_AS_OF, {"version": version}).fetchall()
    aliases = registry.aliases(con)
    models = Counter(alias for called in aliases.values() for alias in called)
    if version is not None and "challenger" in aliases.get(version, ()):  # it has waited, and waits no more
        models["challenger"] -= 1
    models[NO_ALIAS] = con.execute(MODEL_COUNT).fetchall()[0][0] - len(aliases)
    by_alias = {alias: models[alias] for alias in (*ALIASES, NO_ALIAS)}
    return Registered(version, promoted_at, trained[0][0] if trained else None, by_alias)


def _registry_families(registered: Registered) -> Iterator[MetricFamily]:
    yield single("segmentation_champion_version", "Version of the champion; 0 for none.", registered.version or 0)
    yield single(
        "segmentation_champion_promoted_timestamp_seconds",
        "Since when the champion serves.",
        timestamp(registered.promoted_at),
    )
    yield single(
        "segmentation_champion_as_of_timestamp_seconds",
        "The snapshot date that the champion was trained on.",
        timestamp(registered.as_of),
    )
    yield by_one("segmentation_models", "Versions of the model, by alias.", "alias", registered.models.items())


def _judgement(
    con: duckdb.DuckDBPyConnection,
    state: CatalogState,
    memory: MarkerCache,
    table: Table,
    query: str,
    version: int | None,
    until: date | None,
) -> Sequence[Row]:
    """What monitoring has found of the champion; nothing if a lake of an older release has no such table."""
    if version is None or until is None:
        return []
    asked = {"version": version, "latest": until}
    marker = (version, until, state.marker(table.name))
    return memory.recall(table.name, marker, lambda: con.execute(query, asked).pl().to_dicts())


def _drift_families(rows: Sequence[Row]) -> Iterator[MetricFamily]:
    for suffix, column, meaning in (
        ("", "value", "Distance of a feature from the champion's training data."),
        ("_threshold", "threshold", "Distance from which on it counts as drift."),
    ):
        values: dict[Labels, float] = {
            (row["feature"], row["metric"]): row[column] for row in rows if row[column] is not None
        }
        yield MetricFamily(f"segmentation_feature_drift{suffix}", meaning, ("feature", "metric"), values)
    found = {(row["cause"], row["feature"]) for row in rows if row["is_drifting"]}
    causes: Counter[str] = Counter(dict.fromkeys(CAUSES, 0) if rows else {})
    causes.update(cause for cause, _ in found)
    yield by_one("segmentation_drifting_features", "Features that drift, by cause.", "cause", causes.items())


def _quality_families(rows: Sequence[Row]) -> Iterator[MetricFamily]:
    for suffix, column, meaning in (
        ("", "value", "Figure of the champion, on the newest date that allows it."),
        ("_threshold", "threshold", "The worst figure that will do."),
    ):
        values = [(row["metric"], row[column]) for row in rows]
        yield by_one(f"segmentation_model_quality{suffix}", meaning, "metric", values)
    yield single(
        "segmentation_degraded_metrics",
        "Figures of the champion that are worse than will do.",
        sum(row["is_degraded"] for row in rows) if rows else None,
    )
