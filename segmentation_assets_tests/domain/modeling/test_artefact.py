import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.cluster import KMeans

from segmentation.errors import ArtefactError, NotEnoughDataError
from segmentation.metadata.features import BY_NAME, modelled
from segmentation.metadata.vocabulary import NAMED_FROM
from segmentation.modeling.artefact import Artefact, Evaluator, Floats, Provenance
from segmentation.modeling.fitting.fit import fit
from segmentation.modeling.fitting.preprocessing import fit_rules
from segmentation.modeling.specification import Specification
from segmentation.modeling.training import identified
from segmentation.modeling.training_data import Examples, TrainingData

PROVENANCE = Provenance(date(2024, 1, 1), 1, "set", 7, "0")
FEATURES = [BY_NAME[name] for name in ("recency_days", "net_revenue", "category_entropy", "return_rate")]


def customers(count: int = 600, seed: int = 1) -> Floats:
    """Raw features of made-up customers: three kinds of them, with gaps and outliers."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count)
    recency = rng.gamma(2, np.array([5, 40, 200])[kind])
    revenue = rng.normal(np.array([2000, 300, 20])[kind], 50)
    entropy = np.where(rng.random(count) < 0.2, np.nan, rng.random(count) * (3 - kind))
    returned = np.where(rng.random(count) < 0.5, np.nan, rng.random(count) * 0.2)
    matrix = np.column_stack([recency, revenue, entropy, returned])
    matrix[0, 1] = 1e9
    return matrix


def traits_of(matrix: Floats) -> Floats:
    values = dict.fromkeys(NAMED_FROM, np.ones(len(matrix)))
    values |= {"recency_days": matrix[:, 0], "net_revenue": matrix[:, 1]}
    return np.column_stack([values[name] for name in NAMED_FROM])


def fitted(matrix: Floats, components: int | None = None) -> Artefact:
    traits = traits_of(matrix)
    data = TrainingData(tuple(FEATURES), Examples(PROVENANCE.as_of, matrix), traits, None)
    found = fit(data, Specification(3, components=components), seed=7)
    segments, _ = identified(found, traits, None, 1)
    return Artefact(1, found.rules, segments, PROVENANCE, found.projection)


@pytest.fixture(scope="module", params=[None, 2], ids=["scaled features", "projected"])
def artefact(request: pytest.FixtureRequest) -> Artefact:
    return fitted(customers(), request.param)


def test_numpy_gives_the_labels_that_scikit_learn_gives(artefact: Artefact) -> None:
    matrix = customers(5000, seed=2)
    evaluator = Evaluator(artefact)
    points = evaluator.coordinates(matrix)
    k_means = KMeans(len(artefact.segments), n_init=1).fit(points[: len(artefact.segments)])
    k_means.cluster_centers_ = evaluator.centroids.copy()
    found = evaluator.assign(matrix)
    distances = k_means.transform(points)
    assert (found.segment == k_means.predict(points)).all()
    np.testing.assert_allclose(found.distance, distances.min(axis=1), atol=1e-9)
    np.testing.assert_allclose(found.runner_up_distance, np.sort(distances, axis=1)[:, 1], atol=1e-9)


def test_the_document_survives_a_round_trip_and_keeps_its_hash(artefact: Artefact) -> None:
    again = Artefact.from_json(artefact.to_json())
    assert again == artefact
    assert again.model_hash == artefact.model_hash


def test_the_same_rows_and_seed_give_the_same_document(artefact: Artefact) -> None:
    components = None if artefact.projection is None else len(artefact.projection)
    assert fitted(customers(), components).to_json() == artefact.to_json()


def test_the_hash_is_of_the_fit_and_not_of_where_it_came_from(artefact: Artefact) -> None:
    document = json.loads(artefact.to_json())
    document["provenance"]["lake_snapshot"] = 99
    assert Artefact.from_json(json.dumps(document)).model_hash == artefact.model_hash
    document["rules"][0]["center"] += 1e-9
    assert Artefact.from_json(json.dumps(document)).model_hash != artefact.model_hash


@given(
    hnp.arrays(
        np.float64, (7, 4), elements=st.one_of(st.floats(-1e12, 1e12, allow_nan=False), st.just(float("nan")))
    ).map(lambda m: np.column_stack([np.nan_to_num(m[:, :2]), m[:, 2:]]))
)
def test_everyone_is_served_however_far_out(artefact: Artefact, matrix: Floats) -> None:
    evaluator = Evaluator(artefact)
    result = evaluator.assign(matrix)
    assert np.isfinite(result.distance).all()
    assert ((result.confidence >= 0) & (result.confidence <= 1)).all()
    assert (result.segment != result.runner_up).all()
    alone = [evaluator.assign_one([None if np.isnan(value) else value for value in row]) for row in matrix.tolist()]
    together = (result.segment, result.distance, result.runner_up, result.confidence)
    assert alone == list(zip(*(column.tolist() for column in together), strict=True))


def test_a_customer_gets_the_same_answer_alone_and_in_company(artefact: Artefact) -> None:
    matrix, evaluator = customers(1000, seed=3), Evaluator(artefact)
    together = evaluator.assign(matrix)
    for row in range(0, 1000, 37):
        alone = evaluator.assign(matrix[row : row + 1])
        assert (alone.segment[0], alone.distance[0]) == (together.segment[row], together.distance[row])


def test_a_feature_without_a_rule_for_missing_values_stays_missing(artefact: Artefact) -> None:
    matrix = customers(3)
    matrix[1, 0] = np.nan
    assert np.isnan(Evaluator(artefact).assign(matrix).distance).tolist() == [False, True, False]
    assert np.isnan(Evaluator(artefact).coordinates(matrix)).any(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=2), "Not a model artefact"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d["segments"].pop(), None),
        (lambda d: d.update(segments=d["segments"][:1]), "fewer than two segments"),
        (lambda d: d["segments"][0].update(id=d["segments"][1]["id"]), "a segment id occurs twice"),
        (lambda d: d["segments"][0].update(name=d["segments"][1]["name"].upper()), "two segments share a name"),
        (lambda d: d["segments"][0]["centroid"].pop(), "another number of dimensions"),
        (lambda d: d.update(projection=[[1.0]]), "another number of features"),
        (lambda d: d["rules"][0].update(scale=0), "no positive scale"),
        (lambda d: d["rules"][0].update(transform="cube"), "Not a model artefact"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(artefact: Artefact, change, message) -> None:  # type: ignore[no-untyped-def]
    document = json.loads(artefact.to_json())
    change(document)
    if message is None:
        assert len(Artefact.from_json(json.dumps(document)).segments) == len(artefact.segments) - 1
    else:
        with pytest.raises(ArtefactError, match=message):
            Artefact.from_json(json.dumps(document))


def test_garbage_is_refused() -> None:
    with pytest.raises(ArtefactError, match="Not a model artefact"):
        Artefact.from_json("{")


def test_a_feature_that_is_the_same_for_all_is_left_out() -> None:
    matrix = customers()
    matrix[:, 3] = np.nan
    matrix[:, 2] = 1.5
    assert [rule.name for rule in fit_rules(FEATURES, matrix)] == ["recency_days", "net_revenue"]


def test_a_rare_trait_is_not_capped_away() -> None:
    matrix = customers(1000)
    matrix[:, 3] = 0.0
    matrix[:4, 3] = 0.9
    rule = fit_rules(FEATURES, matrix)[3]
    assert (rule.name, rule.upper) == ("return_rate", 0.9)


def test_customers_who_are_all_alike_cannot_be_told_apart() -> None:
    matrix = np.tile(customers(1), (50, 1))
    with pytest.raises(NotEnoughDataError, match="All 50 customers are alike"):
        fitted(matrix)


def test_too_few_different_customers_cannot_form_segments() -> None:
    matrix = np.repeat(customers(2), 25, axis=0)
    with pytest.raises(NotEnoughDataError, match="50 customers, 2 of them different.*can't form 3 segments"):
        fitted(matrix)


def test_segments_are_numbered_by_what_their_customers_bring(artefact: Artefact) -> None:
    matrix = customers()
    member = Evaluator(artefact).assign(matrix).segment
    revenue = [np.minimum(matrix[member == index, 1], 1e6).mean() for index in range(len(artefact.segments))]
    assert [segment.id for segment in artefact.segments] == list(range(1, len(artefact.segments) + 1))
    assert revenue == sorted(revenue, reverse=True)


def test_modelled_features_have_a_transform() -> None:
    assert all(feature.transform is not None for feature in modelled())
