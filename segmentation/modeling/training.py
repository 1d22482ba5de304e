"""Building a model: search, fit, identity; from a training set to an artefact, and the same again later."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import msgspec
import numpy as np

import segmentation
from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.metadata.features import BY_NAME
from segmentation.metadata.vocabulary import NAMED_FROM
from segmentation.modeling import registry
from segmentation.modeling.artefact import FORMAT, Artefact, Evaluator, Floats, Ints, Provenance, Segment
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.fit import Fit, fit
from segmentation.modeling.fitting.space import Space
from segmentation.modeling.registry import ModelVersion, TrainingSet
from segmentation.modeling.search.search import Search, TrialProgress, search
from segmentation.modeling.search.tracking import Tracker
from segmentation.modeling.segment_identity.lineage import Descent
from segmentation.modeling.segment_identity.matching import Predecessor, colours, descents, match
from segmentation.modeling.segment_identity.naming import name_segments
from segmentation.modeling.segment_identity.renamings import names_in_force
from segmentation.modeling.specification import Specification
from segmentation.modeling.stand_in import build_stand_in, why_not_fitted
from segmentation.modeling.training_data import TrainingData, read_training_data
from segmentation.provenance import git_commit
from segmentation.segmentations.segment_ids import next_segment_id
from segmentation.settings import Settings
from segmentation.warehouse import Lake


@dataclass(frozen=True)
class TrainedModel:
    """A fit with the lineage of its segments, and the search that led to it (none if it was reproduced)."""

    artefact: Artefact
    metrics: dict[str, float]
    lineage: tuple[Descent, ...]
    data: TrainingData
    search: Search | None = None


def train(
    lake: Lake,
    training_set: TrainingSet,
    settings: Settings,
    *,
    run_id: str = "",
    tracker: Tracker | None = None,
    progress: TrialProgress | None = None,
) -> TrainedModel:
    """Search for a model and fit it, on the version of the lake that the training set is pinned to.

    Its segments are matched to those of the champion; as long as none serves, to those of the last candidate. Where
    there are too few customers to fit anything, or all of them are alike, named rules stand in.
    """
    data = read_training_data(lake, training_set, max_rows=settings.training_rows, seed=settings.seed)
    with lake.cursor() as con:
        before = predecessor_of(con)
    predecessor = None
    if before is not None:
        former = _former_names(lake, before, training_set)
        predecessor = _predecessor(lake, before, training_set, settings.training_rows, settings.seed, former)
    found, why_none = _searched(
        data, settings, search_key(training_set, before), before, predecessor, tracker, progress
    )
    with lake.cursor() as con:
        first_new_id = next_segment_id(con)
        names = tuple(sorted(registry.segment_names(con).values()))
    provenance = Provenance(
        as_of=training_set.as_of,
        lake_snapshot=training_set.lake_snapshot,
        training_set_id=training_set.id,
        seed=settings.seed,
        code_version=segmentation.__version__,
        specification=found.chosen.specification if found else None,
        training_rows=settings.training_rows,
        settings_hash=settings_hash(settings),
        predecessor=before.version if before else None,
        first_new_id=first_new_id,
        reserved_names=names,
        former_names=() if predecessor is None else tuple(segment.name for segment in predecessor.segments),
        search=found.reason if found else "",
        stand_in=why_none,
        run_id=run_id,
        git_commit=git_commit() or "",
    )
    try:
        return _built(data, provenance, predecessor, found)
    except NotEnoughDataError as error:  # what could be fitted to the search's sample can't be to all
        rules = msgspec.structs.replace(provenance, specification=None, search="", stand_in=str(error))
        return _built(data, rules, predecessor, None)


def _searched(
    data: TrainingData,
    settings: Settings,
    key: str,
    before: ModelVersion | None,
    predecessor: Predecessor | None,
    tracker: Tracker | None,
    progress: TrialProgress | None,
) -> tuple[Search | None, str]:
    """The search, or why nothing can be fitted. A stand-in before it is followed in its ids, and in nothing else."""
    if why := why_not_fitted(len(data.current.values)):
        return None, why
    fitted = before if before and not before.artefact.provenance.stand_in else None
    try:
        found = search(
            data,
            settings,
            key=key,
            predecessor=predecessor if fitted else None,
            favourite=_again(fitted, predecessor, settings) if fitted and predecessor else None,
            tracker=tracker,
            progress=progress,
        )
    except NotEnoughDataError as error:
        return None, str(error)
    return found, ""


def predecessor_of(con: duckdb.DuckDBPyConnection) -> ModelVersion | None:
    """The version that a new one follows: the champion, or the last candidate as long as none serves."""
    version = registry.resolve(con, "champion") or registry.resolve(con, "candidate")
    return None if version is None else registry.load(con, version, named=False)


def search_key(training_set: TrainingSet, before: ModelVersion | None) -> str:
    """Identifies what a search depends on beside the settings."""
    return f"{training_set.id} after {before.model_hash if before else 'none'}"


def already_trained(
    con: duckdb.DuckDBPyConnection, training_set: TrainingSet, settings: Settings
) -> ModelVersion | None:
    """The newest version that was made of the very same rows, with the same settings and code."""
    wanted = (training_set.id, settings_hash(settings), segmentation.__version__, git_commit() or "")
    for model in reversed(registry.list_models(con, named=False)):
        provenance = model.artefact.provenance
        made_of = (provenance.training_set_id, provenance.settings_hash, provenance.code_version, provenance.git_commit)
        if made_of == wanted:
            return model
    return None


def rebuild(lake: Lake, model: ModelVersion) -> TrainedModel:
    """Build a version again from its provenance: the same rows, specification, seed and predecessor.

    Raises:
        SegmentationError: The version is from before provenance told how to, or its snapshot has been expired.
    """
    provenance = model.artefact.provenance
    if provenance.specification is None and not provenance.stand_in:
        raise SegmentationError(
            f"Model {model.version} was trained by an older release, which did not keep its specification."
        )
    with lake.cursor() as con:
        pinned = registry.training_set(con, provenance.training_set_id)
    data = read_training_data(lake, pinned, max_rows=provenance.training_rows, seed=provenance.seed)
    predecessor = None
    if provenance.predecessor is not None:
        with lake.cursor() as con:
            before = registry.load(con, provenance.predecessor, named=False)
        former = provenance.former_names
        predecessor = _predecessor(lake, before, pinned, provenance.training_rows, provenance.seed, former)
    return _built(data, provenance, predecessor, None)


def settings_hash(settings: Settings) -> str:
    """Hash of the settings that decide what a model looks like."""
    names = (
        "lookback_days",
        "home_market",
        "seed",
        "min_segments",
        "max_segments",
        "min_segment_share",
        "min_stability",
        "forward_days",
        "search_trials",
        "training_rows",
    )
    facts = {name: str(getattr(settings, name)) for name in names}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _built(
    data: TrainingData, provenance: Provenance, predecessor: Predecessor | None, found: Search | None
) -> TrainedModel:
    """The model that the provenance describes: fitted to its specification, or a stand-in where it has none."""
    specification = provenance.specification
    if specification is None:
        artefact, metrics, descent = build_stand_in(data, provenance, predecessor)
        return TrainedModel(artefact, metrics, tuple(descent), data)
    fitted = fit(data, specification, seed=provenance.seed, predecessor=predecessor)
    segments, lineage = identified(fitted, data.traits, predecessor, provenance.first_new_id, provenance.reserved_names)
    stability = dict(zip((s.id for s in segments), _by_segment(fitted, segments), strict=True))
    metrics = {**fitted.metrics, **{f"stability_{identity}": value for identity, value in stability.items()}}
    provenance = msgspec.structs.replace(provenance, axes=fitted.axes)
    artefact = Artefact(FORMAT, fitted.rules, segments, provenance, fitted.projection)
    return TrainedModel(artefact, metrics, tuple(lineage), data, found)


def identified(
    fitted: Fit,
    traits: Floats,
    predecessor: Predecessor | None,
    first_new_id: int,
    reserved: Collection[str] = (),
) -> tuple[tuple[Segment, ...], list[Descent]]:
    """Segments with their identities, by falling net revenue of the typical customer, and their lineage.

    Args:
        fitted: The fit.
        traits: Shape (n, number of `NAMED_FROM`), of the customers that were labelled.
        predecessor: The version before, if there is one.
        first_new_id: Smallest id that has never been used.
        reserved: Names that people gave to other segments.
    """
    k = len(fitted.centroids)
    worth = _mean_net_revenue(traits, fitted.labels, k)
    matches: list[int | None] = [None] * k
    if predecessor is not None:
        matches = match(fitted.labels, k, predecessor.labels, len(predecessor.segments))
    order = sorted(range(k), key=lambda cluster: (-worth[cluster], cluster))
    ids: dict[int, int] = {}
    for cluster in order:
        matched = matches[cluster]
        if matched is None or predecessor is None:
            ids[cluster] = first_new_id + sum(identity >= first_new_id for identity in ids.values())
        else:
            ids[cluster] = predecessor.segments[matched].id
    former = {c: predecessor.segments[m].name for c, m in enumerate(matches) if predecessor and m is not None}
    named = name_segments(traits, fitted.labels, k, kept=former, taken=reserved)
    painted = dict(zip(order, colours([matches[c] for c in order], predecessor), strict=True))
    segments = tuple(
        Segment(
            id=ids[cluster],
            name=named[cluster].name,
            description=named[cluster].description,
            centroid=tuple(float(c) for c in fitted.centroids[cluster]),
            cutoff=float(fitted.cutoffs[cluster]),
            colour=painted[cluster],
            later_spend=None if fitted.later_spend is None else float(fitted.later_spend[cluster]),
        )
        for cluster in order
    )
    lineage = descents([ids[cluster] for cluster in range(k)], fitted.labels, matches, predecessor)
    return segments, lineage


def _former_names(lake: Lake, before: ModelVersion, training_set: TrainingSet) -> tuple[str, ...]:
    """What the predecessor's segments are called as of the date, by training or by the truth test."""
    with lake.cursor() as con:
        tested = names_in_force(con, training_set.as_of).get(before.version, {})
    return tuple(tested.get(segment.id, segment.name) for segment in before.artefact.segments)


