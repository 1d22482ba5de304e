"""A model's life: trained, gated, and promoted, kept waiting, passed over or refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from segmentation.errors import SegmentationError
from segmentation.modeling import gates, registry
from segmentation.modeling.evidence import gather
from segmentation.modeling.gates import GateResult
from segmentation.modeling.migration import Migration, plan_migration
from segmentation.modeling.movement import mappings, movement
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
STOPPED, MIGRATED = "stopped by its gates: ", "planned migration: "
"""What a ledger line's reason says of the gates, after what a person gave as the reason."""


Outcome = Literal["serves", "waits", "kept", "refused"]
"""What became of a candidate: it serves; it waits for a person; it isn't worth the change; it isn't fit to serve."""


@dataclass(frozen=True)
class PromotionDecision:
    """What became of a candidate.

    Attributes:
        version: The version that was decided on: the candidate, or the one that is migrated to.
        outcome: What became of it.
        is_new: Whether that is new.
        explanation: Why, in sentences, with the next command.
        champion: The version that serves now; None if none does yet.
        is_migration: Whether it serves, or waits, since candidates before it were stopped.
    """

    version: int
    outcome: Outcome
    is_new: bool
    explanation: str
    champion: int | None = None
    is_migration: bool = False

    @property
    def serves(self) -> bool:
        """Whether it is champion now."""
        return self.outcome == "serves"


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
    if isinstance(tracker, NullTracker) or model.artefact.provenance.stand_in:
        return  # figures take a second, and rules have none
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

    A candidate that its gates stop changes nothing but the ledger, unless it is time for a planned migration: the
    champion goes on serving. One that somebody rolled back is not promoted again by itself.

    Raises:
        SegmentationError: There is no candidate, or its gates can't be asked.
    """
    with lake.cursor() as con:
        version = registry.resolve(con, "candidate")
        if version is None:
            raise SegmentationError("There is no candidate model; materialize `training/candidate_model` first.")
        serving = registry.resolve(con, "champion")
        was_rolled_back = registry.was_rolled_back(con, version)
    if version == serving:
        return PromotionDecision(version, "serves", False, f"Model {version} is champion already.", serving)
    if was_rolled_back:
        told = (
            f"Model {version} was rolled back, so it waits for a person: "
            f"`segmentation models promote {version} --reason …`."
        )
        return PromotionDecision(version, "waits", False, told, serving)
    write = _Writer(lake, actor, commit, now)
    verdicts = _verdicts(lake, version)
    if not any(verdict.stops for verdict in verdicts.values()):
        return _passed(write, version, serving, verdicts)
    stopped = _stopped(write, version, serving, verdicts)
    migration = plan_migration(lake, version)
    return stopped if migration is None else _migrated(write, migration, serving)


@dataclass(frozen=True)
class _Writer:
    """Who decides and when, for the ledger."""

    lake: Lake
    actor: str
    commit: Commit
    now: datetime

    @property
    def alias(self) -> str:
        return "champion" if self.lake.settings.promotion == "automatic" else "challenger"

    def point(self, alias: str, version: int, reason: str, verdicts: Mapping[str, GateResult]) -> bool:
        """Write a line of the ledger; whether that is new."""
        return registry.promote(
            self.lake,
            version,
            alias=alias,
            actor=self.actor,
            reason=reason,
            commit=self.commit,
            now=self.now,
            gates=gates.as_json(verdicts),
        )


def _passed(write: _Writer, version: int, serving: int | None, verdicts: Mapping[str, GateResult]) -> PromotionDecision:
    warnings = _warnings(verdicts)
    is_new = write.point(write.alias, version, _said([], warnings if serving is None else (), verdicts), verdicts)
    passed = _first_in_spite_of(warnings) if serving is None and warnings else "passed its gates"
    if write.alias == "champion":
        return PromotionDecision(version, "serves", is_new, f"Model {version} {passed} and serves.", version)
    told = (
        f"Model {version} {passed} and waits: `segmentation models promote {version} --dry-run` shows what would "
        f"change, `segmentation models promote {version} --reason …` lets it serve."
    )
    return PromotionDecision(version, "waits", is_new, told, serving)


def _stopped(
    write: _Writer, version: int, serving: int | None, verdicts: Mapping[str, GateResult]
) -> PromotionDecision:
    """The candidate is refused or passed over, and the champion kept."""
    said = " ".join(verdict.explanation for verdict in verdicts.values() if verdict.stops)
    is_refused = any(verdict.refuses for verdict in verdicts.values())
    alias = registry.REFUSED if is_refused else registry.PASSED_OVER
    is_new = write.point(alias, version, f"{STOPPED}{said}", verdicts)
    after = write.lake.settings.migrate_after
    with write.lake.cursor() as con:
        count = len(registry.stopped_since_promotion(con))
    told = (
        f"Model {version} was refused, and champion {serving} goes on serving"
        if is_refused
        else f"Champion {serving} is kept: model {version} isn't worth the change"
    )
    row = f"; it is the {_ordinal(count)} in a row that doesn't serve, and after {after} the best is migrated to"
    explanation = (
        f"{told}{row if after else ''}. {said} Next: `segmentation models promote {version} --dry-run` shows who would "
        f"change segment, and `segmentation models promote {version} --override --reason …` lets it serve all the same."
    )
    return PromotionDecision(version, "refused" if is_refused else "kept", is_new, explanation, serving)


def _migrated(write: _Writer, migration: Migration, serving: int | None) -> PromotionDecision:
    """The best of the candidates that were stopped serves, or waits, and people are told what becomes of segments."""
    version = migration.version
    moves = movement(write.lake, serving, version) if serving is not None else None
    mapped = "; ".join(mapping.sentence for mapping in mappings(moves)) if moves is not None else ""
    why = (
        f"after {migration.stopped} candidates that didn't serve, model {version}, which tells {migration.gain:.1%} "
        f"more of later spend and behaviour than champion {serving}. {mapped}."
    )
    is_new = write.point(write.alias, version, f"{MIGRATED}{why}", migration.verdicts)
    shown = f"`segmentation models migration {serving} {version}` shows what becomes of each segment."
    if write.alias == "champion":
        told = f"Planned migration {why} It serves; {shown}"
        return PromotionDecision(version, "serves", is_new, told, version, is_migration=True)
    told = f"Planned migration {why} It waits: `segmentation models promote {version} --override --reason …`; {shown}"
    return PromotionDecision(version, "waits", is_new, told, serving, is_migration=True)


def _verdicts(lake: Lake, version: int) -> dict[str, GateResult]:
    return gates.evaluate(gather(lake, version, lake.settings), lake.settings)


def _warnings(verdicts: Mapping[str, GateResult]) -> tuple[str, ...]:
    return tuple(each.explanation for each in verdicts.values() if not (each.passed or each.stops))


def _ordinal(number: int) -> str:
    words = {1: "first", 2: "second", 3: "third"}
    return words.get(number, f"{number}th")


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
        is_first = registry.resolve(con, "champion") is None
    try:
        verdicts = _verdicts(lake, version)
        refusals = [verdict.explanation for verdict in verdicts.values() if verdict.stops]
    except SegmentationError as error:
        if not override:
            raise
        verdicts, refusals = {}, [f"The gates could not be asked: {error}"]
    if refusals and not override:
        raise SegmentationError(
            f"Model version {version} can't become {alias}: {' '.join(refusals)} `segmentation models promote "
            f"{version} --override --reason …` sets that aside."
        )
    warnings = _warnings(verdicts)
    said = _said(refusals, warnings if is_first else (), verdicts)
    write = _Writer(lake, actor, commit, now)
    is_new = write.point(alias, version, f"{reason}; {said}" if reason else said, verdicts)
    return Promotion(warnings) if is_new else None


def _said(refusals: Sequence[str], warnings: Sequence[str], verdicts: Mapping[str, GateResult]) -> str:
    """What the ledger keeps of the gates."""
    if refusals:
        return OVERRIDDEN + " ".join(refusals)
    if warnings:
        return WARNED + " ".join(warnings)
    return PASSED + " ".join(verdict.explanation for verdict in verdicts.values())


def reason_given(reason: str) -> str:
    """What a person gave as the reason of a ledger line, without what the gates said; empty if nothing."""
    for said in (PASSED, WARNED, OVERRIDDEN, MIGRATED):
        before, found, _ = reason.partition(said)
        if found and (not before or before.endswith("; ")):
            return before.removesuffix("; ")
    return reason
