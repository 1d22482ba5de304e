"""Measures of a segmentation, each named for what it is.

Distances of different model spaces can't be compared, so the silhouette by which segmentations are compared is taken
in one fixed space, whatever space a model lives in: the `fixed_silhouette`.
"""

import numpy as np
from threadpoolctl import threadpool_limits

from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.fitting.sampling import some_rows
from segmentation.modeling.nearest import nearest

SILHOUETTE_ROWS = 2_000
SCORED_ROWS = 20_000

MEANINGS = {
    "segments": "number of segments",
    "inertia": "mean squared distance to the nearest centroid, in model space (Lloyd 1982)",
    "silhouette": f"mean silhouette of {SILHOUETTE_ROWS:,} customers in model space (Rousseeuw 1987)",
    "fixed_silhouette": "the same in the space of all features scaled alike; the only one to compare models by",
    "simplified_silhouette": "mean of 1 − distance / distance to the runner-up (Hruschka, de Castro & Campello 2004)",
    "davies_bouldin": "mean, over segments, of the worst ratio of spread to distance; less is better (Davies & Bouldin "
    "1979)",
    "calinski_harabasz": "variance between segments to that within, per degree of freedom (Caliński & Harabasz 1974)",
    "stability": "Jaccard overlap of the weakest segment with its like in bootstrap resamples (Hennig 2007)",
    "resample_agreement": "mean adjusted Rand index between the fit and those of resamples (Hubert & Arabie 1985)",
    "smallest_share": "share of customers in the smallest segment",
    "kept_share": "share of customers whom the model leaves in the segment that its predecessor gives them",
    "forward_eta_squared": "share of the variance of the next days' log spend that lies between segments, out of time "
    "(Fisher 1925)",
    "forward_ratio": "the same, as a share of what tiers of expected spend alone reach, as many of them",
    "tier_agreement": "adjusted Rand index with tiers of expected spend, of the sizes of the segments (Hubert & Arabie "
    "1985); at 1 segments say nothing but what will be spent",
    "behaviour_eta_squared": "the same of how those who bought did it (order value, units and products per order, unit "
    "price, returns, discounts, weekends), the mean over what varies",
    "behaviour_lift": "the same, as a share of what regressions foretell of it",
    "forward_auc": "how well segments, ranked at an earlier date, tell who buys again (Mann & Whitney 1947)",
}
"""What each figure is, and where it comes from."""


def validity(points: Floats, fixed: Floats, centroids: Floats, seed: int) -> dict[str, float]:
    """Internal measures of a fit.

    Args:
        points: Shape (n, p), in model space.
        fixed: Shape (n, d), the same customers in the fixed space.
        centroids: Shape (k, p).
        seed: Of samples.
    """
    # scikit-learn is heavy, and only who fits needs it
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    assignment = nearest(points, centroids)
    labels = assignment.segment
    rng = np.random.default_rng(seed)
    some = some_rows(len(labels), SCORED_ROWS, rng)
    few = some_rows(len(labels), SILHOUETTE_ROWS, rng)
    with threadpool_limits(limits=1):
        return {
            "segments": float(len(centroids)),
            "inertia": float(np.mean(assignment.distance**2)),
            "silhouette": _of_labels(silhouette_score, points[few], labels[few]),
            "fixed_silhouette": _of_labels(silhouette_score, fixed[few], labels[few]),
            "simplified_silhouette": float(assignment.confidence.mean()),
            "davies_bouldin": _of_labels(davies_bouldin_score, points[some], labels[some]),
            "calinski_harabasz": _of_labels(calinski_harabasz_score, points[some], labels[some]),
            "smallest_share": smallest_share(labels, len(centroids)),
        }


def fixed_silhouette(fixed: Floats, labels: Ints, seed: int) -> float:
    """The silhouette of any labelling in the fixed space, on a sample."""
    from sklearn.metrics import silhouette_score  # scikit-learn is heavy, and only who fits needs it

    few = some_rows(len(labels), SILHOUETTE_ROWS, np.random.default_rng(seed))
    with threadpool_limits(limits=1):
        return _of_labels(silhouette_score, fixed[few], labels[few])


def smallest_share(labels: Ints, k: int) -> float:
    """Share of customers in the smallest of k segments."""
    return float(np.bincount(labels, minlength=k).min() / max(len(labels), 1))


def _of_labels(score: object, points: Floats, labels: Ints) -> float:
    """A score that is defined for 2 to n - 1 different labels; 0 elsewhere."""
    different = len(np.unique(labels))
    if not callable(score) or different < 2 or different >= len(labels):
        return 0.0
    return float(score(points, labels))
