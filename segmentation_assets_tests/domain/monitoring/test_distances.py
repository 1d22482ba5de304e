"""Distances off histograms, beside SciPy's of the values themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, wasserstein_distance

from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Floats, apply_transform
from segmentation.monitoring.distances import FINE_BINS, METRICS, Bins

FEATURES = (BY_NAME["recency_days"], BY_NAME["discount_share"], BY_NAME["spend_trend"])
KS, WASSERSTEIN, PSI = METRICS.index("ks"), METRICS.index("wasserstein"), METRICS.index("psi")


def _between(reference: Floats, other: Floats, weights: Floats | None = None) -> Floats:
    bins = Bins(FEATURES, reference, 2)
    counted = [
        bins.count(bins.of(values, np.zeros(len(values), dtype=np.int64)), w)
        for values, w in (
            (reference, np.ones(len(reference))),
            (other, np.ones(len(other)) if weights is None else weights),
        )
    ]
    return bins.distances(counted[0], counted[1])


def _customers(rng: np.random.Generator, count: int, shift: float = 0.0) -> Floats:
    return np.column_stack(
        [
            np.exp(rng.normal(3 + shift, 1, count)),
            np.where(rng.random(count) < 0.4, 0.0, rng.beta(2, 6, count)),
            rng.normal(shift, 50, count),
        ]
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-2, 2), st.integers(100, 800))
def test_histograms_measure_what_the_values_do(seed: int, shift: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    reference, other = _customers(rng, count), _customers(rng, count, shift)
    found = _between(reference, other)
    for column, feature in enumerate(FEATURES):
        assert feature.transform is not None
        before, after = (apply_transform(feature.transform, values[:, column]) for values in (reference, other))
        exact = ks_2samp(before, after).statistic
        # Only the values at edges are looked at, so a histogram may see a little less, and never more.
        assert exact - 2 / FINE_BINS - 2 / count <= found[KS, column] <= exact + 1e-9
        distance = wasserstein_distance(before, after) / before.std()
        assert found[WASSERSTEIN, column] == pytest.approx(distance, rel=0.1, abs=0.15)


def test_nothing_is_as_far_from_customers_as_they_are() -> None:
    customers = _customers(np.random.default_rng(1), 500)
    assert np.nanmax(_between(customers, customers)) == 0


def test_psi_is_the_sum_over_deciles() -> None:
    reference = np.column_stack([np.arange(1000.0), np.arange(1000.0) / 1000, np.arange(1000.0)])
    other = reference[reference[:, 0] < 500]
    p, q = np.full(10, 0.1), np.repeat([0.2, 0.0], 5)
    smooth = [(1000 * p + 0.5) / 1005, (500 * q + 0.5) / 505]
    expected = ((smooth[1] - smooth[0]) * np.log(smooth[1] / smooth[0])).sum()
    assert _between(reference, other)[PSI, :3] == pytest.approx(expected, rel=0.02)


def test_a_weight_counts_as_so_many_customers() -> None:
    rng = np.random.default_rng(2)
    reference, other = _customers(rng, 300), _customers(rng, 200, 0.4)
    weights = rng.integers(0, 4, 200)
    together = _between(reference, np.repeat(other, weights, axis=0))
    assert np.allclose(_between(reference, other, weights.astype(np.float64)), together, equal_nan=True)


def test_missing_values_and_zeros_are_told_apart_from_the_rest() -> None:
    rng = np.random.default_rng(3)
    reference = _customers(rng, 1000)
    other = reference.copy()
    other[:250, 0] = np.nan
    found = _between(reference, other)
    assert found[METRICS.index("missing_share"), 0] == 0.25
    assert found[METRICS.index("missing_share"), 1] == 0
    other = reference.copy()
    other[:, 1] = 0
    share = (reference[:, 1] == 0).mean()
    assert _between(reference, other)[METRICS.index("zero_share"), 1] == pytest.approx(1 - share)


def test_who_has_no_value_at_all_is_at_no_distance() -> None:
    reference = _customers(np.random.default_rng(4), 100)
    other = reference.copy()
    other[:, 2] = np.nan
    found = _between(reference, other)[:, 2]
    assert np.isnan(found[[PSI, KS, WASSERSTEIN]]).all()
    assert found[METRICS.index("missing_share")] == 1


def test_how_far_values_leave_the_range_of_the_reference_is_seen() -> None:
    reference = _customers(np.random.default_rng(5), 1000)
    near, far = (reference + np.array([0, factor, 0]) for factor in (0.4, 1.2))
    assert _between(reference, far)[WASSERSTEIN, 1] > 1.8 * _between(reference, near)[WASSERSTEIN, 1]


def test_segments_are_compared_by_their_shares() -> None:
    values = _customers(np.random.default_rng(6), 100)
    bins = Bins(FEATURES, values, 3)
    labels = [np.repeat([0, 1, 2], shares) for shares in ((50, 30, 20), (20, 30, 50))]
    same, other = (bins.count(bins.of(values, each), np.ones(100)) for each in labels)
    found = bins.distances(same, other)[:, -1]
    p, q = (np.array([50, 30, 20]) + 0.5) / 101.5, (np.array([20, 30, 50]) + 0.5) / 101.5
    assert found[PSI] == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert np.isnan(found[1:]).all()
