"""Whether segments differ in kind: how well they tell apart, out of time, what customers spend and how they buy.

Models are trained as of a date and judged by the 90 days after it, beside what people use otherwise. None of the
contenders has seen those days.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from benchmarks.reporting import Target, at_least, at_most
from benchmarks.segments.parts import Part, table_of
from benchmarks.segments.shops import Shop
from segmentation.metadata.features import BY_NAME
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.clustering import fit_centroids, resample
from segmentation.modeling.fitting.fit import STARTS, SpecificationEvaluator, settled, tiers_of
from segmentation.modeling.fitting.forward import behaviour_eta_squared, eta_squared
from segmentation.modeling.fitting.metrics import smallest_share
from segmentation.modeling.fitting.outcomes import Outcome, read_outcome
from segmentation.modeling.fitting.space import fixed_space
from segmentation.modeling.nearest import nearest_labels
from segmentation.modeling.search.search import search
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import TrainingData, make_training_set, read_training_data
from segmentation.warehouse import Commit

SEED = 42
RFM = ("recency_days", "order_count", "net_revenue")
OURS, LADDER = "ours", "tiers of expected spend (forward only)"
BEHAVIOUR = {"uci": 0.06, "cj": 0.12, "syn": 0.25}
"""η² of later behaviour that was promised, by how a shop's name begins."""


@dataclass(frozen=True)
class Judged:
    """How one segmentation did at one date.

    Attributes:
        contender: Which segmentation.
        case: Which shop and date.
        k: Number of segments.
        spend: η² of the next 90 days' log spend.
        behaviour: Mean η² of how those bought who did; NaN where nothing of it varies.
        stability: Mean adjusted Rand index with fits of bootstrap resamples; NaN for rules.
        weakest: Jaccard overlap of the weakest segment there.
        ladder: Adjusted Rand index with as many tiers of expected spend, of the same sizes.
        smallest: Share of customers in the smallest segment.
        archetypes: Adjusted Rand index with what customers are; NaN where nobody knows.
    """

    contender: str
    case: str
    k: int
    spend: float
    behaviour: float
    stability: float
    weakest: float
    ladder: float
    smallest: float
    archetypes: float


@dataclass(frozen=True)
class _Date:
    """The customers of a date, and all that segmentations of them are judged by."""

    case: str
    data: TrainingData
    evaluator: SpecificationEvaluator
    outcome: Outcome
    named: list[str]
    archetypes: list[str] | None
    expected: Floats

    def judge(self, contender: str, labels: Ints, k: int, points: Floats | None, centroids: Floats | None) -> Judged:
        nan = float("nan")
        resamples = None if points is None or centroids is None else resample(points, centroids, seed=SEED)
        behaviour = behaviour_eta_squared(self.outcome.behaviour, labels)
        return Judged(
            contender,
            self.case,
            k,
            eta_squared(self.outcome.log_spend, labels),
            nan if behaviour is None else behaviour,
            resamples.agreement if resamples else nan,
            float(resamples.overlap.min()) if resamples else nan,
            adjusted_rand_score(labels, tiers_of(self.expected, labels)),
            smallest_share(labels, k),
            nan if self.archetypes is None else adjusted_rand_score(self.archetypes, labels),
        )

    def clustered(self, contender: str, points: Floats, k: int) -> Judged:
        centroids = fit_centroids(points, k, seed=SEED, starts=STARTS)
        return self.judge(contender, nearest_labels(points, centroids), k, points, centroids)

    def specified(self, contender: str, specification: Specification) -> Judged:
        points = self.evaluator.current_space(specification).points(self.data.current.values)
        centroids = settled(points, specification, SEED, STARTS)
        return self.judge(contender, nearest_labels(points, centroids), len(centroids), points, centroids)


def run(shops: Sequence[Shop], quick: bool) -> Part:
    """Judge all contenders at the dates of all shops."""
    results = [
        judged
        for shop in shops
        for as_of in (shop.recipe.judged[-1:] if quick else shop.recipe.judged)
        for judged in _contenders(_date(shop, as_of), shop, quick)
    ]
    rows = [asdict(each) for each in results]
    return Part([table_of("Out of time", rows)], rows, _targets(results))


