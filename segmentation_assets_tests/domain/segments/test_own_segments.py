"""Segmentations of one's own in a lake: who is in which segment, what moves whom, and what stays."""

import json
import threading
from collections.abc import Mapping
from datetime import date

import duckdb
import pytest

from segmentation.clock import utc_now
from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.metadata.features import FEATURES
from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import AS_OF, CUSTOMER
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, MODEL, of_model
from segmentation.modeling import registry
from segmentation.modeling.artefact import FORMAT, Artefact, FeatureRule, Provenance, Segment
from segmentation.segmentations import inputs
from segmentation.segmentations.config import parse_segmentations
from segmentation.segmentations.segment_ids import next_segment_id
from segmentation.segmentations.versions import read_versions, segment_ids, take_over
from segmentation.segments import own_segments
from segmentation.segments.assignment import write_segments
from segmentation.segments.own_segments import count_segments
from segmentation.segments.profiles import write_profiles
from segmentation.segments.transitions import write_transitions
from segmentation.snapshots.code import code_version_of
from segmentation.snapshots.states import read_standings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf, record, recorded_deciders
from segmentation_assets_tests.testing.shop import reach

COMMIT = Commit("test")
JAN, FEB, MAR = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)
QUOTED = 'Müller\'s "best"; DROP TABLE registry.models; --'
Spend = Mapping[str, float | None]


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """A lake with a champion of two segments, whose ids are 1 and 2."""
    artefact = Artefact(
        FORMAT,
        (FeatureRule("recency_days", None, 0.0, 1000.0, "identity", 0.0, 1.0),),
        (Segment(1, "recent", "", (40.0,)), Segment(2, "lapsed", "", (60.0,))),
        Provenance(JAN, 1, "", 1, ""),
    )
    version = registry.register(lake, artefact, {}, COMMIT, now=utc_now())
    assert version == 1
    registry.promote(lake, 1, alias="champion", actor="test", reason="test", commit=COMMIT, now=utc_now())
    given = {1: "recent", 2: "lapsed"}  # by people: others are tested, and renamed where they aren't true
    registry.rename_segments(lake, given, actor="test", reason="test", commit=COMMIT, now=utc_now())
    return lake


def declare(lake: Lake, text: str) -> None:
    lake.settings.segmentations.parent.mkdir(parents=True, exist_ok=True)
    lake.settings.segmentations.write_text(f"segmentations:\n{text}")


def spenders(limit: float, name: str = "rich") -> str:
    return f"  spend: {{segments: [{{name: {name}, when: net_revenue > {limit}}}], otherwise: poor}}\n"


@pytest.fixture(autouse=True)
def _own_file(lake: Lake) -> None:
    lake.settings = lake.settings.model_copy(update={"segmentations": lake.settings.home / "segmentations.yaml"})


def assign(lake: Lake, as_of: date, spend: Spend) -> None:
    """Write features of customers and their segments."""
    assign_features(lake, as_of, spend)
    write_segments(lake, as_of, COMMIT)


def assign_features(lake: Lake, as_of: date, spend: Spend) -> None:
    """Write features of customers, who all bought 10 days ago."""
    fixed = {"net_revenue", "recency_days"}
    others = [feature for feature in FEATURES if feature.name not in fixed]
    values = ", ".join("'x'" if feature.type == "VARCHAR" else f"CAST(1 AS {feature.type})" for feature in others)
    names = ", ".join(feature.name for feature in others)

    def write(con: duckdb.DuckDBPyConnection) -> None:
        for customer, money in spend.items():
            con.execute(
                f"INSERT INTO {CUSTOMER_FEATURES.name} (as_of, customer_id, recency_days, net_revenue, {names}) "
                f"VALUES ($as_of, $customer, 10, $money, {values})",
                {"as_of": as_of, "customer": customer, "money": money},
            )
        made_of = MadeOf(lake.version(), code_version_of(CUSTOMER_FEATURES), window_start=date(2023, 1, 1))
        record(con, [CUSTOMER_FEATURES], as_of, made_of, COMMIT, lake.clock())

    with lake.cursor() as con:
        lake.transaction(con, COMMIT, write)


