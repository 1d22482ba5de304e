"""The search for a model: which features count how much, how they are scaled, and into how many segments.

What a segmentation is for, as one number (`score`): segments that tell apart what customers will spend, nearly as well
as tiers of expected spend do, and how they will buy, which those don't; that come back when customers are resampled,
and that lie apart; and rather more segments than fewer, as long as each of them is stable and large enough. Where a
model is in service, its successor should leave customers where they are, unless it is better at the rest: the
predecessor's axes with new centroids are tried first, and others are tied to them.

Trials are kept in a journal file, so that a search that was killed goes on where it was. Each is seeded by its number:
the same data and settings give the same trials in the same order, interrupted or not.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from filelock import FileLock

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import GROUPS
from segmentation.modeling.fitting.fit import STARTS, SpecificationEvaluator
from segmentation.modeling.fitting.sampling import some_rows
from segmentation.modeling.search.tracking import Tracker
from segmentation.modeling.search.trials import CONTINUED, Trial, lacks, score
from segmentation.modeling.segment_identity.matching import Predecessor
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import Examples, History, TrainingData
from segmentation.private_files import make_private_folder
from segmentation.settings import Settings

SEARCH_ROWS = 10_000
"""Customers that trials look at; the final fit sees more."""

SPACE_VERSION = 2
"""Changes with the space of choices and with the score, so that old trials aren't taken for new ones."""

FINALISTS = 5
"""Of the best trials, that many are tried again with other starts and resamples: the best of many had luck, too."""

REPETITIONS = 2

MARGIN = 0.1
"""By how much another specification must beat the predecessor's, so that models don't change for nothing."""


@dataclass(frozen=True)
class Search:
    """All trials, and which one was chosen and why."""

    trials: tuple[Trial, ...]
    chosen: Trial
    reason: str


TrialProgress = Callable[[int, int, Trial], object]
"""Called with (trials done, trials in all, the last one)."""


def search(
    data: TrainingData,
    settings: Settings,
    *,
    key: str,
    predecessor: Predecessor | None = None,
    favourite: Specification | None = None,
    tracker: Tracker | None = None,
    progress: TrialProgress | None = None,
) -> Search:
    """Try specifications and choose one.

    Args:
        data: What they are fitted to.
        settings: Trials, time, thresholds, range of segments, seed; the journal lies in `home/searches/`.
        key: Identifies the data and the predecessor.
        predecessor: The version whose segments should go on, if there is one.
        favourite: How it would be fitted again, which is tried first.
        tracker: Told of each trial.
        progress: Told of each trial.

    Raises:
        NotEnoughDataError: There are too few different customers for the smallest number of segments.
    """
    from segmentation.modeling.search import study as journal  # Optuna is heavy, and only who searches needs it

    name = study_name(key, settings)
    folder = settings.home / "searches"
    make_private_folder(folder)
    with FileLock(folder / f"{name}.lock"):  # a second process waits, and then finds the trials done
        study = journal.open_study(folder / f"{name}.log", name)
        first = _first_choices(settings, favourite, has_history=data.history is not None)
        journal.give_up_interrupted(study)
        evaluator = SpecificationEvaluator(*_sampled(data, settings.seed, predecessor))
        end = time.monotonic() + settings.search_timeout_s
        told = 0
        while True:
            done = journal.finished(study)
            for trial in done[told:]:
                if tracker:
                    tracker.trial(
                        trial.number, trial.state, trial.specification.parameters(), _figures(trial), trial.seconds
                    )
                if progress:
                    progress(trial.number + 1, max(settings.search_trials, len(done)), trial)
            told = len(done)
            if told >= settings.search_trials or (time.monotonic() > end and _ranked(done)):
                break
            journal.try_one(study, evaluator, settings, told, first[told] if told < len(first) else None)
    return _choose(done, evaluator, settings, favourite)


