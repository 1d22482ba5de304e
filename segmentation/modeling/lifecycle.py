"""A model's life: trained, gated, promoted or kept waiting, rolled back, and what each of these would change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.modeling import gates, registry
from segmentation.modeling.artefact import Artefact, Evaluator
from segmentation.modeling.feature_matrix import latest_snapshot, read_matrix
from segmentation.modeling.plots.training_plots import figures
from segmentation.modeling.registry import TrainingSet
from segmentation.modeling.search.search import TrialProgress, study_name
from segmentation.modeling.search.tracking import NullTracker, Tracker, open_tracker
from segmentation.modeling.training import TrainedModel, already_trained, predecessor_of, search_key, train
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake

REGISTRATIONS = 5
"""Attempts to register a model while others take the ids of its new segments."""

PASSED, WARNED, OVERRIDDEN = "passed its gates: ", "first model, warned by its gates: ", "override of: "
"""What a ledger line's reason says of the gates, after what a person gave as the reason."""


@dataclass(frozen=True)
class PromotionDecision:
    """What became of a candidate.

    Attributes:
        version: The candidate.
        serves: Whether it is champion now.
        is_new: Whether that is new.
        explanation: Why, in a sentence.
    """

    version: int
    serves: bool
    is_new: bool
    explanation: str


@dataclass(frozen=True)
class Promotion:
    """A version that has become champion or challenger.

    Attributes:
        warnings: What gates said against it that only warn, as sentences.
    """

    warnings: tuple[str, ...] = ()


def train_candidate(
    lake: Lake,
    training_set: TrainingSet,
    commit: Commit,
    *,
    now: Callable[[], datetime],
    progress: TrialProgress | None = None,
) -> tuple[int, TrainedModel | None]:
    """Train a model and make it the candidate; the search and the fit are tracked where settings say.

    The same rows are not trained on twice with the same settings and code: the version that is there is the candidate
    then. `now` is asked when a model is registered, which may be hours after training began.

    Returns:
        Its version, and the model if it was trained.

    Raises:
        NotEnoughDataError: Too few customers, or all of them alike.
        SegmentationError: Others kept registering models at the same time.
    """
    settings = lake.settings
    with lake.cursor() as con:
        known = already_trained(con, training_set, settings)
        key = search_key(training_set, predecessor_of(con))
    if known is not None:
        registry.register(lake, known.artefact, known.metrics, commit, now=now())
        return known.version, None
    name = f"{training_set.as_of} {study_name(key, settings)}"
    tags = {
        "as_of": str(training_set.as_of),
        "training_set_id": training_set.id,
        "lake_snapshot": str(training_set.lake_snapshot),
        "dagster_run": commit.run_id,
    }
    with open_tracker(settings, name, tags) as tracker:
        for _ in range(REGISTRATIONS):
            model = train(lake, training_set, settings, run_id=commit.run_id, tracker=tracker, progress=progress)
            version = registry.register(lake, model.artefact, model.metrics, commit, model.lineage, now=now())
            if version is not None:
                _track(tracker, version, model, settings)
                return version, model
    raise SegmentationError("Other models were registered at the same time, again and again; train once more.")


def _track(tracker: Tracker, version: int, model: TrainedModel, settings: Settings) -> None:
    if isinstance(tracker, NullTracker):
        return  # figures take a second
    specification = model.artefact.provenance.specification
    tracker.fit(
        specification.parameters() if specification else {},
        model.metrics,
        artefact=model.artefact.to_json(),
        tags={"version": str(version), "model_hash": model.artefact.model_hash},
        figures=figures(model, settings),
    )


def decide(lake: Lake, *, actor: str, commit: Commit, now: datetime) -> PromotionDecision:
    """Promote the candidate if the settings leave that to its gates; else let it wait as the challenger.

    A candidate that somebody rolled back is not promoted again by itself.

    Raises:
        SegmentationError: There is no candidate, or a gate refuses it.
    """
    with lake.cursor() as con:
        version = registry.resolve(con, "candidate")
        if version is None:
            raise SegmentationError("There is no candidate model; materialize `training/candidate_model` first.")
        serving = registry.resolve(con, "champion")
        was_rolled_back = registry.was_rolled_back(con, version)
    if version == serving:
        return PromotionDecision(version, True, False, f"Model {version} is champion already.")
    if was_rolled_back:
        return PromotionDecision(
            version,
            False,
            False,
            f"Model {version} was rolled back, so it waits for a person: "
            f"`segmentation models promote {version} --reason …`.",
        )
    alias = "champion" if lake.settings.promotion == "automatic" else "challenger"
    promotion = promote(lake, version, actor=actor, commit=commit, now=now, alias=alias)
    passed = _first_in_spite_of(promotion.warnings) if promotion and promotion.warnings else "passed its gates"
    if alias == "champion":
        return PromotionDecision(version, True, promotion is not None, f"Model {version} {passed} and serves.")
    return PromotionDecision(
        version,
        False,
        promotion is not None,
        f"Model {version} {passed} and waits: `segmentation models promote {version} --dry-run` shows what would "
        "change.",
    )