def members(lake: Lake, as_of: date, segmentation: str) -> dict[str, str]:
    query = f"SELECT customer_id, segment_name FROM {CUSTOMER_SEGMENTS.name} WHERE as_of = ? AND segmentation_name = ?"
    with lake.cursor() as con:
        rows = con.execute(query, [as_of, segmentation]).fetchall()
    assert len(rows) == len(dict(rows))
    return dict(rows)


def causes(lake: Lake, as_of: date, segmentation: str) -> dict[tuple[str | None, str | None, str], int]:
    rows = write_transitions(lake, as_of, COMMIT).filter(segmentation_name=segmentation)
    columns = ("from_segment_name", "to_segment_name", "cause", "customer_count")
    return {(a, b, cause): count for a, b, cause, count in rows.select(columns).iter_rows()}


def test_everybody_is_in_the_first_segment_that_takes_them(shop: Lake) -> None:
    declare(
        shop,
        "  a:\n    segments:\n"
        f"      - {{name: {json.dumps(QUOTED)}, when: \"net_revenue > 100 AND customer_id <> '{{' -- not '\"}}\n"
        "      - {name: some, when: net_revenue > 10}\n"
        "      - {name: nobody, when: net_revenue > 1e9}\n"
        "  b: {segments: [{name: near, when: segment_name = 'recent' AND segment_id = 1}]}\n",
    )
    assign(shop, JAN, {"r": 500, "s": 50, "p": 5, "unknown": None})
    assert members(shop, JAN, "a") == {"r": QUOTED, "s": "some", "p": "Everybody else", "unknown": "Everybody else"}
    assert set(members(shop, JAN, "b").values()) == {"near"}
    assert members(shop, JAN, MODEL) == dict.fromkeys(["r", "s", "p", "unknown"], "recent")
    with shop.cursor() as con:
        counted = count_segments(con, JAN, parse_segmentations(shop.settings.segmentations.read_text(), "f")["a"])
        assert [(each.customers, each.meeting) for each in counted] == [(1, 1), (1, 2), (0, 0), (2, None)]
        assert con.execute(f"SELECT COUNT(*) FROM {of_model(CUSTOMER_SEGMENTS)}").fetchall() == [(4,)]
        own = f"FROM {CUSTOMER_SEGMENTS.name} SELECT DISTINCT model_version, confidence WHERE segmentation_name = 'a'"
        assert con.execute(own).fetchall() == [(None, None)]
        assert len(registry.list_models(con)) == 1


def test_ids_are_of_one_sequence_and_stay_with_the_name(shop: Lake) -> None:
    declare(shop, spenders(10))
    assign(shop, JAN, {"a": 1})
    declare(shop, spenders(10, "wealthy"))
    assign(shop, FEB, {"a": 1})
    declare(shop, spenders(20))
    assign(shop, MAR, {"a": 1})
    with shop.cursor() as con:
        assert segment_ids(con) == {("spend", "rich"): 3, ("spend", "poor"): 4, ("spend", "wealthy"): 5}
        assert next_segment_id(con) == 6
        assert [each.version for each in read_versions(con)] == [1, 2, 3]
        assert recorded_deciders(con, CUSTOMER_SEGMENTS, FEB).definitions == {"spend": 2}


def test_customers_and_definitions_are_told_apart(shop: Lake) -> None:
    declare(shop, spenders(100))
    assign(shop, JAN, {"stays": 500, "earns less": 500, "between": 150, "gone": 5})
    assert causes(shop, JAN, "spend") == {(None, "rich", "arrived"): 3, (None, "poor", "arrived"): 1}
    declare(shop, spenders(200))
    assign(shop, FEB, {"stays": 500, "earns less": 5, "between": 150, "comes": 5})
    assert causes(shop, FEB, "spend") == {
        (None, "poor", "arrived"): 1,
        ("rich", "rich", "stayed"): 1,
        ("rich", "poor", "customer_moved"): 1,
        ("rich", "poor", "definition_moved"): 1,
        ("poor", None, "gone"): 1,
    }
    with shop.cursor() as con:
        moved = con.execute(
            "SELECT customer_id, event FROM segments.segment_events "
            "WHERE segmentation_name = 'spend' AND cause = 'definition_moved' ORDER BY ALL"
        ).fetchall()
    assert moved == [("between", "entered"), ("between", "left")]
    assert sum(causes(shop, FEB, MODEL).values()) == 5


