"""The Spark engine against the DuckDB engine: one Spark for the module, one lake with everything that is odd in it."""

import math
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from pyspark.sql import SparkSession

from segmentation.clock import utc_now
from segmentation.errors import NotEnoughDataError
from segmentation.features import spark_engine
from segmentation.features.macros import DUCKDB_MACROS, duckdb_shop_time
from segmentation.features.snapshots import write_snapshots
from segmentation.features.spark_engine import SPARK_MACROS
from segmentation.features.windows import Window
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
from segmentation.shop_calendar import local_time, utc_offsets
from segmentation.spark.lake_files import pin, read_table
from segmentation.spark.session import QUIET, spark_session
from segmentation.synthetic.shop import generate
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.conftest import BUCKETS
from segmentation_assets_tests.testing.lines import Line, insert_lines

pytestmark = [pytest.mark.takes(75), pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]
"""PySpark leaves the sockets to its JVM to the garbage collector."""

AS_OF, EARLIER = date(2024, 3, 1), date(2023, 11, 1)
MIDNIGHT = datetime(2024, 3, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COMMIT = Commit("test")
QUICK = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": f"{QUIET['spark.driver.extraJavaOptions']} -XX:TieredStopAtLevel=1",
}
"""Little data: what Spark spends on compiling queries would never come back."""


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
    with Lake(Settings(home=home, customer_buckets=BUCKETS, max_segments=5, min_separation=-1), create=True) as lake:
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
    assert found.schema == expected.schema
    assert found["customer_id"].to_list() == expected["customer_id"].to_list()
    for name in expected.columns:
        for customer, one, other in zip(expected["customer_id"], found[name], expected[name], strict=True):
            is_same = one == other or (
                isinstance(one, float)
                and isinstance(other, float)
                and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
            )
            assert is_same, f"{name} of {customer}: {one} instead of {other}"


def test_features_and_segments_on_spark_are_those_of_duckdb(filled: Lake) -> None:
    features = _rows(filled, CUSTOMER_FEATURES.name)
    assert {"rich", "free", "late", "客户 e'); --"} <= set(features["customer_id"])
    assert not {"gone", "returns only"} & set(features["customer_id"])
    model = train(filled, make_training_set(filled, AS_OF, COMMIT, now=MIDNIGHT), filled.settings)
    version = registry.register(filled, model.artefact, {}, COMMIT, now=utc_now())
    assert version is not None
    registry.promote(filled, version, alias="champion", actor="test", reason="test", commit=COMMIT, now=utc_now())
    write_segments(filled, AS_OF, COMMIT)
    segments = _rows(filled, CUSTOMER_SEGMENTS.name)

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
        assert write_segments(lake, AS_OF, COMMIT)[1] == len(segments)
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


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_clocks_of_a_shop_show_the_same_on_both_engines(filled: Lake, zone: str) -> None:
    window = Window(date(2019, 6, 1), date(2017, 6, 1), zone)
    changes = [begin for begin, _ in utc_offsets(zone, window.starts_at, window.ends_at)]
    moments = [
        change + shift
        for change in (*changes, datetime(2018, 11, 4, 3), datetime(2018, 3, 25, 1))
        for shift in (timedelta(), timedelta(microseconds=-1), 40 * DAY, timedelta(hours=1))
    ]
    listed = ", ".join(f"(TIMESTAMP '{moment}')" for moment in moments)
    select = f"SELECT CAST(shop_time(moment) AS {{}}) AS shown FROM (VALUES {listed}) AS given(moment)"
    with duckdb.connect() as con:
        con.execute(f"CREATE TEMP MACRO {duckdb_shop_time(zone, window.starts_at, window.ends_at)}")
        on_duckdb = [shown for (shown,) in con.execute(select.format("TIMESTAMP")).fetchall()]
    assert on_duckdb == [local_time(moment, zone) for moment in moments]
    with spark_session(Settings()) as spark, ExitStack() as held:
        read_table(spark, TRANSACTIONS, pin(filled, TRANSACTIONS)).createOrReplaceTempView("transactions")
        spark_engine.compute(spark, window, None, held)
        shown = [datetime.fromisoformat(row[0]) for row in spark.sql(select.format("STRING")).collect()]
    assert sorted(shown) == sorted(on_duckdb)


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