def _predecessor(
    lake: Lake, before: ModelVersion, training_set: TrainingSet, max_rows: int, seed: int, names: Sequence[str]
) -> Predecessor:
    artefact = before.artefact
    with lake.at(training_set.lake_snapshot) as con:
        matrix = read_matrix(con, training_set.as_of, artefact.feature_names, max_rows=max_rows, seed=seed)
    with lake.cursor() as con:
        knew = registry.training_set(con, before.training_set_id).features
    called = zip(artefact.segments, names or (segment.name for segment in artefact.segments), strict=True)
    segments = tuple(msgspec.structs.replace(segment, name=name) for segment, name in called)
    space = _space(artefact, training_set) if set(training_set.features) <= set(knew) else None
    return Predecessor(segments, Evaluator(artefact).assign(matrix.values).segment, space)


def _space(artefact: Artefact, training_set: TrainingSet) -> Space | None:
    """The model space of an artefact over the features of a training set, if it knows its axes and has no others.

    Axes that know nothing of a feature that is new are not kept: it was added to be learned from.
    """
    if not artefact.provenance.axes or not set(artefact.feature_names) <= set(training_set.features):
        return None
    features = tuple(BY_NAME[name] for name in training_set.features)
    return Space(features, artefact.rules, artefact.projection, artefact.provenance.axes)


