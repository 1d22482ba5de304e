"""The Spark engine: the same stages on Spark, from the lake's files and back into the lake.

It is for those whose lines outgrow one machine. PySpark is imported when a session is opened, not before.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from segmentation.features.engine import Computed, Record, ReplaceRows
from segmentation.features.macros import micros_ahead
from segmentation.features.records import Snapshot
from segmentation.features.stages import Stage, stages
from segmentation.features.windows import Window
from segmentation.metadata.features import GROUPS
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.progress import Progress
from segmentation.shop_calendar import UNIVERSAL
from segmentation.spark.lake_files import hand_over, in_files, persisted, pin, read_table, spark_type
from segmentation.spark.session import spark_session
from segmentation.warehouse import Commit, Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITION_LINES = 500_000
"""Lines in one partition of a shuffle, about 50 MB: Spark's fixed 200 suit neither a small lake nor a huge one."""

SPARK_MACROS = (
    "micros(moment TIMESTAMP) RETURNS BIGINT RETURN unix_micros(moment)",
    "days_between(earlier TIMESTAMP, later TIMESTAMP) RETURNS DOUBLE "
    "RETURN CAST(unix_micros(later) - unix_micros(earlier) AS DOUBLE) / 86400000000D",
    "iso_weekday(moment TIMESTAMP) RETURNS INT RETURN weekday(moment) + 1",
    "hour_of_day(moment TIMESTAMP) RETURNS INT RETURN hour(moment)",
    "calendar_month(moment TIMESTAMP) RETURNS INT RETURN month(moment)",
    "month_number(moment TIMESTAMP) RETURNS INT RETURN year(moment) * 12 + month(moment)",
    "millionths(x DOUBLE) RETURNS BIGINT RETURN CAST(round(x * 1e6D) AS BIGINT)",
    "from_millionths(x DOUBLE) RETURNS DOUBLE RETURN x / 1e6D",
    "log_weighted(millionths DOUBLE) RETURNS DOUBLE RETURN millionths / 1e6D * ln(millionths / 1e6D)",
    "exact_product(x BIGINT, y BIGINT) RETURNS DECIMAL(38, 0) "
    "RETURN CAST(x AS DECIMAL(19, 0)) * CAST(y AS DECIMAL(19, 0))",
    "whole(x DOUBLE) RETURNS DOUBLE RETURN CAST(floor(x) AS DOUBLE)",
    "trillionths(x DOUBLE) RETURNS DOUBLE RETURN CAST(floor((x - floor(x)) * 1e12D) AS DOUBLE)",
    "share(part DOUBLE, whole DOUBLE) RETURNS DOUBLE RETURN CASE WHEN whole > 0 THEN part / whole END",
    "entropy(s DOUBLE, s_log_s DOUBLE) RETURNS DOUBLE "
    "RETURN CASE WHEN s > 0 THEN greatest(ln(s / 1e6D) - s_log_s / (s / 1e6D), 0D) END",
    "sample_deviation(n BIGINT, x DECIMAL(38, 0), xx DECIMAL(38, 0)) RETURNS DOUBLE RETURN "
    "CASE WHEN n >= 2 THEN sqrt(CAST(n * xx - x * x AS DOUBLE) / (CAST(n AS DOUBLE) * (n - 1))) END",
    "slope(n BIGINT, x DECIMAL(38, 0), y DECIMAL(38, 0), xx DECIMAL(38, 0), xy DECIMAL(38, 0)) RETURNS DOUBLE RETURN "
    "CASE WHEN n >= 2 THEN CAST(n * xy - x * y AS DOUBLE) / CAST(n * xx - x * x AS DOUBLE) END",
)
"""The functions of `macros.DUCKDB_MACROS`, as Spark defines them."""

LINES = """
SELECT /*+ REPARTITION(customer_id) */
    customer_id,
    order_id,
    product_id,
    category,
    millionths(quantity) AS quantity,
    millionths(amount) AS amount,
    millionths(discount) AS discount,
    CAST(ordered_at AS TIMESTAMP) AS ordered_at,
    country,
    channel
FROM transactions
WHERE ordered_at >= CAST(:start AS TIMESTAMP_NTZ) AND ordered_at < CAST(:as_of AS TIMESTAMP_NTZ)
"""
"""The lines of a window. Brought together by customer once, they need not move again for any stage."""

HOME_MARKET = """
SELECT country
FROM lines
WHERE country IS NOT NULL
GROUP BY country
ORDER BY COUNT(*) DESC, country
LIMIT 1
"""


SNAPSHOT = """
SELECT
    CAST(:as_of AS TIMESTAMP) AS as_of,
    CAST(:start AS TIMESTAMP) AS window_start,
    CAST(:home_market AS STRING) AS home_market
"""

