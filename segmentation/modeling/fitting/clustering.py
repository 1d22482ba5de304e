"""K-means, and whether its clusters are there: fits, bootstrap resamples, and what confidence is worth.

Single-threaded on purpose: threads add up in any order, and the same input has to give the same bytes.
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.fitting.sampling import some_rows
from segmentation.modeling.nearest import nearest_labels

START_ROWS = 30_000
"""Rows that are enough to tell good starts from bad ones."""

RESAMPLES = 20
TRIAL_RESAMPLES = 6
"""Enough for the mean overlap that trials are compared by, not for who came back how often."""

RESAMPLE_ROWS = 20_000
WARM_TOLERANCE = 0.01
"""How much larger the inertia of a fit may be that leaves clusters where they were."""

RELIABLE = 0.9
"""Customers are confident enough if so many of them come back to their segment in resamples."""

ROUNDING = 1e-9


@dataclass(frozen=True)
class Resamples:
    """How k clusters fared in bootstrap resamples.

    Attributes:
        overlap: Length k; mean Jaccard overlap of each cluster with its like (Hennig 2007).
        agreement: Mean adjusted Rand index between the fit and those of the resamples (Hubert & Arabie 1985).
        rows: Length m; the rows that were judged.
        returned: Length m; share of the resamples in which the row was in its cluster's like.
    """

    overlap: Floats
    agreement: float
    rows: Ints
    returned: Floats


def fit_centroids(
    points: Floats,
    k: int,
    *,
    seed: int,
    starts: int = 10,
    max_rows: int | None = None,
    warm: Floats | None = None,
    tolerance: float = WARM_TOLERANCE,
) -> Floats:
    """The best of several K-means fits (Lloyd 1982, started as Arthur & Vassilvitskii 2007).

    Of many rows, the starts see a sample, and the best of them is polished on all.

    Args:
        points: Shape (n, d).
        k: Number of clusters; at most the number of different points.
        seed: Of sample and starts.
        starts: Fits of which the best is kept.
        max_rows: Fit on a random sample of so many rows if there are more.
        warm: Shape (k, d); where clusters lay before. If they settle into a fit that is hardly worse than the best one,
            that is taken, so that clusters don't change places for nothing.
        tolerance: How much larger the inertia of that fit may be.

    Returns:
        Shape (k, d).
    """
    from sklearn.cluster import KMeans  # scikit-learn is heavy, and only who fits needs it

    rows = points
    if max_rows is not None and len(points) > max_rows:
        rows = points[some_rows(len(points), max_rows, np.random.default_rng(seed))]
    with threadpool_limits(limits=1):
        if len(rows) > START_ROWS and starts > 1:
            some = rows[some_rows(len(rows), START_ROWS, np.random.default_rng(seed))]
            best = KMeans(k, n_init=starts, random_state=seed).fit(some)
            fit = KMeans(k, init=best.cluster_centers_, n_init=1).fit(rows)
        else:
            fit = KMeans(k, n_init=starts, random_state=seed).fit(rows)
        if warm is not None:
            again = KMeans(k, init=warm, n_init=1).fit(rows)
            if again.inertia_ <= fit.inertia_ * (1 + tolerance):
                fit = again
    return np.asarray(fit.cluster_centers_, dtype=np.float64)


def without_small(points: Floats, centroids: Floats, smallest: float) -> Floats:
    """Centroids of clusters that hold enough points: the smallest is given up, and its points fall to the others.

    Args:
        points: Shape (n, d).
        centroids: Shape (k, d).
        smallest: Share of the points that a cluster has to hold.

    Returns:
        Shape (at most k, d), settled again; a single one if no two clusters are large enough.
    """
    from sklearn.cluster import KMeans  # scikit-learn is heavy, and only who fits needs it

    while len(centroids) > 1:
        counts = np.bincount(nearest_labels(points, centroids), minlength=len(centroids))
        if counts.min() >= smallest * len(points):
            break
        rest = np.delete(centroids, int(counts.argmin()), axis=0)
        with threadpool_limits(limits=1):
            centroids = np.asarray(KMeans(len(rest), init=rest, n_init=1).fit(points).cluster_centers_)
    return np.asarray(centroids, dtype=np.float64)


def resample(points: Floats, centroids: Floats, *, seed: int, times: int = RESAMPLES) -> Resamples:
    """Cluster bootstrap resamples of the rows, and see which clusters come back.

    Args:
        points: Shape (n, d).
        centroids: Shape (k, d), of the fit that is judged.
        seed: Of the resamples; the first of few are those of many.
        times: How many.
    """
    from sklearn.metrics import adjusted_rand_score  # scikit-learn is heavy, and only who fits needs it

    k = len(centroids)
    rng = np.random.default_rng((seed, k))
    rows = some_rows(len(points), RESAMPLE_ROWS, rng)
    judged = points[rows]
    own = nearest_labels(judged, centroids)
    overlaps, agreements, returned = [], [], np.zeros(len(judged))
    for number in range(times):
        drawn = judged[rng.choice(len(judged), len(judged))]
        if len(np.unique(drawn, axis=0)) < k:
            return Resamples(np.zeros(k), 0.0, rows, np.zeros(len(judged)))
        other = nearest_labels(judged, fit_centroids(drawn, k, seed=number, starts=3, warm=centroids, tolerance=0.0))
        overlap = jaccard(own, other, k)
        overlaps.append(overlap.max(axis=1))
        agreements.append(adjusted_rand_score(own, other))
        returned += other == overlap.argmax(axis=1)[own]
    return Resamples(np.mean(overlaps, axis=0), float(np.mean(agreements)), rows, returned / times)


def jaccard(one: Ints, other: Ints, k: int) -> Floats:
    """Jaccard overlap of each cluster of one labelling with each of another; shape (k, k)."""
    shared = np.zeros((k, k))
    np.add.at(shared, (one, other), 1)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def confidence_cutoffs(confidence: Floats, labels: Ints, returned: Floats, k: int) -> Floats:
    """Per cluster, the confidence below which customers can't be relied on.

    How likely a member comes back is a non-decreasing function of their confidence: the isotonic regression of those
    shares on it (Ayer et al. 1955). The cut-off is where it reaches `RELIABLE`.

    Args:
        confidence: Length n; 1 - distance / runner-up distance.
        labels: Length n; cluster of each.
        returned: Length n; share of the resamples in which each came back.
        k: Number of clusters.

    Returns:
        Length k; 0 where even the least confident come back, and 1 where nobody does.
    """
    from sklearn.isotonic import IsotonicRegression  # scikit-learn is heavy, and only who fits needs it

    cutoffs = np.zeros(k)
    for cluster in np.unique(labels):
        own, share = confidence[labels == cluster], returned[labels == cluster]
        is_reliable = IsotonicRegression().fit(own, share).predict(own) >= RELIABLE - ROUNDING
        if not is_reliable.all():
            cutoffs[cluster] = float(own[is_reliable].min(initial=1.0))
    return cutoffs