def _first_in_spite_of(warnings: Sequence[str]) -> str:
    return (
        f"is the first ({' '.join(warnings)} `segmentation models show` describes its segments; more months of lines, "
        "or a longer search with SEGMENTATION_SEARCH_TRIALS, may find better ones)"
    )


def promote(
    lake: Lake,
    version: int,
    *,
    actor: str,
    commit: Commit,
    now: datetime,
    reason: str = "",
    override: bool = False,
    alias: str = "champion",
) -> Promotion | None:
    """Make a version the champion (or the challenger), if it passes all gates.

    Args:
        lake: A writable lake.
        version: The version.
        actor: Who or what decides.
        commit: What the lake's commit says about itself.
        now: When this happens (UTC).
        reason: Why; the ledger keeps it beside what the gates said.
        override: Whether to promote it although a gate refuses; needs a reason.
        alias: `champion` or `challenger`.

    Returns:
        What was said against it; None if it was so already.

    Raises:
        SegmentationError: There is no such version, a gate refuses it, or an override has no reason.
    """
    if override and not reason:
        raise SegmentationError("An override needs a reason (--reason): the ledger keeps who set gates aside, and why.")
    with lake.cursor() as con:
        registry.load(con, version)
        if registry.resolve(con, alias) == version:
            return None
    try:
        verdicts = gates.evaluate(gates.gather(lake, version, lake.settings), lake.settings)
        refusals = [verdict.explanation for verdict in verdicts.values() if verdict.refuses]
    except SegmentationError as error:
        if not override:
            raise
        verdicts, refusals = {}, [f"The gates could not be asked: {error}"]
    if refusals and not override:
        raise SegmentationError(f"Model version {version} can't become {alias}: {' '.join(refusals)}")
    warnings = tuple(verdict.explanation for verdict in verdicts.values() if not (verdict.passed or verdict.refuses))
    said = _said(refusals, warnings, [verdict.explanation for verdict in verdicts.values()])
    is_new = registry.promote(
        lake,
        version,
        alias=alias,
        actor=actor,
        reason=f"{reason}; {said}" if reason else said,
        commit=commit,
        now=now,
        gates=gates.as_json(verdicts),
    )
    return Promotion(warnings) if is_new else None


def _said(refusals: Sequence[str], warnings: Sequence[str], verdicts: Sequence[str]) -> str:
    """What the ledger keeps of the gates."""
    if refusals:
        return OVERRIDDEN + " ".join(refusals)
    return WARNED + " ".join(warnings) if warnings else PASSED + " ".join(verdicts)


def reason_given(reason: str) -> str:
    """What a person gave as the reason of a ledger line, without what the gates said; empty if nothing."""
    for said in (PASSED, WARNED, OVERRIDDEN):
        before, found, _ = reason.partition(said)
        if found and (not before or before.endswith("; ")):
            return before.removesuffix("; ")
    return reason


def movement(lake: Lake, before: int, after: int) -> pl.DataFrame:
    """How many customers of the newest snapshot, and how much revenue, are in which segment of two versions.

    Returns:
        `from_id`, `from_segment`, `to_id`, `to_segment`, `customers`, `revenue`; the largest groups first.

    Raises:
        SegmentationError: There is no such version or no snapshot.
    """
    with lake.cursor() as con:
        as_of = latest_snapshot(con, lake.settings)
        columns = {
            name: values
            for side, version in (("from", before), ("to", after))
            for name, values in _segments(con, side, registry.load(con, version).artefact, as_of).items()
        }
        spent = con.execute(
            f"SELECT net_revenue AS revenue FROM {CUSTOMER_FEATURES.name} "
            f"WHERE as_of = DATE '{as_of}' ORDER BY customer_id"
        ).pl()
    keys = list(columns)
    return (
        pl.DataFrame(columns)
        .hstack(spent)
        .group_by(keys)
        .agg(pl.len().alias("customers"), pl.col("revenue").sum())
        .sort("customers", *keys, descending=[True] + [False] * len(keys))
    )


def _segments(con: duckdb.DuckDBPyConnection, side: str, artefact: Artefact, as_of: date) -> dict[str, pl.Series]:
    matrix = read_matrix(con, as_of, artefact.feature_names)
    found = Evaluator(artefact).assign(matrix.values).segment
    ids = pl.Series([segment.id for segment in artefact.segments])
    names = pl.Series([segment.name for segment in artefact.segments])
    return {f"{side}_id": ids.gather(found), f"{side}_segment": names.gather(found)}
