"""Figures of the lake say what SQL says, at every look and however the lake came to be."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from segmentation.errors import WarehouseUnavailableError
from segmentation.metadata.tables import TABLES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.metrics.cache import MarkerCache
from segmentation.metrics.collector import LakeCollector
from segmentation.metrics.lake import disk_families, lake_families
from segmentation.settings import Settings
from segmentation.snapshots.code import code_version_of
from segmentation.snapshots.dropping import drop_snapshots
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.maintenance import maintain
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.metrics_page import declared, told
from segmentation_assets_tests.testing.postgres import running_postgres
from segmentation_assets_tests.testing.statements import change

Samples = dict[tuple[str, ...], float]

MAY, JUNE = date(2024, 5, 1), date(2024, 6, 1)
LINES = [
    Line(f"c{number}", f"o{number}", "p", datetime(2024, 1, 1) + timedelta(hours=number), amount=number + 1)
    for number in range(300)
]

CONTENT = f"""
INSERT INTO raw.changed_days VALUES ('shop', '2024-06-30', 1, 1), ('app', '2024-06-28', 1, 1);
INSERT INTO registry.snapshots BY NAME
    SELECT table_name, as_of, 90 AS row_count, 1000 AS lake_version, 1000 AS written_version, code_version,
        window_start, model_version, TIMESTAMP '2024-07-01' AS made_at, false AS is_requested
    FROM (VALUES ('features.customer_features', DATE '2024-05-01', '{code_version_of(CUSTOMER_FEATURES)}',
            DATE '2023-05-02', NULL),
        ('segments.customer_segments', '2024-05-01', '{code_version_of(CUSTOMER_SEGMENTS)}', NULL, 3),
        ('features.customer_features', '2024-06-01', 'of before', '2023-06-02', NULL),
        ('segments.customer_segments', '2024-06-01', '{code_version_of(CUSTOMER_SEGMENTS)}', NULL, 4),
        ('monitoring.feature_drift', '2024-06-01', 'of before', NULL, 4),
        ('monitoring.model_quality', '2024-06-01', 'of before', NULL, 4),
        ('monitoring.feature_drift', '2024-07-01', 'of before', NULL, 3),
        ('features.customer_features', '2024-08-01', 'of before', '2023-08-02', NULL)
    ) AS given(table_name, as_of, code_version, window_start, model_version);
INSERT INTO raw.source_files (source, path, profile, line_count, byte_size, registered_at) VALUES
    ('files', '/in/a', 'p', 3, 9, '2024-03-01'), ('files', '/in/b', 'p', 3, 9, '2024-03-02'),
    ('files', '/in/rejected', 'p', 3, 9, '2024-03-09'), ('unread', '/in/c', 'p', 3, 9, '2024-03-03');
INSERT INTO raw.loads (source, source_file, ordered_on, lines_read, lines_accepted, lines_rejected) VALUES
    ('files', '/in/a', '2024-02-01', 3, 3, 0), ('files', '/in/b', '2024-02-02', 3, 2, 1),
    ('files', '/in/rejected', '2024-02-02', 3, 0, 3);
INSERT INTO raw.deliveries SELECT source, NULL, NULL, received_at, 5, taken, 0, 5 - taken, 0, '{{}}', NULL, NULL
    FROM (VALUES ('app', TIMESTAMP '2024-03-04', 5), ('app', '2024-03-05', 1), ('app', '2024-03-06', 0),
        ('files', '2024-01-01', 5)) AS given(source, received_at, taken);
INSERT INTO raw.rejected_transactions
    SELECT source, 'f', NULL, reason, '{{}}', '2024-03-01'
    FROM (VALUES ('files', 'no_date', 3), ('files', 'no_price', 1), ('app', 'no_date', 2)) AS given(source, reason, n),
        range(n);
INSERT INTO segments.customer_segments
    SELECT as_of, 'c' || i, i % segments + 1, 'Segment ' || (i % segments + 1), 1, 0.1, 0.2, 0.5, false, 1, NULL,
        1, 'model', NULL
    FROM range(90) AS numbers(i), (VALUES (DATE '2024-05-01', 2), (DATE '2024-06-01', 4)) AS given(as_of, segments);
