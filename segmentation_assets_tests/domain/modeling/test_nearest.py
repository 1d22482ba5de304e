"""The nearest centroids, against plain Python: many rows are narrowed down by products, and must not show it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_limits

from segmentation.modeling import nearest as module
from segmentation.modeling.artefact import Floats
from segmentation.modeling.nearest import Assignment, nearest, nearest_labels

COMPANY = np.random.default_rng(0).normal(size=(module.FEW_ROWS + 1, 3))
"""So many rows that products are worth it."""

GRID = st.integers(-3, 3).map(float)
ANYWHERE = st.floats(-1e100, 1e100)


def reference(point: list[float], centroids: list[list[float]]) -> tuple[int, float, int, float]:
    squared: list[tuple[float, int]] = []
    for centroid in centroids:
        total = 0.0
        for value, other in zip(point, centroid, strict=True):
            total += (value - other) * (value - other)
        squared.append((total, len(squared)))
    (near, first), (far, second) = sorted(squared)[:2]
    return first, math.sqrt(near), second, math.sqrt(far)


def as_rows(found: Assignment) -> list[tuple[int, float, int, float]]:
    columns = (found.segment, found.distance, found.runner_up, found.runner_up_distance)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(2, 9), st.sampled_from([GRID, GRID.map(lambda x: x + 1e8), ANYWHERE]))
def test_the_nearest_are_those_of_plain_sums_with_ties_to_the_earlier(
    data: st.DataObject, k: int, coordinates: st.SearchStrategy[float]
) -> None:
    centroids = data.draw(hnp.arrays(np.float64, (k, 3), elements=coordinates))
    points = data.draw(hnp.arrays(np.float64, (5, 3), elements=coordinates))
    expected = [reference(point, centroids.tolist()) for point in points.tolist()]
    together = np.concatenate([points, COMPANY])
    assert as_rows(nearest(points, centroids)) == expected
    assert as_rows(nearest(together, centroids))[:5] == expected
    assert nearest_labels(together, centroids)[:5].tolist() == [first for first, *_ in expected]


def many(rows: int = 20_000) -> tuple[Floats, Floats]:
    """Points of which a third lie midway between two of their eleven centroids."""
    rng = np.random.default_rng(4)
    centroids, points = rng.normal(size=(11, 12)), rng.normal(size=(rows, 12))
    pairs = rng.integers(0, 11, (rows // 3, 2))
    points[: rows // 3] = centroids[pairs].mean(axis=1)
    return points, centroids


def test_neither_order_nor_company_nor_threads_change_a_bit() -> None:
    points, centroids = many()
    found, labels = nearest(points, centroids), nearest_labels(points, centroids)
    order = np.random.default_rng(5).permutation(len(points))
    shuffled = nearest(points[order], centroids)
    with threadpool_limits(limits=1):
        alone = nearest(points, centroids)
    for one, other in zip(as_rows(found), as_rows(alone), strict=True):
        assert one == other
    assert (found.segment == labels).all()
    assert (shuffled.segment == labels[order]).all()
    assert (shuffled.runner_up == found.runner_up[order]).all()
    assert (shuffled.distance == found.distance[order]).all()
    assert as_rows(nearest(points[:50], centroids)) == as_rows(found)[:50]


def test_products_settle_all_but_the_rows_that_are_as_near_to_two(monkeypatch: pytest.MonkeyPatch) -> None:
    points, centroids = many()
    found, compared = nearest(points, centroids), 0
    as_near = found.runner_up_distance - found.distance < 1e-9

    def count(rows: Floats, to: Floats) -> Assignment:
        nonlocal compared
        compared += len(rows)
        return original(rows, to)

    original = module._compared
    monkeypatch.setattr(module, "_compared", count)
    nearest_labels(points, centroids)
    assert 0 < compared <= as_near.sum()


def test_a_row_with_a_gap_has_no_distance_and_spoils_no_other() -> None:
    points, centroids = many(1_000)
    before = nearest(points, centroids)
    points[7, 3] = np.nan
    after = nearest(points, centroids)
    assert np.isnan(after.distance).nonzero()[0].tolist() == [7]
    others = np.arange(len(points)) != 7
    assert (after.segment == before.segment)[others].all()
    assert (after.distance == before.distance)[others].all()
