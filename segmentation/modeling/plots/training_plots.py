"""Pictures of a model, for its page in MLflow."""

from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from segmentation.modeling.artefact import Floats, ModelSpace
from segmentation.modeling.fitting.clustering import fit_centroids
from segmentation.modeling.fitting.metrics import SILHOUETTE_ROWS
from segmentation.modeling.fitting.space import fixed_space
from segmentation.modeling.nearest import nearest, nearest_labels
from segmentation.modeling.plots import charts
from segmentation.modeling.training import TrainedModel
from segmentation.settings import Settings

ELBOW_ROWS = 10_000


def figures(model: TrainedModel, settings: Settings) -> dict[str, bytes]:
    """PNG images by name; none where matplotlib isn't installed."""
    if not charts.figures_available():
        return {}
    from sklearn.metrics import silhouette_samples  # scikit-learn is heavy, and only who fits needs it

    artefact, values = model.artefact, model.data.current.values
    names = [segment.name for segment in artefact.segments]
    centroids = np.array([segment.centroid for segment in artefact.segments])
    columns = [feature.name for feature in model.data.features]
    kept = [columns.index(name) for name in artefact.feature_names]
    points = ModelSpace(artefact.rules, artefact.projection).coordinates(values[:, kept])
    labels = nearest_labels(points, centroids)
    rows = np.random.default_rng(settings.seed).permutation(len(points))
    few = np.sort(rows[:SILHOUETTE_ROWS])
    with threadpool_limits(limits=1):
        silhouettes = silhouette_samples(points[few], labels[few])
    ks = range(max(2, settings.min_segments - 2), settings.max_segments + 3)
    inertias = _inertias(points[np.sort(rows[:ELBOW_ROWS])], ks, settings.seed)
    space = fixed_space(model.data.features, values)
    scaled = space.scaled(values)
    means = np.array([scaled[labels == index].mean(axis=0) for index in range(len(names))])
    stability = [model.metrics[f"stability_{segment.id}"] for segment in artefact.segments]
    return {
        "silhouette": charts.silhouette_plot(np.asarray(silhouettes), labels[few], names),
        "elbow": charts.elbow_plot(list(ks), inertias, len(names)),
        "stability": charts.stability_plot(names, stability, settings.min_stability),
        "profiles": charts.profile_heat_map(names, [rule.name for rule in space.rules], means),
    }


def _inertias(points: Floats, ks: Sequence[int], seed: int) -> list[float]:
    return [float(np.mean(nearest(points, fit_centroids(points, k, seed=seed, starts=4)).distance ** 2)) for k in ks]
