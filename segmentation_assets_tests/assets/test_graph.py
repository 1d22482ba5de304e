from dataclasses import replace
from typing import Any

import dagster as dg
import msgspec
import pytest

from segmentation.clock import utc_now
from segmentation.features.definitions import code_version
from segmentation.metadata.features import of_group
from segmentation.metadata.table import Table
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import LOADS
from segmentation.metadata.tables.registry import SCHEMA_VERSIONS, SNAPSHOTS, TRAINING_SETS
from segmentation.metadata.views import VIEWS
from segmentation.modeling import registry
from segmentation.warehouse import Commit, Lake
from segmentation_assets.assets.warehouse import MAINTENANCE_KEY
from segmentation_assets.keys import table_key
from segmentation_assets_tests.assets.conftest import AS_OF, EVERYTHING_AFTER_RAW, YEAR, Graph, defs, ingest, segment

pytestmark = pytest.mark.takes(55)

OWN_HISTORY = {SCHEMA_VERSIONS.name}


NOT_FILLED_BY_THE_GRAPH = {
    "raw.deliveries",
    "raw.positions",
    "raw.source_schemas",
    "raw.rejected_transactions",
    "registry.segment_names",
    "registry.segment_renamings",
    "registry.segmentation_segments",
    "registry.segmentations",
    "registry.snapshot_requests",
    "access.api_keys",
}
NOT_ASSETS = {
    "raw.changed_days",
    "raw.deliveries",
    "raw.positions",
    "raw.source_schemas",
    "raw.loads",
    "raw.rejected_transactions",
    *(table.name for table in TABLES if table.schema in ("registry", "access")),
}


def _content(lake: Lake) -> dict[str, tuple[int, str | None]]:
    """Row count and content hash of every table but the record of when snapshots were computed."""
    with lake.cursor() as con:
        return {
            table.name: con.execute(
                f"SELECT COUNT(*), md5(string_agg(line, chr(10) ORDER BY line)) "
                f"FROM (SELECT CAST(to_json(t) AS VARCHAR) AS line FROM {table.name} AS t)"
            ).fetchall()[0]
            for table in TABLES
            if table is not SNAPSHOTS
        }


def test_raw_lines_become_named_segments(filled: Graph, lake: Lake) -> None:
    with lake.cursor() as con:
        profiles = con.execute(
            "SELECT segment_name, customer_count FROM segments.segment_profiles WHERE as_of = $as_of", {"as_of": AS_OF}
        ).fetchall()
        buyers = con.execute("SELECT COUNT(DISTINCT customer_id) FROM raw.transactions").fetchall()[0][0]
    assert 3 <= len({name for name, _ in profiles}) <= 5
    assert sum(count for _, count in profiles) == buyers == 250


def test_every_check_passes_on_good_data(checks_on_good_data: dict[str, bool]) -> None:
    declared = [check for check in defs.resolve_asset_graph().asset_check_keys if check.asset_key != MAINTENANCE_KEY]
    assert set(checks_on_good_data) == {f"{check.asset_key.to_user_string()}: {check.name}" for check in declared}
    failed = {name for name, passed in checks_on_good_data.items() if not passed}
    assert failed <= {"raw/transactions: volume_is_usual"}


def test_a_second_materialization_leaves_every_table_as_it_was(filled: Graph, lake: Lake) -> None:
    before = _content(lake)
    assert ingest(filled).success
    assert segment(filled).success
    assert _content(lake) == before
    assert {name for name, (count, _) in before.items() if not count} == NOT_FILLED_BY_THE_GRAPH


def test_one_day_again_leaves_every_table_as_it_was(filled: Graph, lake: Lake) -> None:
    before = _content(lake)
    assert filled.run("raw/transactions", partition="2024-05-05").success
    assert _content(lake) == before


def test_a_year_of_days_is_one_commit(graph: Graph, lake: Lake) -> None:
    before = lake.version()
    assert graph.run("raw/transactions", tags=YEAR).success
    with lake.cursor() as con:
        commits = con.execute(
            "SELECT commit_message, commit_extra_info FROM ducklake_snapshots('lake') WHERE snapshot_id > $before",
            {"before": before},
        ).fetchall()
    assert [message for message, _ in commits] == ["raw/transactions 2024-01-01…2024-12-31"]
    assert "run_id" in commits[0][1]


def test_several_dates_in_one_run_are_what_single_runs_give(loaded: Graph, lake: Lake) -> None:
    keys = ("rfm", "diversity", "temporal", "behaviour", "customer_features")
    names = [f"features/{key}" for key in keys]
    tags = {"dagster/asset_partition_range_start": "2024-11-01", "dagster/asset_partition_range_end": AS_OF}
    assert loaded.run(*names, tags=tags).success
    together = _content(lake)
    for date in ("2024-11-01", "2024-12-01", AS_OF):
        assert loaded.run(*names, partition=date).success
    assert _content(lake) == together


def test_materializations_say_what_was_done(graph: Graph) -> None:
    result = ingest(graph)
    (event,) = [e for e in result.asset_materializations_for_node("raw__transactions") if e.partition == "2024-06-01"]
    assert event.metadata["lines_read"].value == event.metadata["dagster/partition_row_count"].value
    last = result.asset_materializations_for_node("raw__transactions")[-1]
    assert last.partition == "2024-12-31"
    assert "| line_id |" in str(last.metadata["preview"].value)