def study_name(key: str, settings: Settings) -> str:
    """Names the search of some data with some settings; the number of trials may grow without a new name."""
    facts = [
        SPACE_VERSION,
        key,
        settings.seed,
        settings.min_segments,
        settings.max_segments,
        settings.min_segment_share,
        settings.min_stability,
        settings.max_customers_moved,
        settings.training_rows,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def default_specification(segments: int, *, has_history: bool, smallest: float = 0.0) -> Specification:
    """What is tried first: mostly what will be spent, beside how it will be bought and how it has been.

    Args:
        segments: How many.
        has_history: Whether something can be learned of what comes next; else recency, frequency and money decide.
        smallest: Share of the customers that a segment has to hold.
    """
    if has_history:
        return Specification(
            segments, forward_share=0.7, value_weight=0.7, behaviour_axes=3, components=4, smallest=smallest
        )
    weights = {group: 1.0 if group == "rfm" else 0.0 for group in GROUPS}
    return Specification(segments, weights=weights, smallest=smallest)


def _first_choices(settings: Settings, favourite: Specification | None, *, has_history: bool) -> list[Specification]:
    """What the first trials try: the predecessor's axes with new centroids, the same recipe anew, and the defaults."""
    numbers = range(settings.min_segments, settings.max_segments + 1)
    first = [default_specification(k, has_history=has_history, smallest=settings.min_segment_share) for k in numbers]
    if favourite is not None:
        first = [favourite, *(msgspec.structs.replace(each, continuity=CONTINUED) for each in (favourite, *first))]
    return first


def _figures(trial: Trial) -> dict[str, float]:
    return trial.metrics if trial.score is None else {**trial.metrics, "score": trial.score}


def _ranked(trials: list[Trial]) -> list[Trial]:
    """Complete trials, best first: those that keep all constraints, by score."""
    complete = [trial for trial in trials if trial.score is not None]
    return sorted(complete, key=lambda t: (t.shortfall, -t.final_score, t.number))


def _choose(
    trials: list[Trial], evaluator: SpecificationEvaluator, settings: Settings, favourite: Specification | None
) -> Search:
    ranked = _ranked(trials)
    if not ranked:
        raise NotEnoughDataError(
            f"None of {len(trials)} trials could be fitted: there are too few different customers for "
            f"{settings.min_segments} segments. Use more data, or lower SEGMENTATION_MIN_SEGMENTS."
        )
    finalists = [t for number, t in enumerate(ranked) if number < FINALISTS or t.specification == favourite]
    if len(finalists) > 1:
        finalists = _ranked([_tried_again(trial, evaluator, settings) for trial in finalists])
    chosen = finalists[0]
    known = next((trial for trial in finalists if trial.specification == favourite), None)
    if known and known.shortfall <= chosen.shortfall and known.final_score > chosen.final_score - MARGIN:
        return Search(tuple(trials), known, _why_known(known, chosen, len(ranked)))
    kept = "that keep all constraints" if chosen.shortfall <= 0 else "though none keeps all constraints"
    past = ""
    if evaluator.data.history is None:
        past = "; lines don't reach back far enough to judge forward value, so it doesn't count"
    reason = (
        f"the best score of {len(ranked)} complete trials {kept} ({len(trials)} in all), the first {len(finalists)} of "
        f"them tried again with other starts and resamples{past}"
    )
    return Search(tuple(trials), chosen, reason)


def _why_known(known: Trial, best: Trial, complete: int) -> str:
    if known.number == best.number:
        return f"the predecessor's specification, the best of {complete} complete trials"
    return (
        f"the predecessor's specification: the best of {complete} complete trials, {best.number}, beats it by only "
        f"{best.final_score - known.final_score:.3f} ({MARGIN} is needed)"
    )


def _tried_again(trial: Trial, evaluator: SpecificationEvaluator, settings: Settings) -> Trial:
    """The trial with its figures as the full fit has them, and the means over that and further seeds."""
    full = {**trial.metrics, **evaluator.current(trial.specification, STARTS)}
    figures = [full]
    for number in range(1, REPETITIONS + 1):
        other = evaluator.with_seed(evaluator.seed + 1_000 * number)
        figures.append({**other.forward(trial.specification), **other.current(trial.specification)})
    means = {name: float(np.mean([each.get(name, value) for each in figures])) for name, value in trial.metrics.items()}
    shortfalls = [sum(max(lack, 0.0) for lack in lacks(each, settings).values()) for each in (full, means)]
    return replace(trial, metrics=means, score=score(means), shortfall=max(shortfalls))


def _sampled(
    data: TrainingData, seed: int, predecessor: Predecessor | None
) -> tuple[TrainingData, int, Predecessor | None]:
    """The same data with at most `SEARCH_ROWS` customers per date, the seed, and the predecessor's view of them."""

    def some(examples: Examples) -> Examples:
        rows = some_rows(len(examples.values), SEARCH_ROWS, np.random.default_rng(seed))
        return Examples(examples.as_of, examples.values[rows], examples.outcome and examples.outcome.of(rows))

    past = data.history
    history = past and History(
        some(past.learned),
        some(past.judged),
        tuple(some(each) for each in past.before_learned),
        tuple(some(each) for each in past.before_judged),
    )
    rows = some_rows(len(data.traits), SEARCH_ROWS, np.random.default_rng(seed))
    if predecessor is not None:
        predecessor = replace(predecessor, labels=predecessor.labels[rows])
    return TrainingData(data.features, some(data.current), data.traits[rows], history), seed, predecessor
