import numpy as np
import pytest
from sklearn.cluster import KMeans

from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting import metrics
from segmentation.modeling.fitting.clustering import confidence_cutoffs, fit_centroids, jaccard, resample
from segmentation.modeling.nearest import nearest, nearest_labels


def blobs(centres: int, per_blob: int = 120, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.arange(centres) * 10.0)[:, None] * np.array([1.0, 0.3])
    return np.concatenate([rng.normal(place, 0.5, (per_blob, 2)) for place in places])


def test_a_fit_is_as_close_as_scikit_learns() -> None:
    points = np.random.default_rng(1).normal(size=(500, 3))
    reference = KMeans(5, n_init=10, random_state=0).fit(points).inertia_
    own = np.sum(nearest(points, fit_centroids(points, 5, seed=0)).distance ** 2)
    assert own == pytest.approx(reference, rel=0.02)


def test_the_same_seed_gives_the_same_centroids() -> None:
    points = blobs(4)
    assert (fit_centroids(points, 4, seed=3) == fit_centroids(points, 4, seed=3)).all()


def test_a_sample_is_enough_to_find_clear_groups() -> None:
    points = blobs(3, per_blob=4000)
    labels = nearest_labels(points, fit_centroids(points, 3, seed=3, max_rows=500))
    assert metrics.smallest_share(labels, 3) == pytest.approx(1 / 3, abs=0.01)


def test_true_groups_come_back_and_halves_of_one_do_not() -> None:
    points = blobs(4)
    true = resample(points, fit_centroids(points, 4, seed=3), seed=3)
    assert true.overlap.min() > 0.99
    assert true.agreement > 0.99
    assert (true.returned == 1).all()
    noise = np.random.default_rng(5).normal(size=(800, 8))
    assert resample(noise, fit_centroids(noise, 7, seed=3), seed=3).overlap.min() < 0.75


def test_jaccard_is_intersection_over_union() -> None:
    one, other = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    assert jaccard(one, other, 2).tolist() == [[2 / 3, 1 / 5], [0, 2 / 3]]


def test_a_cutoff_is_where_the_chance_to_come_back_is_reliable() -> None:
    rng = np.random.default_rng(2)
    confidence, labels = rng.random(6000), rng.integers(0, 3, 6000)
    chance = np.array([0.6 + 0.4 * np.minimum(confidence / 0.4, 1.0), np.full(6000, 0.99), np.full(6000, 0.5)])
    returned = rng.binomial(20, chance[labels, np.arange(6000)]) / 20
    shaky, solid, hopeless = confidence_cutoffs(confidence, labels, returned, 4)[:3]
    assert shaky == pytest.approx(0.3, abs=0.03)  # where .6 + confidence is .9
    assert solid < 0.02
    assert hopeless > 0.99
    shuffled = rng.permutation(6000)
    again = confidence_cutoffs(confidence[shuffled], labels[shuffled], returned[shuffled], 4)
    assert again.tolist() == [shaky, solid, hopeless, 0.0], "the order of customers says nothing, nor an empty cluster"


def test_no_cutoff_where_everybody_came_back_and_all_below_one_where_nobody_did() -> None:
    confidence, labels = np.array([0.1, 0.5, 0.2, 0.9]), np.array([0, 0, 1, 1])
    assert confidence_cutoffs(confidence, labels, np.array([1.0, 0.9, 0.0, 0.2]), 2).tolist() == [0.0, 1.0]


def test_validity_measures_are_what_their_names_say() -> None:
    points = blobs(4)
    centroids = fit_centroids(points, 4, seed=3)
    found = metrics.validity(points, points, centroids, seed=1)
    distances = np.sort(np.linalg.norm(points[:, None] - centroids, axis=2), axis=1)
    assert found["simplified_silhouette"] == pytest.approx(np.mean(1 - distances[:, 0] / distances[:, 1]))
    assert found["inertia"] == pytest.approx(np.mean(distances[:, 0] ** 2))
    assert found["silhouette"] == found["fixed_silhouette"] > 0.8
    assert set(found) <= set(metrics.MEANINGS)


def test_one_label_for_all_has_no_silhouette() -> None:
    assert metrics.fixed_silhouette(blobs(2), np.zeros(240, dtype=np.int64), seed=1) == 0
