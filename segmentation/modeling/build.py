"""Building a model: from a feature snapshot to a training set, from a training set to an artefact."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

import segmentation
from segmentation.features.catalogue import BY_NAME, Feature, modelled
from segmentation.modeling.artefact import (
    FORMAT,
    Artefact,
    Assignment,
    Evaluator,
    Floats,
    Provenance,
    Segment,
    nearest,
)
from segmentation.modeling.preprocessing import fit_rules
from segmentation.modeling.registry import TrainingSet, record_training_set
from segmentation.modeling.snapshots import FeatureMatrix, read_matrix
from segmentation.modeling.training import Search, Trial, search_k
from segmentation.segments.naming import Population, Traits, describe, name_segments
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake

TRAIT_FEATURES = (
    "recency_days",
    "order_count",
    "is_one_time_buyer",
    "net_revenue",
    "average_order_value",
    "distinct_products",
    "return_rate",
)


@dataclass(frozen=True)
class TrainedModel:
    """A fit, with the search that led to it."""

    artefact: Artefact
    search: Search


def make_training_set(lake: Lake, as_of: date, commit: Commit) -> TrainingSet:
    """Pin the customers of a snapshot as a training set.

    Raises:
        NotEnoughDataError: There is no such snapshot.
    """
    features = tuple(feature.name for feature in modelled())
    version = lake.version()
    with lake.at(version) as con:
        matrix = read_matrix(con, as_of, features)
    training_set = TrainingSet(_fingerprint(matrix, features), as_of, version, len(matrix.customer_ids), features)
    return record_training_set(lake, training_set, commit)


def train(
    lake: Lake, training_set: TrainingSet, settings: Settings, progress: Callable[[Trial], None] | None = None
) -> TrainedModel:
    """Fit a model on a training set, read from the version of the lake that it is pinned to.

    Raises:
        NotEnoughDataError: Too few customers, or all of them alike.
    """
    with lake.at(training_set.lake_snapshot) as con:
        matrix = read_matrix(con, training_set.as_of, training_set.features)
        traits = read_matrix(con, training_set.as_of, TRAIT_FEATURES)
    provenance = Provenance(
        as_of=training_set.as_of,
        lake_snapshot=training_set.lake_snapshot,
        training_set_id=training_set.id,
        seed=settings.seed,
        code_version=segmentation.__version__,
    )
    features = [BY_NAME[name] for name in training_set.features]
    return fit(features, matrix.values, traits.values, provenance, settings, progress)


def training_assignment(lake: Lake, artefact: Artefact) -> Assignment:
    """The segments that a model gives to the very customers it was trained on."""
    with lake.at(artefact.provenance.lake_snapshot) as con:
        matrix = read_matrix(con, artefact.provenance.as_of, artefact.feature_names)
    return Evaluator(artefact).assign(matrix.values)


def fit(
    features: Sequence[Feature],
    matrix: Floats,
    traits: Floats,
    provenance: Provenance,
    settings: Settings,
    progress: Callable[[Trial], None] | None = None,
) -> TrainedModel:
    """Fit rules and centroids to a matrix, and name the segments.

    Args:
        features: What the columns of `matrix` are.
        matrix: Shape (n, number of features), NaN where missing.
        traits: Shape (n, number of `TRAIT_FEATURES`), what names are made from.
        provenance: Where the rows came from.
        settings: Range of segments, sample size, seed.
        progress: Told of each number of segments tried.
    """
    rules = fit_rules(features, matrix)
    kept = [index for index, feature in enumerate(features) if any(rule.name == feature.name for rule in rules)]
    unfitted = Artefact(FORMAT, rules, (), provenance)
    points = Evaluator(unfitted).coordinates(matrix[:, kept])
    search = search_k(
        points,
        range(settings.min_segments, settings.max_segments + 1),
        seed=settings.seed,
        max_rows=settings.training_rows,
        min_share=settings.min_segment_share,
        progress=progress,
    )
    segments = _segments(points, search.chosen.centroids, traits)
    return TrainedModel(Artefact(FORMAT, rules, segments, provenance), search)


def _segments(points: Floats, centroids: Floats, traits: Floats) -> tuple[Segment, ...]:
    """Named segments, numbered from 1 by falling net revenue of the typical customer."""
    member = nearest(points, centroids).segment
    by_cluster = [_traits(traits[member == cluster]) for cluster in range(len(centroids))]
    order = sorted(range(len(centroids)), key=lambda cluster: (-by_cluster[cluster].net_revenue, cluster))
    recency = traits[:, TRAIT_FEATURES.index("recency_days")]
    population = Population(_traits(traits), float(np.quantile(recency, 0.4)), float(np.quantile(recency, 0.75)))
    ordered = [by_cluster[cluster] for cluster in order]
    names = name_segments(ordered, population)
    return tuple(
        Segment(number, name, describe(each, population), tuple(float(c) for c in centroids[cluster]))
        for number, (cluster, each, name) in enumerate(zip(order, ordered, names, strict=True), start=1)
    )


def _traits(rows: Floats) -> Traits:
    means = dict(zip(TRAIT_FEATURES, np.nan_to_num(np.nanmean(rows, axis=0)), strict=True))
    return Traits(
        recency_days=float(np.median(rows[:, TRAIT_FEATURES.index("recency_days")])),
        order_count=float(means["order_count"]),
        one_time_share=float(means["is_one_time_buyer"]),
        net_revenue=float(means["net_revenue"]),
        order_value=float(means["average_order_value"]),
        distinct_products=float(means["distinct_products"]),
        return_rate=float(means["return_rate"]),
    )


def _fingerprint(matrix: FeatureMatrix, features: Sequence[str]) -> str:
    digest = hashlib.sha256("\n".join(features).encode())
    digest.update("\n".join(pl.Series(matrix.customer_ids).to_list()).encode())
    digest.update(matrix.values.tobytes())
    return digest.hexdigest()[:32]
