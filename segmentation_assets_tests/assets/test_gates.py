"""A poisoned candidate is stopped by the right gate, and the champion decides the segments of the same run."""

from collections.abc import Callable
from datetime import datetime

import dagster as dg
import msgspec
import numpy as np
import pytest

from segmentation.clock import utc_now
from segmentation.modeling import registry
from segmentation.modeling.artefact import Artefact, Evaluator, Floats, Segment
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.clustering import fit_centroids
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.assets.conftest import AS_OF, Graph, defs, segment

pytestmark = pytest.mark.takes(50)

CHAMPION = dg.AssetKey(["training", "champion_model"])
NEXT_MONTH = datetime(2025, 1, 15)
Poison = Callable[[Artefact, Floats], Artefact]


def _with_centroids(artefact: Artefact, centroids: Floats) -> Artefact:
    ids = [segment.id for segment in artefact.segments] + list(range(50, 100))
    segments = tuple(
        Segment(ids[index], f"segment {index}", "", tuple(float(c) for c in centroid))
        for index, centroid in enumerate(centroids)
    )
    return msgspec.structs.replace(artefact, segments=segments)


def shuffled_features(artefact: Artefact, _: Floats) -> Artefact:
    """Each feature goes through the rule of another one."""
    rules = tuple(
        msgspec.structs.replace(rule, name=other.name, missing_value=0.0)
        for rule, other in zip(artefact.rules, artefact.rules[3:] + artefact.rules[:3], strict=True)
    )
    return msgspec.structs.replace(artefact, rules=rules)


def three_customers(artefact: Artefact, points: Floats) -> Artefact:
    """The last segment lies where only the three farthest customers are near it."""
    centroids = Evaluator(artefact).centroids.copy()
    far = points[np.argsort(np.linalg.norm(points - points.mean(axis=0), axis=1))[-3:]].mean(axis=0)
    centroids[-1] = points.mean(axis=0) + 3 * (far - points.mean(axis=0))
    return _with_centroids(artefact, centroids)


def unstable(artefact: Artefact, points: Floats) -> Artefact:
    """Far more segments than there are kinds of customers."""
    return _with_centroids(artefact, fit_centroids(points, 12, seed=3, starts=1))


@pytest.mark.parametrize(
    ("poison", "gate"),
    [
        (shuffled_features, "few_customers_are_moved"),
        (three_customers, "smallest_segment_is_large_enough"),
        (unstable, "segments_are_stable"),
    ],
)
def test_a_poisoned_candidate_is_stopped(filled: Graph, lake: Lake, poison: Poison, gate: str) -> None:
    with lake.cursor() as con:
        champion = registry.load_champion(con)
        matrix = read_matrix(con, champion.artefact.provenance.as_of, champion.artefact.feature_names)
    points = Evaluator(champion.artefact).coordinates(matrix.values)
    poisoned = poison(champion.artefact, points)
    version = registry.register(lake, poisoned, champion.metrics, Commit("poison"), now=utc_now())

    checks = filled.run("training/candidate_model", checks_only=True)
    assert checks.success
    assert gate in filled.failed_checks(checks)
    made = filled.run("training/champion_model", "segments/customer_segments", partition=AS_OF)
    assert made.success
    with lake.cursor() as con:
        assert registry.resolve(con, "candidate") == version
        assert registry.resolve(con, "champion") == champion.version
        assert version in registry.stopped_since_promotion(con)
        deciding = con.execute("SELECT DISTINCT model_version FROM segments.customer_segments").fetchall()
    assert deciding == [(champion.version,)]
    (told,) = [event.asset_observation_data.asset_observation for event in made.filter_events(_is_observation)]
    assert f"`segmentation models promote {version} --dry-run`" in (told.description or "")


@pytest.mark.parametrize("min_separation", [0.15, 0.99])
def test_automation_promotes_the_first_model_whatever_gates_say(loaded: Graph, min_separation: float) -> None:
    features = [f"features/{name}" for name in ("rfm", "diversity", "temporal", "behaviour", "customer_features")]
    assert loaded.run(*features, partition=AS_OF).success
    before = _tick(loaded)
    loaded.run("training/training_set", "training/candidate_model", min_separation=min_separation)
    after = _tick(loaded, before)
    assert len(after.get_requested_partitions(CHAMPION)) == 1


def test_automation_asks_for_a_decision_on_each_candidate(filled: Graph) -> None:
    assert filled.run("training/champion_model").success  # this instance has to know of it
    before = _tick(filled)
    filled.run("training/training_set", "training/candidate_model", min_separation=0.99, seed=11)
    after = _tick(filled, before)
    assert len(after.get_requested_partitions(CHAMPION)) == 1


def test_a_manual_promotion_waits_and_stops_what_follows(loaded: Graph, lake: Lake) -> None:
    result = segment(loaded, promotion="manual")
    assert result.success
    done = {
        event.step_materialization_data.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }
    assert "training/candidate_model" in done
    assert not done & {"training/champion_model", "segments/customer_segments"}
    with lake.cursor() as con:
        assert registry.resolve(con, "challenger") == registry.resolve(con, "candidate") == 1
        assert registry.resolve(con, "champion") is None


def test_a_person_decides_by_the_config_of_a_run(filled: Graph, lake: Lake) -> None:
    with lake.cursor() as con:
        first = registry.load_champion(con)
    renamed = msgspec.structs.replace(first.artefact.segments[0], description="another")
    other = msgspec.structs.replace(first.artefact, segments=(renamed, *first.artefact.segments[1:]))
    version = registry.register(lake, other, first.metrics, Commit("other"), now=utc_now())

    def decide(**config: object) -> bool:
        return filled.run("training/champion_model", ops={"training__champion_model": {"config": config}}).success

    def champion() -> int | None:
        with lake.cursor() as con:
            return registry.resolve(con, "champion")

    assert decide(version=version, reason="looked at it")
    assert champion() == version
    assert decide(rollback=True, reason="complaints")
    assert champion() == first.version
    assert decide()  # what was rolled back waits
    assert champion() == first.version
    assert not decide(version=version, override=True)  # without a reason
    assert decide(version=version, override=True, reason="mended")
    assert champion() == version


def _is_observation(event: dg.DagsterEvent) -> bool:
    return event.event_type is dg.DagsterEventType.ASSET_OBSERVATION


def _tick(
    graph: Graph, before: dg.EvaluateAutomationConditionsResult | None = None
) -> dg.EvaluateAutomationConditionsResult:
    return dg.evaluate_automation_conditions(
        defs=defs,
        instance=graph.instance,
        asset_selection=dg.AssetSelection.groups("training", "segments"),
        evaluation_time=NEXT_MONTH,
        cursor=before.cursor if before else None,
    )