def test_both_engines_define_the_same_functions() -> None:
    assert [macro.partition("(")[0] for macro in SPARK_MACROS] == [macro.partition("(")[0] for macro in DUCKDB_MACROS]


@pytest.mark.parametrize(
    "expression",
    [
        "micros(TIMESTAMP '{t}')",
        "days_between(TIMESTAMP '1999-12-31 23:59:59.999999', TIMESTAMP '{t}')",
        "iso_weekday(TIMESTAMP '{t}')",
        "hour_of_day(TIMESTAMP '{t}')",
        "calendar_month(TIMESTAMP '{t}')",
        "month_number(TIMESTAMP '{t}')",
    ],
)
def test_functions_of_time_agree_on_both_engines(running_spark: None, expression: str) -> None:
    moments = ("1900-01-01 00:00:00", "2024-02-29 23:59:59.999999", "2023-12-31 00:00:00", "2024-01-01 12:30:00")
    _assert_agree([expression.format(t=moment) for moment in moments])


def test_functions_of_numbers_agree_on_both_engines(running_spark: None) -> None:
    doubles = ("0.0", "0.4382475", "2.0000005", "1.0000015", "-1.0000005", "123456789.123456789", "-0.5", "1e9 / 3")
    whole = ("0", "7", "-3", "3000000001", "-9007199254740993", "999999999999999999")
    _assert_agree([f"millionths(CAST({x} AS DOUBLE))" for x in doubles])
    _assert_agree([f"{name}(CAST({x} AS DOUBLE))" for name in ("whole", "trillionths") for x in doubles])
    _assert_agree([f"from_millionths(CAST({x} AS BIGINT))" for x in whole])
    _assert_agree([f"log_weighted(CAST({x} AS BIGINT))" for x in whole if x > "0"])
    _assert_agree(
        [f"CAST(exact_product(CAST({x} AS BIGINT), CAST({y} AS BIGINT)) AS STRING)" for x in whole for y in whole]
    )
    _assert_agree([f"share({part}, {whole})" for part in ("0", "-1", "3") for whole in ("0", "-2", "7", "NULL")])
    _assert_agree(["entropy(0, 0.0)", "entropy(NULL, NULL)", "entropy(2000000, CAST(2 * ln(2.0) AS DOUBLE))"])
    _assert_agree(["sample_deviation(1, 5, 25)", "sample_deviation(2, 3, 5)", "sample_deviation(3, 0, 200000000000)"])
    _assert_agree(["slope(1, 1, 1, 1, 1)", "slope(2, 3, 30, 5, 50)", "slope(3, -6, 9, 14, -20)"])


def _assert_agree(expressions: list[str]) -> None:
    select = f"SELECT {', '.join(expressions)}"
    con = duckdb.connect()
    for macro in DUCKDB_MACROS:
        con.execute(f"CREATE TEMP MACRO {macro}")
    with spark_session(Settings()) as spark:
        spark_engine.define_functions(spark)
        found = spark.sql(select).first()
    expected = con.execute(select).fetchone()
    assert found is not None
    assert expected is not None
    differing = [
        (expression, one, other)
        for expression, one, other in zip(expressions, found, expected, strict=True)
        if one != other and not math.isclose(one, other, rel_tol=1e-12)
    ]
    assert differing == []


def test_a_session_ends_but_leaves_a_spark_that_was_there(running_spark: None) -> None:
    with spark_session(Settings()) as spark:
        spark.sql("SELECT 1 AS one").createOrReplaceTempView("only_here")
    with spark_session(Settings()) as spark:
        assert not spark.catalog.tableExists("only_here")
        assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    assert SparkSession.getActiveSession() is not None
