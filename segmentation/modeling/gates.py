"""Gates: what a model must show before it may serve, each with its evidence.

Everything is measured anew from the artefact and the customers that it was trained on: what a registry row says about
itself is no evidence. A model without a predecessor in service passes the gates that compare, and is only warned by the
others: a shop whose customers are hard to tell apart has segments all the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date

import duckdb
import numpy as np

from segmentation.metadata.features import BY_NAME
from segmentation.modeling import registry
from segmentation.modeling.artefact import Artefact, Evaluator, Floats, Ints
from segmentation.modeling.feature_matrix import FeatureMatrix, read_matrix
from segmentation.modeling.fitting.clustering import resample
from segmentation.modeling.fitting.forward import eta_squared
from segmentation.modeling.fitting.metrics import fixed_silhouette, smallest_share
from segmentation.modeling.fitting.outcomes import read_outcome
from segmentation.modeling.fitting.space import fixed_space
from segmentation.modeling.nearest import nearest
from segmentation.modeling.registry import ModelVersion, TrainingSet
from segmentation.settings import Settings
from segmentation.warehouse import Lake


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict.

    Attributes:
        passed: Whether the candidate may go on.
        measured: The figure that was judged.
        threshold: What it has to reach, or may not exceed.
        explanation: The same in a sentence.
        only_warns: Whether a candidate that hasn't passed may go on all the same.
    """

    passed: bool
    measured: float
    threshold: float
    explanation: str
    only_warns: bool = False

    @property
    def refuses(self) -> bool:
        """Whether the candidate may not go on."""
        return not self.passed and not self.only_warns


@dataclass(frozen=True)
class Comparison:
    """A model beside the champion, on the same customers.

    Attributes:
        champion: The champion's version.
        customers_moved: Share of customers that the model puts into another segment than the champion does.
        revenue_moved: Share of their net revenue.
        silhouette: The champion's, in the fixed space.
        forward: Its forward η²; None without history.
    """

    champion: int
    customers_moved: float
    revenue_moved: float
    silhouette: float
    forward: float | None


@dataclass(frozen=True)
class Evidence:
    """What gates judge.

    Attributes:
        smallest: Share of customers in the smallest segment.
        separation: Simplified silhouette in model space.
        stability: Per segment, by name: Jaccard overlap with its like in bootstrap resamples.
        silhouette: In the fixed space.
        forward: η² of log spend in the days after the judged date; None without history.
        comparison: With the champion; None if there is none, or it is the model itself.
        is_first: Whether no model serves yet.
    """

    smallest: float
    separation: float
    stability: Mapping[str, float]
    silhouette: float
    forward: float | None
    comparison: Comparison | None
    is_first: bool = False


@dataclass(frozen=True)
class _Customers:
    """The customers that a model was trained on (or a sample), and those of the judged date."""

    con: duckdb.DuckDBPyConnection
    pinned: TrainingSet
    settings: Settings

    def values(self, as_of: date, features: Sequence[str]) -> Floats:
        return self._read(as_of, features).values

    def labels(self, artefact: Artefact, as_of: date) -> Ints:
        return Evaluator(artefact).assign(self.values(as_of, artefact.feature_names)).segment

    def forward(self, artefact: Artefact) -> float | None:
        judged = self.pinned.judged_as_of
        if judged is None:
            return None
        ids = self._read(judged, ("recency_days",)).customer_ids
        outcome = read_outcome(self.con, judged, self.pinned.forward_days, ids)
        return eta_squared(outcome.log_spend, self.labels(artefact, judged))

    def _read(self, as_of: date, features: Sequence[str]) -> FeatureMatrix:
        settings = self.settings
        return read_matrix(self.con, as_of, features, max_rows=settings.training_rows, seed=settings.seed)


def gather(lake: Lake, version: int, settings: Settings) -> Evidence:
    """Measure a version, and compare it with the champion.

    Raises:
        SegmentationError: There is no such version, or the snapshot it was trained on has been expired.
    """
    with lake.cursor() as con:
        artefact = registry.load(con, version).artefact
        pinned = registry.training_set(con, artefact.provenance.training_set_id)
        serving = registry.resolve(con, "champion")
        champion = None if serving is None or serving == version else registry.load(con, serving)
    with lake.at(pinned.lake_snapshot) as con:
        customers = _Customers(con, pinned, settings)
        points = Evaluator(artefact).coordinates(customers.values(pinned.as_of, artefact.feature_names))
        assignment = nearest(points, Evaluator(artefact).centroids)
        fixed = _fixed(pinned.features, customers.values(pinned.as_of, pinned.features))
        comparison = None if champion is None else _compare(customers, fixed, assignment.segment, artefact, champion)
        forward = customers.forward(artefact)
    overlap = resample(points, Evaluator(artefact).centroids, seed=settings.seed).overlap
    return Evidence(
        smallest=smallest_share(assignment.segment, len(artefact.segments)),
        separation=float(assignment.confidence.mean()),
        stability={s.name: float(o) for s, o in zip(artefact.segments, overlap, strict=True)},
        silhouette=fixed_silhouette(fixed, assignment.segment, settings.seed),
        forward=forward,
        comparison=comparison,
        is_first=serving is None,
    )


def evaluate(evidence: Evidence, settings: Settings) -> dict[str, GateResult]:
    """The verdicts of all gates, by name; those on a first model only warn."""
    verdicts = {
        "smallest_segment": smallest_segment(evidence, settings),
        "separation": separation(evidence, settings),
        "stability": stability(evidence, settings),
        "validity": validity(evidence, settings),
        "forward_value": forward_value(evidence, settings),
        "movement": movement(evidence, settings),
    }
    return {name: replace(verdict, only_warns=evidence.is_first) for name, verdict in verdicts.items()}


