from dataclasses import replace
from datetime import date, datetime
from functools import partial

import duckdb
import numpy as np
import polars as pl
import pytest

from segmentation.clock import utc_now
from segmentation.errors import ArtefactError, NotEnoughDataError, SegmentationError
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.modeling import registry
from segmentation.modeling.training import train
from segmentation.modeling.training_data import make_training_set
from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.testing.recorded import record_by_hand

AS_OF = date(2024, 1, 1)
COMMIT = Commit("test")
NOW = datetime(2024, 1, 2)
QUICK = {"search_trials": 3}


def insert_features(lake: Lake, count: int = 300, seed: int = 1, as_of: date = AS_OF) -> None:
    """A feature snapshot of made-up customers."""
    rng = np.random.default_rng(seed)
    level = rng.choice([1.0, 10.0, 100.0], count)
    columns: dict[str, object] = {
        "as_of": [as_of] * count,
        "customer_id": [f"c{number:05}" for number in range(count)],
    }
    for feature in FEATURES:
        match feature.type:
            case "DOUBLE" if feature.unit in ("share", "ratio"):
                columns[feature.name] = rng.random(count)
            case "DOUBLE":
                columns[feature.name] = rng.gamma(3, level)
            case "BIGINT":
                columns[feature.name] = rng.poisson(level) + 1
            case "BOOLEAN":
                columns[feature.name] = rng.random(count) < 0.3
            case "VARCHAR":
                columns[feature.name] = ["x"] * count
    with lake.cursor() as con:
        con.register("made_up", pl.DataFrame(columns))
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM made_up")
        insert = f"INSERT INTO {CUSTOMER_FEATURES.name} BY NAME FROM temp.staged"
        lake.transaction(con, COMMIT, lambda c: c.execute(insert))
    record_by_hand(lake, as_of)


def _execute(sql: str, con: duckdb.DuckDBPyConnection) -> None:
    con.execute(sql)


def _register(lake: Lake, settings: Settings, seed: int = 1) -> int:
    training_set = make_training_set(lake, AS_OF, COMMIT, now=NOW)
    model = train(lake, training_set, settings.model_copy(update={"seed": seed, "max_segments": 5, **QUICK}))
    version = registry.register(lake, model.artefact, model.metrics, COMMIT, model.lineage, now=utc_now())
    assert version is not None
    return version


