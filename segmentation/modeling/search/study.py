"""The study: trials as Optuna keeps them in a journal file, and how the next one is chosen. Only this knows Optuna."""

import time
from collections.abc import Mapping
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
from segmentation.modeling.search.trials import State, Trial, lacks, score
from segmentation.modeling.specification import Scaling, Specification, Transforms
from segmentation.settings import Settings

RANDOM_TRIALS = 8
"""Trials before the sampler (tree-structured Parzen estimator, Bergstra et al. 2011) learns from them."""

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
    study: optuna.Study, evaluator: SpecificationEvaluator, settings: Settings, number: int, fixed: Mapping[str, object]
) -> None:
    """Choose a specification, evaluate it, and write it down.

    Args:
        study: Where trials are kept.
        evaluator: Fits and measures.
        settings: Seed, range of segments, constraints.
        number: Of this trial; its sampler is seeded by it.
        fixed: Parameters that are given rather than chosen.
    """
    study.sampler = optuna.samplers.TPESampler(
        seed=settings.seed * 10_007 + number, n_startup_trials=RANDOM_TRIALS, constant_liar=False
    )
    if fixed and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.enqueue_trial(dict(fixed))  # one that waits already was left by a process that died right here
    started = time.monotonic()
    trial = study.ask()
    specification = _suggest(trial, settings, has_history=evaluator.data.history is not None)
    metrics: dict[str, float] = {"segments": float(specification.segments)}
    value: float | None = None
    state = TrialState.COMPLETE
    try:
        metrics |= evaluator.forward(specification)
        trial.report(metrics.get("forward_lift", 0.0), step=0)
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


def _suggest(trial: optuna.Trial, settings: Settings, *, has_history: bool) -> Specification:
    weights: dict[Any, float] = {
        group: float(trial.suggest_categorical(f"weight_{group}", (0.0, 0.5, 1.0))) for group in GROUPS
    }
    forward = float(trial.suggest_categorical("forward_share", (0.0, 0.5, 0.65, 0.8, 0.9))) if has_history else 0.0
    if not any(weights.values()):
        weights["rfm"] = 1.0
    return Specification(
        segments=trial.suggest_int("segments", settings.min_segments, settings.max_segments),
        weights=weights,
        forward_share=forward,
        ridge=float(trial.suggest_categorical("ridge", (10.0, 100.0, 1000.0))) if has_history else 100.0,
        cap=float(trial.suggest_categorical("cap", (0.001, 0.005, 0.02))),
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
