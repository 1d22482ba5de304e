from collections.abc import Callable
from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segmentation.metadata.features import modelled
from segmentation.metadata.vocabulary import words_of
from segmentation.modeling.artefact import FORMAT, Artefact, Evaluator, Floats, Provenance, Segment
from segmentation.modeling.fitting.outcomes import Booleans
from segmentation.modeling.segment_identity.matching import Predecessor
from segmentation.modeling.stand_in import LEAST_CUSTOMERS, build_stand_in, make_stand_in, why_not_fitted
from segmentation.modeling.training_data import Examples, TrainingData

AS_OF = date(2024, 1, 1)
FEATURES = tuple(modelled())
NAMES = [feature.name for feature in FEATURES]
PROVENANCE = Provenance(AS_OF, 1, "set", 7, "1.0", stand_in="few", first_new_id=1)


def _data(recency: Floats, gaps: Floats, orders: Floats, revenue: Floats) -> TrainingData:
    values = np.ones((len(recency), len(FEATURES)))
    columns = {"recency_days": recency, "mean_gap_days": gaps, "order_count": orders, "net_revenue": revenue}
    for name, column in columns.items():
        values[:, NAMES.index(name)] = column
    return TrainingData(FEATURES, Examples(AS_OF, values), values, None)


@st.composite
def shops(draw: st.DrawFn) -> TrainingData:
    """Any few customers: of one order or many, of much revenue, none or a negative one."""
    size = draw(st.integers(1, 30))

    def column(least: int, most: int) -> Floats:
        return draw(arrays.arrays(np.int64, size, elements=st.integers(least, most))).astype(np.float64)

    hours, gaps, orders, cents = column(0, 90_000), column(0, 400), column(1, 9), column(-(10**8), 10**11)
    return _data(hours / 24, np.where(orders > 1, gaps, np.nan), orders, cents / 100)


RULES: dict[str, Callable[[Floats, Floats, Floats, float], Booleans]] = {
    "2+ orders": lambda _, orders, __, ___: orders >= 2,
    "one order": lambda _, orders, __, ___: orders == 1,
    "last order up to": lambda recency, _, __, cut: recency <= cut,
    "last order": lambda recency, _, __, cut: recency >= cut,
    "net revenue of up to": lambda _, __, revenue, cut: revenue <= cut,
    "net revenue of": lambda _, __, revenue, cut: revenue >= cut,
}
"""What names claim, written down again."""


def _holds(name: str, values: Floats) -> Booleans:
    """Of which customers all of a name is true."""
    recency, orders, revenue = (values[:, NAMES.index(n)] for n in ("recency_days", "order_count", "net_revenue"))
    true = np.ones(len(values), dtype=bool)
    for part in name.split(", "):
        text = part[0].lower() + part[1:]
        claim = max((each for each in RULES if text.startswith(each)), key=len)
        figure = text.removeprefix(claim).replace(" days ago", "").replace(",", "").rstrip("+").strip()
        true &= RULES[claim](recency, orders, revenue, float(figure) if figure else 0.0)
    return true


def _artefact(data: TrainingData) -> Artefact:
    return build_stand_in(data, PROVENANCE, None)[0]


def _labels(artefact: Artefact, data: TrainingData) -> Floats:
    columns = [NAMES.index(name) for name in artefact.feature_names]
    return np.asarray(Evaluator(artefact).assign(data.current.values[:, columns]).segment)


@given(shops(), shops())
def test_every_name_is_true_of_everybody_in_its_segment_at_any_date(data: TrainingData, later: TrainingData) -> None:
    artefact = Artefact.from_json(_artefact(data).to_json())
    for customers in (data, later):
        labels = _labels(artefact, customers)
        for index, segment in enumerate(artefact.segments):
            assert _holds(_without_thousands(segment.name), customers.current.values[labels == index]).all()


def _without_thousands(name: str) -> str:
    """Names have commas between claims, and within figures without a space behind."""
    return "".join(c for i, c in enumerate(name) if c != "," or name[i + 1 : i + 2] == " ")


@given(shops())
def test_it_is_the_same_again_and_explains_itself(data: TrainingData) -> None:
    one, other = _artefact(data), _artefact(data)
    assert one.to_json() == other.to_json()
    assert 2 <= len(one.segments) <= 8
    assert all(segment.description.startswith("A named rule") for segment in one.segments)
    assert all(words_of(segment.name) is not None for segment in one.segments)


def test_questions_that_all_answer_alike_are_not_asked() -> None:
    alike = _data(np.array([5.0, 5.0]), np.array([np.nan, np.nan]), np.array([1.0, 1.0]), np.array([9.0, 9.0]))
    assert make_stand_in(alike).names == ("Last order up to 90 days ago", "Last order 90+ days ago")


def test_a_cell_keeps_its_id_where_cuts_move_and_a_fitted_segment_does_not() -> None:
    rng = np.random.default_rng(1)
    orders = np.floor(rng.uniform(1, 5, 40))
    gaps = np.where(orders > 1, 30.0, np.nan)
    data = _data(rng.uniform(0, 200, 40), gaps, orders, rng.uniform(1, 500, 40))
    first = _artefact(data)
    later = _data(rng.uniform(0, 200, 40), gaps * 2, orders, rng.uniform(1, 5_000, 40))
    before = Predecessor(first.segments, np.asarray(_labels(first, later), dtype=np.intp))
    second, _, lineage = build_stand_in(later, msgspec.structs.replace(PROVENANCE, first_new_id=9), before)
    assert [segment.id for segment in second.segments] == [segment.id for segment in first.segments]
    assert [segment.name for segment in second.segments] != [segment.name for segment in first.segments]
    assert {descent.event for descent in lineage} <= {"kept", "merged"}
    fitted = tuple(Segment(n, f"s{n}", "Orders often.", segment.centroid) for n, segment in enumerate(first.segments))
    third = build_stand_in(
        later, msgspec.structs.replace(PROVENANCE, first_new_id=9), replace(before, segments=fitted)
    )[0]
    assert [segment.id for segment in third.segments] == list(range(9, 9 + len(third.segments)))


@pytest.mark.parametrize(("customers", "is_fitted"), [(LEAST_CUSTOMERS - 1, False), (LEAST_CUSTOMERS, True)])
def test_few_customers_are_not_clustered(customers: int, is_fitted: bool) -> None:
    assert (why_not_fitted(customers) == "") == is_fitted


def test_an_artefact_of_an_older_release_is_no_stand_in_and_has_the_hash_that_it_had() -> None:
    artefact = _artefact(_data(np.array([5.0, 50.0]), np.array([9.0, 9.0]), np.array([2.0, 3.0]), np.array([1.0, 2.0])))
    old = Artefact(FORMAT, artefact.rules, artefact.segments, Provenance(AS_OF, 1, "set", 7, "1.0"))
    assert "stand_in" not in old.to_json()
    assert Artefact.from_json(old.to_json()).provenance.stand_in == ""
    assert old.model_hash == artefact.model_hash
