"""Fits of a specification: a quick one to judge it by, out of time, and the full one that becomes a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import Feature
from segmentation.modeling.artefact import FeatureRule, Floats, Ints, Projection
from segmentation.modeling.fitting.clustering import (
    TRIAL_RESAMPLES,
    confidence_cutoffs,
    fit_centroids,
    resample,
    without_small,
)
from segmentation.modeling.fitting.forward import auc, behaviour_eta_squared, eta_squared, varying_behaviour
from segmentation.modeling.fitting.futures import Future, Lesson, learn_futures
from segmentation.modeling.fitting.metrics import fixed_silhouette, smallest_share, validity
from segmentation.modeling.fitting.segment_values import later_spend
from segmentation.modeling.fitting.space import Space, fit_space, fixed_space, scaled_space
from segmentation.modeling.nearest import nearest, nearest_labels
from segmentation.modeling.segment_identity.matching import Predecessor, match
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import Examples, History, TrainingData

TRIAL_STARTS = 4
STARTS = 10
LEAST_REFERENCE = 0.05
"""Where next to nothing can be foretold, a share of it would say anything."""


@dataclass(frozen=True)
class Fit:
    """A full fit.

    Attributes:
        rules: The way from raw features to scaled ones.
        projection: From there to model space.
        axes: How many axes say what; see `Space`.
        centroids: Shape (k, p).
        labels: Length n; cluster of each customer of the current examples.
        stability: Length k; Jaccard overlap with its like in resamples.
        cutoffs: Length k; confidence below which customers can't be relied on.
        metrics: Figures by the names of `metrics.MEANINGS`.
        later_spend: Length k; as in `artefact.Segment`. None where nobody knows.
    """

    rules: tuple[FeatureRule, ...]
    projection: Projection | None
    axes: tuple[int, ...]
    centroids: Floats
    labels: Ints
    stability: Floats
    cutoffs: Floats
    metrics: dict[str, float]
    later_spend: Floats | None = None


@dataclass
class SpecificationEvaluator:
    """What trials on the same data share: the fixed space, tiers to compare with, and what features announce."""

    data: TrainingData
    seed: int
    predecessor: Predecessor | None = None
    _futures: dict[tuple[object, ...], tuple[Future, ...]] = field(default_factory=dict)
    _ladders: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = self.data.current.values
        self.fixed = fixed_space(self.data.features, values).scaled(values)

    def with_seed(self, seed: int) -> "SpecificationEvaluator":
        """The same data, with other starts and resamples; what they are compared with stays."""
        return SpecificationEvaluator(self.data, seed, self.predecessor, self._futures, self._ladders)

    def forward(self, specification: Specification) -> dict[str, float]:
        """How well segments at the judged date tell the days after it apart; empty without history.

        Nothing of the predecessor's axes is kept here: they may have been learned from those very days.
        """
        history = self.data.history
        if history is None:
            return {}
        space = self.space(specification, history.judged, (history.learned, *history.before_learned))
        points = space.points(history.judged.values)
        refuse_too_few(points, specification.segments)
        centroids = settled(points, specification, self.seed, TRIAL_STARTS)
        return self._forward_metrics(specification, space, centroids, history)

    def current(self, specification: Specification, starts: int = TRIAL_STARTS) -> dict[str, float]:
        """Size, stability and validity of the segments of today's customers."""
        examples = self.data.current
        space = self.current_space(specification)
        points = space.points(examples.values)
        refuse_too_few(points, specification.segments)
        centroids = settled(points, specification, self.seed, starts, self.predecessor)
        assignment = nearest(points, centroids)
        labels = assignment.segment
        resamples = resample(points, centroids, seed=self.seed, times=TRIAL_RESAMPLES)
        kept = {} if self.predecessor is None else {"kept_share": kept_share(labels, len(centroids), self.predecessor)}
        return {
            **kept,
            "segments": float(len(centroids)),
            "fixed_silhouette": fixed_silhouette(self.fixed, labels, self.seed),
            "stability": float(resamples.overlap.min()),
            "resample_agreement": resamples.agreement,
            "simplified_silhouette": float(assignment.confidence.mean()),
            "smallest_share": smallest_share(labels, len(centroids)),
        }

    def current_space(self, specification: Specification) -> Space:
        """The model space of today's customers, tied to the predecessor's as the specification says."""
        history = self.data.history
        past = (history.judged, *history.before_judged) if history else ()
        former = self.predecessor.space if self.predecessor else None
        return self.space(specification, self.data.current, past, former)

    def space(
        self,
        specification: Specification,
        examples: Examples,
        past: Sequence[Examples],
        former: Space | None = None,
    ) -> Space:
        """The model space of some customers; what features announce is learned from those of earlier dates."""
        futures = self.futures(specification, past) if specification.forward_share > 0 else ()
        return fit_space(specification, self.data.features, examples.values, futures, former)

    def futures(self, specification: Specification, past: Sequence[Examples]) -> tuple[Future, ...]:
        """What features announce, by customers of earlier dates."""
        dates = tuple(each.as_of for each in past)
        key = (dates, specification.ridge, specification.cap, specification.transforms, specification.scaling)
        if key not in self._futures:
            lessons = [lesson(specification, self.data.features, each) for each in past if each.outcome]
            self._futures[key] = learn_futures(lessons, specification.ridge)
        return self._futures[key]

    def _forward_metrics(
        self, specification: Specification, space: Space, centroids: Floats, history: History
    ) -> dict[str, float]:
        found = forward_metrics(space, centroids, history)
        value, behaviour = found.get("forward_eta_squared"), found.get("behaviour_eta_squared")
        if value is not None:
            ladder = self.ladder(specification.segments)
            found["forward_ratio"] = value / ladder if ladder >= LEAST_REFERENCE else 1.0
            found |= self._tier_agreement(nearest_labels(space.points(history.judged.values), centroids))
        if behaviour is not None:
            found["behaviour_lift"] = behaviour / max(self.foretold_behaviour(), LEAST_REFERENCE)
        return found

    def _tier_agreement(self, labels: Ints) -> dict[str, float]:
        """How nearly segments at the judged date are tiers of expected spend; empty where nothing of it is foretold."""
        from sklearn.metrics import adjusted_rand_score  # scikit-learn is heavy, and only who fits needs it

        history = self.data.history
        space = None if history is None else self._spend_alone(history)
        if history is None or space is None:
            return {}
        tiers = tiers_of(space.points(history.judged.values)[:, 0], labels)
        return {"tier_agreement": float(adjusted_rand_score(tiers, labels))}

    def _spend_alone(self, history: History) -> Space | None:
        """The space of expected spend and nothing else at the judged date; None if none of it is foretold."""
        alone = Specification(2, forward_share=1.0)
        space = self.space(alone, history.judged, (history.learned, *history.before_learned))
        return space if space.axes and space.axes[0] else None

    def foretold_behaviour(self) -> float:
        """Which share of later behaviour regressions foretell, the mean over what varies; 0 without history."""
        history = self.data.history
        if history is None or history.judged.outcome is None:
            return 0.0
        futures = self.futures(Specification(2, forward_share=1.0), (history.learned, *history.before_learned))
        foretold = {future.name: future.foretold for future in futures if future.block == "behaviour"}
        varying = varying_behaviour(history.judged.outcome.behaviour)
        return float(np.mean([foretold.get(name, 0.0) for name in varying])) if varying else 0.0

    def ladder(self, k: int) -> float:
        """What k tiers of the spend that is expected reach at the judged date, and nothing but that: a value ladder."""
        history = self.data.history
        if k not in self._ladders and history is not None and history.judged.outcome is not None:
            space = self._spend_alone(history)
            points = None if space is None else space.points(history.judged.values)
            if points is None or len(np.unique(points, axis=0)) < k:
                return 0.0
            labels = nearest_labels(points, fit_centroids(points, k, seed=self.seed, starts=TRIAL_STARTS))
            self._ladders[k] = eta_squared(history.judged.outcome.log_spend, labels)
        return self._ladders.get(k, 0.0)


