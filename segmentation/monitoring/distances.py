"""How far the customers of one date are from those of another, feature by feature.

Every distance is read off histograms over bins that the reference fixes, so that a bootstrap replicate costs one
weighted count and the measure that is reported is the one whose threshold was learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segmentation.metadata.features import Feature
from segmentation.modeling.artefact import Floats, Ints, apply_transform

Metric = Literal["psi", "wasserstein", "ks", "missing_share", "zero_share"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""How far customers are apart in one feature.

`psi`: population stability index over deciles of the reference, Σ (q − p) ln(q / p) (Siddiqi 2006). `wasserstein`:
area between the distribution functions, on the feature's transform scale, in standard deviations of the reference
(Kantorovich 1942). `ks`: greatest difference between the distribution functions (Kolmogorov 1933, Smirnov 1948).
`missing_share`: difference in the share of customers without a value; `zero_share`: in that of zeros among the values.
"""

FINE_BINS = 100
COARSE_BINS = 10
TAIL = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0])
"""Edges beyond the reference's extremes, in its standard deviations: who leaves its range is still told how far."""

SMOOTHING = 0.5
"""Added to each coarse bin's customers, so that an empty bin makes no infinite index."""


@dataclass(frozen=True)
class Binned:
    """Customers by the bins of a reference.

    Attributes:
        bins: Shape (number of features, n): the fine bin of each value; the last one for missing values.
        is_zero: Of the same shape: whether the value is 0.
    """

    bins: NDArray[np.int16]
    is_zero: NDArray[np.bool_]


@dataclass(frozen=True)
class Histogram:
    """Weighted counts of customers.

    Attributes:
        counts: Shape (number of features, bins + 1); the last one holds missing values.
        zeros: Length number of features.
    """

    counts: Floats
    zeros: Floats


class Bins:
    """The bins of a reference population, for all its features and for its segments, which come last."""

    def __init__(self, features: Sequence[Feature], values: Floats, segments: int) -> None:
        """Fix the bins.

        Args:
            features: What the columns are; each has a transform.
            values: Shape (n, number of features), NaN where missing.
            segments: How many segments customers can be in.
        """
        self._transforms = [feature.transform or "identity" for feature in features]
        grids, scales, deciles = [], [], []
        for column, transform in enumerate(self._transforms):
            known = values[:, column][~np.isnan(values[:, column])]
            grid, scale, decile = _grid(apply_transform(transform, known))
            grids.append(grid)
            scales.append(scale)
            deciles.append(decile)
        grids.append(np.arange(segments - 1, dtype=np.float64) + 0.5)
        scales.append(1.0)
        deciles.append(grids[-1])
        self._grids = grids
        self._slots = max(len(grid) for grid in grids) + 1
        self._coarse = np.zeros((len(grids), self._slots, max(len(decile) for decile in deciles) + 1))
        self._widths = np.zeros((len(grids), self._slots - 1))
        self._coarse_counts = np.array([len(decile) + 1 for decile in deciles], dtype=np.float64)
        for row, (grid, scale, decile) in enumerate(zip(grids, scales, deciles, strict=True)):
            # Bin i ends at edge i; it belongs to the decile that its end does not exceed.
            ends = np.append(grid, np.inf)
            self._coarse[row, np.arange(len(ends)), np.searchsorted(decile, ends, side="left")] = 1.0
            if len(grid) > 1:
                self._widths[row, : len(grid) - 1] = np.diff(grid) / scale
        self.is_measured = np.ones((len(METRICS), len(grids)), dtype=np.bool_)
        self.is_measured[1:, -1] = False  # segments have no order, no zero and are never missing

    def of(self, values: Floats, labels: Ints) -> Binned:
        """Customers by these bins.

        Args:
            values: Shape (n, number of features), NaN where missing.
            labels: Length n; index of each customer's segment.
        """
        bins = np.full((len(self._grids), len(values)), self._slots, dtype=np.int16)
        is_zero = np.zeros(bins.shape, dtype=np.bool_)
        for row, transform in enumerate(self._transforms):
            known = ~np.isnan(values[:, row])
            bins[row, known] = np.searchsorted(
                self._grids[row], apply_transform(transform, values[known, row]), side="left"
            )
            is_zero[row] = values[:, row] == 0
        bins[-1] = labels
        return Binned(bins, is_zero)

    def count(self, customers: Binned, weights: Floats) -> Histogram:
        """Weighted counts; `weights` has length n."""
        size = self._slots + 1
        counts = [np.bincount(row, weights=weights, minlength=size) for row in customers.bins]
        return Histogram(np.array(counts, dtype=np.float64), customers.is_zero @ weights)

    def distances(self, reference: Histogram, other: Histogram) -> Floats:
        """Distances of all features; NaN where a metric makes no sense, or one side has no values.

        Returns:
            Shape (number of metrics, number of features + 1), 0 for none.
        """
        p, q = reference.counts[:, :-1], other.counts[:, :-1]
        n_p, n_q = p.sum(axis=1), q.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.abs(np.cumsum(p, axis=1) / n_p[:, None] - np.cumsum(q, axis=1) / n_q[:, None])
            zeros = np.abs(reference.zeros / n_p - other.zeros / n_q)
        found = np.stack(
            [
                self._psi(p, q, n_p, n_q),
                ((gap[:, :-1] + gap[:, 1:]) / 2 * self._widths).sum(axis=1),
                gap.max(axis=1),
                np.abs(_missing(reference) - _missing(other)),
                zeros,
            ]
        )
        nobody = (n_p == 0) | (n_q == 0)
        found[[0, 1, 2, 4]] = np.where(nobody, np.nan, found[[0, 1, 2, 4]])
        return np.where(self.is_measured, found, np.nan)

    def _psi(self, p: Floats, q: Floats, n_p: Floats, n_q: Floats) -> Floats:
        bins = self._coarse_counts[:, None]
        in_use = np.arange(self._coarse.shape[2]) < bins
        shares = [
            (np.einsum("fs,fsc->fc", counts, self._coarse) + SMOOTHING) / (total[:, None] + SMOOTHING * bins)
            for counts, total in ((p, n_p), (q, n_q))
        ]
        terms = (shares[1] - shares[0]) * np.log(shares[1] / shares[0])
        return np.asarray(np.where(in_use, terms, 0.0).sum(axis=1), dtype=np.float64)


def _missing(histogram: Histogram) -> Floats:
    return np.asarray(histogram.counts[:, -1] / histogram.counts.sum(axis=1), dtype=np.float64)


def _grid(known: Floats) -> tuple[Floats, float, Floats]:
    """Edges of fine bins, the standard deviation, and edges of deciles, which are edges of fine bins too."""
    if not known.size:
        return np.zeros(1), 1.0, np.zeros(1)
    scale = float(known.std()) or 1.0
    shares = np.arange(1, FINE_BINS) / FINE_BINS
    edges = np.quantile(known, shares, method="inverted_cdf")
    lowest, highest = known.min(), known.max()
    grid = np.unique(np.concatenate([lowest - TAIL * scale, [lowest], edges, [highest], highest + TAIL * scale]))
    every = FINE_BINS // COARSE_BINS
    return grid, scale, np.unique(edges[every - 1 :: every])