MEASURES = f"SELECT * FROM {GROUPS[0]} " + " ".join(f"JOIN {group} USING (customer_id)" for group in GROUPS[1:])


def compute_snapshots(
    lake: Lake,
    windows: Sequence[Window],
    write: Callable[[Computed, ReplaceRows], object],
    progress: Progress | None,
) -> None:
    """Compute the features of every customer in some windows; each is a pass of its own.

    Args:
        lake: A writable lake.
        windows: The snapshots.
        write: Told of each snapshot, in order; what it is given holds until it returns.
        progress: Told of each snapshot that is done.

    Raises:
        SegmentationError: Spark doesn't start, or can't read the lake's files.
    """
    transactions = pin(lake, TRANSACTIONS)
    with spark_session(lake.settings) as spark:
        spark.conf.set("spark.sql.shuffle.partitions", max(2, transactions.row_count // PARTITION_LINES))
        read_table(spark, TRANSACTIONS, transactions).createOrReplaceTempView("transactions")
        for done, window in enumerate(windows, start=1):
            with ExitStack() as held:
                market = compute(spark, window, lake.settings.home_market, held)
                features = persisted(spark.sql(_features(window.as_of)), held)
                count = features.count()
                computed = Computed(Snapshot(window, count, count), market, transactions.version)
                write(computed, partial(_replace_rows, lake, features, computed.snapshot))
            if progress:
                progress(done, len(windows))


def compute(spark: "SparkSession", window: Window, home_market: str | None, held: ExitStack) -> str | None:
    """Leave every stage of a snapshot as a temporary view of the session, made from the view `transactions`.

    Args:
        spark: The session.
        window: The lines of the snapshot.
        home_market: The shop's home market, if it is set.
        held: Lets go of persisted stages at its end.

    Returns:
        The home market: the one given, else the country with the most lines.
    """
    define_functions(spark)
    _define_shop_time(spark, window)
    # As text, since PySpark takes a datetime for one of this machine's zone.
    bounds = {"start": str(window.starts_at), "as_of": str(window.ends_at)}
    spark.sql(LINES, bounds).createOrReplaceTempView("lines")
    market = home_market or _first(spark.sql(HOME_MARKET))
    spark.sql(SNAPSHOT, {**bounds, "home_market": market}).createOrReplaceTempView("snapshot")
    steps = (*stages("history"), *stages("customer"), Stage("measures", MEASURES), *stages("population"))
    for position, stage in enumerate(steps):
        frame = spark.sql(stage.sql)
        if sum(_reads(later, stage) for later in steps[position + 1 :]) > 1:
            frame = persisted(frame, held)
        frame.createOrReplaceTempView(stage.name)
    return market


def define_functions(spark: "SparkSession") -> None:
    """Define what stages need in a session, whatever the shop's time zone."""
    for macro in SPARK_MACROS:
        spark.sql(f"CREATE OR REPLACE TEMPORARY FUNCTION {macro}")


def _define_shop_time(spark: "SparkSession", window: Window) -> None:
    """Define what the clocks of the shop show at moments of a window, as `macros.duckdb_shop_time`."""
    shown = "moment"
    if window.zone != UNIVERSAL:
        shown = f"timestamp_micros(unix_micros(moment) + {micros_ahead(window.zone, window.starts_at, window.ends_at)})"
    spark.sql(f"CREATE OR REPLACE TEMPORARY FUNCTION shop_time(moment TIMESTAMP) RETURNS TIMESTAMP RETURN {shown}")


def _reads(stage: Stage, earlier: Stage) -> bool:
    return bool(re.search(rf"\b(FROM|JOIN) {earlier.name}\b", stage.sql))


def _first(frame: "DataFrame") -> str | None:
    row = frame.first()
    return row[0] if row else None


def _replace_rows(lake: Lake, features: "DataFrame", snapshot: Snapshot, commit: Commit, record: Record) -> None:
    filed = in_files(features, snapshot.customer_count)

    def write_files(folders: Mapping[str, str]) -> None:
        filed.select(*CUSTOMER_FEATURES.column_names).write.parquet(folders[CUSTOMER_FEATURES.name])

    hand_over(lake, [CUSTOMER_FEATURES], snapshot.window.as_of, commit, write_files, lambda con: record(con, False))


def _features(as_of: date) -> str:
    columns = ", ".join(
        f"CAST({column.name} AS {spark_type(column)}) AS {column.name}" for column in CUSTOMER_FEATURES.columns
    )
    scores = " ".join(f"JOIN {stage.name} USING (customer_id)" for stage in stages("population"))
    return f"SELECT {columns} FROM (SELECT DATE '{as_of}' AS as_of, * FROM measures {scores})"
