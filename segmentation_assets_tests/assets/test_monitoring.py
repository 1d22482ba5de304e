"""Monitoring on a lake: what is written, what checks say of it, and how the platform replaces a model that has aged."""

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from pydantic import SecretStr

from segmentation.clock import utc_now
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.registry import MODELS, TRAINING_SETS
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.training_data import make_training_set
from segmentation.monitoring import quality
from segmentation.monitoring.evaluation import Evaluation, evaluate_snapshots, write_evaluation
from segmentation.segments.assignment import write_segments
from segmentation.settings import Settings, load_settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.schema import migrate
from segmentation_assets.automation.notifications import look
from segmentation_assets.automation.retraining import build_degraded_model
from segmentation_assets.cli.runs import QUIET
from segmentation_assets.partitions import range_tags
from segmentation_assets_tests.assets.conftest import Graph, defs
from segmentation_assets_tests.testing.running_scorer import environment_of, running_scorer
from segmentation_assets_tests.testing.statements import change
from segmentation_assets_tests.testing.waiting import eventually
from segmentation_assets_tests.testing.webhook import listening

pytestmark = [
    pytest.mark.takes(50),
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),  # Apprise still tries it
]

START, TRAINED, END = date(2023, 9, 1), date(2024, 10, 1), date(2025, 1, 1)
NOW = datetime(2025, 2, 1)
EARLIER = [date(2024, month, 1) for month in (1, 4, 6, 7, 8, 9)]
BEFORE_CHRISTMAS = date(2024, 11, 1)
LATER = [date(2024, 12, 1), END]
SMALL_SHOP = {
    "min_stability": "0.4",
    "search_trials": "5",
    "customer_buckets": "4",
    # Baskets that are twice as big move people, and with them the borders between few customers.
    "max_customers_moved": "0.6",
    "max_revenue_moved": "0.9",
}

BIGGER_BASKETS = (
    "UPDATE raw.transactions SET quantity = quantity * 2, amount = amount * 2 WHERE ordered_at >= '2024-10-01'"
)
PENCE = (
    "UPDATE raw.transactions SET unit_price = unit_price * 100, amount = amount * 100 "
    "WHERE ordered_at >= '2024-12-01' AND hash(product_id) % 3 = 0"
)
FOUND = "SELECT DISTINCT feature, cause FROM monitoring.feature_drift WHERE as_of = $as_of AND is_drifting"