def lesson(specification: Specification, features: Sequence[Feature], past: Examples) -> Lesson:
    """Customers of an earlier date, as regressions see them; `past` has an outcome.

    Raises:
        ValueError: It has none.
    """
    if past.outcome is None:
        raise ValueError(f"The customers of {past.as_of} have no outcome.")
    space = scaled_space(specification, features, past.values)
    return Lesson(tuple(rule.name for rule in space.rules), space.scaled(past.values), past.outcome)


def tiers_of(expected: Floats, labels: Ints) -> Ints:
    """Tiers of what customers are expected to spend, of the sizes of given segments, in the order of these.

    Args:
        expected: Length n.
        labels: Length n; the segments.
    """
    k = int(labels.max()) + 1
    counts = np.bincount(labels, minlength=k)
    means = np.bincount(labels, weights=expected, minlength=k) / np.maximum(counts, 1)
    ends = np.cumsum(counts[np.argsort(means, kind="stable")])[:-1]
    ranks = np.argsort(np.argsort(expected, kind="stable"), kind="stable")
    return np.asarray(np.searchsorted(ends, ranks, side="right"), dtype=np.int64)


def forward_metrics(space: Space, centroids: Floats, history: History) -> dict[str, float]:
    """η² and AUC of a segmentation at the judged date.

    For the AUC, segments are ranked by the share of customers who came back after the *learned* date.
    """
    if history.judged.outcome is None or history.learned.outcome is None:
        return {}
    judged = nearest_labels(space.points(history.judged.values), centroids)
    learned = nearest_labels(space.points(history.learned.values), centroids)
    k = len(centroids)
    counts = np.maximum(np.bincount(learned, minlength=k), 1)
    share = np.bincount(learned, weights=history.learned.outcome.returned, minlength=k) / counts
    value = eta_squared(history.judged.outcome.log_spend, judged)
    behaviour = behaviour_eta_squared(history.judged.outcome.behaviour, judged)
    return {
        "forward_eta_squared": value,
        "forward_auc": auc(share[judged], history.judged.outcome.returned),
        **({} if behaviour is None else {"behaviour_eta_squared": behaviour}),
    }