INSERT INTO registry.segment_names VALUES (1, 2, 'Regulars', '2024-06-01', 'someone', 'nicer');
INSERT INTO registry.training_sets VALUES
    ('t1', '2024-05-01', 1, 90, '[]', NULL, NULL, 90, '2024-05-02', NULL),
    ('t2', '2024-06-01', 1, 90, '[]', NULL, NULL, 90, '2024-06-02', NULL);
INSERT INTO registry.models SELECT v, 'h' || v, '{{}}', IF(v < 3, 't1', 't2'), '{{}}', '2024-06-02', NULL
    FROM range(1, 7) AS numbers(v);
INSERT INTO registry.promotions SELECT n, alias, v, TIMESTAMP '2024-06-01' + INTERVAL (n) HOUR, 'x', 'x', NULL
    FROM (VALUES (1, 'archived', 1), (2, 'archived', 2), (3, 'candidate', 3), (4, 'champion', 3), (5, 'champion', 4),
        (6, 'candidate', 5)) AS given(n, alias, v);
INSERT INTO monitoring.feature_drift BY NAME
    SELECT * EXCLUDE (cause), COALESCE(value >= threshold, false) AS is_drifting, IF(is_drifting, cause, NULL) AS cause
    FROM (VALUES (DATE '2024-06-01', 4, 'recency_days', 'psi', 0.3, 0.2, 'mix'),
        ('2024-06-01', 4, 'recency_days', 'ks', 0.4, 0.2, 'mix'),
        ('2024-06-01', 4, 'net_revenue', 'psi', 0.25, 0.2, 'behaviour'),
        ('2024-06-01', 4, 'order_count', 'wasserstein', 0.9, NULL, NULL),
        ('2024-06-01', 4, 'order_count', 'psi', NULL, 0.2, NULL),
        ('2024-05-01', 4, 'gone', 'psi', 0.9, 0.2, 'data_quality'),
        ('2024-07-01', 3, 'of_another', 'psi', 0.9, 0.2, 'data_quality')
    ) AS given(as_of, model_version, feature, metric, value, threshold, cause);
INSERT INTO monitoring.model_quality BY NAME
    SELECT as_of, 4 AS model_version, metric, value, threshold, degraded AS is_degraded, 0.5 AS training_value
    FROM (VALUES (DATE '2024-06-01', 'simplified_silhouette', 0.1, 0.2, true),
        ('2024-05-01', 'simplified_silhouette', 0.3, 0.2, false), ('2024-06-01', 'forward_value', NULL, 0.02, false),
        ('2024-05-01', 'forward_value', 0.05, 0.02, false), ('2024-06-01', 'inertia', 7.5, NULL, false)
    ) AS given(as_of, metric, value, threshold, degraded)
"""


def fill(lake: Lake) -> None:
    insert_lines(lake, LINES)
    change(lake, CONTENT)


@pytest.fixture(scope="module")
def filled_home(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("filled") / "warehouse"
    shutil.copytree(empty_lake, home)
    with Lake(Settings(home=home, customer_buckets=4, threads=1), create=True) as lake:
        fill(lake)
    return home


@pytest.fixture
def filled(settings: Settings, filled_home: Path) -> Iterator[Lake]:
    """A lake of its own for each test, open for writing."""
    shutil.copytree(filled_home, settings.home)
    with Lake(settings) as lake:
        yield lake


@contextmanager
def watching(settings: Settings) -> Iterator[LakeCollector]:
    watch = LakeCollector(settings)
    try:
        yield watch
    finally:
        watch.close()


def look(watch: LakeCollector) -> dict[str, Samples]:
    return {family.name.removeprefix("segmentation_"): dict(family.samples) for family in watch.look()}


def ask(lake: Lake, query: str) -> list[tuple[Any, ...]]:
    with lake.cursor() as con:
        return con.execute(query).fetchall()


def seconds(moment: datetime | date) -> float:
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC).timestamp()


def check_against_sql(figures: dict[str, Samples], lake: Lake) -> None:
    """Rows, files and commits as DuckLake's own functions and plain counts tell them."""
    names = [table.name for table in TABLES]
    counts = {(name,): ask(lake, f"SELECT COUNT(*) FROM {name}")[0][0] for name in names}
    assert figures["table_rows"] == counts
    schemas = dict(ask(lake, f"SELECT schema_id, schema_name FROM {METADATA}.ducklake_schema"))
    for name, schema, *found in ask(
        lake,
        "SELECT table_name, schema_id, file_count + delete_file_count, file_size_bytes + delete_file_size_bytes "
        "FROM ducklake_table_info('lake')",
    ):
        label = (f"{schemas[schema]}.{name}",)
        assert [figures["table_files"][label], figures["table_bytes"][label]] == found
    snapshots = ask(lake, "SELECT snapshot_id, epoch(snapshot_time), changes FROM ducklake_snapshots('lake')")
    assert figures["lake_snapshots"] == {(): len(snapshots)}
    newest = ask(lake, "SELECT epoch(MAX(ordered_at)) FROM raw.transactions")[0][0]
    assert figures["newest_line_timestamp_seconds"] == ({} if newest is None else {(): newest})