@pytest.fixture(scope="module")
def aging_lake(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with a champion of October, trained on a shop that goes on for three months."""
    folder = tmp_path_factory.mktemp("aging")
    home = folder / "warehouse"
    shutil.copytree(empty_lake, home)
    write(folder / "shop", customers=400, start=START, end=END, seed=3)
    settings = Settings(home=home, min_stability=0.4, search_trials=5, customer_buckets=4)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        register(lake, str(folder / "shop" / "transactions"), load_profile("canonical"), source="shop", now=NOW)
        load_days(lake, START, END, Commit("load"), now=NOW)
        write_snapshots(lake, [*EARLIER, TRAINED], lambda _: Commit("features"), now=NOW)
        pinned = make_training_set(lake, TRAINED, Commit("training"), now=NOW)
        lifecycle.train_candidate(lake, pinned, Commit("training"), now=utc_now)
        assert lifecycle.decide(lake, actor="test", commit=Commit("training"), now=utc_now()).serves
        change(lake, *(f"UPDATE {table} SET created_at = '{TRAINED}'" for table in (MODELS.name, TRAINING_SETS.name)))
    return home


@pytest.fixture
def aging(settings: Settings, aging_lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    shutil.copytree(aging_lake, settings.home)
    monkeypatch.setenv("SEGMENTATION_HOME", str(settings.home))
    for name, value in SMALL_SHOP.items():
        monkeypatch.setenv(f"SEGMENTATION_{name.upper()}", value)
    with Lake(settings) as lake:
        yield lake


def _rows(lake: Lake, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    with lake.cursor() as con:
        return con.execute(sql, parameters).fetchall()


def evaluate(lake: Lake) -> Evaluation:
    """What is found of the training data's own date."""
    [(_, found)] = evaluate_snapshots(lake, [TRAINED])
    return found


def _snapshots(lake: Lake, dates: Sequence[date] = LATER) -> None:
    write_snapshots(lake, dates, lambda _: Commit("features"), now=NOW)
    for as_of in dates:
        write_segments(lake, as_of, Commit("segments"))


def _monitor(lake: Lake, instance: dg.DagsterInstance, first: date, last: date) -> dict[str, bool]:
    """Materialize monitoring of some dates; the checks by name."""
    graph = Graph(instance, {"home": str(lake.settings.home), "customer_buckets": 4})
    result = graph.run("monitoring/feature_drift", "monitoring/model_quality", tags=range_tags(str(first), str(last)))
    assert result.success
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def test_the_training_data_itself_does_not_drift(aging: Lake) -> None:
    judged = evaluate(aging)
    assert {row.value for row in judged.drift if row.feature != "lines"} == {0.0}
    assert {row.metric for row in judged.quality} == set(quality.MEANINGS)
    compared = [row for row in judged.quality if row.threshold is not None and row.metric != "held_share"]
    assert len(compared) == 4
    assert [row for row in compared if row.value != pytest.approx(row.training_value) or row.is_degraded] == []
    with aging.cursor() as con:
        [(earlier,)] = con.execute(
            "SELECT COUNT(DISTINCT as_of) FROM features.customer_features WHERE as_of < $trained",
            {"trained": judged.trained_as_of},
        ).fetchall()
    assert judged.earlier_dates == earlier >= len(EARLIER)


def test_a_date_that_is_judged_again_has_its_rows_once_and_other_versions_keep_theirs(aging: Lake) -> None:
    change(
        aging,
        f"INSERT INTO monitoring.model_quality VALUES ('{TRAINED}', 77, 'smallest_share', 0.1, 0.1, NULL, false)",
    )
    judged = evaluate(aging)
    for _ in range(2):
        write_evaluation(aging, TRAINED, judged, Commit("monitoring"))
    assert _rows(aging, "SELECT count(*), count(DISTINCT (feature, metric)) FROM monitoring.feature_drift") == [
        (len(judged.drift), len(judged.drift))
    ]
    versions = _rows(aging, "SELECT model_version, count(*) FROM monitoring.model_quality GROUP BY ALL ORDER BY ALL")
    assert versions == [(1, len(judged.quality)), (77, 1)]


@pytest.mark.parametrize(("cause", "teaches"), [("mix", True), ("behaviour", False), ("data_quality", False)])
def test_dates_that_were_found_odd_teach_no_thresholds(aging: Lake, cause: str, teaches: bool) -> None:
    before = evaluate(aging).drift
    change(
        aging,
        "INSERT INTO monitoring.feature_drift "
        f"VALUES ('{EARLIER[3]}', 7, 'recency_days', 'psi', 0.5, 0.2, true, '{cause}')",
    )
    assert (evaluate(aging).drift == before) == teaches


def test_a_champion_whose_training_data_has_expired_is_judged_by_the_snapshot_as_it_is_now(aging: Lake) -> None:
    with Lake(aging.settings) as other:  # an attached snapshot must not expire
        before = evaluate(other)
    maintain(aging, now=utc_now() + timedelta(days=60), keep_days=30, protected=())
    with aging.cursor() as con:
        pinned = registry.training_set(con, registry.load_champion(con).training_set_id)
    assert not aging.has(pinned.lake_snapshot)
    assert evaluate(aging).drift == before.drift


def test_customers_who_go_on_as_before_are_no_finding(aging: Lake, instance: dg.DagsterInstance) -> None:
    _snapshots(aging, [BEFORE_CHRISTMAS])
    checks = _monitor(aging, instance, BEFORE_CHRISTMAS, BEFORE_CHRISTMAS)
    assert checks == {
        "data_is_sound": True,
        "customers_behave_as_in_training": True,
        "customer_mix_is_as_in_training": True,
        "model_divides_as_well_as_in_training": True,
    }


def test_newcomers_of_christmas_are_a_matter_of_mix_alone(aging: Lake, instance: dg.DagsterInstance) -> None:
    """After a year at 8 %, 15 % of a quarter more customers have bought of one category only."""
    _snapshots(aging)
    checks = _monitor(aging, instance, END, END)
    assert {name for name, passed in checks.items() if not passed} == {"customer_mix_is_as_in_training"}
    found = dict(_rows(aging, FOUND, as_of=END))
    assert "category_entropy" in found
    assert set(found.values()) == {"mix"}


def _degraded_model() -> dg.SensorDefinition:
    return build_degraded_model(load_settings(), utc_now)


def test_bad_data_is_told_to_a_person_and_nothing_is_trained_on_it(aging: Lake, instance: dg.DagsterInstance) -> None:
    change(aging, BIGGER_BASKETS, PENCE)
    _snapshots(aging)
    checks = _monitor(aging, instance, LATER[0], LATER[-1])
    assert not checks["data_is_sound"]
    found = dict(_rows(aging, FOUND, as_of=END))
    assert found["lines"] == found["average_order_value"] == "data_quality"
    with dg.build_sensor_context(instance=instance, definitions=defs) as context:
        tick = _degraded_model().evaluate_tick(context)
    assert not tick.run_requests
    assert "in doubt, so no model is trained on it" in (tick.skip_message or "")


def test_a_model_that_has_aged_is_replaced_and_the_scorer_follows(
    aging: Lake, instance: dg.DagsterInstance, settings: Settings, tmp_path: Path
) -> None:
    change(aging, BIGGER_BASKETS)
    _snapshots(aging)
    checks = _monitor(aging, instance, LATER[0], LATER[-1])
    assert not checks["customers_behave_as_in_training"]
    assert checks["data_is_sound"]
    with (
        listening() as webhook,
        running_scorer(environment_of(settings, SEGMENTATION_AUTH="off"), tmp_path / "log") as scorer,
    ):
        told = settings.model_copy(update={"notify": SecretStr(f"json://{webhook.host}/hook")})
        begun = look(dg.build_sensor_context(instance=instance, definitions=defs), told, utc_now())
        assert isinstance(begun, dg.SensorResult)
        eventually(lambda: _serving(scorer.address) == 1)
        context = dg.build_sensor_context(instance=instance, definitions=defs)
        tick = _degraded_model().evaluate_tick(context)
        (request,) = tick.run_requests or []
        assert "model 1 as of 2025-01-01: " in request.tags["segmentation/reason"]
        run = defs.resolve_job_def("retrain").execute_in_process(
            instance=instance, tags=dict(request.tags), run_config=QUIET, raise_on_error=False
        )
        refused = [check.description for check in run.get_asset_check_evaluations() if not check.passed]
        assert refused == []
        assert run.success
        eventually(lambda: _serving(scorer.address) == 2)
        look(dg.build_sensor_context(instance=instance, cursor=begun.cursor, definitions=defs), told, utc_now())
        (story,) = [json.loads(body) for body in webhook.bodies]
    assert story["title"] == "Model 2 is the new champion"
    for part in ("takes over from model 1", "average_basket_units drifts", "degraded_model", "movement"):
        assert part in story["message"]
    with aging.cursor() as con:
        assert registry.load_champion(con).artefact.provenance.as_of == END
    again = _degraded_model().evaluate_tick(
        dg.build_sensor_context(instance=instance, cursor=tick.cursor, definitions=defs)
    )
    assert again.skip_message == "Monitoring has not judged model 2 yet."
    _monitor(aging, instance, LATER[-1], LATER[-1])
    drifting = _rows(aging, FOUND + " AND model_version = 2", as_of=END)
    assert drifting == []


def _serving(address: str) -> int:
    text = httpx.get(f"{address}/metrics", timeout=10).text
    return int(float(next(line.split()[-1] for line in text.splitlines() if line.startswith("segmentation_model_v"))))
