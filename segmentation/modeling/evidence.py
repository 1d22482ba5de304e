"""Evidence: what gates judge a candidate by, measured anew from artefacts and the customers it was trained on.

What a registry row says about itself is no evidence. Here is only what is measured; what it has to be, `gates` says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import duckdb
import numpy as np

from segmentation.metadata.features import BY_NAME
from segmentation.modeling import registry
from segmentation.modeling.artefact import Artefact, Evaluator, Floats, Ints
from segmentation.modeling.feature_matrix import FeatureMatrix, read_matrix
from segmentation.modeling.fitting.clustering import resample
from segmentation.modeling.fitting.forward import behaviour_eta_squared, eta_squared
from segmentation.modeling.fitting.metrics import fixed_silhouette, smallest_share
from segmentation.modeling.fitting.outcomes import Outcome, read_outcome
from segmentation.modeling.fitting.space import fixed_space
from segmentation.modeling.nearest import nearest
from segmentation.modeling.registry import ModelVersion, TrainingSet
from segmentation.modeling.requirements import SEPARATION, SMALLEST_SEGMENT, STABILITY
from segmentation.settings import Settings
from segmentation.warehouse import Lake


@dataclass(frozen=True)
class Best:
    """The champion of all times whose segments tell the present customers' later spend apart best."""

    version: int
    forward: float


@dataclass(frozen=True)
class Comparison:
    """A model beside the champion, on the same customers.

    Attributes:
        champion: The champion's version.
        customers_moved: Share of customers that the model puts into another segment than the champion does.
        revenue_moved: Share of their net revenue.
        silhouette: The champion's, in the fixed space.
        figures: The champion's by requirement, where those of the model are `Evidence`'s.
        forward: Its forward η²; None without history.
        behaviour: Its η² of later behaviour, a mean; None without history.
        best: The best champion ever, judged by the same customers; None without history.
        is_stand_in: Whether the champion is one, which any fitted model may replace.
    """

    champion: int
    customers_moved: float
    revenue_moved: float
    silhouette: float
    forward: float | None
    behaviour: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    best: Best | None = None
    is_stand_in: bool = False


@dataclass(frozen=True)
class Evidence:
    """What gates judge.

    Attributes:
        smallest: Share of customers in the smallest segment.
        separation: Simplified silhouette in model space.
        stability: Per segment, by name: Jaccard overlap with its like in bootstrap resamples.
        silhouette: In the fixed space.
        forward: η² of log spend in the days after the judged date; None without history.
        behaviour: Mean η² of how those who buy again then do; None without history.
        comparison: With the champion; None if there is none, or it is the model itself.
        is_first: Whether no model serves yet.
        stand_in: Why named rules stand in for a fitted model; empty if one was fitted.
    """

    smallest: float
    separation: float
    stability: Mapping[str, float]
    silhouette: float
    forward: float | None
    comparison: Comparison | None
    behaviour: float | None = None
    is_first: bool = False
    stand_in: str = ""


@dataclass(frozen=True)
class _Customers:
    """The customers that models are judged by (or a sample), and those of the judged date."""

    con: duckdb.DuckDBPyConnection
    pinned: TrainingSet
    settings: Settings

    def values(self, as_of: date, features: Sequence[str]) -> Floats:
        return self._read(as_of, features).values

    def labels(self, artefact: Artefact, as_of: date) -> Ints:
        return Evaluator(artefact).assign(self.values(as_of, artefact.feature_names)).segment

    def foresight(self, artefact: Artefact) -> tuple[float | None, float | None]:
        """η² of later spend and of later behaviour; None where there is nothing to judge them by."""
        outcome, judged = self._outcome, self.pinned.judged_as_of
        if outcome is None or judged is None:
            return None, None
        labels = self.labels(artefact, judged)
        return eta_squared(outcome.log_spend, labels), behaviour_eta_squared(outcome.behaviour, labels)

    @cached_property
    def _outcome(self) -> Outcome | None:
        judged = self.pinned.judged_as_of
        if judged is None:
            return None
        ids = self._read(judged, ("recency_days",)).customer_ids
        return read_outcome(self.con, judged, self.pinned.forward_days, ids)

    def _read(self, as_of: date, features: Sequence[str]) -> FeatureMatrix:
        settings = self.settings
        return read_matrix(self.con, as_of, features, max_rows=settings.training_rows, seed=settings.seed)