def test_every_figure_of_the_page_is_told_with_its_labels(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        families = [*watch.look(), *disk_families(filled.settings)]
    assert told(families) == declared("Exporter: the lake")
    assert all(family.samples for family in families)


def test_tables_are_as_ducklake_tells_them(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        check_against_sql(look(watch), filled)


def test_a_look_sees_what_was_written_deleted_and_flushed_since_the_last_one(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        look(watch)
        for statement in (
            "DELETE FROM raw.transactions WHERE customer_id IN ('c299', 'c5')",  # one of them the newest
            "INSERT INTO registry.promotions SELECT 7, 'champion', 6, now(), 'x', 'x', NULL",
            "DELETE FROM raw.rejected_transactions WHERE source = 'app'",
            "UPDATE raw.transactions SET amount = 1 WHERE customer_id = 'c7'",
        ):
            change(filled, statement)
            figures = look(watch)
            check_against_sql(figures, filled)
        assert figures["champion_version"] == {(): 6}
        assert set(figures["rejected_lines"]) == {("files", "no_date"), ("files", "no_price")}
        maintain(filled, now=datetime.now(UTC).replace(tzinfo=None), keep_days=30, protected=())
        after = look(watch)
        check_against_sql(after, filled)
        commits = "table_last_commit_timestamp_seconds"
        assert after[commits] == figures[commits], "maintenance changes no row"


def test_the_last_commit_of_a_table_is_the_one_that_last_changed_its_rows(filled: Lake) -> None:
    change(filled, "DELETE FROM registry.segment_names")
    change(filled, "COMMENT ON TABLE registry.segment_names IS 'another comment'")
    change(filled, "INSERT INTO raw.products SELECT 'p', 'P', NULL, NULL, NULL, 's'")
    with watching(filled.settings) as watch:
        commits = look(watch)["table_last_commit_timestamp_seconds"]
    times = [at for (at,) in ask(filled, "SELECT epoch(snapshot_time) FROM ducklake_snapshots('lake') ORDER BY 1")]
    assert commits["raw.products",] == times[-1]
    assert commits["registry.segment_names",] == times[-3]
    assert commits["raw.transactions",] < times[-4]
    assert ("access.api_keys",) not in commits, "nobody has written it"


def test_a_table_has_a_last_commit_also_when_its_snapshot_has_expired(filled: Lake) -> None:
    change(filled, "INSERT INTO raw.products SELECT 'p', 'P', NULL, NULL, NULL, 's'")  # the newest one never expires
    with watching(filled.settings) as watch:
        before = look(watch)["table_last_commit_timestamp_seconds"]
    maintain(filled, now=datetime.now(UTC).replace(tzinfo=None) + timedelta(days=60), keep_days=30, protected=())
    with watching(filled.settings) as watch:
        figures = look(watch)
    assert ask(filled, f"SELECT MIN(snapshot_id) FROM {METADATA}.ducklake_snapshot")[0][0] > 3, "all of them are gone"
    after = figures["table_last_commit_timestamp_seconds"]
    assert set(after) == set(before)
    # What was in the catalogue only has been written to files meanwhile, which is the best that is known.
    assert all(before[table] <= moment <= datetime.now(UTC).timestamp() for table, moment in after.items())


def test_arrivals_are_of_lines_that_were_taken(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        figures = look(watch)
    assert figures["newest_arrival_timestamp_seconds"] == {
        ("files",): seconds(date(2024, 3, 2)),
        ("app",): seconds(date(2024, 3, 5)),
    }
    assert figures["rejected_lines"] == {("files", "no_date"): 3, ("files", "no_price"): 1, ("app", "no_date"): 2}


def test_segments_are_of_the_newest_date_and_have_the_names_that_people_gave(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        figures = look(watch)
        expected = ask(
            filled, "SELECT segment_id, COUNT(*) FROM segments.customer_segments WHERE as_of = '2024-06-01' GROUP BY 1"
        )
        names = {1: "Segment 1", 2: "Regulars", 3: "Segment 3", 4: "Segment 4"}
        assert figures["segment_customers"] == {(str(i), names[i]): n for i, n in expected}
        assert figures["newest_snapshot_timestamp_seconds"] == {(): seconds(JUNE)}
        drop_snapshots(filled, [JUNE], Commit("drop"), even_in_use=True)
        figures = look(watch)
    assert figures["newest_snapshot_timestamp_seconds"] == {(): seconds(MAY)}
    assert figures["segment_customers"] == {("1", "Segment 1"): 45, ("2", "Regulars"): 45}


def test_the_champion_is_told_with_what_monitoring_found_of_it_alone(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        figures = look(watch)
        assert figures["champion_version"] == {(): 4}
        assert figures["champion_promoted_timestamp_seconds"] == {(): seconds(JUNE) + 5 * 3600}
        assert figures["champion_as_of_timestamp_seconds"] == {(): seconds(JUNE)}
        aliases = {"candidate": 1, "challenger": 0, "champion": 1, "rolled_back": 0, "archived": 2, "none": 2}
        assert figures["models"] == {(alias,): number for alias, number in aliases.items()}
        psi = {("recency_days", "psi"): 0.3, ("recency_days", "ks"): 0.4, ("net_revenue", "psi"): 0.25}
        assert figures["feature_drift"] == {**psi, ("order_count", "wasserstein"): 0.9}
        assert figures["feature_drift_threshold"] == {**dict.fromkeys(psi, 0.2), ("order_count", "psi"): 0.2}
        assert figures["drifting_features"] == {("data_quality",): 0, ("mix",): 1, ("behaviour",): 1}
        assert figures["model_quality"] == {
            ("simplified_silhouette",): 0.1,
            ("forward_value",): 0.05,
            ("inertia",): 7.5,
        }
        assert figures["model_quality_threshold"] == {("simplified_silhouette",): 0.2, ("forward_value",): 0.02}
        assert figures["degraded_metrics"] == {(): 1}
        assert figures["judged_timestamp_seconds"] == {(): seconds(JUNE)}
        change(filled, "INSERT INTO registry.promotions SELECT 7, 'champion', 3, now(), 'x', 'x', NULL")
        figures = look(watch)
        assert figures["champion_as_of_timestamp_seconds"] == {(): seconds(JUNE)}
        assert figures["feature_drift"] == {("of_another", "psi"): 0.9}
        assert figures["drifting_features"] == {("data_quality",): 1, ("mix",): 0, ("behaviour",): 0}
        assert figures["model_quality"] == figures["degraded_metrics"] == {}
        change(filled, "INSERT INTO registry.promotions SELECT 8, 'champion', 1, now(), 'x', 'x', NULL")
        figures = look(watch)
    assert figures["champion_as_of_timestamp_seconds"] == {(): seconds(MAY)}
    judgement = ("feature_drift", "drifting_features", "model_quality", "degraded_metrics", "judged_timestamp_seconds")
    assert [figures[name] for name in judgement] == [{}] * len(judgement), "nobody has judged this one"


def test_snapshots_are_counted_by_state_and_the_newest_current_one_has_segments(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        figures = look(watch)
        assert figures["snapshots"] == {("current",): 1, ("stale",): 2, ("ahead",): 1}
        assert figures["newest_current_snapshot_timestamp_seconds"] == {(): seconds(MAY)}
        sizes = (
            "SELECT SUM(file_size_bytes + delete_file_size_bytes) FROM ducklake_table_info('lake') "
            "WHERE table_name IN ('customer_segments', 'feature_drift', 'model_quality')"
        )
        assert figures["snapshot_bytes"] == {(): ask(filled, sizes)[0][0]}
        change(
            filled,
            "INSERT INTO raw.changed_days VALUES ('shop', '2024-04-30', 1, 2000), ('shop', '2024-07-31', 1, 2000)",
        )
        figures = look(watch)
    assert figures["snapshots"] == {("current",): 0, ("stale",): 4, ("ahead",): 0}
    assert figures["newest_current_snapshot_timestamp_seconds"] == {}


def test_coverage_is_told_by_source_and_a_late_one_is_named(filled: Lake) -> None:
    change(filled, "DELETE FROM raw.changed_days WHERE source = 'test'")
    with watching(filled.settings) as watch:
        figures = look(watch)
    assert figures["data_complete_until_timestamp_seconds"] == {(): seconds(date(2024, 7, 1))}
    assert figures["source_complete_until_timestamp_seconds"] == {
        ("shop",): seconds(date(2024, 7, 1)),
        ("app",): seconds(date(2024, 6, 29)),
    }
    assert figures["source_is_late"] == {("shop",): 0, ("app",): 1}


def test_a_date_ahead_of_the_data_is_not_the_newest(filled: Lake) -> None:
    with watching(filled.settings) as watch:
        look(watch)
        change(
            filled, "INSERT INTO raw.changed_days VALUES ('shop', '2024-06-30', -1, 2), ('app', '2024-06-28', -1, 2)"
        )
        change(filled, "INSERT INTO raw.changed_days VALUES ('shop', '2024-04-30', 1, 2)")
        figures = look(watch)
    assert figures["newest_snapshot_timestamp_seconds"] == {(): seconds(MAY)}
    assert set(figures["segment_customers"]) == {("1", "Segment 1"), ("2", "Regulars")}
    assert figures["feature_drift"] == {}, "the champion was judged ahead of the data alone"


def test_what_is_current_is_judged_anew_each_day(filled: Lake) -> None:
    moments = [datetime(2024, 5, 31, 12), datetime(2024, 7, 1, 12)]
    watch = LakeCollector(filled.settings, lambda: moments[0])
    try:
        assert look(watch)["snapshots"]["ahead",] == 3
        moments.pop(0)
        assert look(watch)["snapshots"]["ahead",] == 1
    finally:
        watch.close()


class Counting:
    """A connection that counts what it is asked."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.asked = 0
        self._con = con

    def execute(self, *args: Any) -> duckdb.DuckDBPyConnection:
        self.asked += 1
        return self._con.execute(*args)


def test_an_idle_lake_costs_a_few_queries_of_its_catalogue(filled: Lake) -> None:
    memory = MarkerCache()

    def queries_of_a_look() -> int:
        with filled.cursor() as con:
            counting = Counting(con)
            lake_families(cast("duckdb.DuckDBPyConnection", counting), memory, filled.settings, datetime(2024, 7, 2))
        return counting.asked

    assert queries_of_a_look() > len(TABLES)
    assert queries_of_a_look() == 5
    change(filled, "INSERT INTO raw.products SELECT 'p', 'P', NULL, NULL, NULL, 's'")
    assert queries_of_a_look() == 5 + 1
    assert queries_of_a_look() == 5


def test_an_empty_lake_has_tables_and_no_champion(lake: Lake) -> None:
    with watching(lake.settings) as watch:
        figures = look(watch)
    check_against_sql(figures, lake)
    assert figures["champion_version"] == {(): 0}
    assert set(figures["models"].values()) == {0}
    absent = ("segment_customers", "newest_arrival_timestamp_seconds", "drifting_features", "degraded_metrics")
    assert [figures[name] for name in absent] == [{}] * len(absent)


def test_a_lake_of_an_older_release_tells_what_it_has(settings: Settings) -> None:
    lacking = {"access.api_keys", "raw.deliveries", "monitoring.model_quality", "registry.segment_names"}
    lacking |= {"raw.changed_days", "registry.snapshots", "registry.snapshot_requests"}
    tables = tuple(table for table in TABLES if table.name not in lacking)
    with Lake(settings, create=True) as lake:
        migrate(lake, tables)
        change(
            lake,
            "INSERT INTO registry.promotions SELECT 1, 'champion', 1, now(), 'x', 'x', NULL",
            "INSERT INTO segments.customer_segments "
            "SELECT '2024-06-01', 'c', 1, 'One', 1, 0.1, 0.2, 0.5, false, 1, NULL, 1, 'model', NULL",
        )
        with watching(settings) as watch:
            figures = look(watch)
    assert {name for (name,) in figures["table_rows"]} == {table.name for table in tables}
    assert figures["segment_customers"] == {("1", "One"): 1}
    assert figures["model_quality"] == {}
    assert figures["snapshots"] == figures["data_complete_until_timestamp_seconds"] == {}
    with Lake(settings) as lake:
        change(lake, "DROP TABLE registry.promotions", "DROP TABLE segments.customer_segments")
    with watching(settings) as watch:
        assert look(watch)["champion_version"] == {(): 0}


def test_a_catalogue_that_is_gone_or_replaced_is_noticed(filled: Lake, empty_lake: Path) -> None:
    settings = filled.settings
    catalogue, aside = settings.home / "catalog.sqlite", settings.home / "aside.sqlite"
    filled.close()
    with watching(settings) as watch:
        before = look(watch)
        catalogue.rename(aside)
        with pytest.raises(WarehouseUnavailableError, match="There is no lake"):
            watch.look()
        shutil.copy(empty_lake / "catalog.sqlite", catalogue)
        assert look(watch)["table_rows"]["raw.transactions",] == 0
        aside.replace(catalogue)
        assert look(watch) == before


def test_without_a_lake_the_error_says_what_to_do(settings: Settings) -> None:
    with watching(settings) as watch, pytest.raises(WarehouseUnavailableError, match="Make one with"):
        watch.look()
    assert not settings.home.exists()


def test_a_lake_in_postgresql_tells_the_same_and_may_be_restarted(settings: Settings, filled: Lake) -> None:
    with running_postgres() as server:
        settings = settings.model_copy(
            update={"catalog": f"postgres:{server.new_database()}", "home": settings.home.parent / "other"}
        )
        with Lake(settings, create=True) as lake:
            migrate(lake)
            fill(lake)
            change(lake, "DELETE FROM raw.transactions WHERE customer_id = 'c5'")
            with watching(settings) as watch:
                check_against_sql(look(watch), lake)
        change(filled, "DELETE FROM raw.transactions WHERE customer_id = 'c5'")
        with watching(settings) as watch, watching(filled.settings) as other:
            same, expected = look(watch), look(other)
            for name, samples in expected.items():
                if not any(part in name for part in ("last_commit", "bytes", "oldest_verified")):
                    assert same[name] == samples, name
            server.stop()
            with pytest.raises(WarehouseUnavailableError, match="doctor"):
                watch.look()
            server.start()
            assert look(watch) == same


def test_disks_are_those_of_the_lake_and_the_home_and_a_bucket_has_none(settings: Settings, lake: Lake) -> None:
    def paths(of: Settings) -> list[set[str]]:
        return [{label for (label,) in family.samples} for family in disk_families(of)]

    settings.home.joinpath("data").mkdir(exist_ok=True)
    usage = shutil.disk_usage(settings.home)
    free, size = disk_families(settings)
    assert free.samples["data",] == pytest.approx(usage.free, rel=0.05)
    assert size.samples == {("data",): usage.total, ("home",): usage.total}
    assert paths(settings.model_copy(update={"data_path": "s3://shop/lake"})) == [{"home"}] * 2
    assert paths(settings.model_copy(update={"data_path": "/nowhere/at/all"})) == [{"home"}] * 2
