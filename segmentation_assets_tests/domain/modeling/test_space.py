"""Model space: which axes it has, how much of the variance lies on them, and how it goes on from the predecessor's."""

import numpy as np
import pytest

from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.clustering import fit_centroids, without_small
from segmentation.modeling.fitting.futures import Future
from segmentation.modeling.fitting.preprocessing import fit_rules
from segmentation.modeling.fitting.space import Space, fit_space, leading_axes
from segmentation.modeling.nearest import nearest_labels
from segmentation.modeling.specification import Specification

FEATURES = tuple(BY_NAME[name] for name in ("recency_days", "order_count", "average_order_value", "return_rate"))
NAMES = [feature.name for feature in FEATURES]
FUTURES = (
    Future("log_spend", "value", {"recency_days": -0.5, "order_count": 0.5}, 0.3),
    Future("order_value", "behaviour", {"average_order_value": 0.7}, 0.4),
    Future("return_rate", "behaviour", {"return_rate": 0.2, "order_count": 0.1}, 0.05),
    Future("category tea", "share", {"order_count": -0.2}, 0.03),
)
WANTED = Specification(4, forward_share=0.7, value_weight=0.6, behaviour_axes=2, components=2)


def _matrix(seed: int = 5, count: int = 500) -> Floats:
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [rng.gamma(2, 30, count), rng.poisson(4, count) + 1, rng.lognormal(3, 1, count), rng.beta(1, 9, count)]
    )


def _variances(space: Space, matrix: Floats) -> list[float]:
    variances = space.points(matrix).var(axis=0)
    return [float(part.sum()) for part in np.split(variances, np.cumsum(space.axes)[:-1])]


def test_the_variance_is_shared_as_the_specification_says() -> None:
    matrix = _matrix()
    space = fit_space(WANTED, FEATURES, matrix, FUTURES)
    assert space.axes == (1, 2, 2)
    assert _variances(space, matrix) == pytest.approx([0.42, 0.28, 0.3], abs=1e-9)
    centred = space.points(matrix)[:, 1:3] - space.points(matrix)[:, 1:3].mean(axis=0)
    assert centred[:, 0] @ centred[:, 1] / len(centred) == pytest.approx(0, abs=1e-9)


def test_what_can_not_be_foretold_leaves_its_share_to_the_rest() -> None:
    matrix = _matrix()
    only_value = fit_space(WANTED, FEATURES, matrix, FUTURES[:1])
    assert only_value.axes == (1, 0, 2)
    assert _variances(only_value, matrix) == pytest.approx([0.42 / 0.72, 0.0, 0.3 / 0.72])
    nothing = fit_space(WANTED, FEATURES, matrix, ())
    assert nothing.axes == (0, 0, 2)
    assert _variances(nothing, matrix) == pytest.approx([0.0, 0.0, 1.0])


def test_a_space_without_futures_has_descriptive_axes_alone() -> None:
    space = fit_space(Specification(4, components=3), FEATURES, _matrix(), FUTURES)
    assert space.axes == (0, 0, 3)
    assert fit_space(Specification(4), FEATURES, _matrix(), FUTURES).projection is None


def test_the_predecessors_axes_stay_or_go_on() -> None:
    before, after = _matrix(5), _matrix(6)
    former = fit_space(WANTED, FEATURES, before, FUTURES)
    turned = (Future("log_spend", "value", {"recency_days": -0.1, "average_order_value": 0.9}, 0.3), *FUTURES[1:])

    def angle(kept: float) -> float:
        wanted = Specification(4, forward_share=0.7, value_weight=0.6, behaviour_axes=2, components=2, continuity=kept)
        space = fit_space(wanted, FEATURES, after, turned, former)
        return float(np.corrcoef(space.points(after)[:, 0], former.points(after)[:, 0])[0, 1])

    assert angle(1.0) == pytest.approx(1.0)
    assert angle(0.0) < angle(0.5) < angle(0.8) < 1
    assert angle(0.8) > 0.95
    kept = Specification(4, forward_share=0.1, continuity=1.0)
    assert fit_space(kept, FEATURES, after, turned, former).projection == former.projection


def test_a_predecessor_over_fewer_features_is_translated() -> None:
    former = fit_space(WANTED, FEATURES[:2], _matrix()[:, :2], FUTURES)
    wanted = Specification(4, forward_share=0.7, value_weight=0.6, behaviour_axes=2, components=2, continuity=0.8)
    space = fit_space(wanted, FEATURES, _matrix(6), FUTURES, former)
    assert len(space.rules) == 4
    assert space.axes[0] == 1


def test_leading_axes_hold_most_of_the_variance() -> None:
    rng = np.random.default_rng(2)
    scaled = rng.normal(size=(300, 5)) * np.array([5.0, 2.0, 1.0, 0.5, 0.1])
    leading = leading_axes(np.eye(5), scaled, 2)
    assert leading.shape == (2, 5)
    assert (scaled @ leading.T).var(axis=0).sum() > 0.95 * scaled.var(axis=0).sum()
    assert leading_axes(np.eye(5), scaled, 0).shape == (0, 5)


def test_a_feature_in_which_nearly_all_are_alike_counts_less() -> None:
    rng = np.random.default_rng(8)
    matrix = np.column_stack([rng.lognormal(3, 1, 2000), np.ones(2000)])
    matrix[:20, 1] = 2.0  # one in a hundred
    rules = fit_rules([BY_NAME["average_order_value"], BY_NAME["order_count"]], matrix, cap=0.001)
    variances = Space((BY_NAME["average_order_value"], BY_NAME["order_count"]), rules, None).scaled(matrix).var(axis=0)
    assert variances[0] == pytest.approx(1.0)
    assert variances[1] == pytest.approx(0.1)


def test_clusters_that_are_too_small_are_merged_with_their_neighbours() -> None:
    rng = np.random.default_rng(4)
    sizes = ((0.0, 500), (10.0, 300), (20.0, 8), (-50.0, 3))
    points = np.concatenate([rng.normal(place, 0.5, (count, 1)) for place, count in sizes])
    centroids = without_small(points, fit_centroids(points, 4, seed=1), 0.02)
    counts = np.bincount(nearest_labels(points, centroids))
    assert len(centroids) == 2
    assert counts.min() >= 0.02 * len(points)
    assert len(without_small(points, centroids, 0.6)) == 1
    assert (without_small(points, centroids, 0.0) == centroids).all()
