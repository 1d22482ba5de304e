import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp2f1

from segmentation.modeling.artefact import Floats
from segmentation.predictions.fitting.mbg_nbd import fit_mbg_nbd, gradient, log_likelihood
from segmentation.predictions.mbg_nbd import (
    MbgNbd,
    alive,
    days_until,
    expected_orders,
    hypergeometric,
    none_expected,
)
from segmentation_assets_tests.domain.predictions.shops import AS_OF, TRUE, drawn_shop

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from lifetimes import ModifiedBetaGeoFitter

SHAPES = st.floats(0.05, 8.0)
HISTORIES = st.lists(st.tuples(st.integers(0, 60), st.floats(0, 1), st.floats(1, 400)), min_size=1, max_size=8)


def _columns(histories: list[tuple[int, float, float]]) -> tuple[Floats, Floats, Floats]:
    repeats, share, age = (np.array(column, dtype=np.float64) for column in zip(*histories, strict=True))
    return repeats, np.where(repeats > 0, share * age, 0.0), age


@given(a=st.floats(-5, 5), b=st.floats(-3, 5), c=st.floats(0.1, 80), z=st.floats(0, 0.95))
def test_the_series_is_gauss_hypergeometric_function(a: float, b: float, c: float, z: float) -> None:
    reference = float(hyp2f1(a, b, c, z))
    # Where terms of both signs cancel, as many digits are lost in either way of adding up.
    terms = hypergeometric(abs(a), abs(b), np.array([c]), np.array([z]))
    assert hypergeometric(a, b, np.array([c]), np.array([z])) == pytest.approx(
        reference, rel=1e-9, abs=1e-12 * terms[0]
    )


@settings(deadline=None)
@given(parameters=st.tuples(SHAPES, st.floats(1, 200), SHAPES, SHAPES), histories=HISTORIES)
def test_expectations_are_those_of_lifetimes(
    parameters: tuple[float, float, float, float], histories: list[tuple[int, float, float]]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = ModifiedBetaGeoFitter()
        oracle.params_ = dict(zip(("r", "alpha", "a", "b"), parameters, strict=True))
        model, columns = MbgNbd(*parameters), _columns(histories)
        theirs = oracle.conditional_expected_number_of_purchases_up_to_time(90, *columns)
        living = oracle.conditional_probability_alive(*columns)
    if abs(model.a - 1) > 1e-3 and np.all(np.isfinite(theirs)) and np.all(theirs > 1e-6):
        assert expected_orders(model, *columns, 90) == pytest.approx(np.asarray(theirs), rel=1e-5)
    assert alive(model, *columns) == pytest.approx(np.asarray(living), rel=1e-9)


@settings(deadline=None)
@given(parameters=st.tuples(SHAPES, st.floats(1, 200), SHAPES, SHAPES), histories=HISTORIES)
def test_days_until_is_the_inverse_of_the_probability_of_none(
    parameters: tuple[float, float, float, float], histories: list[tuple[int, float, float]]
) -> None:
    model, columns = MbgNbd(*parameters), _columns(histories)
    none = none_expected(model, *columns, 45)
    days = np.where(none < 1 - 1e-9, days_until(model, *columns, none), 45.0)
    # Rounding may take a probability to its limit, which is reached never.
    for index, each in enumerate(np.minimum(days, 1e12)):
        repeats, last, age = (column[index : index + 1] for column in columns)
        assert none_expected(model, repeats, last, age, float(each)) == pytest.approx(none[index : index + 1], abs=1e-9)
    assert np.all(expected_orders(model, *columns, 45) >= 1 - none - 1e-9)
    assert np.all(np.isinf(days_until(model, *columns, 0.5 * (1 - alive(model, *columns)))))


def test_parameters_are_recovered_and_no_others_are_likelier() -> None:
    inputs = drawn_shop(3000, 400).known(AS_OF).inputs
    found = fit_mbg_nbd(inputs)
    columns = (inputs.repeats, inputs.last, inputs.tenure_days)
    assert found.r / found.alpha == pytest.approx(TRUE.r / TRUE.alpha, rel=0.15)
    assert np.sum(log_likelihood(found, *columns)) >= np.sum(log_likelihood(TRUE, *columns)) - 1


@settings(deadline=None)
@given(parameters=st.tuples(SHAPES, st.floats(1, 200), SHAPES, SHAPES), histories=HISTORIES)
def test_the_gradient_is_the_slope_of_the_likelihood(
    parameters: tuple[float, float, float, float], histories: list[tuple[int, float, float]]
) -> None:
    columns, logs, step = _columns(histories), np.log(np.array(parameters)), 1e-5

    def likelihood(at: Floats) -> float:
        return float(np.sum(log_likelihood(MbgNbd(*np.exp(at).tolist()), *columns)))

    steps = np.eye(4) * step
    slopes = [(likelihood(logs + each) - likelihood(logs - each)) / (2 * step) for each in steps]
    assert gradient(MbgNbd(*parameters), *columns) == pytest.approx(slopes, rel=1e-4, abs=1e-4)