def test_a_refused_candidate_leaves_every_snapshot_to_the_champion(filled: Graph, lake: Lake) -> None:
    with lake.cursor() as con:
        champion = registry.load_champion(con)
    segments = champion.artefact.segments
    moved = [
        msgspec.structs.replace(segment, centroid=other.centroid)
        for segment, other in zip(segments, (*segments[1:], segments[0]), strict=True)
    ]
    poisoned = msgspec.structs.replace(champion.artefact, segments=tuple(moved))
    registry.register(lake, poisoned, champion.metrics, Commit("poison"), now=utc_now())
    later = EVERYTHING_AFTER_RAW[EVERYTHING_AFTER_RAW.index("training/champion_model") :]
    result = filled.run(*later, partition=AS_OF)
    assert result.success
    done = {
        event.step_materialization_data.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }
    assert set(later) <= done
    assert filled.run("training/champion_model").success
    with lake.cursor() as con:
        ledger = con.execute("SELECT alias, version FROM registry.promotions ORDER BY promotion_id").fetchall()
        deciding = con.execute("SELECT DISTINCT model_version FROM segments.customer_segments").fetchall()
    assert ledger == [("candidate", 1), ("champion", 1), ("candidate", 2), ("refused", 2)]
    assert deciding == [(1,)]


def test_a_first_model_that_can_not_be_fitted_is_warned_of(loaded: Graph, lake: Lake) -> None:
    result = segment(loaded, min_segment_share=0.45)
    assert result.success
    (warning,) = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert (warning.check_name, warning.severity) == ("segments_are_fitted", dg.AssetCheckSeverity.WARN)
    with lake.cursor() as con:
        assert registry.resolve(con, "champion") == 1


def test_every_table_of_the_graph_shows_its_columns() -> None:
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    shown = [table for table in (*TABLES, *VIEWS) if table_key(table) in specs]
    assert {table.name for table in (*TABLES, *VIEWS)} - {table.name for table in shown} == NOT_ASSETS
    for table in shown:
        columns = specs[table_key(table)].metadata["dagster/column_schema"].columns
        assert [(c.name, c.description) for c in columns] == [(c.name, c.comment) for c in table.columns]


def test_every_asset_has_a_group_and_a_description() -> None:
    specs = defs.resolve_all_asset_specs()
    assert {spec.group_name for spec in specs} == {"raw", "features", "training", "segments", "monitoring", "warehouse"}
    assert [spec.key for spec in specs if not spec.description] == []


def test_a_snapshot_depends_on_the_days_before_it() -> None:
    graph = defs.resolve_asset_graph()
    features = dg.AssetKey(["features", "customer_features"])
    mapping = graph.get_partition_mapping(features, dg.AssetKey(["raw", "transactions"]))
    days = graph.get(dg.AssetKey(["raw", "transactions"])).partitions_def
    dates = graph.get(features).partitions_def
    assert days is not None
    assert dates is not None
    upstream = mapping.get_upstream_mapped_partitions_result_for_partitions(
        dates.subset_with_partition_keys(["2025-01-01"]), dates, days
    ).partitions_subset.get_partition_keys()
    assert (min(upstream), max(upstream), len(list(upstream))) == ("2024-01-01", "2024-12-31", 366)


def test_groups_of_features_come_of_the_one_table_in_the_same_step() -> None:
    graph = defs.resolve_asset_graph()
    groups = {table_key(view) for view in VIEWS}
    for key in groups:
        assert graph.get(key).parent_keys == {table_key(CUSTOMER_FEATURES)}
        assert graph.get(key).execution_set_asset_keys == {table_key(CUSTOMER_FEATURES), *groups}


@pytest.mark.parametrize("table", [LOADS, TRAINING_SETS])
def test_bookkeeping_has_no_asset_of_its_own(table: Table) -> None:
    assert table_key(table) not in {spec.key for spec in defs.resolve_all_asset_specs()}


def test_a_changed_definition_changes_the_code_version_of_its_assets() -> None:
    specs = {spec.key.to_user_string(): spec.code_version for spec in defs.resolve_all_asset_specs()}
    rfm = of_group("rfm")
    assert specs["features/rfm"] == code_version(rfm)
    assert specs["features/rfm"] != specs["features/temporal"]
    assert code_version([replace(rfm[0], description="Something else."), *rfm[1:]]) != specs["features/rfm"]


def test_maintenance_tells_what_it_did_and_changes_no_row(filled: Graph, lake: Lake) -> None:
    before = _content(lake)
    result = filled.run("warehouse/maintenance")
    assert result.success
    (materialized,) = result.asset_materializations_for_node("warehouse__maintenance")
    figures: dict[str, Any] = {name: value.value for name, value in materialized.metadata.items()}
    assert _content(lake) == before
    with lake.cursor() as con:
        (pinned,) = con.execute(f"SELECT lake_snapshot FROM {TRAINING_SETS.name}").fetchall()[0]
    assert figures["protected_snapshots"] == str(pinned)
    assert (figures["models_archived"], figures["snapshots_expired"], figures["files_removed"]) == (0, 0, 0)
    assert figures["rows_flushed"] > 0
    assert figures["bytes_after"] > 0
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert checks == {"files_are_whole": True, "few_files_are_orphans": True}