def _again(before: ModelVersion, predecessor: Predecessor, settings: Settings) -> Specification | None:
    """How the predecessor would be fitted again: by its axes, if they are known, with new centroids."""
    specification = before.artefact.provenance.specification
    if specification is None or predecessor.space is None:
        return None
    if not settings.min_segments <= specification.segments <= settings.max_segments:
        return None  # somebody wants more of them now, or fewer
    return msgspec.structs.replace(
        specification,
        segments=len(before.artefact.segments),
        continuity=1.0,
        smallest=settings.min_segment_share,
    )


def _by_segment(fitted: Fit, segments: tuple[Segment, ...]) -> list[float]:
    """Stability in the order of the segments, which are the clusters in another one."""
    clusters: Mapping[tuple[float, ...], int] = {
        tuple(float(c) for c in centroid): index for index, centroid in enumerate(fitted.centroids)
    }
    return [float(fitted.stability[clusters[segment.centroid]]) for segment in segments]


def _mean_net_revenue(traits: Floats, labels: Ints, k: int) -> list[float]:
    """Of each cluster's customers; 0 where there are none."""
    revenue = np.nan_to_num(traits[:, NAMED_FROM.index("net_revenue")])
    return [float(revenue[labels == cluster].mean()) if (labels == cluster).any() else 0.0 for cluster in range(k)]