def _date(shop: Shop, as_of: date) -> _Date:
    now = datetime.now(UTC).replace(tzinfo=None)
    lake, settings = shop.lake, shop.lake.settings
    pinned = make_training_set(lake, as_of, Commit("training set"), now=now)
    data = read_training_data(lake, pinned, max_rows=settings.training_rows, seed=SEED)
    evaluator = SpecificationEvaluator(data, SEED)
    with lake.cursor() as con:
        ids = read_matrix(con, as_of, RFM).customer_ids
        outcome = read_outcome(con, as_of, settings.forward_days, ids)
        named = con.execute(
            f"SELECT rfm_segment FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}' ORDER BY customer_id"
        ).pl()
    alone = evaluator.current_space(Specification(2, forward_share=1.0))
    expected = alone.points(data.current.values)[:, 0]
    return _Date(
        f"{shop.recipe.name} {as_of}",
        data,
        evaluator,
        outcome,
        named["rfm_segment"].to_list(),
        shop.archetypes(ids),
        expected,
    )


def _contenders(date: _Date, shop: Shop, quick: bool) -> list[Judged]:
    settings = shop.lake.settings.model_copy(update={"search_trials": 20} if quick else {})
    found = search(date.data, settings, key=f"benchmark {date.case}").chosen
    k = int(found.metrics["segments"])
    values = date.data.current.values
    names = [feature.name for feature in date.data.features]
    rfm = np.ascontiguousarray(values[:, [names.index(name) for name in RFM]])
    scaled = fixed_space([BY_NAME[name] for name in RFM], rfm).scaled(rfm)
    filled = np.nan_to_num(values)
    usual = (filled - filled.mean(axis=0)) / np.maximum(filled.std(axis=0), 1e-9)
    groups = sorted(set(date.named))
    return [
        date.specified(OURS, found.specification),
        date.specified(LADDER, Specification(k, forward_share=1.0)),
        date.specified("what we had (forward 80 %, RFM)", _fwd80(k)),
        date.judge("named RFM", np.array([groups.index(name) for name in date.named]), len(groups), None, None),
        date.clustered("K-means on log-scaled RFM", scaled, k),
        date.clustered("standard scaling, PCA(6), K-means", PCA(6, random_state=SEED).fit_transform(usual), k),
    ]


def _fwd80(k: int) -> Specification:
    return Specification(
        k, weights={"rfm": 1.0, "diversity": 0.0, "temporal": 0.0, "behaviour": 0.0}, forward_share=0.8
    )


def _targets(results: Sequence[Judged]) -> list[Target]:
    by_shop: dict[str, list[Judged]] = defaultdict(list)
    for result in results:
        by_shop[result.case.split()[0]].append(result)
    targets = []
    for shop, found in by_shop.items():
        ours = [each for each in found if each.contender == OURS]
        ladders = {each.case: each for each in found if each.contender == LADDER}
        ratio = np.mean([each.spend for each in ours]) / np.mean([ladders[each.case].spend for each in ours])
        targets += [
            at_least(f"{shop}: η² of spend, of tiers' (mean of {len(ours)} dates)", 0.95, float(ratio)),
            *(
                at_least(
                    f"{shop}: η² of later behaviour (mean)", least, float(np.mean([e.behaviour for e in ours])), ""
                )
                for name, least in BEHAVIOUR.items()
                if shop.startswith(name)
            ),
            at_most(f"{shop}: ARI with tiers (worst)", 0.6, max(each.ladder for each in ours), ""),
            at_least(f"{shop}: stability (mean)", 0.8, float(np.mean([each.stability for each in ours])), ""),
            at_most(f"{shop}: segments (most)", 8, max(each.k for each in ours), ""),
            at_least(f"{shop}: smallest share (worst)", 0.02, min(each.smallest for each in ours), ""),
        ]
        if not np.isnan(ours[0].archetypes):
            second = sorted((each.archetypes for each in ours), reverse=True)[:2][-1]
            targets.append(at_least(f"{shop}: ARI with archetypes (second best date)", 0.5, second, ""))
    return targets
