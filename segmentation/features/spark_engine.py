"""The Spark engine: the kernel on executors, from the lake's files and back into the lake.

It is for those whose lines outgrow one machine. PySpark is imported when a session is opened, not before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from segmentation.errors import SegmentationError
from segmentation.features.definitions import RFM_SCORES, rfm_scores
from segmentation.features.engine import Computed, Record, ReplaceRows
from segmentation.features.feature_rows import offsets_within
from segmentation.features.kernel.sources import kernel_version
from segmentation.features.kernels import is_worth_compiling
from segmentation.features.records import Snapshot
from segmentation.features.refresh.home_markets import HomeMarket
from segmentation.features.slices import LINES_PER_CUSTOMER
from segmentation.features.spark_kernel import ANSWER, Instructions, compute_batches
from segmentation.features.windows import Window
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.progress import Progress
from segmentation.spark.executors import failures_told
from segmentation.spark.lake_files import PinnedFiles, hand_over, in_files, persisted, pin, read_table, spark_type
from segmentation.spark.session import spark_session
from segmentation.warehouse import Commit, Lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITION_LINES = 500_000
"""Lines in one partition of a shuffle, about 50 MB: Spark's fixed 200 suit neither a small lake nor a huge one."""

CHUNK_LINES = 50_000
LEAST_CHUNK = 10_000
"""Lines that an executor computes at a time: fewer where they make rows of several dates, which are all in memory."""

BETWEEN = "ordered_at >= CAST(:start{0} AS TIMESTAMP_NTZ) AND ordered_at < CAST(:as_of{0} AS TIMESTAMP_NTZ)"

# Ids are only compared, and only within a customer: two of the n ids of one share a hash with a chance of n²/2^65.
LINES = f"""
SELECT
    customer_id,
    xxhash64(order_id) AS order_id,
    xxhash64(product_id) AS product_id,
    category,
    country,
    channel,
    ordered_at,
    quantity,
    amount,
    discount
FROM transactions
WHERE {BETWEEN.format("")}
"""

COUNTRIES = """
SELECT country, {counts}
FROM transactions
WHERE country IS NOT NULL
GROUP BY country
"""

FEATURES = f"""
SELECT {", ".join(f"CAST({c.name} AS {spark_type(c)}) AS {c.name}" for c in CUSTOMER_FEATURES.columns)}
FROM measures
JOIN {RFM_SCORES} USING (customer_id)
"""

ANSWER_TYPES = ", ".join(
    ["problem STRING", *(f"{c.name} {spark_type(c)}" for c in CUSTOMER_FEATURES.columns if c.name in ANSWER.names)]
)


def compute_snapshots(
    lake: Lake,
    windows: Sequence[Window],
    write: Callable[[Computed, ReplaceRows], object],
    progress: Progress | None,
) -> None:
    """Compute the features of every customer in some windows, in one pass over the lines of them all.

    Args:
        lake: A writable lake.
        windows: The snapshots; all are of one time zone.
        write: Told of each snapshot, in order; what it is given holds until it returns.
        progress: Told of each snapshot that is done.

    Raises:
        SegmentationError: Spark doesn't start, can't read the lake's files, or has executors that can't run the kernel;
            or a customer's numbers are too large to be added exactly.
    """
    transactions = pin(lake, TRANSACTIONS)
    with spark_session(lake.settings) as spark, ExitStack() as held:
        spark.conf.set("spark.sql.shuffle.partitions", _partitions(transactions))
        read_table(spark, TRANSACTIONS, transactions).createOrReplaceTempView("transactions")
        markets = _home_markets(spark, windows, lake.settings.home_market)
        counts = _compute(spark, windows, markets, transactions, held)
        for done, (window, market) in enumerate(zip(windows, markets, strict=True), start=1):
            with ExitStack() as of_date:
                features = _with_scores(spark, window.as_of, of_date)
                count = counts.get(window.as_of, 0)
                snapshot = Snapshot(window, count, count)
                computed = Computed(snapshot, market.country, transactions.version, market.lead)
                write(computed, partial(_replace_rows, lake, features, snapshot))
            if progress:
                progress(done, len(windows))


