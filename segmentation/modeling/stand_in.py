"""The stand-in: named RFM rules, where K-means has nothing to say.

Few customers, or customers who are all alike, can't be clustered; people want segments all the same. Rules divide them
by a cut each of recency, frequency and monetary value: is the last order within twice the shop's usual gap, has the
customer come back, is their net revenue among the highest third. The cells of such a grid are exactly the nearest
centroids of a product grid whose midpoints are the cuts, so that artefact and scorer are those of any model. A name
tells the figures of its rule, which makes it true by construction, at every date. A cell may be empty until somebody
falls into it.
"""

import math
import re
from dataclasses import dataclass
from itertools import product

import numpy as np

from segmentation.metadata.features import BY_NAME
from segmentation.metadata.vocabulary import BY_LABEL, Band, Claim, named
from segmentation.modeling.artefact import (
    FORMAT,
    Artefact,
    Evaluator,
    FeatureRule,
    Floats,
    Provenance,
    Segment,
    apply_transform,
)
from segmentation.modeling.fitting.metrics import smallest_share
from segmentation.modeling.fitting.space import UNBOUNDED
from segmentation.modeling.segment_identity.lineage import Descent
from segmentation.modeling.segment_identity.matching import Predecessor, colours, descents
from segmentation.modeling.training_data import TrainingData

LEAST_CUSTOMERS = 100
"""Of fewer, segments that K-means finds don't come back in resamples."""

GAPS = 2.0
"""After so many of the usual gaps between two orders, the last one is long ago."""

SHOPS_GAP_DAYS = 45.0
"""The usual gap in a shop where nobody has come back yet."""

HIGH_SHARE = 1 / 3
"""Share of customers whose net revenue is high."""

LEAST_SCALE = 0.1
"""Of logarithms; with smaller ones, distances on one axis would swallow on which side of the others customers are."""


@dataclass(frozen=True)
class StandIn:
    """Rules as a model.

    Attributes:
        rules: The way from raw features to coordinates, which are 0 at the cuts.
        centroids: Shape (k, number of rules); -1 or 1 on each axis.
        names: Length k; the rules in figures.
    """

    rules: tuple[FeatureRule, ...]
    centroids: Floats
    names: tuple[str, ...]

    def description(self, index: int) -> str:
        """What a segment is, for people."""
        name = self.names[index]
        return f"A named rule, which stands in for a model: {name[0].lower()}{name[1:]}."


@dataclass(frozen=True)
class _Axis:
    """A feature, its cut, and what is claimed of customers on the side that comes first and on the other one."""

    rule: FeatureRule
    first: tuple[float, Claim]
    second: tuple[float, Claim]


def why_not_fitted(customers: int) -> str:
    """Why so many customers aren't clustered at all; empty if they may be."""
    if customers >= LEAST_CUSTOMERS:
        return ""
    return f"{customers} customers are too few for K-means, which takes {LEAST_CUSTOMERS} or more."


def make_stand_in(data: TrainingData) -> StandIn:
    """Rules for the customers of a training set.

    Frequency and monetary value are left out where all customers are alike in them; recency never is, since a model has
    two segments at least.

    Args:
        data: The customers; recency_days, mean_gap_days, order_count and net_revenue are among their features.
    """
    axes = [_recency(data)]
    orders, revenue = _column(data, "order_count"), _column(data, "net_revenue")
    if orders.max() > 1:
        rule = _rule("order_count", 1.5, orders)
        axes.insert(0, _Axis(rule, (1.0, Band("order_count", 2, None)), (-1.0, BY_LABEL["one order"])))
    if revenue.max() > revenue.min():
        cut = _cut(revenue)
        claims = Band("net_revenue", cut, None), Band("net_revenue", None, cut)
        axes.append(_Axis(_rule("net_revenue", cut, revenue), (1.0, claims[0]), (-1.0, claims[1])))
    cells = sorted(product((0, 1), repeat=len(axes)), key=lambda cell: cell[::-1])
    answers = [[(axis.first, axis.second)[side] for axis, side in zip(axes, cell, strict=True)] for cell in cells]
    return StandIn(
        tuple(axis.rule for axis in axes),
        np.array([[place for place, _ in answer] for answer in answers]),
        tuple(named(claim for _, claim in answer) for answer in answers),
    )


def build_stand_in(
    data: TrainingData, provenance: Provenance, predecessor: Predecessor | None
) -> tuple[Artefact, dict[str, float], list[Descent]]:
    """Rules as an artefact, with figures and lineage as a fit has them.

    Segments of a former stand-in go on by their place in the grid, those of a fitted model end.
    """
    made = make_stand_in(data)
    former = {} if predecessor is None else {_place(s.description): i for i, s in enumerate(predecessor.segments)}
    matches = [former.get(_place(made.description(index))) for index in range(len(made.names))]
    ids: list[int] = []
    for matched in matches:
        fresh = provenance.first_new_id + sum(identity >= provenance.first_new_id for identity in ids)
        ids.append(fresh if matched is None or predecessor is None else predecessor.segments[matched].id)
    segments = tuple(
        Segment(ids[index], name, made.description(index), tuple(made.centroids[index].tolist()), 0.0, colour)
        for index, (name, colour) in enumerate(zip(made.names, colours(matches, predecessor), strict=True))
    )
    artefact = Artefact(FORMAT, made.rules, segments, provenance)
    columns = [_column(data, rule.name) for rule in made.rules]
    found = Evaluator(artefact).assign(np.column_stack(columns))
    metrics = {
        "segments": float(len(segments)),
        "simplified_silhouette": float(found.confidence.mean()),
        "smallest_share": smallest_share(found.segment, len(segments)),
        "stability": 1.0,
        "resample_agreement": 1.0,
        **{f"stability_{identity}": 1.0 for identity in ids},
    }
    return artefact, metrics, descents(ids, found.segment, matches, predecessor)


def _place(description: str) -> str:
    """Which cell of a grid it is, whatever the figures of its cuts."""
    return re.sub(r"-?\d[\d,.]*", "…", description)


def _recency(data: TrainingData) -> _Axis:
    gaps = _column(data, "mean_gap_days")
    known = gaps[~np.isnan(gaps)]
    usual = float(np.median(known)) if known.size else SHOPS_GAP_DAYS
    cut = float(max(round(GAPS * usual), 1))
    claims = Band("recency_days", None, cut), Band("recency_days", cut, None)
    return _Axis(_rule("recency_days", cut, _column(data, "recency_days")), (-1.0, claims[0]), (1.0, claims[1]))


def _cut(values: Floats) -> float:
    """The roundest number that has about `HIGH_SHARE` of all at or above it, and some below."""
    ordered = np.unique(values)
    above = max(int(np.searchsorted(ordered, np.quantile(values, 1 - HIGH_SHARE, method="higher"))), 1)
    low, high = float(ordered[above - 1]), float(ordered[above])
    for digits in range(-12, 13):
        cut = math.ceil(round(low * 10**digits, 9) + 1e-9) / 10**digits
        if low < cut <= high:
            return float(cut)
    return high


def _rule(name: str, cut: float, values: Floats) -> FeatureRule:
    transform = BY_NAME[name].transform or "identity"
    center = float(apply_transform(transform, np.array([cut]))[0])
    spread = float(np.std(apply_transform(transform, values)))
    return FeatureRule(name, None, -UNBOUNDED, UNBOUNDED, transform, center, max(spread, LEAST_SCALE))


def _column(data: TrainingData, name: str) -> Floats:
    names = [feature.name for feature in data.features]
    column: Floats = data.current.values[:, names.index(name)]
    return column
