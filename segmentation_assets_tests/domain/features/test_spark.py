"""The Spark engine against the DuckDB engine: one Spark for the module, one lake with everything that is odd in it."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession

from segmentation.clock import utc_now
from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.features import spark_engine
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import GROUPS, of_group
from segmentation.metadata.tables.features import CUSTOMER_FEATURES, FEATURE_GROUPS
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.modeling import registry
from segmentation.modeling.training import train
from segmentation.modeling.training_data import make_training_set
from segmentation.segments.assignment import write_segments
from segmentation.settings import Settings
from segmentation.spark.executors import failures_told
from segmentation.spark.lake_files import pin
from segmentation.spark.session import QUIET, spark_session
from segmentation.synthetic.shop import generate
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing.lines import Line, insert_lines

pytestmark = [pytest.mark.takes(45), pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
"""PySpark leaves the sockets to its JVM to the garbage collector."""

AS_OF, EARLIER = date(2024, 3, 1), date(2023, 11, 1)
MIDNIGHT = datetime(2024, 3, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMMIT = Commit("test")
OWN = "segmentations: {own: {segments: [{name: far, when: distance > 1}, {name: many, when: order_count > 2}]}}"
QUICK = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": f"{QUIET['spark.driver.extraJavaOptions']} -XX:TieredStopAtLevel=1",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50",
}
"""Little data: what Spark spends on compiling queries would never come back. Customers lie across batches, though."""


@pytest.fixture(scope="module", autouse=True)
def running_spark() -> Iterator[None]:
    """A Spark that the sessions of all tests share."""
    if not shutil.which("java"):
        pytest.fail("These tests need Java 17 or newer: apt-get install openjdk-17-jre-headless")
    with spark_session(Settings(spark_master="local[2]"), QUICK):
        yield


def _made_lines() -> Iterator[Line]:
    """The synthetic shop, and customers that no shop would want."""
    columns = ("customer_id", "order_id", "product_id", "ordered_at", "quantity", "amount", "category", "discount")
    shop = generate(customers=150, start=date(2023, 1, 1), end=AS_OF + 10 * DAY)
    for row in shop.transactions.select(*columns, "country", "channel").iter_rows():
        yield Line(*row)
    yield Line("returns only", "r1", "p", MIDNIGHT - DAY, -1, -5)
    yield Line("free", "f1", "p", MIDNIGHT - DAY, 1, 0.0, "k", 0.0, None, None)
    yield Line("rich", "m1", "p", MIDNIGHT - DAY, 1, 123_456_789.99, "k", 1e6, "UK", "web")
    yield Line("rich", "m2", "q", MIDNIGHT - 3 * DAY, 0.5, 1e9, "l", 0.0, "UK", "web")
    yield Line("rich", "m3", "q", MIDNIGHT - 40 * DAY, 0.5, 987_654_321.987654, "l", 0.0, "FR", "app")
    yield Line("客户 e'); --", "ü/1", "é", MIDNIGHT - timedelta(microseconds=1), 3, 0.01, "Ä", 0.005, "Åland", "😀")
    yield Line("客户 e'); --", "ü/1", "é", MIDNIGHT - 365 * DAY, 3, 0.4382475, "B", 2.0000005, "Zürich", None)
    yield Line("客户 e'); --", "ü/2", "e", datetime(2024, 2, 29, 12), 0.000001, 1 / 3, "a", 0.0, "Åland", "app")
    yield Line("edge", "e1", "p", MIDNIGHT - 365 * DAY - timedelta(microseconds=1), 9, 9)
    yield Line("edge", "e2", "p", MIDNIGHT - 30 * DAY, 1, 2.5, None)
    yield Line("edge", "e3", "p", MIDNIGHT, 9, 9)
    yield Line("edge", "e4", "p", MIDNIGHT - 90 * DAY, -2, -7.25, None)
    for n in range(24):
        tied = MIDNIGHT - DAY - 12 * n * HOUR
        yield Line(f"tie {n % 4}", f"t{n}", f"p{n % 2}", tied, 1, 7, f"k{n % 2}", 0, ("SE", "NO")[n // 4 % 2])


@pytest.fixture(scope="module")
def filled(empty_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """A lake with a snapshot by DuckDB; some lines are in its catalogue only, some are deleted."""
    home = tmp_path_factory.mktemp("filled") / "a b %20é"
    shutil.copytree(empty_lake, home)
    settings = Settings(
        home=home, customer_buckets=BUCKETS, max_segments=5, min_separation=-1, segmentations=home / "own.yaml"
    )
    with Lake(settings, create=True) as lake:
        insert_lines(lake, list(_made_lines()))
        insert_lines(lake, [Line("late", "l1", "p", MIDNIGHT - 2 * HOUR), Line("gone", "g1", "p", MIDNIGHT - HOUR)])
        with lake.cursor() as con:
            deletion = "DELETE FROM raw.transactions WHERE customer_id = 'gone' OR order_id = 't3'"
            lake.transaction(con, COMMIT, lambda c: c.execute(deletion))
        write_snapshots(lake, [EARLIER, AS_OF], lambda _: COMMIT, now=MIDNIGHT)
        yield lake


def _on_spark(lake: Lake) -> Lake:
    return Lake(lake.settings.model_copy(update={"feature_engine": "spark", "spark_master": "local[2]"}))


def _rows(lake: Lake, table: str, as_of: date = AS_OF) -> pl.DataFrame:
    with lake.cursor() as con:
        return con.execute(f"SELECT * FROM {table} WHERE as_of = $as_of ORDER BY ALL", {"as_of": as_of}).pl()


def _engines(lake: Lake) -> set[str]:
    """What computed the features on record."""
    with lake.cursor() as con:
        query = f"SELECT DISTINCT engine FROM {SNAPSHOTS.name} WHERE table_name LIKE 'features.%' AND as_of = $as_of"
        return {engine for (engine,) in con.execute(query, {"as_of": AS_OF}).fetchall()}


def _assert_same(found: pl.DataFrame, expected: pl.DataFrame) -> None:
    """To the bit."""
    assert_frame_equal(found, expected, check_exact=True)


def test_features_and_segments_on_spark_are_those_of_duckdb(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_engine, "CHUNK_LINES", 400)  # several chunks a partition
    monkeypatch.setattr(spark_engine, "LEAST_CHUNK", 0)
    features = _rows(filled, CUSTOMER_FEATURES.name)
    assert {"rich", "free", "late", "客户 e'); --"} <= set(features["customer_id"])
    assert not {"gone", "returns only"} & set(features["customer_id"])
    model = train(filled, make_training_set(filled, AS_OF, COMMIT, now=MIDNIGHT), filled.settings)
    version = registry.register(filled, model.artefact, {}, COMMIT, now=utc_now())
    assert version is not None
    registry.promote(filled, version, alias="champion", actor="test", reason="test", commit=COMMIT, now=utc_now())
    filled.settings.segmentations.write_text(OWN)
    write_segments(filled, AS_OF, COMMIT)
    segments = _rows(filled, CUSTOMER_SEGMENTS.name)
    assert set(segments["segmentation_name"]) == {"model", "own"}

    earlier = _rows(filled, CUSTOMER_FEATURES.name, EARLIER)

    with _on_spark(filled) as lake:
        before = lake.version()
        done: list[tuple[int, int]] = []
        dates = [EARLIER, AS_OF]
        written = write_snapshots(lake, dates, lambda _: COMMIT, lambda *step: done.append(step), now=MIDNIGHT)
        assert [snapshot.customer_count for snapshot in written] == [len(earlier), len(features)]
        assert done == [(1, 2), (2, 2)]
        assert _messages(lake, before)[-2:] == [COMMIT.message] * 2
        assert _engines(lake) == {"spark"}
        _assert_same(_rows(lake, CUSTOMER_FEATURES.name, EARLIER), earlier)
        _assert_same(_rows(lake, CUSTOMER_FEATURES.name), features)
        for group in GROUPS:
            names = ["as_of", "customer_id", *(feature.name for feature in of_group(group))]
            _assert_same(_rows(lake, FEATURE_GROUPS[group].name), features.select(names))
        assert write_segments(lake, AS_OF, COMMIT)[1] == len(features)
        _assert_same(_rows(lake, CUSTOMER_SEGMENTS.name), segments)


def test_both_engines_keep_the_calendar_of_the_shop(filled: Lake) -> None:
    in_new_york = {"timezone": "America/New_York"}
    with Lake(filled.settings.model_copy(update=in_new_york)) as lake:
        write_snapshots(lake, [AS_OF], lambda _: COMMIT, now=MIDNIGHT, from_scratch=True)
        expected = _rows(lake, CUSTOMER_FEATURES.name)
    assert {"edge", "tie 0"} <= set(expected["customer_id"])
    assert expected.filter(customer_id="edge")["order_count"].item() == 2  # one at midnight in UTC, evening there
    with _on_spark(lake) as on_spark:
        write_snapshots(on_spark, [AS_OF], lambda _: COMMIT, now=MIDNIGHT)
        assert _engines(on_spark) == {"spark"}
        _assert_same(_rows(on_spark, CUSTOMER_FEATURES.name), expected)


def _messages(lake: Lake, after: int) -> list[str]:
    with lake.cursor() as con:
        query = "SELECT commit_message FROM ducklake_snapshots('lake') WHERE snapshot_id > $after ORDER BY snapshot_id"
        return [message for (message,) in con.execute(query, {"after": after}).fetchall()]


def test_an_empty_window_says_what_there_is_and_changes_nothing(filled: Lake) -> None:
    with _on_spark(filled) as lake:
        pin(lake, TRANSACTIONS)  # reading may flush, which is a commit
        before = lake.version()
        with pytest.raises(NotEnoughDataError, match="the lake holds lines from 2023-"):
            write_snapshots(lake, [date(2000, 1, 1)], lambda _: COMMIT, now=MIDNIGHT)
        assert lake.version() == before


def test_numbers_too_large_are_told_by_the_customer_and_not_by_a_stack_trace(lake: Lake) -> None:
    insert_lines(lake, [Line("huge", "h1", "p", MIDNIGHT - DAY, 1, 1e13), Line("fine", "f1", "p", MIDNIGHT - DAY)])
    with _on_spark(lake) as on_spark, pytest.raises(SegmentationError) as told:
        write_snapshots(on_spark, [AS_OF], lambda _: COMMIT, now=MIDNIGHT)
    assert str(told.value).startswith("The money or the quantities of customer huge add up to more")
    assert "\n" not in str(told.value)


def test_what_python_raises_on_executors_is_told_in_a_line(running_spark: None) -> None:
    def fail(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        raise ModuleNotFoundError("No module named 'segmentation'")

    with spark_session(Settings()) as spark, pytest.raises(SegmentationError) as told, failures_told():
        spark.range(1).mapInArrow(fail, "id BIGINT").collect()
    assert "executors: ModuleNotFoundError: No module named 'segmentation'. They need" in str(told.value)


def test_a_session_ends_but_leaves_a_spark_that_was_there(running_spark: None) -> None:
    with spark_session(Settings()) as spark:
        spark.sql("SELECT 1 AS one").createOrReplaceTempView("only_here")
    with spark_session(Settings()) as spark:
        assert not spark.catalog.tableExists("only_here")
        assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert SparkSession.getActiveSession() is not None
