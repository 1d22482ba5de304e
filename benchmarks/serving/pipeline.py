"""The artefact's mathematics as a scikit-learn pipeline: fill, clip, transform, scale, project, nearest centroid.

Servers unpickle it in environments that have nothing of the platform, so nothing but scikit-learn, NumPy and pandas is
imported.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

if TYPE_CHECKING:
    from segmentation.modeling.artefact import Artefact, Floats

FUNCTIONS = ("log", "signed_log", "sqrt", "identity")


def signed_log(values: "Floats") -> "Floats":
    """The logarithm of the size, with the sign of the value."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), dtype=np.float64)


def as_pipeline(artefact: "Artefact") -> Pipeline:
    """A fitted pipeline that does what the artefact does.

    `transform` takes a frame with the features in the artefact's order to the distances from all centroids, shape
    (n, k); `predict` to the index of the nearest one.
    """
    rules = artefact.rules
    columns = {name: [i for i, rule in enumerate(rules) if rule.transform == name] for name in FUNCTIONS}
    # A ColumnTransformer puts out one transformer's columns after the other's.
    order = [index for indices in columns.values() for index in indices]
    clip = {"a_min": np.array([rule.lower for rule in rules]), "a_max": np.array([rule.upper for rule in rules])}
    functions = {"log": np.log1p, "signed_log": signed_log, "sqrt": np.sqrt}
    transformers = [
        (name, FunctionTransformer(functions[name]) if name in functions else "passthrough", indices)
        for name, indices in columns.items()
        if indices
    ]
    steps = [
        ("fill", _fitted_imputer(artefact)),
        ("clip", FunctionTransformer(np.clip, kw_args=clip)),
        ("transform", ColumnTransformer(transformers).fit(np.ones((2, len(rules))))),
        ("scale", _fitted_scaler(artefact, order)),
        ("project", _fitted_projection(artefact, order)),
        ("cluster", _fitted_clusters(artefact, order)),
    ]
    return Pipeline([(name, step) for name, step in steps if step is not None])


def _fitted_imputer(artefact: "Artefact") -> SimpleImputer:
    """Where the artefact has no rule, the value is never missing, and it does not matter what would be filled in."""
    known = [rule.lower if rule.missing_value is None else rule.missing_value for rule in artefact.rules]
    return SimpleImputer(strategy="median").fit(pd.DataFrame([known], columns=list(artefact.feature_names)))


def _fitted_scaler(artefact: "Artefact", order: list[int]) -> StandardScaler:
    scaler = StandardScaler().fit(np.eye(len(order)))
    scaler.mean_ = np.array([artefact.rules[index].center for index in order])
    scaler.scale_ = np.array([artefact.rules[index].scale for index in order])
    scaler.var_ = scaler.scale_**2
    return scaler


def _fitted_projection(artefact: "Artefact", order: list[int]) -> PCA | None:
    if artefact.projection is None:
        return None
    axes = np.array(artefact.projection)[:, order]
    pca = PCA(len(axes)).fit(np.eye(max(axes.shape) + 1, len(order)))
    pca.mean_, pca.components_ = np.zeros(len(order)), axes
    return pca


def _fitted_clusters(artefact: "Artefact", order: list[int]) -> KMeans:
    centroids = np.array([segment.centroid for segment in artefact.segments])
    if artefact.projection is None:
        centroids = centroids[:, order]
    clusters = KMeans(len(centroids), init=centroids, n_init=1, max_iter=1).fit(centroids)
    clusters.cluster_centers_ = np.ascontiguousarray(centroids)
    return clusters