def test_profiles_are_shares_of_their_own_segmentation(shop: Lake) -> None:
    declare(shop, spenders(100) + "  all: {segments: [{name: all, when: 'true', description: Everybody.}]}\n")
    assign(shop, JAN, {"a": 300, "b": 50, "c": 50})
    profiles = write_profiles(shop, JAN, COMMIT)
    found = {(row["segmentation_name"], row["segment_name"]): row for row in profiles.to_dicts()}
    assert {key: row["customer_count"] for key, row in found.items()} == {
        (MODEL, "recent"): 3,
        ("all", "all"): 3,
        ("spend", "rich"): 1,
        ("spend", "poor"): 2,
    }
    assert found["spend", "rich"]["revenue_share"] == pytest.approx(0.75)
    assert found["all", "all"]["description"] == "Everybody."
    assert "net_revenue > 100" in found["spend", "rich"]["description"]


def test_what_is_no_longer_declared_leaves_its_history(shop: Lake) -> None:
    declare(shop, spenders(100))
    assign(shop, JAN, {"a": 300})
    declare(shop, "")
    assign(shop, FEB, {"a": 300})
    assert members(shop, JAN, "spend") == {"a": "rich"}
    assert members(shop, FEB, "spend") == {}
    assert causes(shop, FEB, "spend") == {}
    shop.settings.segmentations.unlink()
    assign(shop, MAR, {"a": 300})
    assert members(shop, MAR, "spend") == {}
    declare(shop, spenders(100))
    write_segments(shop, MAR, COMMIT)
    shop.settings.segmentations.unlink()  # a process without the file goes on with what the lake knows
    write_segments(shop, MAR, COMMIT)
    assert members(shop, MAR, "spend") == {"a": "rich"}
    with shop.cursor() as con:
        versions = [(each.version, each.definition is not None) for each in read_versions(con)]
    assert versions == [(1, True), (2, False), (3, True)]


def test_a_date_made_anew_keeps_the_definitions_that_decided(shop: Lake) -> None:
    declare(shop, spenders(100))
    assign(shop, JAN, {"a": 150})
    declare(shop, spenders(200))
    assign(shop, FEB, {"a": 150})
    with shop.cursor() as con:
        kept = recorded_deciders(con, CUSTOMER_SEGMENTS, JAN)
    write_segments(shop, JAN, COMMIT, kept.model_version, kept.definitions)
    assert members(shop, JAN, "spend") == {"a": "rich"}
    write_segments(shop, JAN, COMMIT)
    assert members(shop, JAN, "spend") == {"a": "poor"}
    with pytest.raises(SegmentationError, match="no version 9"):
        write_segments(shop, JAN, COMMIT, 1, {"spend": 9})


def test_only_the_newest_date_is_stale_when_the_file_changes(shop: Lake) -> None:
    reach(shop, FEB)
    declare(shop, spenders(100))
    for as_of in (JAN, FEB):
        assign(shop, as_of, {"a": 150})

    def reasons() -> dict[date, list[str]]:
        with shop.cursor() as con:
            found = read_standings(con, shop.settings, utc_now())
        of_segments = [each for each in found if each.entry.table_name == CUSTOMER_SEGMENTS.name]
        return {each.entry.as_of: [r for r in each.reasons if "segmentation" in r] for each in of_segments}

    assert reasons() == {JAN: [], FEB: []}
    declare(shop, spenders(200))
    assert reasons() == {JAN: [], FEB: ["the segmentation spend was declared otherwise since"]}
    declare(shop, spenders(100) + "  more: {bundled: rfm_quintiles}\n")
    assert reasons()[FEB] == ["the segmentation more was declared since"]
    declare(shop, "")
    assert reasons()[FEB] == ["the segmentation spend is no longer declared"]
    declare(shop, "  broken: {segments: []}\n")
    assert reasons()[FEB] == []
    with pytest.raises(SegmentationError, match="broken"):
        write_segments(shop, FEB, COMMIT)
    shop.settings.segmentations.unlink()
    assert reasons()[FEB] == []


