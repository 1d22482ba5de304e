"""Which centroids are the nearest to many points. NumPy only: this runs in the scorer and on Spark's executors, too.

Products of matrices find the candidates, since they are quick; but their last bits depend on the rows beside a row, on
the processor and on threads. So distances are those of plain sums in the order of the axes, and where a product can't
tell which centroid is nearer, plain sums do. How one customer gets the same bits is in `artefact`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FEW_ROWS = 512
"""Up to so many rows a call into NumPy costs more than what it does."""

PRODUCT_SIZE = 2**18
"""Multiplications in a product: its numbers stay in the processor's cache, and OpenBLAS does it in one thread."""

EPSILON = float(np.finfo(np.float64).eps)
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Assignment:
    """Segments of n customers; every array has length n.

    Attributes:
        segment: Index of the segment in the artefact.
        distance: Euclidean distance to its centroid, in model space.
        runner_up: Index of the next nearest segment.
        runner_up_distance: Distance to that one's centroid.
    """

    segment: Ints
    distance: Floats
    runner_up: Ints
    runner_up_distance: Floats

    @cached_property
    def confidence(self) -> Floats:
        """1 - distance / runner-up distance: 0 on the border between two segments, 1 on a centroid.

        Its mean is the simplified silhouette (Hruschka, de Castro & Campello 2004).
        """
        far = np.where(self.runner_up_distance > 0, self.runner_up_distance, 1.0)
        return 1.0 - self.distance / far


def joined(blocks: Sequence[Assignment]) -> Assignment:
    """The customers of all blocks, in order."""
    return Assignment(
        np.concatenate([block.segment for block in blocks]),
        np.concatenate([block.distance for block in blocks]),
        np.concatenate([block.runner_up for block in blocks]),
        np.concatenate([block.runner_up_distance for block in blocks]),
    )


def nearest(points: Floats, centroids: Floats) -> Assignment:
    """The two nearest centroids of each point; ties go to the earlier one.

    A row's result does not depend on the rows beside it.

    Args:
        points: Shape (n, d).
        centroids: Shape (k, d), k >= 2.
    """
    if len(points) <= FEW_ROWS:
        return _compared(points, centroids)
    size = _block_rows(centroids)
    if len(points) > size:
        return joined([nearest(points[at : at + size], centroids) for at in range(0, len(points), size)])
    candidates = _Candidates(points, centroids)
    first, second = candidates.first(), candidates.second()
    unsure = candidates.unsure()
    if len(unsure):
        compared = _compared(points[unsure], centroids)
        first[unsure], second[unsure] = compared.segment, compared.runner_up
    axes = np.ascontiguousarray(points.T)
    own, other = (np.sqrt(_squared_distances(axes, centroids.T.take(which, axis=1))) for which in (first, second))
    return Assignment(first, own, second, other)


def nearest_labels(points: Floats, centroids: Floats) -> Ints:
    """The `segment` of `nearest`, to the bit and in less than half of the time.

    Args:
        points: Shape (n, d); may be mapped from a file.
        centroids: Shape (k, d), k >= 2.
    """
    points, labels = np.asarray(points), np.empty(len(points), np.int64)
    size = _block_rows(centroids)
    for start in range(0, len(points), size):
        block, own = points[start : start + size], labels[start : start + size]
        candidates = _Candidates(block, centroids)
        own[:] = candidates.first()
        unsure = candidates.unsure(of_second=False)
        if len(unsure):
            own[unsure] = _compared(block[unsure], centroids).segment
    return labels


class _Candidates:
    """The two nearest centroids of each point as far as a product can tell, and of which points it can't.

    Ranks are ‖c‖² - 2x·c, the squared distances but for ‖x‖². The last bits of a rank hold the centroid's index, so
    that minima and maxima, which processors take many at a time, say which centroid it was.
    """

    def __init__(self, points: Floats, centroids: Floats) -> None:
        k, dimensions = centroids.shape
        self._index_bits: int = (1 << (k - 1).bit_length()) - 1
        with np.errstate(all="ignore"):  # whatever becomes infinite or NaN is unsure
            lengths = np.einsum("ij,ij->i", centroids, centroids)
            ranks = np.matmul(-2.0 * centroids, points.T)
            ranks += lengths[:, np.newaxis]
            bits = ranks.view(np.int64)
            bits &= ~self._index_bits
            bits |= np.arange(k)[:, np.newaxis]
            self._least, self._second, self._third = _least_three(ranks)
            longest = dimensions * max(float(points.max()), -float(points.min())) ** 2
            rounding = 8 * (dimensions + self._index_bits + 4) * EPSILON
            self._tolerance = rounding * (longest + float(lengths.max())) + TINY

    def first(self) -> Ints:
        """Index of the nearest centroid."""
        return self._least.view(np.int64) & self._index_bits

    def second(self) -> Ints:
        """Index of the next nearest."""
        return self._second.view(np.int64) & self._index_bits

    def unsure(self, *, of_second: bool = True) -> Ints:
        """Rows where another centroid may be as near; without `of_second` only as near as the first."""
        with np.errstate(all="ignore"):
            gap = self._second - self._least
            if of_second:
                gap = np.minimum(gap, self._third - self._second)
        if gap.min() > self._tolerance:
            return np.empty(0, np.int64)
        return np.flatnonzero(~(gap > self._tolerance))


def _least_three(ranks: Floats) -> tuple[Floats, Floats, Floats]:
    """Per column of (k, n), the three least values; infinite where there are no more."""
    least, second = np.minimum(ranks[0], ranks[1]), np.maximum(ranks[0], ranks[1])
    third = np.full_like(least, np.inf)
    spare = np.empty_like(least)
    for row in ranks[2:]:
        np.maximum(least, row, out=spare)
        np.minimum(least, row, out=least)
        np.minimum(third, np.maximum(second, spare), out=third)
        np.minimum(second, spare, out=second)
    return least, second, third


def _compared(points: Floats, centroids: Floats) -> Assignment:
    """`nearest` by the distances to all centroids."""
    axes = np.ascontiguousarray(points.T)
    squared = _squared_distances(axes[:, np.newaxis], centroids.T[:, :, np.newaxis])
    rows = np.arange(len(points))
    first = squared.argmin(axis=0)
    others = squared.copy()
    others[first, rows] = np.inf
    second = others.argmin(axis=0)
    return Assignment(first, np.sqrt(squared[first, rows]), second, np.sqrt(squared[second, rows]))


def _squared_distances(axes: Floats, others: Floats) -> Floats:
    """Squares summed over the first dimension in its order, as `assign_one` does for one customer."""
    total: Floats = axes[0] - others[0]
    total *= total
    for axis, other in zip(axes[1:], others[1:], strict=True):
        difference = axis - other
        difference *= difference
        total += difference
    return total


def _block_rows(centroids: Floats) -> int:
    return max(FEW_ROWS, PRODUCT_SIZE // centroids.size)
