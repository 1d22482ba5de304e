"""Fits of a specification: a quick one to judge it by, out of time, and the full one that becomes a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import FeatureRule, Floats, Ints, Projection
from segmentation.modeling.fitting.clustering import confidence_cutoffs, fit_centroids, resample
from segmentation.modeling.fitting.forward import auc, eta_squared
from segmentation.modeling.fitting.metrics import fixed_silhouette, smallest_share, validity
from segmentation.modeling.fitting.space import Space, fit_space, fixed_space, learn_forward
from segmentation.modeling.nearest import nearest, nearest_labels
from segmentation.modeling.segment_identity.matching import Predecessor, match
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import Examples, History, TrainingData

TRIAL_STARTS = 4
STARTS = 10
LEAST_REFERENCE = 0.05
"""Where plain RFM clusters say next to nothing, a lift over them would say anything."""

RFM = ("recency_days", "order_count", "net_revenue")


@dataclass(frozen=True)
class Fit:
    """A full fit.

    Attributes:
        rules: The way from raw features to scaled ones.
        projection: From there to model space.
        centroids: Shape (k, p).
        labels: Length n; cluster of each customer of the current examples.
        stability: Length k; Jaccard overlap with its like in resamples.
        cutoffs: Length k; confidence below which customers can't be relied on.
        metrics: Figures by the names of `metrics.MEANINGS`.
    """

    rules: tuple[FeatureRule, ...]
    projection: Projection | None
    centroids: Floats
    labels: Ints
    stability: Floats
    cutoffs: Floats
    metrics: dict[str, float]


@dataclass
class SpecificationEvaluator:
    """What trials on the same data share: the fixed space, reference segmentations, and forward axes."""

    data: TrainingData
    seed: int
    predecessor: Predecessor | None = None
    _axes: dict[tuple[object, ...], Mapping[str, float]] = field(default_factory=dict)
    _references: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = self.data.current.values
        self.fixed = fixed_space(self.data.features, values).scaled(values)

    def with_seed(self, seed: int) -> "SpecificationEvaluator":
        """The same data, with other starts and resamples."""
        return SpecificationEvaluator(self.data, seed, self.predecessor, self._axes)

    def forward(self, specification: Specification) -> dict[str, float]:
        """How well segments at the judged date tell the days after it apart; empty without history."""
        history = self.data.history
        if history is None:
            return {}
        space = self.space(specification, history.judged, history.learned)
        points = space.points(history.judged.values)
        refuse_too_few(points, specification.segments)
        centroids = fit_centroids(points, specification.segments, seed=self.seed, starts=TRIAL_STARTS)
        return forward_metrics(space, centroids, history, self.reference(specification.segments))

    def current(self, specification: Specification, starts: int = TRIAL_STARTS) -> dict[str, float]:
        """Size, stability and validity of the segments of today's customers."""
        examples = self.data.current
        space = self.space(specification, examples, self.data.history.judged if self.data.history else None)
        points = space.points(examples.values)
        refuse_too_few(points, specification.segments)
        warm = former_places(points, specification.segments, self.predecessor)
        centroids = fit_centroids(points, specification.segments, seed=self.seed, starts=starts, warm=warm)
        labels = nearest_labels(points, centroids)
        resamples = resample(points, centroids, seed=self.seed)
        kept = {} if self.predecessor is None else {"kept_share": kept_share(labels, len(centroids), self.predecessor)}
        return {
            **kept,
            "fixed_silhouette": fixed_silhouette(self.fixed, labels, self.seed),
            "stability": float(resamples.overlap.min()),
            "resample_agreement": resamples.agreement,
            "smallest_share": smallest_share(labels, specification.segments),
        }

    def space(self, specification: Specification, examples: Examples, past: Examples | None) -> Space:
        """The model space of some customers, its forward axis learned from those of an earlier date."""
        forward = None
        if past is not None and past.outcome is not None and specification.forward_share > 0:
            key = (past.as_of, specification.ridge, specification.cap, specification.transforms, specification.scaling)
            if key not in self._axes:
                self._axes[key] = learn_forward(specification, self.data.features, past.values, past.outcome)
            forward = self._axes[key]
        return fit_space(specification, self.data.features, examples.values, forward)

    def reference(self, k: int) -> float:
        """What K-means on log recency, orders and revenue reaches at the judged date with at most k segments."""
        return max(self._reference(number) for number in range(2, k + 1))

    def _reference(self, k: int) -> float:
        if k not in self._references and self.data.history and self.data.history.judged.outcome:
            judged, names = self.data.history.judged, [feature.name for feature in self.data.features]
            columns = [names.index(name) for name in RFM]
            values = np.ascontiguousarray(judged.values[:, columns])
            space = fixed_space([BY_NAME[name] for name in RFM], values)
            points = space.points(values)
            if len(np.unique(points, axis=0)) < k:
                return 0.0
            centroids = fit_centroids(points, k, seed=self.seed, starts=TRIAL_STARTS)
            labels = nearest_labels(points, centroids)
            self._references[k] = eta_squared(self.data.history.judged.outcome.log_spend, labels)
        return self._references.get(k, 0.0)


def forward_metrics(space: Space, centroids: Floats, history: History, reference: float) -> dict[str, float]:
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
    return {
        "forward_eta_squared": value,
        "forward_lift": value / max(reference, LEAST_REFERENCE),
        "forward_auc": auc(share[judged], history.judged.outcome.returned),
    }


def fit(data: TrainingData, specification: Specification, *, seed: int, predecessor: Predecessor | None = None) -> Fit:
    """Fit a specification with many starts, one of them where the predecessor's segments lay, and measure it.

    Raises:
        NotEnoughDataError: There are fewer different customers than segments, or nothing tells them apart.
    """
    evaluator = SpecificationEvaluator(data, seed, predecessor)
    history, examples, k = data.history, data.current, specification.segments
    space = evaluator.space(specification, examples, history.judged if history else None)
    points = space.points(examples.values)
    refuse_too_few(points, k)
    centroids = fit_centroids(points, k, seed=seed, starts=STARTS, warm=former_places(points, k, predecessor))
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
    return Fit(space.rules, space.projection, centroids, assignment.segment, resamples.overlap, cutoffs, metrics)


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
