"""Training: a pinned set of customers, a candidate fitted to it, and the champion that serves."""

from datetime import date

import dagster as dg
import duckdb

from segmentation.errors import SegmentationError
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.build import make_training_set, train
from segmentation.modeling.snapshots import latest_snapshot
from segmentation.modeling.training import Search
from segmentation.warehouse.schema import CUSTOMER_FEATURES
from segmentation_assets.assets.features import key_of
from segmentation_assets.metadata import markdown_table
from segmentation_assets.progress import reporter
from segmentation_assets.resources import WarehouseResource, commit_of

GROUP = "training"


class TrainingConfig(dg.Config):
    """Which snapshot to train on."""

    as_of: str | None = None
    """Snapshot date, `YYYY-MM-DD`; the newest snapshot if unset."""


@dg.asset(
    key=["training", "training_set"],
    deps=[dg.AssetDep(key_of(CUSTOMER_FEATURES), partition_mapping=dg.LastPartitionMapping())],
    group_name=GROUP,
    kinds={"ducklake"},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def training_set(
    context: dg.AssetExecutionContext, config: TrainingConfig, warehouse: WarehouseResource
) -> dg.MaterializeResult[None]:
    """Customers of one feature snapshot, pinned to the version of the lake that holds exactly these rows."""
    with warehouse.get_connection() as con:
        as_of = _as_of(con, config)
    made = make_training_set(warehouse.lake, as_of, commit_of(context, "training/training_set"))
    return dg.MaterializeResult(
        metadata={
            "training_set_id": made.id,
            "as_of": str(made.as_of),
            "lake_snapshot": made.lake_snapshot,
            "dagster/row_count": made.customer_count,
            "features": dg.MetadataValue.md("\n".join(f"- `{name}`" for name in made.features)),
        }
    )


@dg.asset(
    key=["training", "candidate_model"],
    deps=[training_set],
    group_name=GROUP,
    kinds={"scikitlearn"},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def candidate_model(
    context: dg.AssetExecutionContext, config: TrainingConfig, warehouse: WarehouseResource
) -> dg.MaterializeResult[None]:
    """A K-means model fitted to the training set, registered under the alias `candidate`."""
    settings = warehouse.settings()
    with warehouse.get_connection() as con:
        pinned = registry.latest_training_set(con, _as_of(con, config))
    if pinned is None:
        raise SegmentationError("There is no training set for that date; materialize `training/training_set` first.")
    report = reporter(context, "Trying numbers of segments")
    tried = settings.max_segments - settings.min_segments + 1
    model = train(warehouse.lake, pinned, settings, lambda trial: report(trial.k - settings.min_segments + 1, tried))
    commit = commit_of(context, "training/candidate_model")
    version = registry.register(warehouse.lake, model.artefact, model.search.chosen.metrics(), commit)
    return dg.MaterializeResult(
        metadata={
            "version": version,
            "model_hash": model.artefact.model_hash,
            "training_set_id": pinned.id,
            "why_this_many_segments": model.search.reason,
            "trials": dg.MetadataValue.md(_trials(model.search)),
            "segments": dg.MetadataValue.md(
                markdown_table(
                    ["id", "name", "description"],
                    [(s.id, s.name, s.description) for s in model.artefact.segments],
                )
            ),
            **{name: dg.MetadataValue.float(value) for name, value in model.search.chosen.metrics().items()},
        }
    )


@dg.asset(
    key=["training", "champion_model"],
    deps=[candidate_model],
    group_name=GROUP,
    kinds={"ducklake"},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def champion_model(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult[None]:
    """The candidate, promoted: assignments and the scorer use it from now on. Its checks have let it through."""
    with warehouse.get_connection() as con:
        candidate = registry.resolve(con, "candidate")
    if candidate is None:
        raise SegmentationError("There is no candidate model; materialize `training/candidate_model` first.")
    # Its checks stopped a bad candidate in their own run; this run may be another, or the alias may have moved on.
    is_new = lifecycle.promote(
        warehouse.lake,
        candidate,
        actor=f"run {context.run.run_id}",
        commit=commit_of(context, "training/champion_model"),
    )
    return dg.MaterializeResult(metadata={"version": candidate, "is_new": is_new})


def _as_of(con: duckdb.DuckDBPyConnection, config: TrainingConfig) -> date:
    if config.as_of is None:
        return latest_snapshot(con)
    try:
        return date.fromisoformat(config.as_of)
    except ValueError as error:
        raise SegmentationError(f"as_of is {config.as_of!r}; write it as YYYY-MM-DD.") from error


def _trials(search: Search) -> str:
    header = list(search.chosen.metrics())
    rows = [[round(value, 3) for value in trial.metrics().values()] for trial in search.trials]
    return markdown_table(header, rows)
