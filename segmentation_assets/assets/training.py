"""Training: a pinned set of customers, a candidate fitted to it, and the champion that serves."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import duckdb

from segmentation.errors import SegmentationError
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.feature_matrix import latest_snapshot
from segmentation.modeling.fitting.metrics import MEANINGS
from segmentation.modeling.movement import movement
from segmentation.modeling.search.search import Search
from segmentation.modeling.training import TrainedModel
from segmentation.modeling.training_data import make_training_set
from segmentation.settings import Settings
from segmentation_assets.assets.declaring import declare
from segmentation_assets.automation.conditions import WHEN_SOUND
from segmentation_assets.keys import CANDIDATE_KEY, CHAMPION_KEY, CUSTOMER_FEATURES_KEY, TRAINING_SET_KEY
from segmentation_assets.metadata import markdown_table
from segmentation_assets.progress import reporter
from segmentation_assets.resources import Clock, WarehouseResource, commit_of

GROUP = "training"
SHOWN_TRIALS = 20


def build_training_assets() -> list[dg.AssetsDefinition]:
    """Training set, candidate and champion; not partitioned, since models have versions."""
    newest_features = dg.AssetDep(CUSTOMER_FEATURES_KEY, partition_mapping=dg.LastPartitionMapping())
    return [
        declare(
            training_set, dg.AssetSpec(TRAINING_SET_KEY, deps=[newest_features], kinds={"ducklake"}, group_name=GROUP)
        ),
        declare(
            candidate_model,
            dg.AssetSpec(CANDIDATE_KEY, deps=[TRAINING_SET_KEY], kinds={"scikitlearn"}, group_name=GROUP),
        ),
        declare(
            champion_model,
            dg.AssetSpec(
                CHAMPION_KEY,
                deps=[CANDIDATE_KEY],
                kinds={"ducklake"},
                group_name=GROUP,
                automation_condition=WHEN_SOUND,
                skippable=True,
            ),
        ),
    ]


class TrainingConfig(dg.Config):
    """Which snapshot to train on."""

    as_of: str | None = None
    """Snapshot date, `YYYY-MM-DD`; the newest snapshot if unset."""


def training_set(
    context: dg.AssetExecutionContext, config: TrainingConfig, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """Customers of one feature snapshot, pinned to the version of the lake that holds exactly these rows."""
    with warehouse.get_connection() as con:
        as_of = _as_of(con, config, warehouse.settings())
    commit = commit_of(context, "training/training_set")
    made = make_training_set(warehouse.lake, as_of, commit, now=clock())
    return dg.MaterializeResult(
        metadata={
            "training_set_id": made.id,
            "as_of": str(made.as_of),
            "lake_snapshot": made.lake_snapshot,
            "dagster/row_count": made.customer_count,
            "forward_value": f"learned as of {made.learned_as_of}, judged as of {made.judged_as_of}, by the "
            f"{made.forward_days} days after each"
            if made.judged_as_of
            else "none: lines don't reach back far enough",
            "features": dg.MetadataValue.md("\n".join(f"- `{name}`" for name in made.features)),
        }
    )


def candidate_model(
    context: dg.AssetExecutionContext, config: TrainingConfig, warehouse: WarehouseResource, clock: Clock
) -> dg.MaterializeResult[None]:
    """A K-means model fitted to the training set, registered under the alias `candidate`."""
    with warehouse.get_connection() as con:
        pinned = registry.latest_training_set(con, _as_of(con, config, warehouse.settings()))
    if pinned is None:
        raise SegmentationError("There is no training set for that date; materialize `training/training_set` first.")
    report = reporter(context, "Searching for a model")
    commit = commit_of(context, "training/candidate_model")
    version, model = lifecycle.train_candidate(
        warehouse.lake, pinned, commit, now=clock, progress=lambda done, total, _: report(done, total)
    )
    if model is None:
        same = "These rows were trained on before, with the same settings and code."
        return dg.MaterializeResult(metadata={"version": version, "training_set_id": pinned.id, "why_this_one": same})
    return dg.MaterializeResult(
        metadata={
            "version": version,
            "model_hash": model.artefact.model_hash,
            "training_set_id": pinned.id,
            "why_this_one": model.artefact.provenance.search or f"a stand-in: {model.artefact.provenance.stand_in}",
            "segments": dg.MetadataValue.md(_segments(model)),
            "figures": dg.MetadataValue.md(_figures(model.metrics)),
            "specification": dg.MetadataValue.json(_specification(model)),
            **({"trials": dg.MetadataValue.md(_trials(model.search))} if model.search else {}),
            **{name: dg.MetadataValue.float(model.metrics[name]) for name in MEANINGS if name in model.metrics},
        }
    )


class PromotionConfig(dg.Config):
    """What a person decides about the champion; nothing is set where automation materializes the asset."""

    version: int | None = None
    """The version to promote; the candidate, if the settings let it, if unset."""
    rollback: bool = False
    """Make the version champion again that served before."""
    reason: str = ""
    """Why; the ledger keeps it."""
    override: bool = False
    """Although a gate refuses the version; needs a reason."""


def champion_model(
    context: dg.AssetExecutionContext, config: PromotionConfig, warehouse: WarehouseResource, clock: Clock
) -> Iterator[dg.MaterializeResult[None]]:
    """The model that serves: assignments and the scorer use it from now on.

    Left alone, the candidate is promoted if it passes its gates, which only warn about the first model, or waits for a
    person where `SEGMENTATION_PROMOTION` is `manual`. Where it is stopped or waits, the champion decides all that is
    downstream; without any, nothing is materialized, nor anything downstream in the same run.
    """
    commit, actor = commit_of(context, "training/champion_model"), f"run {context.run.run_id}"
    if config.rollback:
        before, version = registry.roll_back(
            warehouse.lake, actor=actor, reason=config.reason, commit=commit, now=clock()
        )
        yield dg.MaterializeResult(metadata={"version": version, "is_new": True, "rolled_back_from": before})
    elif config.version is not None:
        promotion = lifecycle.promote(
            warehouse.lake,
            config.version,
            actor=actor,
            commit=commit,
            now=clock(),
            reason=config.reason,
            override=config.override,
        )
        yield dg.MaterializeResult(metadata={"version": config.version, "is_new": promotion is not None})
    else:
        with warehouse.get_connection() as con:
            serving = registry.resolve(con, "champion")
        decision = lifecycle.decide(warehouse.lake, actor=actor, commit=commit, now=clock())
        context.log.info(decision.explanation)
        metadata: dict[str, Any] = {"why": decision.explanation}
        if decision.is_migration or not decision.serves:
            metadata |= {"outcome": decision.outcome, "decided_version": decision.version}
            metadata["would_change"] = dg.MetadataValue.md(_movement(warehouse, serving, decision.version))
            context.log_event(
                dg.AssetObservation(context.asset_key, description=decision.explanation, metadata=metadata)
            )
        if decision.champion is not None:
            is_new = decision.is_new and decision.serves
            yield dg.MaterializeResult(metadata={"version": decision.champion, "is_new": is_new, **metadata})


def _movement(warehouse: WarehouseResource, serving: int | None, version: int) -> str:
    if serving is None:
        return "There is no champion yet."
    moves = movement(warehouse.lake, serving, version)
    shown = moves.select("from_segment", "to_segment", "customers", "revenue")
    return markdown_table(shown.columns, shown.rows())


def _segments(model: TrainedModel) -> str:
    lineage = {descent.segment_id: descent for descent in model.lineage}
    rows: list[tuple[object, ...]] = []
    for segment in model.artefact.segments:
        parents = ", ".join(f"{p.segment_id} ({p.received:.0%})" for p in lineage[segment.id].parents)
        event = lineage[segment.id].event
        rows.append((segment.id, segment.name, event, parents, segment.cutoff, segment.description))
    rows += [(d.segment_id, "", "retired", "", None, "") for d in model.lineage if d.event == "retired"]
    return markdown_table(["id", "name", "event", "from", "confidence cut-off", "description"], rows)


def _figures(metrics: dict[str, float]) -> str:
    rows = [(name, metrics[name], meaning) for name, meaning in MEANINGS.items() if name in metrics]
    return markdown_table(["figure", "value", "what it is"], rows)


def _specification(model: TrainedModel) -> dict[str, object]:
    specification = model.artefact.provenance.specification
    return specification.parameters() if specification else {}


def _as_of(con: duckdb.DuckDBPyConnection, config: TrainingConfig, settings: Settings) -> date:
    if config.as_of is None:
        return latest_snapshot(con, settings)
    try:
        return date.fromisoformat(config.as_of)
    except ValueError as error:
        raise SegmentationError(f"as_of is {config.as_of!r}; write it as YYYY-MM-DD.") from error


def _trials(search: Search) -> str:
    """The best trials, chosen one first."""
    names = [name for name in MEANINGS if name in search.chosen.metrics]
    ranked = sorted(
        search.trials, key=lambda t: (t.number != search.chosen.number, t.shortfall, -(t.score or 0.0), t.number)
    )
    rows = [
        (trial.number, trial.state, trial.score, *(trial.metrics.get(name) for name in names))
        for trial in ranked[:SHOWN_TRIALS]
    ]
    return markdown_table(["trial", "state", "score", *names], rows)