def test_training_twice_on_the_same_rows_changes_nothing(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    assert _register(lake, settings) == 1
    before = lake.version()
    assert _register(lake, settings) == 1
    assert lake.version() == before


def test_changed_rows_make_a_new_training_set_and_a_new_version(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    assert _register(lake, settings) == 1
    with lake.cursor() as con:
        update = f"UPDATE {CUSTOMER_FEATURES.name} SET recency_days = recency_days + order_count"
        lake.transaction(con, COMMIT, lambda c: c.execute(update))
    assert _register(lake, settings) == 2
    with lake.cursor() as con:
        assert [model.aliases for model in registry.list_models(con)] == [(), ("candidate",)]


def test_a_training_set_stays_as_it_was_when_the_features_change(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    training_set = make_training_set(lake, AS_OF, COMMIT, now=NOW)
    before = train(lake, training_set, settings).artefact
    with lake.cursor() as con:
        lake.transaction(con, COMMIT, lambda c: c.execute(f"DELETE FROM {CUSTOMER_FEATURES.name}"))
    assert train(lake, training_set, settings).artefact == before


def test_the_ledger_says_which_version_serves_and_keeps_what_was(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    first, second = _register(lake, settings, seed=1), _register(lake, settings, seed=2)
    assert first != second

    def promote(version: int) -> bool:
        return registry.promote(
            lake, version, alias="champion", actor="me", reason="test", commit=COMMIT, now=utc_now()
        )

    assert [promote(first), promote(second), promote(second), promote(first)] == [True, True, False, True]
    with lake.cursor() as con:
        assert registry.load_champion(con).version == first
        lines = con.execute(
            "SELECT version FROM registry.promotions WHERE alias = 'champion' ORDER BY promotion_id"
        ).fetchall()
    assert lines == [(first,), (second,), (first,)]


def test_an_unknown_version_cannot_be_promoted(lake: Lake) -> None:
    with pytest.raises(SegmentationError, match="no model version 9"):
        registry.promote(lake, 9, alias="champion", actor="me", reason="test", commit=COMMIT, now=utc_now())


def test_without_a_champion_nothing_is_assigned(lake: Lake) -> None:
    insert_features(lake)
    with pytest.raises(SegmentationError, match="no champion model yet"):
        write_segments(lake, AS_OF, COMMIT)


def test_without_a_snapshot_there_is_nothing_to_train_on(lake: Lake) -> None:
    insert_features(lake)
    with pytest.raises(NotEnoughDataError, match="no feature snapshot as of 2020-01-01 .newest: 2024-01-01"):
        make_training_set(lake, date(2020, 1, 1), COMMIT, now=NOW)


def test_a_damaged_artefact_is_not_served(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    version = _register(lake, settings)
    with lake.cursor() as con:
        for damage in ("replace(artefact, '\"center\":', '\"center\":1')", "left(artefact, 100)"):
            update = f"UPDATE registry.models SET artefact = {damage}"
            lake.transaction(con, COMMIT, partial(_execute, update))
            with pytest.raises(ArtefactError):
                registry.load(con, version)


def test_everybody_gets_a_segment_and_profiles_add_up(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    version = _register(lake, settings)
    registry.promote(lake, version, alias="champion", actor="me", reason="test", commit=COMMIT, now=utc_now())
    champion, count = write_segments(lake, AS_OF, COMMIT)
    profiles = write_profiles(lake, AS_OF, COMMIT)
    assert (champion.version, count) == (version, 300)
    assert profiles["customer_count"].sum() == 300
    assert profiles["customer_share"].sum() == pytest.approx(1)
    assert profiles["revenue_share"].sum() == pytest.approx(1)
    with lake.cursor() as con:
        revenue = con.execute(f"SELECT SUM(net_revenue) FROM {CUSTOMER_FEATURES.name}").fetchall()[0][0]
    assert profiles["revenue"].sum() == pytest.approx(revenue)
    assert profiles["segment_name"].to_list() == [segment.name for segment in champion.artefact.segments]


def test_assigning_again_leaves_the_same_rows(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    registry.promote(
        lake, _register(lake, settings), alias="champion", actor="me", reason="test", commit=COMMIT, now=utc_now()
    )
    tables = []
    for _ in range(2):
        write_segments(lake, AS_OF, COMMIT)
        write_profiles(lake, AS_OF, COMMIT)
        with lake.cursor() as con:
            names = ("segments.customer_segments", "segments.segment_profiles")
            tables.append([con.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in names])
    assert tables[0] == tables[1]


def test_a_feature_that_the_model_cannot_do_without_is_asked_for(lake: Lake, settings: Settings) -> None:
    insert_features(lake)
    registry.promote(
        lake, _register(lake, settings), alias="champion", actor="me", reason="test", commit=COMMIT, now=utc_now()
    )
    with lake.cursor() as con:
        update = f"UPDATE {CUSTOMER_FEATURES.name} SET recency_days = NULL WHERE customer_id = 'c00007'"
        lake.transaction(con, COMMIT, lambda c: c.execute(update))
    with pytest.raises(ArtefactError, match="Customer 'c00007' lacks a feature"):
        write_segments(lake, AS_OF, COMMIT)


def test_the_same_set_recorded_later_keeps_its_first_snapshot(lake: Lake) -> None:
    insert_features(lake)
    first = make_training_set(lake, AS_OF, COMMIT, now=NOW)
    insert_features(lake, as_of=date(2024, 2, 1))
    again = make_training_set(lake, AS_OF, COMMIT, now=NOW)
    assert again == first
    other = make_training_set(lake, date(2024, 2, 1), COMMIT, now=datetime(2024, 2, 2))
    assert replace(again, as_of=date(2024, 2, 1)) != other