def _partitions(transactions: PinnedFiles) -> int:
    return max(2, transactions.row_count // PARTITION_LINES)


def _home_markets(spark: "SparkSession", windows: Sequence[Window], setting: str | None) -> list[HomeMarket]:
    """Per window, the home market: the setting, else the country with the most lines; of several, the first by name."""
    if setting:
        return [HomeMarket(setting, None) for _ in windows]
    counts = ", ".join(f"COUNT_IF({BETWEEN.format(number)})" for number in range(len(windows)))
    bounds: dict[str, str] = {}
    for number, window in enumerate(windows):
        bounds |= _bounds(window, number)
    found = spark.sql(COUNTRIES.format(counts=counts), bounds).collect()
    return [_first((row[0], row[number]) for row in found) for number in range(1, len(windows) + 1)]


def _first(counted: Iterable[tuple[str, int]]) -> HomeMarket:
    ranked = sorted((-lines, country) for country, lines in counted if lines)
    counts = [-lines for lines, _ in ranked[:2]] + [0, 0]
    return HomeMarket(ranked[0][1] if ranked else None, counts[0] - counts[1])


def _bounds(window: Window, number: int | str = "") -> dict[str, str]:
    """The parameters of `BETWEEN`, as text, since PySpark takes a datetime for one of this machine's zone."""
    return {f"start{number}": str(window.starts_at), f"as_of{number}": str(window.ends_at)}


def _compute(
    spark: "SparkSession",
    windows: Sequence[Window],
    markets: Sequence[HomeMarket],
    transactions: PinnedFiles,
    held: ExitStack,
) -> dict[date, int]:
    """Leave the features of all dates, but for the scores, in the view `computed`.

    Returns:
        By date, how many customers there are.
    """
    whole = {"start": str(min(w.starts_at for w in windows)), "as_of": str(max(w.ends_at for w in windows))}
    count = transactions.row_count
    lines = spark.sql(LINES, whole).repartition(_partitions(transactions), "customer_id")
    lines = lines.sortWithinPartitions("customer_id")
    told = Instructions(
        tuple(windows),
        tuple(market.country for market in markets),
        kernel_version(),
        offsets_within(windows),
        is_compiled=is_worth_compiling(count, len(windows) * count // LINES_PER_CUSTOMER),
        chunk_lines=max(CHUNK_LINES // len(windows), LEAST_CHUNK),
    )
    lines.mapInArrow(partial(compute_batches, told=told), ANSWER_TYPES).createOrReplaceTempView("computed")
    with failures_told():
        found = persisted(spark.table("computed"), held).groupBy("problem", "as_of").count().collect()
    problems = sorted(row["problem"] for row in found if row["problem"] is not None)
    if problems:
        raise SegmentationError(problems[0])
    return {row["as_of"]: row["count"] for row in found}


def _with_scores(spark: "SparkSession", as_of: date, held: ExitStack) -> "DataFrame":
    """The rows of `features.customer_features` of a date."""
    spark.table("computed").where(f"as_of = DATE '{as_of}'").createOrReplaceTempView("measures")
    spark.sql(rfm_scores()).createOrReplaceTempView(RFM_SCORES)
    spark.sql(FEATURES).createOrReplaceTempView("features")
    return persisted(spark.table("features"), held)


def _replace_rows(lake: Lake, features: "DataFrame", snapshot: Snapshot, commit: Commit, record: Record) -> None:
    filed = in_files(features, snapshot.customer_count)

    def write_files(folders: Mapping[str, str]) -> None:
        filed.write.parquet(folders[CUSTOMER_FEATURES.name])

    hand_over(lake, [CUSTOMER_FEATURES], snapshot.window.as_of, commit, write_files, lambda con: record(con, False))