def fit(data: TrainingData, specification: Specification, *, seed: int, predecessor: Predecessor | None = None) -> Fit:
    """Fit a specification with many starts, one of them where the predecessor's segments lay, and measure it.

    Raises:
        NotEnoughDataError: There are fewer different customers than segments, or nothing tells them apart.
    """
    evaluator = SpecificationEvaluator(data, seed, predecessor)
    space = evaluator.current_space(specification)
    points = space.points(data.current.values)
    refuse_too_few(points, specification.segments)
    centroids = settled(points, specification, seed, STARTS, predecessor)
    k = len(centroids)
    assignment = nearest(points, centroids)
    resamples = resample(points, centroids, seed=seed)
    rows = resamples.rows
    cutoffs = confidence_cutoffs(assignment.confidence[rows], assignment.segment[rows], resamples.returned, k)
    metrics = {
        **validity(points, evaluator.fixed, centroids, seed),
        "stability": float(resamples.overlap.min()),
        "resample_agreement": resamples.agreement,
        **evaluator.forward(specification),
    }
    if predecessor is not None:
        metrics["kept_share"] = kept_share(assignment.segment, k, predecessor)
    return Fit(
        space.rules,
        space.projection,
        space.axes,
        centroids,
        assignment.segment,
        resamples.overlap,
        cutoffs,
        metrics,
        later_spend(space, centroids, data.history),
    )


def settled(
    points: Floats, specification: Specification, seed: int, starts: int, predecessor: Predecessor | None = None
) -> Floats:
    """Centroids of the segments: fitted, those that are too small merged with their neighbours.

    Raises:
        NotEnoughDataError: Not even two segments are large enough.
    """
    k = specification.segments
    warm = former_places(points, k, predecessor)
    centroids = without_small(
        points, fit_centroids(points, k, seed=seed, starts=starts, warm=warm), specification.smallest
    )
    if len(centroids) < 2:
        raise NotEnoughDataError(
            f"{len(points)} customers don't form two segments of at least {specification.smallest:.1%} each. Use more "
            "data, or lower SEGMENTATION_MIN_SEGMENT_SHARE."
        )
    return centroids


def former_places(points: Floats, k: int, predecessor: Predecessor | None) -> Floats | None:
    """Means of the predecessor's segments in a new space; None if there are not k of them with customers."""
    if predecessor is None:
        return None
    present = np.unique(predecessor.labels)
    if len(present) != k or len(predecessor.segments) != k:
        return None
    return np.array([points[predecessor.labels == label].mean(axis=0) for label in present])


def kept_share(labels: Ints, k: int, predecessor: Predecessor) -> float:
    """Share of customers whom a new labelling leaves in the segment that they were in."""
    matches = match(labels, k, predecessor.labels, len(predecessor.segments))
    heirs = np.array([-1 if index is None else index for index in matches])
    return float(np.mean(heirs[labels] == predecessor.labels))


def refuse_too_few(points: Floats, k: int) -> None:
    """Complain if there are fewer different customers than segments."""
    different = len(np.unique(points, axis=0))
    if different < k:
        raise NotEnoughDataError(
            f"{len(points)} customers, {different} of them different in the modelled features, can't form "
            f"{k} segments. Use more data, or lower SEGMENTATION_MIN_SEGMENTS."
        )
