"""Fitting K-means and choosing the number of segments. The only module that needs scikit-learn.

How many segments: as many as the data carries. Among the numbers tried, the largest of which every segment comes back
when the customers are resampled (its mean Jaccard overlap with the most similar segment of a bootstrap fit is 0.75 or
more, as Hennig 2007 advises) and none is too small. If there is none, the one whose weakest segment is most stable.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from segmentation.errors import NotEnoughDataError
from segmentation.modeling.artefact import Floats, Ints, nearest

STABILITY_TARGET = 0.75
STARTS = 10
RESAMPLES = 6
RESAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class Trial:
    """One number of segments and how it did.

    Attributes:
        k: Number of segments.
        centroids: Shape (k, d), in model space.
        inertia: Mean squared distance to the nearest centroid, over the rows fitted on.
        simplified_silhouette: Mean of 1 - distance / runner-up distance (Hruschka et al. 2004).
        stability: Jaccard overlap of the weakest segment with its like in bootstrap resamples (Hennig 2007).
        resample_agreement: Mean adjusted Rand index between this fit and those of the resamples.
        smallest_share: Share of customers in the smallest segment.
    """

    k: int
    centroids: Floats
    inertia: float
    simplified_silhouette: float
    stability: float
    resample_agreement: float
    smallest_share: float

    def metrics(self) -> dict[str, float]:
        """The figures by name, without the centroids."""
        return {
            "segments": float(self.k),
            "inertia": self.inertia,
            "simplified_silhouette": self.simplified_silhouette,
            "stability": self.stability,
            "resample_agreement": self.resample_agreement,
            "smallest_share": self.smallest_share,
        }


@dataclass(frozen=True)
class Search:
    """All trials, and which one was chosen and why."""

    trials: tuple[Trial, ...]
    chosen: Trial
    reason: str


def search_k(
    points: Floats,
    ks: Sequence[int],
    *,
    seed: int,
    max_rows: int,
    min_share: float,
    progress: Callable[[Trial], None] | None = None,
) -> Search:
    """Fit K-means for each number of segments and choose one by the rule in the module's docstring.

    Single-threaded on purpose: threads add up in any order, and the same input has to give the same bytes.

    Args:
        points: Shape (n, d), in model space.
        ks: Numbers of segments to try.
        seed: Of sampling, starts and resamples.
        max_rows: Fit on a sample of this many rows if there are more; initialisation matters more than rows.
        min_share: Smallest share of customers that a segment may have.
        progress: Told of each trial.

    Raises:
        NotEnoughDataError: There are fewer different customers than segments.
    """
    different = len(np.unique(points, axis=0))
    possible = [k for k in ks if k <= different]
    if not possible:
        raise NotEnoughDataError(
            f"{len(points)} customers, {different} of them different in the modelled features, can't form "
            f"{min(ks)} segments. Use more data, or lower SEGMENTATION_MIN_SEGMENTS."
        )
    rng = np.random.default_rng(seed)
    rows = points if len(points) <= max_rows else points[np.sort(rng.choice(len(points), max_rows, replace=False))]
    trials = []
    with threadpool_limits(limits=1):
        for k in possible:
            trials.append(_try(points, rows, k, seed))
            if progress:
                progress(trials[-1])
    return _choose(tuple(trials), min_share)


def _try(points: Floats, rows: Floats, k: int, seed: int) -> Trial:
    fit = KMeans(k, n_init=STARTS, random_state=seed).fit(rows)
    centroids = np.asarray(fit.cluster_centers_, dtype=np.float64)
    assignment = nearest(points, centroids)
    counts = np.bincount(assignment.segment, minlength=k)
    stability, agreement = _stability(rows, centroids, seed)
    return Trial(
        k=k,
        centroids=centroids,
        inertia=float(np.mean(nearest(rows, centroids).distance ** 2)),
        simplified_silhouette=float(assignment.confidence.mean()),
        stability=stability,
        resample_agreement=agreement,
        smallest_share=float(counts.min() / len(points)),
    )


def _stability(rows: Floats, centroids: Floats, seed: int) -> tuple[float, float]:
    """Weakest segment's mean Jaccard overlap, and mean adjusted Rand index, over bootstrap fits."""
    k = len(centroids)
    rng = np.random.default_rng((seed, k))
    judged = rows if len(rows) <= RESAMPLE_ROWS else rows[rng.choice(len(rows), RESAMPLE_ROWS, replace=False)]
    own = nearest(judged, centroids).segment
    overlaps, agreements = [], []
    for number in range(RESAMPLES):
        resample = judged[rng.choice(len(judged), len(judged))]
        if len(np.unique(resample, axis=0)) < k:
            return 0.0, 0.0
        fit = KMeans(k, n_init=3, random_state=number).fit(resample)
        other = nearest(judged, np.asarray(fit.cluster_centers_)).segment
        overlaps.append(_jaccard(own, other, k).max(axis=1))
        agreements.append(adjusted_rand_score(own, other))
    return float(np.mean(overlaps, axis=0).min()), float(np.mean(agreements))


def _jaccard(one: Ints, other: Ints, k: int) -> Floats:
    """Jaccard overlap of each cluster of one labelling with each of another; shape (k, k)."""
    shared = np.zeros((k, k))
    np.add.at(shared, (one, other), 1)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def _choose(trials: tuple[Trial, ...], min_share: float) -> Search:
    large_enough = [trial for trial in trials if trial.smallest_share >= min_share] or list(trials)
    stable = [trial for trial in large_enough if trial.stability >= STABILITY_TARGET]
    if stable:
        chosen = max(stable, key=lambda trial: trial.k)
        reason = f"the most segments that all come back in resamples (Jaccard overlap >= {STABILITY_TARGET})"
    else:
        chosen = max(large_enough, key=lambda trial: (trial.stability, -trial.k))
        reason = f"the most stable; with no number of segments do all reach a Jaccard overlap of {STABILITY_TARGET}"
    return Search(trials, chosen, reason)
