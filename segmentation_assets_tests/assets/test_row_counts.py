"""What Dagster is told of rows is what the lake holds: for every asset with a table, one partition or a range."""

import dagster as dg
import pytest

from segmentation.metadata.table import Relation, Table
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.raw import PRODUCTS, SOURCE_FILES, TRANSACTIONS
from segmentation.metadata.views import VIEWS
from segmentation.warehouse import Lake
from segmentation.warehouse.ledger import read_entries
from segmentation_assets.keys import table_key
from segmentation_assets.partitions import range_tags
from segmentation_assets_tests.assets.conftest import AS_OF, EVERYTHING_AFTER_RAW, Graph, defs, ingest, segment

MONTHS = ("2024-11-01", "2024-12-01", AS_OF)
AFTER_TRAINING = [key for key in EVERYTHING_AFTER_RAW if not key.startswith("training/")]

pytestmark = pytest.mark.takes(45)


def by_partition(lake: Lake, table: Relation) -> dict[str, int]:
    day = "CAST(ordered_at AS DATE)" if table is TRANSACTIONS else "as_of"
    with lake.cursor() as con:
        rows = con.execute(f"SELECT CAST({day} AS VARCHAR), COUNT(*) FROM {table.name} GROUP BY ALL").fetchall()
    return dict(rows)


def told(result: dg.ExecuteInProcessResult, table: Relation) -> dict[str, int]:
    """By partition, the rows that the events of a run tell."""
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {
        str(event.partition): int(str(event.metadata["dagster/partition_row_count"].value))
        for event in events
        if event.asset_key == table_key(table)
    }


def told_of_snapshots(result: dg.ExecuteInProcessResult, table: Table) -> dict[str, dict[str, object]]:
    """By partition, what else the events of a run tell of the snapshot."""
    names = ("lake_version", "code_version", "model_version", "previous_as_of", "asked_by", "bytes")
    events = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {
        str(event.partition): {name: event.metadata[name].value for name in names if name in event.metadata}
        for event in events
        if event.asset_key == table_key(table)
    }


def held_in_ledger(lake: Lake, table: Table) -> dict[str, dict[str, object]]:
    """The same as the ledger and the lake's files say it."""
    with lake.cursor() as con:
        entries = [each for each in read_entries(con) if each.table_name == table.name]
        files = con.execute(
            f"SELECT data_file, data_file_size_bytes FROM ducklake_list_files('lake', '{table.name.split('.')[1]}', "
            f"schema => '{table.schema}')"
        ).fetchall()
    sizes = {str(each.as_of): sum(size for path, size in files if f"as_of={each.as_of}/" in path) for each in entries}
    facts = {
        str(each.as_of): {
            "lake_version": each.lake_version,
            "code_version": each.code_version,
            "model_version": each.model_version,
            "previous_as_of": each.previous_as_of and str(each.previous_as_of),
            "asked_by": each.asked_by,
            "bytes": sizes[str(each.as_of)],
        }
        for each in entries
    }
    return {as_of: {name: value for name, value in of.items() if value is not None} for as_of, of in facts.items()}


def partitioned_tables() -> list[Table]:
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    return [table for table in TABLES if table_key(table) in specs and specs[table_key(table)].partitions_def]


def lines_read_by_day(lake: Lake) -> dict[str, int]:
    with lake.cursor() as con:
        rows = con.execute(
            "SELECT CAST(ordered_on AS VARCHAR), CAST(SUM(lines_read) AS BIGINT) FROM raw.loads "
            "WHERE ordered_on IS NOT NULL GROUP BY ALL"
        ).fetchall()
    return dict(rows)


def test_every_partitioned_table_is_counted_as_it_is(graph: Graph, lake: Lake) -> None:
    loaded = ingest(graph)
    days = told(loaded, TRANSACTIONS)
    assert len(days) == 366
    assert {day: count for day, count in days.items() if count} == by_partition(lake, TRANSACTIONS)
    events = loaded.asset_materializations_for_node("raw__transactions")
    read = {event.partition: event.metadata["lines_read"].value for event in events if "lines_read" in event.metadata}
    assert read == lines_read_by_day(lake)

    tables = [table for table in partitioned_tables() if table is not TRANSACTIONS]
    assert len(tables) + len(VIEWS) == len(AFTER_TRAINING)
    alone = segment(graph)
    assert alone.success
    for table in (*tables, *VIEWS):
        assert told(alone, table) == {AS_OF: by_partition(lake, table).get(AS_OF, 0)}, table.name

    together = graph.run(*AFTER_TRAINING, tags=range_tags(MONTHS[0], MONTHS[-1]))
    assert together.success
    for relation in (*tables, *VIEWS):
        held = by_partition(lake, relation)
        assert told(together, relation) == {month: held.get(month, 0) for month in MONTHS}, relation.name
    for table in tables:
        ledger = held_in_ledger(lake, table)
        assert told_of_snapshots(together, table) == {month: ledger[month] for month in MONTHS}, table.name
    assert len(set(told(together, tables[0]).values())) == len(MONTHS)


@pytest.mark.parametrize(("key", "table"), [("raw/source_files", SOURCE_FILES), ("raw/products", PRODUCTS)])
def test_a_table_without_partitions_is_counted_as_it_is(graph: Graph, lake: Lake, key: str, table: Table) -> None:
    result = graph.run(key)
    [event] = result.get_asset_materialization_events()
    with lake.cursor() as con:
        [(held,)] = con.execute(f"SELECT COUNT(*) FROM {table.name}").fetchall()
    assert event.step_materialization_data.materialization.metadata["dagster/row_count"].value == held > 0
