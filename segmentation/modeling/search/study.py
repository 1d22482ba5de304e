"""The study: trials as Optuna keeps them in a journal file, and how the next one is chosen. Only this knows Optuna."""

import time
from pathlib import Path
from typing import Any, cast, get_args

import msgspec
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import GROUPS
from segmentation.modeling.fitting.fit import SpecificationEvaluator
from segmentation.modeling.search.trials import CONTINUED, State, Trial, foresight, lacks, score
from segmentation.modeling.specification import Scaling, Specification, Transforms
from segmentation.settings import Settings

RANDOM_TRIALS = 8
"""Trials before the sampler (tree-structured Parzen estimator, Bergstra et al. 2011) learns from them."""

CAPS = (0.001, 0.005, 0.02)
FORWARD_SHARES = (0.4, 0.55, 0.7, 0.85)
VALUE_WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COMPONENTS = (4, 6)

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def open_study(path: Path, name: str) -> optuna.Study:
    """The study of that name in a journal file; a new one if there is none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=RANDOM_TRIALS),
    )


def finished(study: optuna.Study) -> list[Trial]:
    """The trials that are over, but for interrupted ones, numbered without gaps."""
    over = [trial for trial in study.get_trials(deepcopy=False) if "specification" in trial.user_attrs]
    over = [trial for trial in over if trial.state in STATES]
    return [_trial(number, trial) for number, trial in enumerate(over)]


def give_up_interrupted(study: optuna.Study) -> None:
    """Fail the trials of a process that died; the next ones have their numbers and seeds, so nothing is lost."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def try_one(
    study: optuna.Study,
    evaluator: SpecificationEvaluator,
    settings: Settings,
    number: int,
    given: Specification | None,
) -> None:
    """Choose a specification, evaluate it, and write it down.

    Args:
        study: Where trials are kept.
        evaluator: Fits and measures.
        settings: Seed, range of segments, constraints.
        number: Of this trial; its sampler is seeded by it.
        given: The specification, where it is given rather than chosen; the sampler doesn't learn from its parameters.
    """
    study.sampler = optuna.samplers.TPESampler(
        seed=settings.seed * 10_007 + number, n_startup_trials=RANDOM_TRIALS, constant_liar=False
    )
    started = time.monotonic()
    trial = study.ask()
    specification = given or _suggest(trial, settings, evaluator)
    metrics: dict[str, float] = {"segments": float(specification.segments)}
    value: float | None = None
    state = TrialState.COMPLETE
    try:
        metrics |= evaluator.forward(specification)
        trial.report(foresight(metrics), step=0)
        if evaluator.data.history is not None and trial.should_prune():
            state = TrialState.PRUNED
        else:
            metrics |= evaluator.current(specification)
            value = score(metrics)
            for name, lack in lacks(metrics, settings).items():
                trial.set_constraint(name, lack)
    except NotEnoughDataError as error:
        state = TrialState.FAIL
        trial.set_user_attr("error", str(error))
    trial.set_user_attr("metrics", metrics)
    trial.set_user_attr("seconds", time.monotonic() - started)
    # Last, since a trial without it counts as interrupted.
    trial.set_user_attr("specification", msgspec.to_builtins(specification))
    study.tell(trial, value, state=state)


def _suggest(trial: optuna.Trial, settings: Settings, evaluator: SpecificationEvaluator) -> Specification:
    """A specification of the space that the data allow: of expected futures where there is history."""
    segments = trial.suggest_int("segments", settings.min_segments, settings.max_segments)
    cap = float(trial.suggest_categorical("cap", CAPS))
    if evaluator.data.history is not None:
        has_axes = evaluator.predecessor is not None and evaluator.predecessor.space is not None
        return Specification(
            segments=segments,
            forward_share=float(trial.suggest_categorical("forward_share", FORWARD_SHARES)),
            value_weight=float(trial.suggest_categorical("value_weight", VALUE_WEIGHTS)),
            behaviour_axes=trial.suggest_int("behaviour_axes", 2, 5),
            continuity=CONTINUED if has_axes else 0.0,
            smallest=settings.min_segment_share,
            cap=cap,
            components=int(trial.suggest_categorical("components", COMPONENTS)),
        )
    weights: dict[Any, float] = {
        group: float(trial.suggest_categorical(f"weight_{group}", (0.0, 0.5, 1.0))) for group in GROUPS
    }
    if not any(weights.values()):
        weights["rfm"] = 1.0
    return Specification(
        segments=segments,
        weights=weights,
        smallest=settings.min_segment_share,
        cap=cap,
        transforms=cast("Transforms", trial.suggest_categorical("transforms", get_args(Transforms))),
        scaling=cast("Scaling", trial.suggest_categorical("scaling", get_args(Scaling))),
        components=trial.suggest_categorical("components", (0, 2, 3, 4)) or None,
    )


def _trial(number: int, trial: FrozenTrial) -> Trial:
    specification = msgspec.convert(trial.user_attrs["specification"], Specification)
    shortfall = sum(max(lack, 0.0) for lack in trial.constraints.values()) if trial.constraints else 0.0
    return Trial(
        number=number,
        state=STATES[trial.state],
        specification=specification,
        metrics=dict(trial.user_attrs["metrics"]),
        score=trial.value if trial.state is TrialState.COMPLETE else None,
        shortfall=shortfall,
        seconds=float(trial.user_attrs["seconds"]),
    )