def smallest_segment(evidence: Evidence, settings: Settings) -> GateResult:
    """No segment holds less than `min_segment_share` of the customers."""
    measured, threshold = evidence.smallest, settings.min_segment_share
    return _at_least(
        measured,
        threshold,
        f"The smallest of {len(evidence.stability)} segments holds {measured:.1%} of customers; at least "
        f"{threshold:.1%} is needed.",
    )


def separation(evidence: Evidence, settings: Settings) -> GateResult:
    """The simplified silhouette (mean of 1 - distance / runner-up distance) reaches `min_separation`."""
    measured, threshold = evidence.separation, settings.min_separation
    return _at_least(
        measured,
        threshold,
        f"The simplified silhouette is {measured:.3f}; at least {threshold:.3f} is needed.",
    )


def stability(evidence: Evidence, settings: Settings) -> GateResult:
    """Every segment comes back in bootstrap resamples: Jaccard overlap of at least `min_stability` (Hennig 2007)."""
    weakest = min(evidence.stability, key=lambda name: evidence.stability[name])
    measured, threshold = evidence.stability[weakest], settings.min_stability
    return _at_least(
        measured,
        threshold,
        f"When customers are resampled, the weakest segment, {weakest!r}, overlaps by {measured:.2f} (Jaccard) with "
        f"its like; at least {threshold:.2f} is needed.",
    )


def validity(evidence: Evidence, settings: Settings) -> GateResult:
    """Segments lie apart as well as the champion's, but for `max_validity_loss`, in one space for both."""
    measured = evidence.silhouette
    if evidence.comparison is None:
        return _nothing_to_compare(measured, f"The silhouette in the fixed space is {measured:.3f}")
    threshold = evidence.comparison.silhouette - settings.max_validity_loss
    return _at_least(
        measured,
        threshold,
        f"The silhouette in the fixed space is {measured:.3f}, that of champion {evidence.comparison.champion} "
        f"{evidence.comparison.silhouette:.3f}; at most {settings.max_validity_loss:.3f} may be lost.",
    )


def forward_value(evidence: Evidence, settings: Settings) -> GateResult:
    """Segments tell later spend apart, and not worse than the champion's by more than `max_forward_loss` of that."""
    if evidence.forward is None:
        return GateResult(True, 0.0, 0.0, "Lines don't reach back far enough to judge forward value.")
    measured, threshold = evidence.forward, settings.min_forward_value
    text = f"Segments hold {measured:.1%} of the variance of the next {settings.forward_days} days' spend"
    if evidence.comparison is None or evidence.comparison.forward is None:
        return _at_least(measured, threshold, f"{text}; at least {threshold:.1%} is needed.")
    threshold = max(threshold, evidence.comparison.forward * (1 - settings.max_forward_loss))
    return _at_least(
        measured,
        threshold,
        f"{text}, those of champion {evidence.comparison.champion} {evidence.comparison.forward:.1%}; at least "
        f"{threshold:.1%} is needed.",
    )


def movement(evidence: Evidence, settings: Settings) -> GateResult:
    """The model alone moves at most `max_customers_moved` of customers and `max_revenue_moved` of revenue."""
    compared = evidence.comparison
    if compared is None:
        return _nothing_to_compare(0.0, "Nobody is moved")
    return GateResult(
        compared.customers_moved <= settings.max_customers_moved
        and compared.revenue_moved <= settings.max_revenue_moved,
        compared.customers_moved,
        settings.max_customers_moved,
        f"The model alone would move {compared.customers_moved:.1%} of customers with {compared.revenue_moved:.1%} of "
        f"net revenue to another segment than champion {compared.champion} has them in; at most "
        f"{settings.max_customers_moved:.1%} and {settings.max_revenue_moved:.1%} may be.",
    )


def as_json(verdicts: Mapping[str, GateResult]) -> str:
    """Verdicts as the ledger keeps them."""
    return json.dumps({name: asdict(verdict) for name, verdict in verdicts.items()}, sort_keys=True)


def _compare(
    customers: _Customers, fixed: Floats, labels: Ints, artefact: Artefact, champion: ModelVersion
) -> Comparison:
    as_of = customers.pinned.as_of
    theirs = customers.labels(champion.artefact, as_of)
    spent = np.maximum(customers.values(as_of, ("net_revenue",))[:, 0], 0.0)
    moved = _ids(artefact)[labels] != _ids(champion.artefact)[theirs]
    return Comparison(
        champion=champion.version,
        customers_moved=float(moved.mean()),
        revenue_moved=float(spent[moved].sum() / spent.sum()) if spent.sum() > 0 else 0.0,
        silhouette=fixed_silhouette(fixed, theirs, customers.settings.seed),
        forward=customers.forward(champion.artefact),
    )


def _fixed(features: Sequence[str], values: Floats) -> Floats:
    return fixed_space([BY_NAME[name] for name in features], values).scaled(values)


def _ids(artefact: Artefact) -> Ints:
    return np.array([segment.id for segment in artefact.segments])


def _at_least(measured: float, threshold: float, explanation: str) -> GateResult:
    return GateResult(measured >= threshold, measured, threshold, explanation)


def _nothing_to_compare(measured: float, text: str) -> GateResult:
    return GateResult(True, measured, measured, f"{text}; there is no other champion to compare with.")