def test_a_condition_that_meets_a_value_it_cannot_read_is_named_and_nothing_is_written(shop: Lake) -> None:
    assign(shop, JAN, {"a": 1})
    declare(
        shop, "  a: {segments: [{name: fine, when: 'false'}, {name: wrong, when: CAST(customer_id AS INTEGER) > 1}]}\n"
    )
    with pytest.raises(SegmentationError, match=r"segmentation a, segment 'wrong': .*Could not convert"):
        write_segments(shop, JAN, COMMIT)
    assert members(shop, JAN, MODEL) == {"a": "recent"}
    assert members(shop, JAN, "a") == {}


def test_a_definition_of_another_release_says_which_column_is_gone(shop: Lake) -> None:
    assign(shop, JAN, {"a": 1})
    declared = dict(parse_segmentations(f"segmentations:\n{spenders(1)}", "file"))
    take_over(shop, declared, COMMIT, utc_now())
    with shop.cursor() as con:
        shop.transaction(
            con,
            COMMIT,
            lambda c: c.execute(
                "UPDATE registry.segmentations SET definition = replace(definition, 'net_revenue', 'gone_revenue')"
            ),
        )
    with pytest.raises(SegmentationError, match="spend looks at gone_revenue"):
        write_segments(shop, JAN, COMMIT)


def test_predictions_have_to_be_there_for_the_date(shop: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = (AS_OF, CUSTOMER, Column("made_up_orders_90d", "DOUBLE", "Orders."))
    table = Table("segments.made_up_predictions", "A prediction.", columns)
    for module in (inputs, own_segments):
        monkeypatch.setattr(module, "predictions_table", lambda: table)
    declare(shop, "  a: {segments: [{name: back soon, when: made_up_orders_90d > 1 AND net_revenue > 0}]}\n")
    assign_features(shop, JAN, {"a": 1, "b": 1, "c": 1})
    with pytest.raises(NotEnoughDataError, match=r"made_up_orders_90d .*--select segments/made_up_predictions --as-of"):
        write_segments(shop, JAN, COMMIT)
    rows = f"(DATE '{JAN}', 'a', 2), (DATE '{JAN}', 'b', NULL), (DATE '{FEB}', 'c', 2)"
    statement = f"CREATE TABLE {table.name} AS SELECT * FROM (VALUES {rows}) AS t({table.column_list})"
    with shop.cursor() as con:
        shop.transaction(con, COMMIT, lambda c: c.execute(statement))
    write_segments(shop, JAN, COMMIT)
    assert members(shop, JAN, "a") == {"a": "back soon", "b": "Everybody else", "c": "Everybody else"}
    with shop.cursor() as con:
        [version] = read_versions(con)
    assert version.inputs == ("made_up_orders_90d", "net_revenue")


def test_processes_that_take_over_together_make_one_version(shop: Lake) -> None:
    declared = dict(parse_segmentations(f"segmentations:\n{spenders(1)}", "file"))

    def start() -> None:
        with Lake(shop.settings) as own:
            take_over(own, declared, COMMIT, utc_now())

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with shop.cursor() as con:
        assert [(each.name, each.version) for each in read_versions(con)] == [("spend", 1)]
        assert sorted(segment_ids(con).values()) == [3, 4]


def test_the_same_input_gives_the_same_rows(shop: Lake) -> None:
    declare(shop, spenders(100))
    assign(shop, JAN, {f"c{n}": n * 7 % 300 for n in range(200)})
    with shop.cursor() as con:
        before = (
            recorded_deciders(con, CUSTOMER_SEGMENTS, JAN),
            con.execute(f"FROM {CUSTOMER_SEGMENTS.name}").fetchall(),
        )
        write_segments(shop, JAN, COMMIT)
        assert con.execute(f"FROM {CUSTOMER_SEGMENTS.name}").fetchall() == before[1]
