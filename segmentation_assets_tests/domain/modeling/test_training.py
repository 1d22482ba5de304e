import numpy as np
import pytest

from segmentation.modeling import gates
from segmentation.modeling.artefact import Floats, nearest
from segmentation.modeling.training import Search, search_k
from segmentation.settings import Settings


def blobs(centres: int, per_blob: int = 120, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    places = rng.permutation(np.arange(centres) * 10.0)[:, None] * np.array([1.0, 0.3])
    return np.concatenate([rng.normal(place, 0.5, (per_blob, 2)) for place in places])


def _search(points: Floats, **changes: float) -> Search:
    options = {"seed": 3, "max_rows": 10_000, "min_share": 0.02, **changes}
    return search_k(points, range(2, 8), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("centres", [3, 5])
def test_clear_groups_are_found(centres: int) -> None:
    found = _search(blobs(centres))
    assert found.chosen.k == centres
    assert found.chosen.stability > 0.99
    assert "all come back in resamples" in found.reason


def test_more_segments_fit_closer() -> None:
    inertia = [trial.inertia for trial in _search(blobs(4)).trials]
    assert inertia == sorted(inertia, reverse=True)


def test_a_segment_that_would_be_too_small_is_not_made() -> None:
    points = np.concatenate([blobs(3), np.random.default_rng(1).normal((200, 200), 0.1, (4, 2))])
    assert _search(points, min_share=0.05).chosen.smallest_share >= 0.01
    assert _search(points, min_share=0.005).chosen.k == 4


def test_noise_is_split_as_stably_as_it_can_be() -> None:
    found = _search(np.random.default_rng(5).normal(size=(800, 8)))
    assert found.chosen.stability == max(trial.stability for trial in found.trials)
    assert "the most stable" in found.reason


def test_a_sample_is_enough_and_everybody_counts() -> None:
    points = blobs(3, per_blob=4000)
    found = _search(points, max_rows=500)
    assert found.chosen.k == 3
    assert found.chosen.smallest_share == pytest.approx(1 / 3, abs=0.01)


def test_the_same_seed_gives_the_same_centroids() -> None:
    points = blobs(4)
    assert (_search(points).chosen.centroids == _search(points).chosen.centroids).all()


def test_simplified_silhouette_is_the_mean_confidence() -> None:
    points = blobs(4)
    chosen = _search(points).chosen
    distances = np.sort(np.linalg.norm(points[:, None] - chosen.centroids, axis=2), axis=1)
    assert chosen.simplified_silhouette == pytest.approx(np.mean(1 - distances[:, 0] / distances[:, 1]))


def test_gates_open_for_good_segments_and_close_for_poor_ones() -> None:
    points, settings = blobs(3), Settings()
    good = nearest(points, _search(points).chosen.centroids)
    assert gates.smallest_segment(good, 3, settings).passed
    assert gates.separation(good, settings).passed
    lonely = nearest(points, np.concatenate([points.mean(axis=0)[None], points[:1] + 1000]))
    small = gates.smallest_segment(lonely, 2, settings)
    assert not small.passed
    assert "holds 0.0% of customers; at least 2.0% is needed" in small.explanation
    noise = np.random.default_rng(1).normal(size=(500, 2))
    mixed = nearest(noise, np.array([[0.0, 0.0], [0.01, 0.0]]))
    assert not gates.separation(mixed, settings).passed