@dataclass(frozen=True)
class _Measured:
    """One model on the present customers."""

    labels: Ints
    separation: float
    stability: Floats

    @property
    def smallest(self) -> float:
        return smallest_share(self.labels, len(self.stability))

    @property
    def figures(self) -> dict[str, float]:
        return {
            SMALLEST_SEGMENT.name: self.smallest,
            SEPARATION.name: self.separation,
            STABILITY.name: float(self.stability.min()),
        }


def gather(lake: Lake, version: int, settings: Settings, judged_by: TrainingSet | None = None) -> Evidence:
    """Measure a version, and compare it with the champion and with the best champion ever.

    Args:
        lake: The lake.
        version: The version.
        settings: Seed and sample size.
        judged_by: The customers; those that it was trained on if None.

    Raises:
        SegmentationError: There is no such version, or the snapshot of the customers has been expired.
    """
    with lake.cursor() as con:
        artefact = registry.load(con, version).artefact
        pinned = judged_by or registry.training_set(con, artefact.provenance.training_set_id)
        serving = registry.resolve(con, "champion")
        served = [registry.load(con, each) for each in registry.ever_champions(con)]
    with lake.at(pinned.lake_snapshot) as con:
        customers = _Customers(con, pinned, settings)
        found = _measured(customers, artefact)
        fixed = _fixed(pinned.features, customers.values(pinned.as_of, pinned.features))
        comparison = None
        if serving is not None and serving != version:
            comparison = _compare(customers, fixed, found.labels, artefact, serving, served)
        forward, behaviour = customers.foresight(artefact)
    return Evidence(
        smallest=found.smallest,
        separation=found.separation,
        stability={s.name: float(o) for s, o in zip(artefact.segments, found.stability, strict=True)},
        silhouette=fixed_silhouette(fixed, found.labels, settings.seed),
        forward=forward,
        comparison=comparison,
        behaviour=behaviour,
        is_first=serving is None,
        stand_in=artefact.provenance.stand_in,
    )


def _measured(customers: _Customers, artefact: Artefact) -> _Measured:
    evaluator = Evaluator(artefact)
    points = evaluator.coordinates(customers.values(customers.pinned.as_of, artefact.feature_names))
    assignment = nearest(points, evaluator.centroids)
    overlap = np.ones(len(evaluator.centroids))
    if not artefact.provenance.stand_in:  # rules stay what they are, whoever is drawn
        overlap = resample(points, evaluator.centroids, seed=customers.settings.seed).overlap
    return _Measured(assignment.segment, float(assignment.confidence.mean()), overlap)


def _compare(
    customers: _Customers,
    fixed: Floats,
    labels: Ints,
    artefact: Artefact,
    serving: int,
    served: Sequence[ModelVersion],
) -> Comparison:
    """A model beside those that ever served, the one that serves among them."""
    champion = next(model for model in served if model.version == serving)
    theirs = _measured(customers, champion.artefact)
    spent = np.maximum(customers.values(customers.pinned.as_of, ("net_revenue",))[:, 0], 0.0)
    moved = _ids(artefact)[labels] != _ids(champion.artefact)[theirs.labels]
    told = {model.version: customers.foresight(model.artefact) for model in served if _is_known(model)}
    values = {version: forward for version, (forward, _) in told.items() if forward is not None}
    best = max(values, key=lambda each: (values[each], -each), default=None)
    return Comparison(
        champion=serving,
        customers_moved=float(moved.mean()),
        revenue_moved=float(spent[moved].sum() / spent.sum()) if spent.sum() > 0 else 0.0,
        silhouette=fixed_silhouette(fixed, theirs.labels, customers.settings.seed),
        forward=values.get(serving),
        behaviour=told[serving][1] if serving in told else None,
        figures=theirs.figures,
        best=None if best is None else Best(best, values[best]),
        is_stand_in=bool(champion.artefact.provenance.stand_in),
    )


def _is_known(model: ModelVersion) -> bool:
    """Whether all of its features are still in the catalogue."""
    return all(name in BY_NAME for name in model.artefact.feature_names)


def _fixed(features: Sequence[str], values: Floats) -> Floats:
    return fixed_space([BY_NAME[name] for name in features], values).scaled(values)


def _ids(artefact: Artefact) -> Ints:
    return np.array([segment.id for segment in artefact.segments])
