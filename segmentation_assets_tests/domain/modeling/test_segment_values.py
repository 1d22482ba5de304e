from datetime import date

import numpy as np
import polars as pl
import pytest

from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Floats
from segmentation.modeling.fitting.outcomes import Outcome
from segmentation.modeling.fitting.segment_values import later_spend
from segmentation.modeling.fitting.space import fixed_space
from segmentation.modeling.training_data import Examples, History


def history(values: Floats, spend: Floats) -> History:
    examples = Examples(date(2024, 1, 1), values, Outcome(np.log1p(spend), spend > 0))
    return History(examples, examples)


def test_a_segment_is_worth_what_its_customers_spent_later() -> None:
    rng = np.random.default_rng(3)
    values = rng.gamma(2.0, 30.0, (400, 1))
    spend = np.where(rng.random(400) < 0.5, rng.gamma(2.0, 50.0, 400), 0.0)
    space = fixed_space([BY_NAME["recency_days"]], values)
    points = space.points(values)
    centroids = np.quantile(points, [0.1, 0.5, 0.9])[:, np.newaxis]
    found = later_spend(space, centroids, history(values, spend))
    own = np.abs(points - centroids[:, 0]).argmin(axis=1)
    expected = pl.DataFrame({"own": own, "spend": spend}).group_by("own").mean().sort("own")["spend"]
    assert found == pytest.approx(expected.to_numpy())


def test_nobody_knows_without_history_or_if_a_segment_had_nobody() -> None:
    values = np.array([[1.0], [2.0], [3.0]])
    space = fixed_space([BY_NAME["recency_days"]], values)
    assert later_spend(space, np.array([[0.0], [1.0]]), None) is None
    assert later_spend(space, np.array([[0.0], [99.0]]), history(values, np.array([1.0, 0.0, 2.0]))) is None
